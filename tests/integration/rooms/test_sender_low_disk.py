"""What the sender does while the disk of the state is low: nothing new, and it comes back alone."""

from __future__ import annotations

import pytest

from masv_watch.model import NO_TURNS, Turns
from tests.integration.rooms.sent import CHUNK, Door, Hold, Room

LOW = Turns(disk_trouble="3 MiB free")


@pytest.mark.fault(38)
def test_low_disk_lets_chunks_on_their_way_end_and_claims_nothing(room: Room):
    """Nothing is sent twice, and what a person started waits as well (pain 58)."""
    room.workers = 1
    put = Hold(room.cloud.put_chunk, 2)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id, later = room.drop("card", 4 * CHUNK), ""
    room.until(put.reached.is_set)

    room.turns = LOW
    later = room.drop("later", CHUNK)
    room.desk.start(later)
    room.turn()
    put.go_on.set()
    room.until(lambda: room.upload(upload_id).lease_until == 0)
    for _ in range(5):
        room.clock.advance(1.0)
        room.turn()
    kept = room.upload(upload_id).sent, put.calls, room.upload(later).fence
    room.turns = NO_TURNS

    assert kept == (2 * CHUNK, 2, 0)
    assert room.until_complete(upload_id)["finalize_calls"] == 1
    assert room.until_complete(later)["finalize_calls"] == 1
    assert put.calls == 5
