"""What is on its way from a hot folder that nobody watches any more."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from masv_watch.metrics import Metrics
from masv_watch.model import Rule, UploadState
from masv_watch.roster import Roster
from masv_watch.uploads.needs import needs_of
from masv_watch.watch.absence import ALARM_S
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


@pytest.mark.parametrize("is_disabled", [True, False])
def test_upload_goes_on_after_its_hot_folder_was_removed_while_its_root_was_away(
    make_room, is_disabled
):
    """Nobody opens a root that nobody watches: the sender finds out whether it is back."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    room.hot.rename(room.top / "away")
    room.intake.hurry()
    room.pass_time(2 * ALARM_S)
    assert room.state("a.mov") == ("taken", "root_unavailable")
    roster_of(room, *([replace(room.rule, is_enabled=False)] if is_disabled else []))

    assert room.state("a.mov") == ("taken", None)


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


@pytest.mark.parametrize("edit", [None, {"is_enabled": False}, {"path": b"/elsewhere"}])
@pytest.mark.parametrize("restarts", [True, False])
def test_source_that_changes_after_its_hot_folder_went_is_told_of(
    make_room: Any, edit: dict[str, Any] | None, restarts: bool
) -> None:
    """Its drop can never settle again, for nobody looks: the upload fails with what helps."""
    room = make_room()
    rules = [] if edit is None else [replace(room.rule, **edit)]
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    roster = roster_of(room, *rules)
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    (room.hot / "a.mov").write_bytes(b"other content")
    (file,) = room.store.files(upload.id)
    room.store.note_source_changed(file, claimed.fence, "changed while it was read")
    room.store.let_go(upload.id, claimed.fence)
    if restarts:
        room.store.start_over()
        roster_of(room, *rules)
    else:
        roster.note_source_changed("hot")

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
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    (file,) = room.store.files(upload.id)
    room.store.note_source_changed(file, claimed.fence, "changed while it was read")
    room.store.let_go(upload.id, claimed.fence)
    roster.note_source_changed("hot")

    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING
