"""`hold`: a drop that no upload has waits for a person, whatever becomes of its source."""

from __future__ import annotations

import logging
import os
import shutil

import pytest

from masv_watch.errors import IllegalTransition, NotFound
from masv_watch.explain import Asked, explain
from masv_watch.lifecycle import CURES
from masv_watch.model import (
    Caller,
    DropEvent,
    DropMode,
    DropState,
    HoldReason,
    Initial,
    Prospect,
    Settle,
)
from masv_watch.uploads import HotFolders, Records, needs_of
from tests.integration.rooms.rostered import roster
from tests.integration.rooms.watched import QUIET_S

from .test_intake_redrops import SETTLED_S

HELD = ("held", "operator")


def folders(room):
    """Give the verbs of the front desk on hot folders, with what they hurry."""
    room.hurried = []
    return HotFolders(room.store, room.uploads, sights=list, hurry=room.hurried.append)


def hold(room, path):
    """Hold the newest drop of a path, as the API does."""
    return folders(room).hold_drop(room.drop(path).id)


def settling(room, path="x", content=b"a"):
    """Drop something of which the first look is taken, and no more."""
    (room.hot / path).write_bytes(content)
    room.pass_time(1)
    assert room.state(path) == ("settling", None)


def test_held_drop_stays_held_over_sweeps_restarts_and_other_content_until_its_release(make_room):
    """Neither quiet nor a change nor a restart is a person's word; a release sends what stands."""
    room = make_room()
    settling(room)
    view = hold(room, "x")
    room.pass_time(3 * SETTLED_S)
    (room.hot / "x").write_bytes(b"other content")
    room.begin()
    room.pass_time(3 * SETTLED_S)
    still = room.drop("x")
    folders(room).release_drop(still.id)
    room.pass_time(2 * SETTLED_S)

    assert (view.drop.state, view.drop.hold) == (DropState.HELD, HoldReason.OPERATOR)
    assert view.cure == CURES[HoldReason.OPERATOR].replace("DROP", str(still.id))
    assert (still.id, still.state, still.hold) == (view.drop.id, *HELD)
    (upload,) = room.taken()
    assert upload.size == len(b"other content")


def test_held_drop_stays_held_while_nothing_stands_there(make_room, caplog):
    """Who uploads anew takes away first: what comes under the name is what the hold is of."""
    caplog.set_level(logging.INFO)
    room = make_room()
    settling(room)
    hold(room, "x")
    (room.hot / "x").unlink()
    room.pass_time(SETTLED_S)
    away = room.state("x")
    (room.hot / "x").write_bytes(b"again")
    room.pass_time(3 * SETTLED_S)
    again = room.state("x")
    folders(room).release_drop(room.drop("x").id)
    room.pass_time(2 * SETTLED_S)

    assert (away, again) == (HELD, HELD)
    assert "a drop was not moved" not in caplog.text
    assert [upload.size for upload in room.taken()] == [len(b"again")]


def test_released_drop_of_which_nothing_stands_there_ends(make_room):
    """A hold outlives its source, and its end does not."""
    room = make_room()
    settling(room)
    hold(room, "x")
    (room.hot / "x").unlink()
    room.pass_time(SETTLED_S)
    folders(room).release_drop(room.drop("x").id)
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.drop("x").state is DropState.CANCELLED


def test_held_drop_stays_held_while_its_root_is_away(make_room):
    """What is back is as it was when it left."""
    room = make_room()
    settling(room)
    hold(room, "x")
    shutil.move(room.hot, room.top / "away")
    room.pass_time(200)
    away = room.state("x")
    shutil.move(room.top / "away", room.hot)
    room.pass_time(200)

    assert (away, room.state("x")) == (HELD, HELD)
    assert room.taken() == []


@pytest.mark.parametrize("reason", ["marker_missing", "loose_file", "initial_ask", "empty"])
def test_drop_that_is_held_for_something_else_can_be_held_too(make_room, reason):
    """What it lacks may come meanwhile: it waits for the person all the same."""
    rules = {
        "marker_missing": {"settle": Settle(quiet_s=QUIET_S, done_marker="{name}.done")},
        "loose_file": {"drop": DropMode.FOLDER},
        "initial_ask": {"initial": Initial.ASK},
    }
    room = make_room(**rules.get(reason, {}))
    if reason == "empty":
        (room.hot / "x").mkdir()
    else:
        (room.hot / "x").write_bytes(b"a")
    room.pass_time(2 * SETTLED_S)
    assert room.state("x") == ("held", reason)
    hold(room, "x")
    if reason == "marker_missing":
        (room.hot / "x.done").touch()
    if reason == "empty":
        (room.hot / "x" / "a").write_bytes(b"a")
    room.begin()
    room.pass_time(3 * SETTLED_S)

    assert room.state("x") == HELD
    assert room.taken() == []


