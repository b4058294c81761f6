"""What the metrics show of a hot folder that is swept, and once it is gone."""

from __future__ import annotations

from masv_watch.metrics import Metrics
from masv_watch.watch.gauges import Gauges
from masv_watch.watch.hints import Sight


def test_gauges_of_a_sweep_that_ends_after_its_hot_folder_stay_gone():
    """A share that hung outlives the reload that removed it."""
    metrics = Metrics()
    gauges, other = Gauges("out", metrics), Gauges("in", metrics)
    for each in (gauges, other):
        each.tell(Sight.EVENTS, sweep_s=0.5)
    gauges.end()
    gauges.tell(Sight.DEGRADED, sweep_s=99.0)

    assert '"out"' not in metrics.text()
    assert metrics.value("notifications", hot_folder="in") == 1
    assert metrics.value("sweep_seconds", hot_folder="in") == 0.5


def test_gauges_say_0_of_notifications_where_they_fail_and_nothing_where_none_can_come():
    """Else the alert of notifications that are off would stand for every share for ever."""
    metrics = Metrics()
    gauges = Gauges("nas", metrics)
    gauges.tell(Sight.DEGRADED, sweep_s=1)
    failing = metrics.text()
    gauges.tell(Sight.BLIND, sweep_s=1)

    assert 'masv_watch_notifications{hot_folder="nas"} 0' in failing
    assert "masv_watch_notifications{" not in metrics.text()
    assert 'masv_watch_sweep_seconds{hot_folder="nas"} 1' in metrics.text()
