"""Two copies that come at the same time: the second waits for what becomes of the first."""

from __future__ import annotations

import os
import shutil

import pytest

from masv_watch.errors import SourceUnreadable
from masv_watch.explain import Asked, explain
from masv_watch.files import Hashing
from masv_watch.model import (
    Caller,
    Dedupe,
    DropEvent,
    DropMode,
    HoldReason,
    Prospect,
    Settle,
    TaskDraft,
    TaskKind,
    To,
    UploadEvent,
)
from masv_watch.names import shown
from masv_watch.watch import histories, ongoing
from masv_watch.watch.ongoing import UNREADABLE_S
from masv_watch.watch.redrops import ONGOING_S
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room

from .test_cancelling import cancel
from .test_intake_redrops import SETTLED_S, names

BOTH = pytest.mark.parametrize("dedupe", [Dedupe.SKIP, Dedupe.RELINK])


def two_of(room, *, is_folder=False):
    """Let two copies of one content come at the same time; give the name of that which waits."""
    for name in ("one", "two"):
        if is_folder:
            (room.hot / name / "deep").mkdir(parents=True)
            (room.hot / name / "deep" / "a").write_bytes(b"abc")
            (room.hot / name / "b").write_bytes(b"")
        else:
            (room.hot / name).write_bytes(b"abc")
    room.pass_time(2 * SETTLED_S)
    (waits,) = {"one", "two"} - set(names(room))
    return waits


def deliver(room, index=0):
    """Deliver an upload as the sender does, and wait."""
    room.store.start_over()
    upload = room.taken()[index]
    room.deliver(upload, TaskDraft(kind=TaskKind.LINK, key="link"))
    room.intake.hurry()
    room.pass_time(2 * SETTLED_S)
    return upload


def ask(room, name):
    """Ask what becomes of a drop."""
    path = os.fsencode(name)
    asked = Asked(
        path=os.fsencode(room.hot / name), relative=path, caller=Caller(uid=0, is_owner=True)
    )
    return explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


@BOTH
@pytest.mark.parametrize("is_folder", [True, False])
@pytest.mark.parametrize("is_anew", [True, False])
def test_second_copy_waits_for_the_first_and_becomes_what_the_rule_says(
    make_room, dedupe, is_folder, is_anew
):
    """Over a restart too, and whoever asks is told why and for what."""
    room = make_room(dedupe=dedupe)
    waits = two_of(room, is_folder=is_folder)
    (first,) = room.taken()
    said = ask(room, waits)
    assert said.prospect is Prospect.SETTLING
    drop = room.drop(first.name)
    assert f"it has the content of {first.name}, drop {drop.id}, which is on its way" in said.why
    if is_anew:
        room.begin()
        room.pass_time(2 * SETTLED_S)
        assert names(room) == [first.name]
    deliver(room)

    if dedupe is Dedupe.SKIP:
        assert room.state(waits) == ("duplicate", None)
        assert names(room) == [first.name]
    else:
        assert {each.name: each.relinks for each in room.taken()} == {
            first.name: None,
            waits: first.id,
        }


@BOTH
def test_copy_that_waits_says_so_on_its_row_and_is_not_told_of_as_growing(
    make_room, caplog, dedupe
):
    """It has settled: `status` and the page say for what it waits, until it changes or goes."""
    room = make_room(dedupe=dedupe, settle=Settle(quiet_s=QUIET_S, warn_after_s=60.0))
    waits = two_of(room)
    (first,) = room.taken()
    said = (
        f"it has the content of {first.name}, drop {room.drop(first.name).id}, which is on its way:"
        " it waits for what becomes of that"
    )
    room.pass_time(120.0)

    assert (room.state(waits), room.drop(waits).note) == (("settling", None), said)
    assert not caplog.records
    assert room.intake.entries.unsettled_for_long() == 0
    (room.hot / waits).write_bytes(b"abcd")
    room.intake.hurry()
    room.pass_time(2 * LOOK_S)
    assert (room.state(waits), room.drop(waits).note) == (("settling", None), "")
    assert [each.message for each in caplog.records] == ["a drop has not settled for long"]
    (room.hot / waits).write_bytes(b"abc")
    room.pass_time(2 * SETTLED_S)
    assert room.drop(waits).note == said
    assert room.intake.entries.unsettled_for_long() == 0
    cancel(room, first.name)
    room.pass_time(2 * SETTLED_S)
    assert (room.state(waits), room.drop(waits).note) == (("taken", None), "")


