"""How intake decides that a drop is whole: markers, writers, restless and slow ones."""

from __future__ import annotations

import logging
import os
import signal
import sys
from dataclasses import replace

import pytest

from masv_watch import files
from masv_watch.model import DropMode, Initial, Settle
from masv_watch.watch.gaps import CAP_S, ENOUGH, FLOOR_S
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S
from masv_watch.watch.restless import MANY
from masv_watch.watch.scan import one
from masv_watch.watch.settle import MARKED_QUIET_S
from tests.integration.rooms.watched import LOOK_S, QUIET_S

from .test_intake_redrops import SETTLED_S, delivered

FOUND_S = PERIOD_S[Sight.DEGRADED]


def test_drop_with_a_done_marker_waits_for_it_and_goes_two_seconds_after(make_room):
    """However long it takes; the marker is neither sent nor a drop of its own (pain 47)."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, done_marker="{name}.done"))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(3600)
    assert room.state("a.mov") == ("held", "marker_missing")
    assert "a.mov.done is not there" in room.drop("a.mov").note
    (room.hot / "a.mov.done").touch()
    room.intake.hurry()
    room.pass_time(FOUND_S + MARKED_QUIET_S + LOOK_S)

    assert [room.files(upload) for upload in room.taken()] == [["a.mov"]]
    assert room.drop("a.mov.done") is None


@pytest.mark.parametrize("name", ["b.mov.part", "sub/b.mov.filepart", "b.crdownload", "b.tmp"])
def test_folder_in_which_a_temporary_name_stands_waits_four_times_as_long(make_room, name):
    """A copy that stalls goes on, and nothing of it goes as an addition later (pain 21)."""
    room = make_room(drop=DropMode.FOLDER, early=False)
    (room.hot / "CARD" / "sub").mkdir(parents=True)
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    copy = room.hot / "CARD" / name
    copy.write_bytes(b"half")
    room.pass_time(3 * QUIET_S)
    assert room.state("CARD") == ("settling", None)
    with files.Root.open(room.rule.path) as root:
        seen = room.intake.entries.examine(root, one(root, b"CARD", room.intake.matcher))
    (said,) = [each for each in seen.findings if each.test == "quiet"]
    assert said.detail.endswith(f"four times as long as CARD/{name} stands in it")
    copy.rename(copy.with_suffix(""))
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert [len(room.files(upload)) for upload in room.taken()] == [2]


@pytest.mark.parametrize("name", ["b.mov.part", "Thumbs.db", "notes.txt"])
def test_folder_in_which_a_temporary_name_was_left_over_goes_all_the_same(make_room, name):
    """For ever nobody waits, and what is left out for another reason costs no time."""
    room = make_room(drop=DropMode.FOLDER, early=False, only=("*.mov",))
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    (room.hot / "CARD" / name).write_bytes(b"half")
    room.pass_time(2 * QUIET_S)
    assert len(room.taken()) == (name != "b.mov.part")
    room.pass_time(4 * QUIET_S)

    assert [room.files(upload) for upload in room.taken()] == [["CARD/a.mov"]]


@pytest.mark.parametrize(("make", "what"), [(os.mkdir, "a folder"), (os.mkfifo, "a FIFO")])
def test_drop_whose_done_marker_is_no_file_says_so_and_sends_no_marker(make_room, make, what):
    """`is not there` would send a person looking for what he sees; it is no drop either."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, done_marker="{name}.done"))
    (room.hot / "a.mov").write_bytes(b"abc")
    make(room.hot / "a.mov.done")
    if what == "a folder":
        (room.hot / "a.mov.done" / "x").write_bytes(b"x")
    room.pass_time(3600)

    assert room.state("a.mov") == ("held", "marker_missing")
    assert room.drop("a.mov").note.startswith(f"a.mov.done is {what}, and a done marker is a file")
    assert room.drop("a.mov.done") is None


