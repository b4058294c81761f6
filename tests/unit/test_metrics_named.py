"""What Prometheus' conventions ask of our names, and what alerts and dashboard ask of them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from masv_watch.metrics import HELP, PREFIX, Metrics
from tests.architecture.laws import sources

#: counted by a name that is not written at the call: see `meter.report` and `bandwidth`
ELSEWHERE = {
    "sent_bytes": "count",
    "acknowledged_bytes": "count",
    "resent_bytes": "count",
    "chunks_acknowledged": "count",
    "files_closed": "count",
    "limit_bytes_per_second": "gauge",
}
#: every label that a metric may have: each has few values, however much is sent
LABELS = {
    "after", "by", "code", "end", "hot_folder", "kind", "loop", "method", "noun", "status", "step",
    "version",
}  # fmt: skip
#: units that are no base units, and what looks like the end of another kind
UNFIT = re.compile(
    r"(^|_)(ms|millis\w*|minutes|hours|days|kb|mb|gb|kib|mib|gib|kilobytes|megabytes|bits|percent"
    r"|count|sum|bucket|total)(_|$)"
)


def named(project: Path) -> tuple[dict[str, str], set[str]]:
    """Give each metric's kind, and every label, as the package's calls name them."""
    kinds, labels = dict(ELSEWHERE), set()
    for source in sources(project):
        for node in ast.walk(source.tree):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if not is_call or node.func.attr not in {"count", "gauge"} or not node.args:
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant) and source.dotted(node.func.value).endswith(
                "metrics"
            ):
                kinds[first.value] = node.func.attr
                labels |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return kinds, labels


@pytest.fixture(scope="module")
def printed(project) -> set[str]:
    """Give every name as the page of metrics prints it."""
    return {
        PREFIX + name + ("_total" if kind == "count" else "")
        for name, kind in named(project)[0].items()
    }


def test_metrics_are_named_by_convention_in_base_units_with_few_labels(project):
    """Seconds and bytes; no unit but at the end; `_total` for what only grows and nothing else."""
    kinds, labels = named(project)

    assert set(kinds) == set(HELP)
    assert {name for name in kinds if UNFIT.search(name)} == set()
    assert labels <= LABELS
    for name, kind in kinds.items():
        is_unit = re.search(r"(seconds|bytes)(?!$|_per_second$)", name)
        assert not is_unit, name
        if name.endswith("_timestamp_seconds"):
            assert kind == "gauge", name


def test_page_of_metrics_has_help_and_type_before_each_name(project):
    """As `promtool check metrics` asks."""
    metrics = Metrics()
    for name, kind in named(project)[0].items():
        getattr(metrics, kind)(name, 1, hot_folder="out")
    lines = metrics.text().splitlines()

    assert len(lines) == 3 * len(HELP)
    for first, second, third in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        name = third.partition("{")[0]
        assert first.startswith(f"# HELP {name} ")
        assert second in (f"# TYPE {name} counter", f"# TYPE {name} gauge")
        assert second.endswith("counter") is name.endswith("_total")


def test_example_alerts_ask_for_metrics_that_exist_and_say_what_to_do(project, printed):
    """An alert over a name that nobody counts would never fire."""
    rules = yaml.safe_load((project / "contrib/prometheus/masv-watch.rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = {name for rule in alerts for name in re.findall(rf"\b{PREFIX}\w+", rule["expr"])}

    assert len(asked) >= 9
    assert asked <= printed
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_dashboard_asks_for_metrics_that_exist_and_has_no_panel_twice(project, printed):
    """It is JSON that Grafana imports, with its own choice of data source and instance."""
    board = json.loads((project / "contrib/grafana/masv-watch.json").read_text())
    panels = board["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    asked = {name for each in expressions for name in re.findall(rf"\b{PREFIX}\w+", each)}

    assert asked <= printed
    assert len(asked) >= 15
    assert len({panel["id"] for panel in panels}) == len({one["title"] for one in panels})
    assert len(panels) == len({panel["id"] for panel in panels})
    for each in expressions:
        assert each.count("(") == each.count(")")
        assert all('instance=~"$instance"' in inside for inside in re.findall(r"\{([^}]*)\}", each))
    assert {one["name"] for one in board["templating"]["list"]} == {"datasource", "instance"}