def test_word_of_a_person_about_a_drop_stands_while_it_settles(make_room):
    """Only what was said of another drop that it waits for is taken back."""
    room = make_room(dedupe=Dedupe.SKIP)
    (room.hot / "a").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    cancel(room, "a")
    (room.hot / "a").write_bytes(b"abcd")
    note = room.store.resend_drop(room.drop("a").id).note
    room.intake.hurry()
    room.pass_time(LOOK_S)

    assert room.state("a") == ("settling", None)
    assert room.drop("a").note == note != ""


@BOTH
@pytest.mark.parametrize("how", ["cancelled", "failed", "paused", "removed", "changed", "held"])
def test_copy_goes_when_nothing_becomes_of_the_first(make_room, dedupe, how):
    """Nobody waits for what a person has to move, nor for what is not there any more."""
    room = make_room(dedupe=dedupe)
    waits = two_of(room)
    (first,) = room.taken()
    if how == "cancelled":
        cancel(room, first.name)
    elif how == "held":
        drop, hold = room.drop(first.name), HoldReason.LIMIT_EXCEEDED
        room.store.advance_drop(drop.id, DropEvent.BLOCK, hold=hold, note="too much")
    elif how == "removed":
        (room.hot / first.name).unlink()
    elif how == "changed":
        (room.hot / first.name).write_bytes(b"abd")
    else:
        event = UploadEvent.FAIL if how == "failed" else UploadEvent.PAUSE
        room.store.advance_upload(first.id, event)
    room.intake.hurry()
    room.pass_time(2 * SETTLED_S)

    assert room.state(waits) == ("taken", None)
    assert [each.relinks for each in room.taken() if each.name == waits] == [None]


def test_other_content_of_the_same_size_waits_for_nobody_and_each_is_read_once(
    make_room, monkeypatch
):
    """The frames of a sequence are of one size, and are not sent one after the other."""
    read = []
    real = histories.files.Hashing

    def hashing(path, *rest, **named):
        read.append(path)
        return real(path, *rest, **named)

    monkeypatch.setattr(histories.files, "Hashing", hashing)
    room = make_room(dedupe=Dedupe.SKIP)
    for number in range(12):
        (room.hot / f"{number:02}.dpx").write_bytes(b"%02d" % number)
    room.pass_time(2 * SETTLED_S)

    assert len(room.taken()) == 12
    assert len(read) == len(set(read)) == 12


def test_frames_that_settle_at_once_ask_for_each_of_those_before_them_once(make_room, monkeypatch):
    """Each is compared with all before it; disk and ledger are not asked anew for each pair."""
    asked = []
    real = ongoing.seen_at

    def seen_at(root, path):
        asked.append(path)
        return real(root, path)

    monkeypatch.setattr(ongoing, "seen_at", seen_at)
    room = make_room(dedupe=Dedupe.SKIP)
    room.pass_time(LOOK_S)
    for number in range(30):
        (room.hot / f"{number:02}.dpx").write_bytes(b"%02d" % number)
    room.pass_time(2 * SETTLED_S)

    assert len(room.taken()) == 30
    assert len(asked) <= 2 * 30


@pytest.mark.parametrize("why", ["send", "others", "batch"])
def test_copies_both_go_where_one_does_not_serve_for_the_other(make_room, why):
    """Each rule that sends both is asked before anybody waits."""
    to = To(by_subfolder=((b"one", ("a@example.com",)), (b"two", ("b@example.com",))))
    room = make_room(
        dedupe=Dedupe.SEND if why == "send" else Dedupe.SKIP,
        drop=DropMode.BATCH if why == "batch" else DropMode.EACH,
        to=to if why == "others" else To(recipients=()),
    )
    for name in ("one", "two"):
        path = room.hot / (f"{name}/x" if why == "others" else name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"abc")
    room.pass_time(2 * SETTLED_S)

    assert sum(len(room.files(each)) for each in room.taken()) == 2


