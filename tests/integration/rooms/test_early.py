"""Intake of drops that go up while they arrive, with real files and a clock that the tests move."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import Any

import pytest

from masv_watch.lifecycle import is_arriving
from masv_watch.model import (
    DropMode,
    DropState,
    HoldReason,
    Initial,
    Package,
    Upload,
    UploadState,
)
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S, REPROBE_S
from masv_watch.watch.limits import Limits
from tests.integration.rooms.test_intake_redrops import LATE_S
from tests.integration.rooms.watched import LOOK_S, QUIET_S, SPACING_S, Room
from tests.integration.store.making import claim, open_package, send_files

#: seconds after which a file that was seen once has settled, whatever sample it was seen at
SETTLED_S = QUIET_S + 2 * SPACING_S + LOOK_S
#: seconds after which something new was found by a sweep
FOUND_S = PERIOD_S[Sight.DEGRADED] + LOOK_S


class Writer:
    """Somebody who copies a card into the hot folder, file by file."""

    def __init__(self, room: Room, name: str = "CARD") -> None:
        """Begin with an empty folder."""
        self.room = room
        self.card = room.hot / name
        self.card.mkdir(exist_ok=True)
        self.written = 0

    def write(self, *names: str, content: bytes = b"abc") -> None:
        """Copy files at once."""
        for name in names:
            (self.card / name).parent.mkdir(exist_ok=True)
            (self.card / name).write_bytes(content)

    def grow(self, seconds: float, name: str = "growing.mov") -> None:
        """Write on at one file for so long, never quiet, while the intake looks."""
        with (self.card / name).open("ab", buffering=0) as file:
            for _ in range(round(seconds / 2)):
                file.write(b"more")
                self.room.pass_time(2)


def only(room: Room) -> Upload:
    """Give the only upload there is."""
    (upload,) = room.taken()
    return upload


def send(room: Room, upload: Upload) -> None:
    """Send whatever is in an upload now, as the sender and the cloud do, and let it go."""
    claimed = claim(room.store, upload.id)
    if claimed.package_id is None:
        open_package(room.store, claimed)
    send_files(room.store, claimed)
    assert not room.store.advance_all_sent(upload.id, claimed.fence)
    room.store.let_go(upload.id, claimed.fence)


def arriving(make_room: Any, **more: Any) -> tuple[Room, Writer]:
    """Give a room in which one file of a card has settled while another is being written."""
    room = make_room(**{"drop": DropMode.FOLDER, **more})
    room.pass_time(1)
    writer = Writer(room)
    writer.write("a.mov")
    writer.grow(FOUND_S + SETTLED_S)
    return room, writer


def finish(room: Room) -> None:
    """Let time pass until everything that stands still is whole."""
    room.pass_time(FOUND_S + SETTLED_S)


def test_first_settled_file_takes_its_folder_and_only_the_finalize_waits(make_room):
    """What settled goes up at once; the drop is whole when the tree is quiet, not before."""
    room, writer = arriving(make_room)
    upload, drop = only(room), room.drop("CARD")
    assert room.files(upload) == ["CARD/a.mov"]
    assert is_arriving(drop)
    assert drop.upload_id == upload.id
    assert not room.intake.is_at_rest
    (writer.card / "empty").mkdir()
    (writer.card / "left.tmp").write_bytes(b"x")
    finish(room)
    assert not room.drop("CARD").whole
    # a temporary name may be that of a copy that stalled
    room.pass_time(3 * QUIET_S)

    drop = room.drop("CARD")
    assert (drop.whole, drop.file_count, drop.generation) == (True, 2, 1)
    assert room.files(only(room)) == ["CARD/a.mov", "CARD/growing.mov"]
    skipped = room.store.skipped(upload.id)
    assert [line.split(" ", 1)[0] for line in skipped] == ["CARD/empty", "CARD/left.tmp"]
    assert room.intake.is_at_rest


def test_files_join_with_each_sample_and_not_one_by_one(make_room):
    """Twenty files that settle together are one move of the upload."""
    room, writer = arriving(make_room)
    moves = room.store.newest_move()
    writer.write(*(f"b{number}.mov" for number in range(20)))
    writer.grow(FOUND_S + SETTLED_S)

    events = [move.event for move in room.store.moves(moves, 99)]
    assert events == ["files_added"]
    assert len(room.files(only(room))) == 21


@pytest.mark.parametrize(
    "rule",
    [
        {"drop": DropMode.EACH},
        {"drop": DropMode.FOLDER, "early": False},
        {"drop": DropMode.BATCH, "early": False},
        {"drop": DropMode.FOLDER, "package": Package(name="{name} of {size}")},
        {"drop": DropMode.BATCH, "package": Package(message="{files} files"), "early": True},
    ],
    ids=str,
)
def test_rule_that_does_not_start_early_takes_nothing_before_the_whole(make_room, rule):
    """Without early start, or where a name needs the whole, the first upload is the last state."""
    room, _ = arriving(make_room, **rule)
    assert room.taken() == []
    assert room.state("CARD") == ("settling", None)
    finish(room)

    assert room.files(only(room)) == ["CARD/a.mov", "CARD/growing.mov"]
    assert room.drop("CARD").whole


def test_each_starts_early_where_the_rule_says_so_and_leaves_files_as_they_are(make_room):
    """A folder under `each` arrives like any other; a file beside it settles as ever."""
    room, _ = arriving(make_room, drop=DropMode.EACH, early=True)
    (room.hot / "single.mov").write_bytes(b"abc")
    finish(room)

    assert [(upload.name, room.files(upload)) for upload in room.taken()] == [
        ("CARD", ["CARD/a.mov", "CARD/growing.mov"]),
        ("single.mov", ["single.mov"]),
    ]


def test_batch_takes_what_settled_in_its_folders_into_the_open_package(make_room):
    """One package for all: files at the top, and those of a folder that still arrives."""
    room, writer = arriving(make_room, drop=DropMode.BATCH)
    (room.hot / "single.mov").write_bytes(b"abc")
    writer.grow(FOUND_S + SETTLED_S)

    assert room.files(only(room)) == ["CARD/a.mov", "single.mov"]
    assert [room.drop("CARD").whole, room.drop("single.mov").whole] == [False, True]
    finish(room)
    assert room.files(only(room)) == ["CARD/a.mov", "CARD/growing.mov", "single.mov"]


def test_package_is_named_and_addressed_when_the_first_file_settles(make_room):
    """From then on its terms are frozen: the rule may change, this package does not."""
    room, writer = arriving(
        make_room, package=Package(name="{name} {date}", message="from {hot_folder}")
    )
    assert (only(room).name, only(room).message) == ("CARD 2023-11-14", "from hot")
    room.rule = _changed(room, package=Package(name="other"))
    room.begin()
    writer.write("b.mov")
    writer.grow(FOUND_S + SETTLED_S)
    finish(room)

    upload = only(room)
    assert upload.name == "CARD 2023-11-14"
    assert room.files(upload) == ["CARD/a.mov", "CARD/b.mov", "CARD/growing.mov"]


def _changed(room: Room, **changes: Any) -> Any:
    return replace(room.rule, **changes)


def test_rule_that_stops_starting_early_lets_what_arrives_become_whole(make_room):
    """Nothing more goes ahead, and nothing that went is lost."""
    room, writer = arriving(make_room)
    room.rule = _changed(room, early=False)
    room.begin()
    writer.write("b.mov")
    writer.grow(FOUND_S + SETTLED_S)
    assert room.files(only(room)) == ["CARD/a.mov"]
    finish(room)

    assert room.drop("CARD").whole
    assert room.files(only(room)) == ["CARD/a.mov", "CARD/b.mov", "CARD/growing.mov"]


def test_restart_goes_on_with_what_arrives(make_room):
    """Nothing is whole by a restart; what the cloud has stays, what comes joins."""
    room, writer = arriving(make_room)
    send(room, only(room))
    room.begin()
    room.pass_time(1)
    assert is_arriving(room.drop("CARD"))
    writer.write("b.mov")
    writer.grow(FOUND_S + SETTLED_S)
    upload = only(room)
    assert room.files(upload) == ["CARD/a.mov", "CARD/b.mov"]
    finish(room)

    sent = {os.fsdecode(file.path): file.closed for file in room.store.files(upload.id)}
    assert sent == {"CARD/a.mov": True, "CARD/b.mov": False, "CARD/growing.mov": False}
    assert room.drop("CARD").whole


def test_file_that_changes_after_it_was_sent_is_sent_anew_while_others_arrive(make_room):
    """Stale within a sweep, one generation on, and its new content joins once it is quiet."""
    room, writer = arriving(make_room)
    upload = only(room)
    send(room, upload)
    writer.write("a.mov", content=b"longer than before")
    writer.grow(2 * SPACING_S)
    (file,) = room.store.files(upload.id)
    assert file.stale
    assert room.drop("CARD").generation == 2
    writer.grow(SETTLED_S)
    (file,) = room.store.files(upload.id)
    assert (file.stale, file.closed, file.identity.size) == (False, False, 18)
    assert len(room.store.leftovers(upload.id)) == 1
    finish(room)

    assert room.drop("CARD").generation == 2
    assert only(room).size == 18 + (writer.card / "growing.mov").stat().st_size


def test_file_that_vanishes_before_it_is_sent_is_left_out(make_room):
    """A writer's own temporary files come and go, and never reach the package."""
    room, writer = arriving(make_room)
    writer.write("scratch.bin")
    writer.grow(FOUND_S + SETTLED_S)
    assert room.files(only(room)) == ["CARD/a.mov", "CARD/scratch.bin"]
    (writer.card / "scratch.bin").unlink()
    writer.grow(FOUND_S)
    assert room.files(only(room)) == ["CARD/a.mov"]
    finish(room)

    assert room.drop("CARD").whole
    assert only(room).state is UploadState.TRANSFERRING


