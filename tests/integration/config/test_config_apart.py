"""The configuration read by a process of its own: the same answer, and no secret on the way."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from masv_watch.config import apart
from masv_watch.config.load import load
from masv_watch.errors import ConfigError

TEXT = """\
version: 1
masv: {team: acme, api_key: !env MASV_KEY}
state: STATE
hot_folders:
  - {name: out, path: /srv/out, to: {recipients: [a@example.com]}, only_regex: ['^a']}
"""
CANARY = "canary-key-7Hq2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / os.fsdecode(b"caf\xe9 watch.yml")
    written.write_text(TEXT.replace("STATE", str(tmp_path / "state")))
    written.chmod(0o600)
    return written


@pytest.fixture
def environ() -> dict[str, str]:
    return {**os.environ, "MASV_KEY": CANARY}


def test_configuration_read_apart_is_the_one_read_here(file, environ):
    """All of it arrives: settings, secrets, warnings, places."""
    found = apart.load(str(file), environ=environ)

    assert found == load(str(file), environ=environ)
    assert found.settings.masv.api_key.reveal() == CANARY


def test_configuration_with_mistakes_read_apart_is_refused_with_the_same_words(file, environ):
    """Every problem with its place, as if it had been read here."""
    file.write_text(TEXT.replace("only_regex: ['^a']", "only_regex: ['(']").replace("out,", "o t,"))
    with pytest.raises(ConfigError) as here:
        load(str(file), environ=environ)

    with pytest.raises(ConfigError) as there:
        apart.load(str(file), environ=environ)

    assert there.value.problems == here.value.problems


def test_process_that_reads_a_configuration_finds_our_modules_and_no_others(
    file, environ, tmp_path, monkeypatch, caplog
):
    """A folder that somebody else may write must not lend us a module by being the working one."""
    strange = tmp_path / "strange"
    strange.mkdir()
    for name in ("yaml.py", "sitecustomize.py"):
        (strange / name).write_text("raise SystemExit(3)")
    monkeypatch.chdir(strange)

    found = apart.load(str(file), environ={**environ, "PYTHONPATH": str(strange)})

    assert found.settings.masv.team == "acme"
    assert not caplog.records


def test_plugin_of_another_package_has_no_part_in_reading_a_configuration(
    file, environ, tmp_path, monkeypatch
):
    """The library looks through all packages for one, and would show it every value."""
    other = tmp_path / "other"
    (other / "other-1.0.dist-info").mkdir(parents=True)
    (other / "other-1.0.dist-info" / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (other / "other-1.0.dist-info" / "entry_points.txt").write_text("[pydantic]\no = other:plug\n")
    (other / "other.py").write_text(
        f"open({str(tmp_path / 'loaded')!r}, 'w').close()\nplug = None\n"
    )
    monkeypatch.syspath_prepend(other)

    found = apart.load(str(file), environ=environ)

    assert found.settings.masv.team == "acme"
    assert not (tmp_path / "loaded").exists()


def test_secret_is_on_no_command_line_while_a_configuration_is_read(file, environ, monkeypatch):
    """Law 1: whoever lists the machine's processes learns no secret that the file holds."""
    file.write_text(file.read_text().replace("!env MASV_KEY", CANARY))
    started = []
    run = apart.subprocess.run

    def watched(words, **how):
        started.append((words, how))
        return run(words, **how)

    monkeypatch.setattr(apart.subprocess, "run", watched)

    assert apart.load(str(file), environ=os.environ).settings.masv.api_key.reveal() == CANARY
    (words, how) = started[0]
    assert CANARY not in " ".join(words)
    assert CANARY.encode() not in how["input"]
    assert CANARY not in " ".join(how["env"].values())


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
def test_configuration_is_read_here_where_no_process_can_be_had(
    file, environ, program, monkeypatch, caplog
):
    """Law 2: a machine that is short of memory still starts, and still takes a reload."""
    monkeypatch.setattr(sys, "executable", program)

    found = apart.load(str(file), environ=environ)

    assert found.settings.masv.api_key.reveal() == CANARY
    assert "process for the configuration" in caplog.text


def test_answer_of_a_replaced_program_is_refused_with_what_helps(file, environ, monkeypatch):
    """Law 3: after an update below a running daemon nothing half understood is taken over."""
    monkeypatch.setattr("masv_watch.config.handover.__version__", "0.0.before")

    with pytest.raises(ConfigError, match="restart the daemon"):
        apart.load(str(file), environ=environ)