def test_copy_that_a_person_wants_goes_at_once(make_room):
    """`resend` is asked for what it is."""
    room: Room = make_room(dedupe=Dedupe.SKIP)
    waits = two_of(room)
    deliver(room)
    assert room.state(waits) == ("duplicate", None)
    shutil.copyfile(room.hot / waits, room.hot / "three")
    room.store.resend_drop(room.drop(waits).id)
    room.intake.hurry()
    room.pass_time(2 * SETTLED_S)

    assert room.state(waits) == ("taken", None)
    assert room.state("three") == ("duplicate", None)


@pytest.fixture
def unreadable(monkeypatch):
    """Give the set of files whose content cannot be read, as of a disk that fails."""
    names: set[bytes] = set()
    real = Hashing._read

    def read(self, *rest):
        if self._path in names:
            raise SourceUnreadable(f"{shown(self._path)} cannot be read: Input/output error")
        return real(self, *rest)

    monkeypatch.setattr(Hashing, "_read", read)
    return names


@BOTH
def test_file_on_its_way_that_cannot_be_read_holds_back_no_other(make_room, unreadable, dedupe):
    """In doubt the second one goes; a while later the first is tried once more."""
    room = make_room(dedupe=dedupe)
    (room.hot / "first").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    unreadable.add(b"first")
    for name, content in (("copy", b"abc"), ("other", b"xyz")):
        (room.hot / name).write_bytes(content)
    looks = room.pass_time(SETTLED_S)

    assert (room.state("copy"), room.state("other")) == (("taken", None), ("taken", None))
    assert looks < 3 * SETTLED_S
    cancel(room, "copy")
    unreadable.clear()
    (room.hot / "third").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    assert room.state("third") == ("taken", None)
    cancel(room, "third")
    room.pass_time(UNREADABLE_S)
    (room.hot / "fourth").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    assert room.state("fourth") == ("settling", None)


def test_copy_that_cannot_be_read_is_held_with_the_reason_until_it_can(
    make_room, monkeypatch, unreadable
):
    """It is tried now and then, and not at every turn of the loop."""
    room = make_room(dedupe=Dedupe.SKIP)
    (room.hot / "first").write_bytes(b"abc" * 1000)
    room.pass_time(SETTLED_S)
    unreadable.add(b"copy")
    (room.hot / "copy").write_bytes(b"abc" * 1000)
    room.pass_time(SETTLED_S)
    looks = room.pass_time(60.0)

    assert room.state("copy") == ("held", HoldReason.UNREADABLE)
    assert room.drop("copy").note == "copy cannot be read: Input/output error"
    assert ask(room, "copy").prospect is Prospect.HELD
    assert looks < 3 * 60
    unreadable.clear()
    with monkeypatch.context() as slowly:
        slowly.setattr(histories, "READ_AT_ONCE", 1)
        room.pass_time(ONGOING_S + 1)
    assert room.state("copy") == ("settling", None)
    room.pass_time(SETTLED_S)
    assert "which is on its way: it waits" in ask(room, "copy").why


def test_copies_for_which_no_place_is_left_wait_without_a_turn_of_the_loop(make_room, monkeypatch):
    """Those that are remembered wait for the first, and nothing brings the others further."""
    monkeypatch.setattr(histories, "_KEPT", 1)
    room = make_room(dedupe=Dedupe.SKIP)
    (room.hot / "first").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    for name in ("one", "two"):
        (room.hot / name).write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    looks = room.pass_time(60.0)

    assert looks < 3 * 60
    deliver(room)
    room.pass_time(SETTLED_S)
    assert (room.state("one"), room.state("two")) == (("duplicate", None), ("duplicate", None))
