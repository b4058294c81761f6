"""What the metrics show of a hot folder that is swept, and once it is gone."""

from __future__ import annotations

from masv_watch.metrics import Metrics
from masv_watch.watch.gauges import Gauges


def test_gauges_of_a_sweep_that_ends_after_its_hot_folder_stay_gone():
    """A share that hung outlives the reload that removed it."""
    metrics = Metrics()
    gauges, other = Gauges("out", metrics), Gauges("in", metrics)
    for each in (gauges, other):
        each.tell(is_heard=True, sweep_s=0.5)
    gauges.end()
    gauges.tell(is_heard=False, sweep_s=99.0)

    assert '"out"' not in metrics.text()
    assert metrics.value("notifications", hot_folder="in") == 1
    assert metrics.value("sweep_seconds", hot_folder="in") == 0.5