@pytest.mark.fault(17)
def test_file_that_vanishes_after_it_was_sent_fails_the_whole_as_ever(make_room):
    """Nothing is delivered in part, and the cure stands beside it."""
    room, writer = arriving(make_room)
    upload = only(room)
    send(room, upload)
    (writer.card / "a.mov").unlink()
    finish(room)

    upload = only(room)
    assert upload.state is UploadState.ERROR
    assert "vanished" in upload.error
    assert not room.drop("CARD").whole


def test_file_that_is_renamed_at_the_end_is_sent_under_its_last_name(make_room):
    """Tools that copy under a name of their own, verify and rename lose no delivery."""
    room, writer = arriving(make_room)
    upload = only(room)
    send(room, upload)
    (writer.card / "a.mov").rename(writer.card / "b.mov")
    finish(room)

    assert room.drop("CARD").whole
    assert room.files(only(room)) == ["CARD/b.mov", "CARD/growing.mov"]
    assert len(room.store.leftovers(upload.id)) == 1


def test_unreadable_entry_holds_an_arriving_drop_while_its_settled_files_go(make_room, monkeypatch):
    """Nothing is whole while something cannot be read; what settled is sent all the same."""
    room, writer = arriving(make_room)
    writer.write("b.mov", "secret.mov")
    (writer.card / "secret.mov").chmod(0o000)
    # the tests may run as root, who may read everything
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    room.pass_time(FOUND_S + REPROBE_S + SETTLED_S)
    drop = room.drop("CARD")
    assert (drop.state, drop.hold) == (DropState.TAKEN, HoldReason.UNREADABLE)
    assert "secret.mov" in drop.note
    upload = only(room)
    assert room.files(upload) == ["CARD/a.mov", "CARD/b.mov", "CARD/growing.mov"]
    assert len(room.store.next_files(upload.id, 9)) == 3
    assert room.intake.is_at_rest
    (writer.card / "secret.mov").chmod(0o644)
    finish(room)

    drop = room.drop("CARD")
    assert (drop.whole, drop.hold, drop.file_count) == (True, None, 4)