@pytest.mark.parametrize("hold", ["marker_missing", "empty", "initial_ask"])
def test_drop_that_was_held_for_long_goes_without_being_told_of_as_growing(make_room, caplog, hold):
    """It waited for somebody and not for its bytes: nobody has to explain what changes."""
    settle = Settle(quiet_s=QUIET_S, warn_after_s=60.0)
    if hold == "marker_missing":
        settle = replace(settle, done_marker="{name}.done")
    initial = Initial.ASK if hold == "initial_ask" else Initial.SEND
    room = make_room(settle=settle, initial=initial)
    (room.hot / "a").mkdir()
    if hold != "empty":
        (room.hot / "a" / "b").write_bytes(b"abc")
    room.pass_time(3600)
    assert room.state("a") == ("held", hold)
    if hold == "marker_missing":
        (room.hot / "a.done").touch()
    elif hold == "empty":
        (room.hot / "a" / "b").write_bytes(b"abc")
    else:
        room.store.release_drop(room.drop("a").id)
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.state("a") == ("taken", None)
    assert "a drop has not settled for long" not in [each.message for each in caplog.records]


def test_drop_that_goes_on_changing_is_told_of_once_a_day_also_after_a_restart(make_room, caplog):
    """What never becomes quiet is nobody's but a person's to see (pains 10, 20)."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, warn_after_s=60.0))

    def grow(seconds: float) -> list[str]:
        caplog.clear()
        for number in range(int(seconds / LOOK_S)):
            (room.hot / "a.mov").write_bytes(b"x" * (number + 1))
            room.intake.hurry()
            room.pass_time(LOOK_S)
        return [each.message for each in caplog.records]

    assert grow(50.0) == []
    assert grow(100.0) == ["a drop has not settled for long"]
    assert grow(100.0) == []
    room.begin()
    assert grow(100.0) == ["a drop has not settled for long"]


def test_drop_whose_marker_is_removed_again_settles_anew(make_room):
    """What a marker said is taken back with it."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, done_marker="{name}/DONE"))
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    (room.hot / "CARD" / "DONE").touch()
    room.pass_time(MARKED_QUIET_S / 2)
    (room.hot / "CARD" / "DONE").unlink()
    room.pass_time(3600)
    assert room.state("CARD") == ("held", "marker_missing")
    (room.hot / "CARD" / "DONE").touch()
    room.pass_time(FOUND_S + MARKED_QUIET_S + LOOK_S)

    assert [room.files(upload) for upload in room.taken()] == [["CARD/a.mov"]]


@pytest.mark.parametrize("content", ["a.mov", "CARD/a.mov"])
def test_marker_that_was_left_over_says_nothing_of_what_is_written_anew(make_room, content):
    """A new version waits for a marker of its own, after a restart too (pain 47)."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, done_marker="{name}.done"))
    path = room.hot / content
    top = content.partition("/")[0]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"one")
    (room.hot / f"{top}.done").touch()
    delivered(room)
    room.begin()
    with path.open("wb") as writer:
        for chunk in (b"chunk1", b"chunk2"):
            writer.write(chunk)
            writer.flush()
            room.pass_time(600)
    assert room.state(top) == ("held", "marker_missing")
    assert f"{top}.done is older than what it marks" in room.drop(top).note
    (room.hot / f"{top}.done").touch()
    room.pass_time(SETTLED_S)

    sent = [file.identity.size for each in room.taken() for file in room.store.files(each.id)]
    assert sent == [3, 12]


@pytest.mark.skipif(sys.platform != "linux", reason="read leases are Linux's")
@pytest.mark.usefixtures("_asked_of_the_kernel")
@pytest.mark.fault(13)
def test_drop_that_a_program_has_open_is_held_and_goes_once_it_is_closed(make_room):
    """A file at its full size at once, quiet for hours: only the kernel knows its writer."""
    room = make_room()
    with (room.hot / "a.mov").open("wb") as writer:
        writer.write(b"abc")
        writer.flush()
        room.pass_time(3600)
        assert room.state("a.mov") == ("held", "open_by_writer")
        assert "a.mov is open for writing" in room.drop("a.mov").note
    room.pass_time(FOUND_S + QUIET_S + LOOK_S)

    assert [room.files(upload) for upload in room.taken()] == [["a.mov"]]


@pytest.mark.skipif(sys.platform != "linux", reason="read leases are Linux's")
@pytest.mark.usefixtures("_asked_of_the_kernel")
def test_file_of_an_arriving_folder_that_a_program_has_open_does_not_go_with_the_others(make_room):
    """What starts early is asked about as well."""
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mov").write_bytes(b"abc")
    with (room.hot / "CARD" / "b.mov").open("wb") as writer:
        writer.write(b"abc")
        writer.flush()
        room.pass_time(60)
        assert room.state("CARD") == ("taken", "open_by_writer")
        [upload] = room.taken()
        assert room.files(upload) == ["CARD/a.mov"]
        assert not room.drop("CARD").whole
    room.pass_time(FOUND_S + QUIET_S + LOOK_S)

    assert room.files(upload) == ["CARD/a.mov", "CARD/b.mov"]
    assert room.drop("CARD").whole


@pytest.mark.skipif(sys.platform != "linux", reason="read leases are Linux's")
@pytest.mark.usefixtures("_asked_of_the_kernel")
def test_rule_that_never_asks_for_writers_goes_by_time_alone(make_room):
    """`open_check: never` is for programs that keep everything open."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, asks_for_writers=False))
    with (room.hot / "a.mov").open("wb") as writer:
        writer.write(b"abc")
        writer.flush()
        room.pass_time(60)

        assert len(room.taken()) == 1
    assert (
        room.intake.entries.assessor.shown.writers == "not asked: the rule says open_check: never"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="read leases are Linux's")
