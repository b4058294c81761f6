"""Folders that nobody may read for a while, with what belongs to the drops in them."""

from __future__ import annotations

import os
from functools import partial

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.model import (
    Caller,
    Dedupe,
    Depth,
    DropMode,
    DropState,
    Initial,
    LateDrops,
    Prospect,
    Schedule,
    Settle,
    Sidecar,
)
from tests.integration.rooms.test_cancelling import cancel
from tests.integration.rooms.watched import QUIET_S
from tests.rights import bound_by_modes

LONG = QUIET_S * 5
OWNER = Caller(uid=0, is_owner=True)


@pytest.fixture
def make_deep(make_met_room):
    """Give the way to a room of files at any depth, bound by the modes of folders."""
    with bound_by_modes():
        yield partial(make_met_room, drop=DropMode.FILE, depth=Depth.ANY)


def write(room, path, content=b"x"):
    """Write a file below the hot folder."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)


def look(room):
    """Have everything looked at, and wait until it settled."""
    room.intake.hurry()
    room.pass_time(LONG)


def ask(room, relative):
    """Ask about a path below the hot folder."""
    path = os.fsencode(relative)
    asked = Asked(path=os.fsencode(room.hot / relative), relative=path, caller=OWNER)
    return explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


def sent(room):
    """List every file that was taken."""
    return sorted(path for each in room.taken() for path in room.files(each))


@pytest.mark.parametrize("beside", ["marker", "sidecar", "urgent"])
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_file_in_a_folder_that_cannot_be_passed_is_held_with_what_stands_beside_it(
    make_deep, mode, beside, caplog
):
    """A marker or a sidecar that nobody can look at is no fault of ours."""
    rules = {
        "marker": {"settle": Settle(quiet_s=QUIET_S, done_marker="{name}.done")},
        "sidecar": {"sidecar": Sidecar(name="{name}.yml", may_set=("message",))},
        "urgent": {"schedule": Schedule(late_drops=LateDrops.URGENT)},
    }
    room = make_deep(**rules[beside])
    write(room, "day1/cam/a.mov")
    write(room, "day1/cam/a.mov." + {"marker": "done", "sidecar": "yml"}.get(beside, "SENDNOW"))
    room.pass_time(1)
    (room.hot / "day1").chmod(mode)
    look(room)
    said = ask(room, "day1/cam/a.mov")
    (room.hot / "day1").chmod(0o755)

    assert [each.message for each in caplog.records if "not be judged" in each.message] == []
    assert (said.prospect, "Permission denied" in said.why) == (Prospect.HELD, True)
    if beside == "sidecar":
        write(room, "day1/cam/a.mov.yml", b"message: for the edit\n")
    look(room)
    assert sent(room) == ["day1/cam/a.mov"]


def test_copy_of_what_lies_behind_a_shut_folder_is_judged_all_the_same(make_deep, caplog):
    """Nobody can say that the first is gone, so that it counts as one that stands there."""
    room = make_deep(dedupe=Dedupe.SKIP)
    write(room, "day1/cam/a.mov", b"abc")
    look(room)
    room.deliver(*room.taken())
    (room.hot / "day1").chmod(0o000)
    write(room, "b.mov", b"abc")
    look(room)
    (room.hot / "day1").chmod(0o755)

    assert [each.message for each in caplog.records if "not be judged" in each.message] == []
    assert room.state("b.mov") == ("duplicate", None)
    assert "dedupe: skip" in room.drop("b.mov").note


@pytest.mark.parametrize("how", ["ignored", "seeded", "cancelled"])
@pytest.mark.parametrize("depth", [Depth.TOP, Depth.ANY])
def test_what_is_not_to_be_sent_stays_so_once_it_can_be_read_again(make_room, depth, how):
    """Other rights are no other content; what is written meanwhile is."""
    initial = {"ignored": Initial.IGNORE, "seeded": Initial.ASK, "cancelled": Initial.SEND}[how]
    room = make_room(drop=DropMode.FILE, depth=depth, initial=initial)
    names = ("a.mov", "b.mov") if depth is Depth.TOP else ("day1/a.mov", "day1/b.mov")
    for name in names:
        write(room, name)
    room.pass_time(1 if how == "cancelled" else LONG)
    for name in names if how == "cancelled" else ():
        cancel(room, name)
    if how == "seeded":
        room.store.seed("hot")
    look(room)
    ended = [room.drop(name).state for name in names]
    with bound_by_modes():
        for name in names:
            (room.hot / name).chmod(0o000)
        look(room)
        assert room.state(names[0]) == ("held", "unreadable")
        room.begin()
        for name in names:
            (room.hot / name).chmod(0o644)
        write(room, names[1], b"other")
        look(room)

    assert ended == [DropState.CANCELLED if how == "cancelled" else DropState.IGNORED] * 2
    assert room.drop(names[0]).state is DropState.IGNORED
    assert sent(room) == [names[1]]
    look(room)
    assert sent(room) == [names[1]]


def test_loose_file_that_could_not_be_read_for_a_while_is_not_sampled_without_end(make_room):
    """It waits for a person; a loop that turns a hundred times a second helps nobody."""
    with bound_by_modes():
        room = make_room(drop=DropMode.FOLDER)
        (room.hot / "loose.mov").write_bytes(b"abc")
        (room.hot / "loose.mov").chmod(0o000)
        room.pass_time(LONG)
        assert room.state("loose.mov") == ("held", "unreadable")
        (room.hot / "loose.mov").chmod(0o644)
        room.intake.hurry()
        room.pass_time(LONG)
        assert room.state("loose.mov") == ("held", "loose_file")
        looks = room.pass_time(60)

    # one for each second that the test lets pass
    assert looks < 70