def test_unreadable_entry_from_the_start_keeps_nobody_from_starting(make_room, monkeypatch):
    """Some tools make each file for themselves alone first: the others go up meanwhile."""
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    room = make_room(drop=DropMode.FOLDER)
    room.pass_time(1)
    writer = Writer(room)
    writer.write("a.mov", "being-copied.mov")
    (writer.card / "being-copied.mov").chmod(0o600)
    room.pass_time(FOUND_S + REPROBE_S + SETTLED_S)

    assert room.files(only(room)) == ["CARD/a.mov"]
    drop = room.drop("CARD")
    assert (drop.state, drop.hold, drop.whole) == ("taken", HoldReason.UNREADABLE, False)


def test_file_beside_an_unreadable_entry_settles_in_its_own_time(make_room, monkeypatch):
    """A held drop is looked at seldom, but not while a file of it may still settle."""
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    room = make_room(drop=DropMode.FOLDER)
    room.pass_time(1)
    writer = Writer(room)
    writer.write("a.mov", "secret.mov")
    (writer.card / "secret.mov").chmod(0o600)
    room.intake.hurry()
    room.pass_time(QUIET_S + SPACING_S)

    assert room.files(only(room)) == ["CARD/a.mov"]


def test_paused_hot_folder_begins_nothing_and_goes_on_with_what_it_began(make_room):
    """Nothing new is taken; uploads go on, and so do the files of those that arrive."""
    room, writer = arriving(make_room)
    room.store.pause_folder("hot")
    other = Writer(room, "OTHER")
    other.write("a.mov")
    writer.write("b.mov")
    for _ in range(16):
        writer.grow(2)
        other.grow(2)
    assert room.files(only(room)) == ["CARD/a.mov", "CARD/b.mov"]
    assert room.state("OTHER") == ("settling", None)
    room.store.resume_folder("hot")
    room.intake.hurry()
    for _ in range(8):
        writer.grow(2)
        other.grow(2)

    assert [upload.name for upload in room.taken()] == ["CARD", "OTHER"]
    assert room.files(room.taken()[1]) == ["OTHER/a.mov"]


