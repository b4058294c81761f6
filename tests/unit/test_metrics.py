"""Counters, gauges and their printed form."""

from __future__ import annotations

import ast
import re
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from masv_watch.metrics import HELP, LABEL_SETS, Metrics
from tests.architecture.laws import sources


def test_metrics_text_prints_kinds_labels_and_help_sorted():
    """The page is what Prometheus' text format 0.0.4 says."""
    metrics = Metrics()
    metrics.count("tasks_done", outcome="ok", engine="own")
    metrics.count("tasks_done", 2, outcome="ok", engine="own")
    metrics.gauge("active", 1.5)

    assert metrics.text() == (
        "# TYPE masv_watch_active gauge\n"
        "masv_watch_active 1.5\n"
        f"# HELP masv_watch_tasks_done_total {HELP['tasks_done']}\n"
        "# TYPE masv_watch_tasks_done_total counter\n"
        'masv_watch_tasks_done_total{engine="own",outcome="ok"} 3\n'
    )


def test_metrics_have_help_for_every_name_that_the_package_counts(project):
    """Who looks at the page needs no source to read it, and no sentence is left of old names."""
    named = set()
    for source in sources(project):
        for node in ast.walk(source.tree):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and node.func.attr in {"count", "gauge"} and node.args:
                first = node.args[0]
                owner = source.dotted(node.func.value)
                if isinstance(first, ast.Constant) and owner.endswith("metrics"):
                    named.add(first.value)

    # these are counted by one line over a table, or by a name of their own
    table = {
        "sent_bytes", "acknowledged_bytes", "resent_bytes", "chunks_acknowledged", "files_closed",
        "limit_bytes_per_second",
    }  # fmt: skip
    assert named | table == set(HELP)
    assert len(named) > 10
    for name, sentence in HELP.items():
        assert re.fullmatch(r"[A-Z1].*\.", sentence), name


def test_metrics_counter_that_would_go_down_is_refused():
    """A counter only grows."""
    with pytest.raises(ValueError, match="down"):
        Metrics().count("chunks", -1)


def test_metrics_one_name_cannot_be_both_kinds():
    """A name keeps the kind of its first use."""
    metrics = Metrics()
    metrics.count("drops")

    with pytest.raises(ValueError, match="counter"):
        metrics.gauge("drops", 1)


def test_metrics_label_sets_beyond_the_bound_are_counted_together():
    """A label per file would fill the memory: the rest becomes `other`."""
    metrics = Metrics()

    for number in range(LABEL_SETS + 50):
        metrics.count("files", name=number)

    assert metrics.value("files", name="other") == 50
    assert metrics.text().count("\n") == LABEL_SETS + 2


class Slow(float):
    """A number that lets another thread count while it is being added."""

    def __new__(cls, value: float, other: threading.Thread) -> Slow:
        number = super().__new__(cls, value)
        number.other = other
        return number

    def __radd__(self, before: float) -> float:
        self.other.start()
        self.other.join(0.2)
        return before + float(self)


def test_metrics_counted_by_another_thread_meanwhile_lose_nothing():
    """Adding is atomic."""
    metrics = Metrics()
    other = threading.Thread(target=lambda: metrics.count("ticks"))

    metrics.count("ticks", Slow(1.0, other))
    other.join(60)

    assert metrics.value("ticks") == 2


def test_metrics_forget_drops_one_label_set():
    """The gauge of a removed hot folder disappears from the page."""
    metrics = Metrics()
    metrics.gauge("held", 1, hot_folder="a")
    metrics.gauge("held", 2, hot_folder="b")

    metrics.forget("held", hot_folder="a")

    assert '"a"' not in metrics.text()
    assert '"b"' in metrics.text()


def test_metrics_two_objects_share_nothing():
    """There is no global registry."""
    first, second = Metrics(), Metrics()
    first.count("x")

    assert second.text() == ""


@given(value=st.text(alphabet=st.characters(categories=None), max_size=200))
@example('a\n"} 2\\')
@example("\ud800\r")
def test_metrics_hostile_label_value_stays_on_its_line(value):
    """No name can forge a sample, and the page can always be encoded."""
    metrics = Metrics()
    metrics.gauge("held", 1, name=value)

    lines = metrics.text().encode("utf-8").decode().split("\n")

    assert len(lines) == 3
    assert lines[1].startswith('masv_watch_held{name="')
    assert lines[1].endswith('"} 1')
