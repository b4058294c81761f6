"""What filters leave out of real folders, and what becomes of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from masv_watch.model import Age, DropMode, Settle, Sizes, UploadState
from tests.integration.rooms.watched import QUIET_S, Room
from tests.integration.store.making import claim, open_package

LONG = QUIET_S * 3
MINUTE = 60.0
DAY = 86400.0


def write(room: Room, path: str, size: int = 10, *, age: float = 0.0) -> Path:
    """Write a file that was changed so many seconds ago by the clock of the room."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(b"x" * size)
    when = room.clock.wall() - age
    os.utime(whole, (when, when))
    return whole


def test_filters_leave_files_out_of_a_folder_and_say_so(make_met_room):
    """What was left out is listed with its reason in what people see of the upload."""
    room = make_met_room(drop=DropMode.FOLDER, only=("*.mov",), size=Sizes(least=5), early=False)
    write(room, "CARD/a.mov")
    write(room, "CARD/notes.txt")
    write(room, "CARD/tiny.mov", 1)

    room.pass_time(LONG)

    (upload,) = room.taken()
    assert room.files(upload) == ["CARD/a.mov"]
    assert room.store.skipped(upload.id) == [
        "CARD/notes.txt matches no pattern of the rule's `only`",
        "CARD/tiny.mov is smaller than 5 B (size)",
    ]


def test_folder_of_which_every_file_is_left_out_is_held_as_empty(make_met_room):
    """No package without a file is made."""
    room = make_met_room(only=("*.mov",))
    write(room, "CARD/notes.txt")

    room.pass_time(LONG)

    assert room.state("CARD") == ("held", "empty")
    write(room, "CARD/a.mov")
    room.pass_time(LONG * 3)
    assert len(room.taken()) == 1


def test_file_that_grows_into_its_size_is_sent_once_it_is_quiet(make_met_room):
    """A writer that creates first and fills later loses nothing."""
    room = make_met_room(size=Sizes(least=100))
    write(room, "a.mov", 1)
    room.pass_time(LONG)
    assert room.drop("a.mov") is None

    write(room, "a.mov", 200)
    room.pass_time(LONG * 3)

    assert [upload.size for upload in room.taken()] == [200]


def test_young_drop_waits_until_it_is_old_enough(make_met_room):
    """Quiet is not enough: a minute must have passed since its last change."""
    room = make_met_room(age=Age(min_s=10 * MINUTE))
    write(room, "a.mov")
    room.pass_time(9 * MINUTE)
    assert room.taken() == []

    room.pass_time(MINUTE + LONG)

    assert len(room.taken()) == 1


@pytest.mark.parametrize("age", [-3650 * DAY, -5 * MINUTE], ids=["centuries", "minutes"])
def test_drop_from_the_future_is_sent_after_its_least_age(make_met_room, age):
    """A wrong clock delays by that much and never for ever (behaviour 3.3)."""
    room = make_met_room(age=Age(min_s=10 * MINUTE))
    write(room, "a.mov", age=age)
    room.pass_time(9 * MINUTE)
    assert room.taken() == []

    room.pass_time(2 * MINUTE)

    assert len(room.taken()) == 1


def test_old_drop_is_left_out_and_one_that_waited_is_not(make_met_room):
    """Old is what it was when it was seen first; a row that was made meanwhile says so."""
    room = make_met_room(age=Age(max_s=DAY), settle=Settle(quiet_s=3600.0))
    write(room, "old.mov", age=2 * DAY)
    write(room, "new.mov", age=DAY - MINUTE)

    room.pass_time(4 * 3600.0)

    assert [upload.name for upload in room.taken()] == ["new.mov"]
    assert room.state("old.mov") == ("ignored", None)
    assert room.drop("old.mov").generation == 1


