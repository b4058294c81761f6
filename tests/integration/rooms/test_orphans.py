"""What is on its way from a hot folder that nobody watches any more."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from masv_watch.metrics import Metrics
from masv_watch.model import Rule, Upload, UploadState
from masv_watch.roster import Roster
from masv_watch.uploads.needs import needs_of
from masv_watch.watch.absence import ALARM_S
from masv_watch.watch.untended import PATIENCE_S, Place
from tests.integration.rooms.test_intake_redrops import SETTLED_S
from tests.integration.rooms.watched import Room
from tests.integration.store.making import claim, open_package


def roster_of(room: Room, *rules: Rule) -> Roster:
    """Give the roster of a daemon with these rules, as its start builds it."""
    made = Roster(
        rules,
        room.store,
        room.uploads,
        denied=frozenset,
        canary=os.fsencode(room.top / "canary"),
        clock=room.clock,
        metrics=Metrics(),
    )
    made.stop_listening()
    return made


def taken(room: Room) -> Upload:
    """Drop a file and let it be taken, with its root known by then."""
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    return upload


def miss(room: Room, upload: Upload, roster: Roster) -> None:
    """Let the sender find that the source is not as it settled."""
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    (file,) = room.store.files(upload.id)
    room.store.note_source_changed(file, claimed.fence, "not there when it was read")
    room.store.let_go(upload.id, claimed.fence)
    roster.note_source_changed("hot")


#: the hot folder is removed, disabled, or watches another folder by now
EDITS = pytest.mark.parametrize(
    "edit", [None, {"is_enabled": False}, {"path": b"/elsewhere"}], ids=["gone", "off", "moved"]
)
Edit = dict[str, Any] | None


def edited(room: Room, edit: Edit) -> list[Rule]:
    """Give the rules that are left of the room's own."""
    return [] if edit is None else [replace(room.rule, **edit)]


@EDITS
def test_upload_goes_on_once_the_root_that_nobody_watches_is_back(
    make_room: Any, edit: Edit
) -> None:
    """It waits as in a watched hot folder, and after two minutes somebody is told."""
    room = make_room()
    taken(room)
    room.hot.rename(room.top / "away")
    room.intake.hurry()
    room.pass_time(2 * ALARM_S)
    assert room.state("a.mov") == ("taken", "root_unavailable")
    roster = roster_of(room, *edited(room, edit))
    untended = roster.untended
    untended.tick()
    assert roster.needs() == []
    room.clock.advance(2 * ALARM_S)
    untended.tick()

    assert room.state("a.mov") == ("taken", "root_unavailable")
    (need,) = untended.needs()
    assert "hot, which nobody watches any more, is not there, and a.mov" in need.text
    assert need.cure.endswith(f"or masv-watch cancel {room.drop('a.mov').id} ends it")
    assert need in roster.needs()
    (room.top / "away").rename(room.hot)
    untended.tick()
    assert room.state("a.mov") == ("taken", None)
    assert untended.needs() == []


@EDITS
@pytest.mark.parametrize("is_noted", [True, False], ids=["known", "unknown"])
def test_upload_waits_while_a_bare_mount_point_stands_where_nobody_watches(
    make_room: Any, edit: Edit, is_noted: bool
) -> None:
    """A moment of it proves nothing; what stands there again as it settled goes on."""
    room = make_room()
    upload = taken(room)
    if not is_noted:
        # the row of its root is that of the path that is watched by now
        room.store.adopt("hot", b"/elsewhere")
    roster = roster_of(room, *edited(room, edit))
    room.hot.rename(room.top / "away")
    room.hot.mkdir()
    miss(room, upload, roster)
    roster.untended.tick()
    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING
    assert room.state("a.mov") == ("taken", "root_unavailable")
    room.hot.rmdir()
    (room.top / "away").rename(room.hot)
    roster.untended.tick()

    assert room.state("a.mov") == ("taken", None)
    assert room.drop("a.mov").whole
    assert not room.store.files(upload.id)[0].stale
    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING


def test_source_that_was_removed_where_nobody_watches_is_told_of(make_room: Any) -> None:
    """Its folder is there, and empty because somebody emptied it."""
    room = make_room()
    upload = taken(room)
    roster = roster_of(room)
    (room.hot / "a.mov").unlink()
    miss(room, upload, roster)
    roster.untended.tick()

    assert room.store.upload(upload.id).state is UploadState.ERROR


def test_root_that_does_not_answer_is_told_of(make_room: Any) -> None:
    """Whatever hangs is asked by a loop of its own."""
    room = make_room()
    taken(room)
    untended = roster_of(room).untended
    untended._asking = Place("hot", room.rule.path, ""), room.clock.monotonic()
    assert untended.needs() == []
    room.clock.advance(PATIENCE_S)

    assert [need.text.endswith("does not answer; look at the mount") for need in untended.needs()]


def test_nothing_is_looked_at_where_all_is_watched(make_room: Any) -> None:
    """Nobody wakes up for it."""
    room = make_room()
    taken(room)

    assert roster_of(room, room.rule).untended.tick() is None


def test_upload_of_a_root_that_is_away_waits_while_its_hot_folder_is_watched(make_room):
    """Its own watcher says when it is back."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    room.hot.rename(room.top / "away")
    room.intake.hurry()
    room.pass_time(2 * ALARM_S)
    roster_of(room, room.rule)

    assert room.state("a.mov") == ("taken", "root_unavailable")


@EDITS
@pytest.mark.parametrize("restarts", [True, False])
def test_source_that_changes_after_its_hot_folder_went_is_told_of(
    make_room: Any, edit: Edit, restarts: bool
) -> None:
    """Its drop can never settle again, for nobody looks: the upload fails with what helps."""
    room = make_room()
    upload = taken(room)
    roster = roster_of(room, *edited(room, edit))
    (room.hot / "a.mov").write_bytes(b"other content")
    miss(room, upload, roster)
    if restarts:
        room.store.start_over()
        roster = roster_of(room, *edited(room, edit))
    roster.untended.tick()

    assert room.store.upload(upload.id).state is UploadState.ERROR
    (need,) = needs_of(room.store)
    assert f"masv-watch resume {upload.id}" in need.text


def test_source_that_changes_in_a_watched_hot_folder_settles_again(make_room):
    """Somebody looks: no upload fails."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    roster = roster_of(room, room.rule)
    miss(room, upload, roster)

    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING
