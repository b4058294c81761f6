"""Drops that vanish or are renamed while the cloud has bytes of them, and those beside them."""

from __future__ import annotations

import logging

import pytest

from masv_watch.model import DropMode, DropState, UploadState
from tests.integration.rooms.watched import Room
from tests.integration.store.making import claim, open_package, send_files

from .test_intake_redrops import SETTLED_S


def batch_of(make_room, *names: str) -> Room:
    """Give a room whose open batch holds these files, all of them up."""
    room = make_room(drop=DropMode.BATCH)
    for name in names:
        (room.hot / name).write_bytes(name.encode())
    room.pass_time(SETTLED_S)
    send_all(room)
    return room


def send_all(room: Room) -> None:
    """Send what the one upload holds."""
    (upload,) = room.taken()
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    send_files(room.store, claimed)
    assert room.store.advance_all_sent(upload.id, claimed.fence)


def miss(room: Room, path: str) -> None:
    """Find a file gone, as the sender does at its last look before the finalize."""
    (upload,) = room.taken()
    (file,) = [each for each in room.store.files(upload.id) if each.path == path.encode()]
    room.store.note_source_changed(file, upload.fence, "vanished")
    room.intake.hurry()


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_file_of_a_batch_that_goes_leaves_the_others_up(make_room, how, caplog):
    """What is nobody's fault but its own costs no acknowledged chunk of its neighbours (P4)."""
    caplog.set_level(logging.INFO)
    room = batch_of(make_room, "x", "y")
    before = room.taken()[0]
    if how == "removed":
        (room.hot / "x").unlink()
    else:
        (room.hot / "x").rename(room.hot / "z")
    miss(room, "x")
    room.pass_time(SETTLED_S)

    upload = room.taken()[0]
    assert (upload.id, upload.package_id) == (before.id, before.package_id)
    assert upload.state in (UploadState.TRANSFERRING, UploadState.IDLE)
    (kept,) = [file for file in room.store.files(upload.id) if file.path == b"y"]
    assert kept.closed
    sent = sorted(path for each in room.taken() for path in room.files(each))
    note = "vanished while it was sent" if how == "removed" else "renamed to z while it was sent"
    assert (room.drop("x").state, room.drop("x").note) == (DropState.CANCELLED, note)
    if how == "removed":
        assert sent == ["y"]
        assert room.store.skipped(upload.id) == [f"x: {note}"]
        (told,) = [each for each in caplog.records if "the rest goes" in each.message]
        assert (told.upload, told.drop) == (upload.id, "x")
    else:
        assert sent == ["y", "z"]
        assert room.store.skipped(upload.id) == []


def test_file_that_comes_back_after_its_batch_went_on_is_a_drop_of_its_own(make_room):
    """It left its package, so that nothing of it is delivered: it goes, though it is the same."""
    room = batch_of(make_room, "x", "y")
    (room.hot / "x").rename(room.top / "away")
    miss(room, "x")
    room.pass_time(SETTLED_S)
    (room.top / "away").rename(room.hot / "x")
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.drop("x").state is DropState.TAKEN
    assert sorted(path for each in room.taken() for path in room.files(each)) == ["x", "y"]


def test_single_file_that_is_renamed_ends_as_renamed_also_once_its_new_name_is_taken(make_room):
    """Nobody is asked about what is on its way already."""
    room = make_room()
    (room.hot / "x").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / "x").rename(room.hot / "z")
    room.intake.hurry()
    room.pass_time(SETTLED_S)
    old, new = room.taken()
    assert room.files(new) == ["z"]
    fence = claim(room.store, old.id).fence
    room.store.note_source_changed(room.store.files(old.id)[0], fence, "vanished")
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert [upload.id for upload in room.taken()] == [new.id]
    assert room.drop("x").note == "renamed to z while it was sent"
    assert room.drop("z").state is DropState.TAKEN


@pytest.mark.parametrize("how", ["left out", "of other content"])
def test_single_file_that_is_gone_fails_beside_what_is_not_its_new_name(make_room, how):
    """What is nowhere to be found, or goes nowhere, is for a person to see (P3)."""
    room = make_room()
    (room.hot / "x").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    claimed = claim(room.store, upload.id)
    room.store.note_files_asked(upload.id, claimed.fence, [room.store.files(upload.id)[0].id])
    (room.hot / "x").rename(room.hot / "z.tmp")
    if how == "of other content":
        (room.hot / "z").write_bytes(b"abc")
    room.store.note_source_changed(room.store.files(upload.id)[0], claimed.fence, "vanished")
    room.pass_time(SETTLED_S)

    failed = room.store.upload(upload.id)
    assert failed.state is UploadState.ERROR
    assert f"masv-watch resume {upload.id}" in failed.error