def test_drop_that_turns_out_old_when_its_copy_ends_is_left_out(make_met_room):
    """`cp -p` sets the time last: the row that was made before ends as ignored."""
    room = make_met_room(age=Age(max_s=DAY))
    path = write(room, "old.mov")
    room.pass_time(QUIET_S / 2)
    assert room.state("old.mov") == ("settling", None)

    then = room.clock.wall() - 2 * DAY
    os.utime(path, (then, then))
    room.pass_time(LONG * 2)

    assert room.state("old.mov") == ("ignored", None)
    assert room.taken() == []
    write(room, "old.mov", 20)
    room.pass_time(LONG * 3)
    assert len(room.taken()) == 1


@pytest.mark.parametrize("restarts", [True, False], ids=["at starts", "while it runs"])
@pytest.mark.parametrize("leap_s", [75 * 365 * DAY, 40 * DAY], ids=["2100", "a month"])
def test_drop_that_was_too_old_by_a_clock_that_ran_ahead_goes_once_it_is_right(
    make_met_room, restarts, leap_s
):
    """For one start, or for a moment; what was too old before that stays so."""
    room = make_met_room(age=Age(max_s=DAY))
    write(room, "old.mov", age=2 * DAY)
    room.pass_time(LONG)
    room.clock.jump_wall(leap_s)
    if restarts:
        room.restart()
    write(room, "new.mov", age=leap_s)
    write(room, "CARD/new.mov", age=leap_s)
    room.intake.hurry()
    room.pass_time(LONG)
    for name in ("old.mov", "new.mov", "CARD"):
        assert room.state(name) == ("ignored", None)

    room.clock.jump_wall(-leap_s)
    if restarts:
        room.restart()
    room.intake.hurry()
    room.intake.tick()
    assert [room.state(name) for name in ("new.mov", "CARD")] == [("settling", None)] * 2
    room.pass_time(LONG)

    assert sorted(upload.name for upload in room.taken()) == ["CARD", "new.mov"]
    assert room.state("old.mov") == ("ignored", None)
    room.intake.hurry()
    room.pass_time(LONG)
    assert room.drop("old.mov").generation == 1


@pytest.mark.parametrize("restarts", [True, False], ids=["at a start", "while it runs"])
@pytest.mark.parametrize("back_s", [50 * 365 * DAY, 3 * DAY, 3600.0])
def test_drop_that_was_too_old_stays_so_by_a_clock_that_runs_behind(
    make_met_room, restarts, back_s
):
    """One that lost its battery shows 1970, and by that nothing is old."""
    room = make_met_room(age=Age(max_s=DAY))
    write(room, "old.mov", age=DAY + MINUTE)
    room.pass_time(LONG)
    room.clock.jump_wall(-back_s)
    if restarts:
        room.restart()
    room.intake.hurry()
    room.pass_time(LONG)

    assert room.state("old.mov") == ("ignored", None)
    assert room.drop("old.mov").generation == 1


def test_delivered_drop_that_grows_old_where_it_lies_is_not_sent_anew(make_met_room):
    """An age moves by itself; what is known stays known."""
    room = make_met_room(age=Age(max_s=DAY))
    write(room, "CARD/a.mov", age=DAY - MINUTE)
    write(room, "CARD/b.mov", age=DAY - 3 * MINUTE)
    room.pass_time(LONG)
    (upload,) = room.taken()
    room.deliver(upload)

    for _ in range(30):
        room.clock.advance(DAY / 10)
        room.intake.hurry()
        room.pass_time(1.0)

    assert len(room.taken()) == 1


def test_file_that_grows_past_the_rule_on_its_way_is_not_said_to_have_vanished(make_room):
    """What is left out by its size by now stands there."""
    room = make_room(size=Sizes(most=10))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(LONG)
    (upload,) = room.taken()
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    (file,) = room.store.files(upload.id)
    room.store.note_files_asked(upload.id, claimed.fence, [file.id])
    (room.hot / "a.mov").write_bytes(b"more than ten bytes")
    room.store.note_source_changed(file, claimed.fence, "a.mov changed")
    room.store.let_go(upload.id, claimed.fence)
    room.intake.hurry()
    room.pass_time(2 * LONG)
    upload = room.store.upload(upload.id)

    assert upload.state is UploadState.ERROR
    assert "a.mov is still there, but its rule leaves it out by now" in upload.error
