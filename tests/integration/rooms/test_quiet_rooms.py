"""A daemon with nothing to do says nothing: its rooms, driven through an idle hour."""

from __future__ import annotations

import logging

import pytest

from masv_watch.model import UploadEvent
from masv_watch.watch.hints import Sight
from tests.integration.rooms.sent import CHUNK, Room
from tests.integration.rooms.watched import QUIET_S


@pytest.mark.parametrize("sight", ["degraded", "blind"])
def test_hot_folder_in_which_nothing_happens_logs_nothing(make_room, caplog, sight):
    """Neither sweeps nor samples of what stands there leave a line."""
    room = make_room(sight=Sight(sight))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(10 * QUIET_S)
    (upload,) = room.taken()
    room.deliver(upload)
    room.pass_time(600)
    caplog.set_level(logging.INFO)
    caplog.clear()
    room.pass_time(3600)

    assert [record.getMessage() for record in caplog.records] == []


def test_sender_with_nothing_to_send_logs_nothing_and_each_move_one_line(room: Room, caplog):
    """One line for each change of state; a minute without one has none."""
    room.build()
    caplog.set_level(logging.INFO, "masv_watch")
    upload_id = room.drop("card", CHUNK)
    room.until_complete(upload_id)
    moved = [
        (record.event, record.after)
        for record in caplog.records
        if record.getMessage() == "upload moved" and record.id == upload_id
    ]
    caplog.clear()
    for _ in range(60):
        room.clock.advance(1.0)
        room.turn()

    assert [record.getMessage() for record in caplog.records] == []
    assert moved == [
        ("create", "transferring"),
        (UploadEvent.ALL_SENT, "idle"),
        (UploadEvent.FINALIZE, "finalizing"),
        (UploadEvent.FINALIZED, "complete"),
    ]


def test_move_is_logged_with_the_names_that_people_know(make_room, caplog):
    """Whoever reads a journal at night knows folders and files, no numbers."""
    room = make_room()
    caplog.set_level(logging.INFO, "masv_watch")
    (room.hot / "a b.mov").write_bytes(b"abc")
    room.pass_time(10 * QUIET_S)
    (upload,) = room.taken()
    room.deliver(upload)
    told = {
        (record.getMessage(), record.event): record
        for record in caplog.records
        if record.getMessage().endswith(" moved")
    }

    drop, created = told["drop moved", "take"], told["upload moved", "create"]
    assert (drop.hot_folder, drop.drop, drop.upload) == ("hot", "a b.mov", upload.id)
    assert (created.hot_folder, created.package) == ("hot", "a b.mov")


def test_what_is_left_out_is_logged_unless_it_is_ours(make_room, caplog):
    """A temporary file of somebody's may be a mistake; our marker and copies never are."""
    room = make_room()
    caplog.set_level(logging.INFO, "masv_watch")
    for name in (".masv-watch", "x.masv-part", "left.tmp"):
        (room.hot / name).write_bytes(b"abc")
    room.pass_time(10 * QUIET_S)

    told = [record.entry for record in caplog.records if hasattr(record, "entry")]
    assert told == ["left.tmp"]
