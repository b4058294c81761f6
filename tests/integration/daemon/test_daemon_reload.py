"""The configuration is taken over while the daemon runs, by a call, a command and a signal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.integration.api.listening import STRANGER, curl
from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually

OK, FAILED, USAGE = range(3)
RELOAD = "/api/v1/reload"


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Give a daemon with one hot folder."""
    made = Field(tmp_path_factory.mktemp("reload"), {"out": ""})
    made.daemon.start().until_ready()
    yield made
    made.daemon.stop()
    made.sandbox.end()


@pytest.fixture
def text(field: Field) -> Iterator[str]:
    """Give the file as it stands, and put it back."""
    before = field.config.read_text()
    yield before
    field.config.write_text(before)
    assert field.command("reload").returncode == OK


def gauge(field: Field, name: str) -> float | None:
    with urlopen(f"{field.daemon.api}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f"masv_watch_{name} ")]
    return float(found[0].split()[1]) if found else None


def priority(field: Field) -> str:
    return field.command("plan").stdout


def test_reload_takes_the_file_over_and_says_so(field: Field, text: str) -> None:
    """The command ends once it is done: what it took over is what runs."""
    field.config.write_text(text.replace("name: out", "name: out, priority: 7"))
    assert "priority" in priority(field)

    done = field.command("reload")

    assert (done.returncode, done.stdout) == (OK, "the configuration is taken over\n")
    assert priority(field) == "nothing changes\n"
    assert gauge(field, "config_last_reload_success") == 1
    at = gauge(field, "config_last_reload_success_timestamp_seconds")
    assert at is not None
    assert at >= field.config.stat().st_mtime - 1


def test_reload_of_a_wrong_file_names_every_mistake_and_takes_nothing(
    field: Field, text: str
) -> None:
    """Exit status 2, with file:line:col; status and metrics say it until the next one is taken."""
    wrong = text.replace("name: out", "nmae: out, priority: high")
    field.config.write_text(wrong)

    here = field.command("reload", "--json")
    done, told = (
        field.command("reload", *more, "--url", field.daemon.api) for more in ((), ("--json",))
    )
    concerns = ask(field.daemon.api, "/readyz")[1]["concerns"]

    assert {each.returncode for each in (here, done, told)} == {USAGE}
    assert json.loads(here.stdout)["problems"] == json.loads(told.stdout)["problems"]
    problems = json.loads(told.stdout)["problems"]
    assert len(problems) >= 2
    for problem in problems:
        assert problem.startswith(f"{field.config}:")
        assert problem.split("\n")[0] in done.stderr
    assert json.loads(told.stdout)["code"] == 1511
    assert any("the last reload was refused" in each for each in concerns)
    assert gauge(field, "config_last_reload_success") == 0
    assert ask(field.daemon.api, "/api/v1/hot_folders")[1][0]["name"] == "out"


def test_reload_by_the_command_of_a_wrong_file_leaves_its_trace_at_the_daemon(
    field: Field, text: str
) -> None:
    """Whoever looks later, or is called by an alert, did not see the terminal."""
    field.config.write_text(text.replace("name: out", "nmae: out"))

    done = field.command("reload")

    assert done.returncode == USAGE
    assert done.stderr.count("unknown key `nmae`") == 1
    assert done.stderr.endswith("nothing was taken over, the earlier configuration goes on\n")
    assert gauge(field, "config_last_reload_success") == 0
    assert field.status("the last reload was refused")


def test_signal_and_call_do_the_same(field: Field, text: str) -> None:
    """SIGHUP waits for nobody; what it came to shows in the metrics."""
    field.config.write_text(text.replace("version: 1", "version: 9"))
    field.daemon.signal(signal.SIGHUP)
    eventually(lambda: gauge(field, "config_last_reload_success") == 0)
    field.config.write_text(text)
    field.daemon.signal(signal.SIGHUP)
    eventually(lambda: gauge(field, "config_last_reload_success") == 1)


def test_change_that_waits_for_a_restart_is_named(field: Field, text: str, tmp_path: Path) -> None:
    """All the rest is taken over at once."""
    field.config.write_text(text.replace("state: ", f"state: {tmp_path}/other #"))

    done = field.command("reload")

    assert done.returncode == OK
    assert "state changes at the next restart" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")
def test_second_user_may_not_reload(field: Field) -> None:
    """Whoever may write the file need not be who may have it taken over."""
    status, tree = curl(
        "-H", "Content-Type: application/json", "-d", "{}",
        f"{field.daemon.api}{RELOAD}", uid=STRANGER,
    )  # fmt: skip
    assert status in (401, 403)
    assert "code" in tree