def test_first_start_that_asks_sends_nothing_early(make_room):
    """What a full folder held waits for the answer, file by file as well as in whole."""
    room = make_room(drop=DropMode.FOLDER, initial=Initial.ASK)
    writer = Writer(room)
    writer.write("a.mov")
    room.pass_time(1)
    writer.grow(2 * SETTLED_S)
    assert room.taken() == []
    room.store.release("hot", HoldReason.INITIAL_ASK)
    writer.grow(SETTLED_S + FOUND_S)

    assert room.files(only(room)) == ["CARD/a.mov"]


@pytest.mark.parametrize("was_sent", [True, False])
def test_folder_that_vanishes_while_it_arrives(make_room, was_sent):
    """Unsent it is as if it had never been taken; else it fails with its cure."""
    room, writer = arriving(make_room)
    upload = only(room)
    if was_sent:
        send(room, upload)
    writer.card.rename(room.top / "away")
    room.pass_time(FOUND_S)

    if was_sent:
        failed = only(room)
        assert failed.state is UploadState.ERROR
        assert f"masv-watch resume {upload.id}" in failed.error
        return
    assert room.state("CARD") == ("cancelled", None)
    assert room.taken() == []
    (room.top / "away").rename(writer.card)
    finish(room)
    assert room.files(only(room)) == ["CARD/a.mov", "CARD/growing.mov"]
    assert only(room).id != upload.id


def test_folder_that_is_renamed_while_it_arrives_is_another_drop(make_room):
    """The old name ends with its package, for nobody to answer; the new one is sent as a whole."""
    room, writer = arriving(make_room)
    send(room, only(room))
    writer.card.rename(room.hot / "RENAMED")
    finish(room)

    new = only(room)
    assert room.drop("CARD").note == "renamed to RENAMED while it was sent"
    assert (new.name, new.state) == ("RENAMED", UploadState.TRANSFERRING)
    assert room.files(new) == ["RENAMED/a.mov", "RENAMED/growing.mov"]
    assert room.drop("RENAMED").whole


@pytest.mark.fault(8)
def test_root_that_goes_away_while_a_drop_arrives_loses_nothing(make_room):
    """An absent root proves nothing: no file is gone, none changed, and all goes on after it."""
    room, writer = arriving(make_room)
    send(room, only(room))
    room.hot.rename(room.top / "away")
    room.pass_time(60)
    assert is_arriving(room.drop("CARD"))
    assert only(room).state is UploadState.TRANSFERRING
    (room.top / "away").rename(room.hot)
    writer.write("b.mov")
    writer.grow(REPROBE_S + FOUND_S + SETTLED_S)
    assert room.files(only(room)) == ["CARD/a.mov", "CARD/b.mov"]
    finish(room)

    assert room.drop("CARD").whole
    assert room.drop("CARD").generation == 1


def test_upload_that_is_deleted_while_its_drop_arrives_is_not_begun_again(make_room):
    """Nobody wants it: neither what is there nor what still comes makes another upload."""
    room, writer = arriving(make_room)
    room.store.delete_upload(only(room).id, takes_package=False)
    writer.write("b.mov")
    writer.grow(FOUND_S + SETTLED_S)
    room.begin()
    finish(room)
    assert room.taken() == []
    assert room.drop("CARD").generation == 1
    assert room.intake.is_at_rest
    writer.write("c.mov")
    finish(room)

    assert room.files(only(room)) == ["CARD/a.mov", "CARD/b.mov", "CARD/c.mov", "CARD/growing.mov"]


@pytest.mark.parametrize("restarts", [True, False])
def test_what_comes_under_the_name_of_an_unwanted_drop_that_went_is_sent(make_room, restarts):
    """Only the content that was given up is unwanted, not its name."""
    room, writer = arriving(make_room)
    room.store.delete_upload(only(room).id, takes_package=False)
    shutil.rmtree(writer.card)
    if restarts:
        (room.hot / "other").mkdir()
        room.begin()
    room.pass_time(FOUND_S)
    Writer(room).write("new.mov")
    finish(room)

    assert room.files(only(room)) == ["CARD/new.mov"]


