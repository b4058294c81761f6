"""A real daemon that is reloaded or started while the disk of its state holds no further byte."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing, suppress

import pytest

from tests.integration.daemon.field import Field
from tests.mounted import Mounts
from tests.waiting import eventually


@pytest.fixture
def field(tmp_path):
    """Give a ready daemon with an upload on its way, which the cloud does not take yet."""
    mounts = Mounts()
    made = None
    try:
        mounts.tmpfs(tmp_path / "state", "size=24m", "mode=0700")
        made = Field(tmp_path, {"out": ""})
        made.sandbox.fault("status", "POST /v1/teams/[^/]*/packages", status=502, times=None)
        made.daemon.start().until_ready()
        (made.top / "out" / "a.mov").write_bytes(b"abc")
        eventually(lambda: [each for each in made.uploads("out") if each["waiting"]])
        yield made
    finally:
        if made is not None:
            made.close()
        mounts.end()


def _fill(field):
    """Leave no byte on the disk of the state."""
    with (field.state / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"\0" * 4096)


def _free(field):
    (field.state / "filler").unlink()


@pytest.mark.fault(38)
def test_reload_on_a_full_state_disk_changes_nothing_and_ends_no_daemon(field):
    """It is refused as a whole and told, and counts once there is room and somebody asks again."""
    _fill(field)
    text = field.config.read_text()
    field.config.write_text(text.replace("name: out,", "name: out, priority: 7,"))
    field.daemon.signal(signal.SIGHUP)
    eventually(
        lambda: field.lines("the configuration is not taken over", "the state takes nothing")
    )
    told = eventually(lambda: field.status("the last reload was refused"))
    _free(field)
    # what is tried again in the background has stored its rows before the reload is asked for
    eventually(lambda: not field.status("the state in"))
    again = field.command("reload")

    assert field.daemon.process.poll() is None
    assert "the state takes nothing" in told[0]
    assert again.returncode == 0, again.stderr
    assert [each["priority"] for each in field.uploads("out")] == [7]


@pytest.mark.fault(38)
def test_reload_that_the_state_takes_in_part_follows_by_itself(field):
    """The disk filled up in between: the rest is told as owed, and stored once that goes."""
    with closing(sqlite3.connect(field.state / "masv-watch.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE UPDATE OF priority ON uploads"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        text = field.config.read_text()
        field.config.write_text(text.replace("name: out,", "name: out, priority: 7,"))
        taken = field.command("reload")
        told = field.status("not all follows the last reload yet")
        before = [each["priority"] for each in field.uploads("out")]
        database.execute("DROP TRIGGER full")
    eventually(lambda: [each["priority"] for each in field.uploads("out")] == [7])

    assert taken.returncode == 0, taken.stderr
    assert "not all follows the last reload yet" in taken.stdout + taken.stderr
    assert told
    assert before == [0]
    assert len(field.lines("hot folders wait for the state")) == 1
    assert not field.status("not all follows the last reload yet")


@pytest.mark.fault(38)
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_start_on_a_full_state_disk_waits_and_goes_on_once_there_is_room(field, end):
    """A restart meanwhile, by systemd or by hand, is no crash loop that ends with a unit down."""
    getattr(field.daemon, end)()
    _fill(field)
    field.daemon.start()
    eventually(lambda: field.lines("the start waits for room for the state"))
    _free(field)
    field.sandbox.heal()
    field.daemon.until_ready()

    assert len(field.until_delivered("out", 1)) == 1
    assert len(field.lines("the start waits for room for the state")) == 1