@pytest.mark.usefixtures("_asked_of_the_kernel")
def test_kernel_that_cannot_tell_who_writes_is_shown_until_it_can(make_room):
    """Where time alone decides somebody should know, without explaining each file."""
    room = make_room()
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(FOUND_S + SETTLED_S)
    before = room.intake.entries.assessor.shown.writers
    files.prepare()
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(FOUND_S + SETTLED_S)

    assert len(room.taken()) == 2
    assert before.startswith("cannot tell: ")
    assert room.intake.entries.assessor.shown.writers == ""


def test_drop_that_changes_again_and_again_must_be_quiet_for_ever_longer(make_room):
    """From the fifth change of a day each doubles the quiet time, and the hold says so."""
    room = make_room()
    path = room.hot / "a.mov"
    path.write_bytes(b"a")
    room.pass_time(QUIET_S + LOOK_S)
    for change in range(MANY):
        assert room.drop("a.mov").whole, change
        path.write_bytes(b"a" * (change + 2))
        room.intake.hurry()
        room.pass_time(QUIET_S + LOOK_S + 1)

    drop = room.drop("a.mov")
    assert room.state("a.mov") == ("taken", "unstable_source")
    assert "changed 5 times within a day" in drop.note
    assert not drop.whole
    room.pass_time(QUIET_S + LOOK_S)
    assert room.drop("a.mov").whole
    assert room.drop("a.mov").hold is None


def test_drop_that_does_not_settle_for_hours_is_told_of_once_a_day(make_room, caplog):
    """It is never given up, and never silent (pains 10, 20, 54)."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, warn_after_s=3600))
    with caplog.at_level(logging.WARNING), (room.hot / "a.mov").open("ab", buffering=0) as file:
        for hours in (0, 1, 1, 22, 1, 1):
            room.clock.advance(hours * 3600)
            file.write(b"more")
            room.pass_time(1)
        told = [each for each in caplog.records if each.message.startswith("a drop has not")]

    assert len(told) == 2
    assert told[0].hours == pytest.approx(1, abs=0.1)
    assert "masv-watch explain" in told[0].cure
    assert room.intake.entries.unsettled_for_long() == 1


def test_hot_folder_that_learns_waits_as_long_as_its_writers_pause(make_room):
    """After five drops the longest pause counts, three times over; and it outlives a restart."""
    room = make_room(settle=Settle(is_learned=True))
    room.pass_time(1)
    for number in range(ENOUGH):
        path = room.hot / f"{number}.mov"
        path.write_bytes(b"a")
        room.intake.hurry()
        room.pass_time(12)
        path.write_bytes(b"ab")
        room.pass_time(40)
        assert len(room.taken()) == number + 1
    learned = room.intake.entries.assessor.quiet()
    shown = room.intake.entries.assessor.shown
    room.begin()

    assert 3 * 10 <= learned.seconds <= 3 * 18
    assert FLOOR_S < learned.seconds < CAP_S
    assert "of 5 drops" in learned.why
    assert (shown.seconds, shown.why) == (learned.seconds, learned.why)
    assert room.intake.entries.assessor.quiet() == learned


def test_hot_folder_that_sent_too_early_learns_from_it(make_room):
    """A drop that changed after it had settled shows a pause longer than the quiet time was."""
    room = make_room(settle=Settle(is_learned=True))
    path = room.hot / "a.mov"
    path.write_bytes(b"a")
    room.pass_time(20)
    assert len(room.taken()) == 1
    path.write_bytes(b"ab")
    room.intake.hurry()
    room.pass_time(5)

    assert max(room.store.gaps("hot")) >= 15