SMALL = Limits(files=5, size=100)


@pytest.mark.parametrize(("count", "size"), [(6, 1), (1, 101)])
@pytest.mark.parametrize("drop", [DropMode.EACH, DropMode.FOLDER])
def test_drop_past_a_limit_is_held_and_sent_once_a_person_says_so(make_room, drop, count, size):
    """Whoever drags a server's root into the folder is asked first, and again for more."""
    room = make_room(drop=drop, limits=SMALL)
    room.pass_time(1)
    writer = Writer(room)
    writer.write(*(f"{number}.mov" for number in range(count)), content=b"x" * size)
    finish(room)
    drop_row = room.drop("CARD")
    assert (drop_row.state, drop_row.hold) == (DropState.HELD, HoldReason.LIMIT_EXCEEDED)
    assert drop_row.note.startswith("more than ")
    assert room.taken() == []
    assert room.intake.is_at_rest
    room.store.release_drop(drop_row.id)
    room.intake.hurry()
    room.pass_time(REPROBE_S + SETTLED_S)
    assert only(room).file_count == count
    writer.write("more.mov", content=b"x" * 50)
    finish(room)
    # more than the question named
    again = room.drop("CARD")
    assert again.hold is HoldReason.LIMIT_EXCEEDED
    room.store.release_drop(again.id)
    room.intake.hurry()
    finish(room)

    assert room.drop("CARD").hold is None
    assert only(room).file_count == count + 1


def test_limit_passed_on_the_way_holds_the_drop_and_stops_its_files(make_room):
    """What went up stays there; nothing more is chosen, nothing joins, nothing is finalized."""
    room, writer = arriving(make_room, limits=Limits(files=3))
    upload = only(room)
    claimed = claim(room.store, upload.id)
    writer.write("b.mov", "c.mov", "d.mov")
    writer.grow(FOUND_S + SETTLED_S)
    drop = room.drop("CARD")
    assert (drop.state, drop.hold, drop.whole) == ("taken", HoldReason.LIMIT_EXCEEDED, False)
    assert room.files(only(room)) == ["CARD/a.mov"]
    assert room.store.next_files(upload.id, 9) == []
    assert room.store.upload(upload.id).fence > claimed.fence
    finish(room)
    moves = room.store.newest_move()
    finish(room)
    assert not room.drop("CARD").whole
    assert room.store.newest_move() == moves
    room.store.release_drop(drop.id)
    room.intake.hurry()
    finish(room)

    assert (room.drop("CARD").hold, room.drop("CARD").whole) == (None, True)
    assert only(room).file_count == 5


def test_drop_that_shrinks_below_its_limit_goes_by_itself(make_room):
    """The reason is gone with what was taken out, and nobody has to say so."""
    room, writer = arriving(make_room, limits=Limits(files=2))
    writer.write("b.mov", "c.mov")
    finish(room)
    assert room.drop("CARD").hold is HoldReason.LIMIT_EXCEEDED
    (writer.card / "b.mov").unlink()
    (writer.card / "c.mov").unlink()
    finish(room)

    assert (room.drop("CARD").hold, room.drop("CARD").whole) == (None, True)


def test_late_file_of_a_delivered_folder_does_not_start_early(make_room):
    """What comes into a delivered folder goes alone, and only once all of it is there."""
    room, writer = arriving(make_room)
    finish(room)
    room.deliver(only(room))
    writer.write("b.mov")
    writer.grow(FOUND_S + SETTLED_S)

    assert len(room.taken()) == 1
    assert room.state("CARD") == ("settling", None)


def test_late_drop_that_changes_on_its_way_sends_nothing_that_was_delivered(make_room):
    """What was delivered with the folder is not sent once more beside it."""
    room, writer = arriving(make_room)
    finish(room)
    room.deliver(only(room))
    room.pass_time(FOUND_S)
    writer.write("late.mov", content=b"late")
    room.pass_time(LATE_S + FOUND_S)
    late = next(each for each in room.taken() if each.state is UploadState.TRANSFERRING)
    assert room.files(late) == ["CARD/late.mov"]
    writer.grow(FOUND_S + 4 * QUIET_S, "later.mov")
    meanwhile = room.files(late)
    room.pass_time(LATE_S + FOUND_S)

    assert meanwhile == ["CARD/late.mov"]
    assert room.files(late) == ["CARD/late.mov", "CARD/later.mov"]
    assert room.drop("CARD").whole
