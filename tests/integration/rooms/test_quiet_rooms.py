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
