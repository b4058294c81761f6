"""What a daemon's page of metrics shows before anything happened, and of what is gone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
import yaml

from tests.integration.daemon.field import Field
from tests.processes import PROJECT
from tests.waiting import eventually

RULES, BOARD = "contrib/prometheus/masv-watch.rules.yml", "contrib/grafana/masv-watch.json"
#: what is shown of a hot folder once it was swept
SWEPT = ("notifications", "sweep_seconds")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Give a daemon with one hot folder."""
    made = Field(tmp_path_factory.mktemp("metrics"), {"out": ""})
    made.daemon.start().until_ready()
    yield made
    made.daemon.stop()
    made.sandbox.end()


def page(field: Field) -> str:
    """Read the page of metrics."""
    with urlopen(f"{field.daemon.api}/metrics", timeout=60) as answer:
        return answer.read().decode()


def asked_for_growth() -> set[str]:
    """Give every counter whose growth an example asks for without minding a first value."""
    rules = yaml.safe_load((PROJECT / RULES).read_text())
    board = json.loads((PROJECT / BOARD).read_text())
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    panels = [each["expr"] for panel in board["panels"] for each in panel["targets"]]
    growths = [
        *(name for each in alerts for name in re.findall(r"(?:rate|increase)\((\w+)", each)),
        *(
            name
            for each in panels
            if " unless " not in each
            for name in re.findall(r"increase\((\w+)", each)
        ),
    ]
    return set(growths)


def test_fresh_daemon_prints_every_counter_whose_growth_an_example_asks_for(field: Field) -> None:
    """One that appears at 1 never grew for Prometheus: the first crash would call nobody."""
    printed = set(re.findall(r"^(\w+)(?:\{.*\})? \S+$", page(field), re.MULTILINE))
    asked = asked_for_growth()

    assert {"masv_watch_loop_crashes_total", "masv_watch_transitions_total"} <= asked
    assert asked <= printed
    assert "masv_watch_backup_failures_total" in printed


def test_fresh_daemon_shows_its_start_as_a_configuration_that_was_taken_over(field: Field) -> None:
    """As Prometheus' own servers do: what is absent fits no alert and no panel."""
    before_s = field.config.stat().st_mtime
    found = re.findall(r"^masv_watch_config_last_reload_success(\w*) (\S+)$", page(field), re.M)
    shown = {name: float(value) for name, value in found}

    assert shown[""] == 1
    assert shown["_timestamp_seconds"] >= before_s


def test_fresh_daemon_counts_the_crashes_of_each_loop_from_nothing(field: Field) -> None:
    """Each loop has its own line, as the alert names the one that crashed."""
    crashes = re.findall(r'^masv_watch_loop_crashes_total\{loop="(.+)"\} (\d+)$', page(field), re.M)

    assert {"sender", "letters", "canary", "intake-out"} <= {loop for loop, _ in crashes}
    assert {number for _, number in crashes} == {"0"}


def test_gauges_of_a_hot_folder_end_with_it_at_a_reload(field: Field) -> None:
    """An alert over one that was disabled would stand for ever, and what is left goes on."""
    before = field.config.read_text()
    named = {name: f'masv_watch_{name}{{hot_folder="out"}} ' for name in SWEPT}
    missing = [name for name, line in named.items() if line not in page(field)]
    field.config.write_text(before.replace("name: out", "name: out, enabled: false"))
    assert field.command("reload").returncode == 0
    left = [name for name, line in named.items() if line in page(field)]
    field.config.write_text(before)
    assert field.command("reload").returncode == 0

    assert (missing, left) == ([], [])
    eventually(lambda: all(line in page(field) for line in named.values()))
