"""Two copies that come at the same time: the second waits for what becomes of the first."""

from __future__ import annotations

import os
import shutil

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.model import (
    Caller,
    Dedupe,
    DropEvent,
    DropMode,
    HoldReason,
    Prospect,
    TaskDraft,
    TaskKind,
    To,
    UploadEvent,
)
from masv_watch.watch import histories
from tests.integration.rooms.watched import Room

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
