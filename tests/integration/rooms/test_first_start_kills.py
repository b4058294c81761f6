"""SIGKILL while what was there first is held, part by part: nothing of it is ever sent unasked."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from masv_watch.model import DropMode, Initial
from masv_watch.store import meeting
from masv_watch.watch.adoption import AUTO_DROPS
from tests.integration.rooms.watched import QUIET_S, Room

#: drops that are held at once here, and parts of them: what the last ones leave would be sent
AT_ONCE, PARTS = 9, 4
COUNT = AT_ONCE * (PARTS - 1) + 2
LONG = QUIET_S * 6


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Hold a few at once, here and in what is forked."""
    monkeypatch.setattr(meeting, "SOME", AT_ONCE)


@pytest.fixture
def top(tmp_path):
    """Give a place with a hot folder that was full before anybody watched it."""
    (tmp_path / "hot").mkdir()
    for number in range(COUNT):
        (tmp_path / "hot" / f"{number:03}.mov").write_bytes(b"x")
    return tmp_path


def begun(top: Path, initial: Initial) -> Room:
    """Start on it."""
    return Room(top, drop=DropMode.FILE, initial=initial)


def held(room: Room) -> list[str]:
    """Give what is held to be asked about."""
    return [
        os.fsdecode(drop.path) for drop in room.store.drops("hot") if drop.hold == "initial_ask"
    ]


def killed(top: Path, initial: Initial, parts: int) -> None:
    """Start in a process of its own, which is killed once so many further parts are held."""

    def start() -> None:
        room = begun(top, initial)
        until = len(held(room)) + parts * AT_ONCE

        write = room.store.engine.write

        def write_and_look(job):
            written = write(job)
            if len(held(room)) >= until:
                os.kill(os.getpid(), signal.SIGKILL)
            return written

        room.store.engine.write = write_and_look
        room.intake.tick()

    child = multiprocessing.get_context("fork").Process(target=start)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("initial", [Initial.AUTO, Initial.ASK])
@pytest.mark.parametrize("kills", [[1], [2], [3], [1, 1, 1]], ids=str)
def test_kills_while_a_full_folder_is_held_have_all_of_it_held_in_the_end(top, initial, kills):
    """However few the kill leaves: they are part of what was too much to be sent unasked."""
    assert COUNT > AUTO_DROPS > COUNT - 2 * AT_ONCE
    for parts in kills:
        killed(top, initial, parts)
    room = begun(top, initial)
    assert room.store.is_holding("hot")
    room.pass_time(LONG)

    assert len(held(room)) == COUNT
    assert room.taken() == []
    assert not room.store.is_holding("hot")


def test_kill_and_an_answer_before_the_next_start_leave_the_rest_to_be_asked_about(top):
    """Whoever recorded what he saw held said nothing of what he did not see."""
    killed(top, Initial.AUTO, 2)
    room = begun(top, Initial.AUTO)
    recorded = room.store.seed("hot")
    room.pass_time(LONG)

    assert recorded == 2 * AT_ONCE
    assert len(held(room)) == COUNT - recorded
    assert room.taken() == []


def test_kill_before_the_rest_went_away_has_nobody_asked_about_what_comes_later(top):
    """The first start is over once nothing of it is left."""
    killed(top, Initial.AUTO, 2)
    room = begun(top, Initial.AUTO)
    for path in (top / "hot").glob("*.mov"):
        if path.name not in held(room):
            path.unlink()
    room.pass_time(LONG)

    assert not room.store.is_holding("hot")


def test_kill_while_a_full_folder_is_recorded_as_seen_has_all_of_it_recorded(top):
    """`initial: ignore` holds it on the way there."""
    killed(top, Initial.IGNORE, 2)
    room = begun(top, Initial.IGNORE)
    room.pass_time(LONG)

    assert {str(drop.state) for drop in room.store.drops("hot")} == {"ignored"}
    assert len(room.store.drops("hot")) == COUNT


def test_rule_that_says_send_by_now_sends_what_a_kill_left(top):
    """A person said so of all that nobody holds yet; what is held waits for his word."""
    killed(top, Initial.AUTO, 2)
    room = begun(top, Initial.SEND)
    room.pass_time(LONG)

    assert len(held(room)) == 2 * AT_ONCE
    assert len(room.taken()) == COUNT - 2 * AT_ONCE
    assert not room.store.is_holding("hot")


def test_folder_that_is_renamed_after_a_kill_takes_along_that_it_was_being_held(top):
    """The rest is asked about under the new name."""
    killed(top, Initial.AUTO, 1)
    room = begun(top, Initial.AUTO)

    assert room.store.rename_folder("hot", "new")
    assert room.store.is_holding("new")
    assert not room.store.is_holding("hot")