@pytest.mark.parametrize("event", [DropEvent.RELEASE, DropEvent.BLOCK, DropEvent.CANCEL])
def test_look_that_began_before_the_hold_moves_nothing(make_room, event):
    """Whoever judges a row that a person moved meanwhile is refused."""
    room = make_room()
    settling(room)
    seen = room.drop("x")
    hold(room, "x")
    with pytest.raises(IllegalTransition):
        room.store.advance_drop(seen.id, event, hold=HoldReason.EMPTY, by_look=True)
    room.store.conclude_drop(
        seen.id, DropEvent.IGNORE, signature="s", size=1, files=1, note="recorded"
    )

    assert room.state("x") == HELD


def test_hold_of_what_is_held_already_changes_nothing(make_room):
    """A second word is the first one."""
    room = make_room()
    settling(room)
    first = hold(room, "x")

    assert hold(room, "x").drop == first.drop
    assert room.hurried == ["hot"]


def test_drop_on_its_way_is_not_held_and_its_upload_named(make_room):
    """What stops it is another command; nothing is changed by this one."""
    room = make_room()
    (room.hot / "x").write_bytes(b"a")
    room.pass_time(2 * SETTLED_S)
    (upload,) = room.taken()
    before = room.drop("x")
    with pytest.raises(IllegalTransition) as refused:
        hold(room, "x")
    after = room.drop("x")
    room.deliver(upload)
    with pytest.raises(IllegalTransition) as delivered:
        hold(room, "x")

    assert refused.value.hint == f"masv-watch pause {upload.id} stops its upload"
    assert after == before
    assert delivered.value.hint == "it ended as done before"


def test_drop_that_ended_or_never_was_is_not_held(make_room):
    """The answer says how it ended."""
    room = make_room()
    settling(room)
    drop = room.drop("x")
    Records(room.store, hurry=lambda _: None, terms=lambda *_: None).cancel(drop.id)
    with pytest.raises(IllegalTransition) as ended:
        hold(room, "x")
    with pytest.raises(NotFound):
        folders(room).hold_drop(99)

    assert ended.value.hint == "it ended as cancelled before"
    assert room.drop("x").state is DropState.CANCELLED


def test_held_drop_stays_held_while_its_hot_folder_is_away_for_a_reload(make_room):
    """No later look would hold it again: it would go as soon as it is watched again."""
    room = make_room()
    settling(room)
    hold(room, "x")

    roster(room)
    room.begin()
    room.pass_time(SETTLED_S)

    assert room.state("x") == ("held", "operator")
    assert room.taken() == []


def test_drop_that_a_person_holds_is_listed_and_alarms_nobody(make_room):
    """He wants it so: neither the page's warning nor a letter asks for what he did himself."""
    room = make_room()
    settling(room)
    view = hold(room, "x")

    (kind,) = room.store.held_kinds()
    assert (kind.drop.id, kind.drop.hold) == (view.drop.id, HoldReason.OPERATOR)
    assert list(needs_of(room.store)) == []


def test_held_drop_is_explained_and_can_be_cancelled(make_room):
    """Whoever asks why it does not go reads it, with the command that lets it go."""
    room = make_room()
    settling(room)
    hold(room, "x")
    room.pass_time(SETTLED_S)
    asked = Asked(
        path=os.fsencode(room.hot / "x"), relative=b"x", caller=Caller(uid=0, is_owner=True)
    )
    found = explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)
    Records(room.store, hurry=lambda _: None, terms=lambda *_: None).cancel(room.drop("x").id)

    assert found.prospect is Prospect.HELD
    assert "is held: operator, a person said so" in found.why
    assert f"masv-watch release {room.drop('x').id}" in found.cure
    assert room.drop("x").state is DropState.CANCELLED
