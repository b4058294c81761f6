"""What the sender does when a hot folder's window closes under an upload, and when it opens."""

from __future__ import annotations

from masv_watch.model import NO_TURNS, Turns
from masv_watch.transfer.sender import CLOSING_S
from masv_watch.uploads import WaitReason
from tests.integration.rooms.sent import CHUNK, FOLDER, Door, Hold, Room
from tests.waiting import eventually

SHUT = Turns(closed={FOLDER: None})


def let_go(room: Room, upload_id: str) -> bool:
    """Say whether nobody has the upload in hand any more."""
    return room.upload(upload_id).lease_until == 0


def test_window_that_closes_lets_the_chunk_on_its_way_end_and_keeps_what_was_sent(room: Room):
    """Nothing is sent twice and nothing more begins; at opening it goes on there (pain 44)."""
    room.workers = 1
    put = Hold(room.cloud.put_chunk, 2)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.drop("card", 4 * CHUNK)
    room.until(put.reached.is_set)

    room.turns = SHUT
    room.turn()
    assert not let_go(room, upload_id)
    put.go_on.set()
    room.until(lambda: let_go(room, upload_id))

    assert room.upload(upload_id).sent == 2 * CHUNK
    for _ in range(5):
        room.clock.advance(1.0)
        room.turn()
    assert put.calls == 2
    room.turns = NO_TURNS
    assert room.until_complete(upload_id)["finalize_calls"] == 1
    assert put.calls == 4


def test_chunk_that_does_not_end_within_its_time_is_given_up_when_the_window_closes(room: Room):
    """A chunk on a slow link may last hours: the window holds all the same."""
    room.workers = 1
    put = Hold(room.cloud.put_chunk, 2)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.drop("slow", 4 * CHUNK)
    room.until(put.reached.is_set)
    (claim,) = room.sender._grip.claims.values()

    room.turns = SHUT
    room.turn()
    room.clock.advance(CLOSING_S - 1)
    room.turn()
    assert not claim.abort.is_set()
    room.clock.advance(1)
    room.turn()
    assert claim.abort.is_set()
    put.go_on.set()
    room.until(lambda: let_go(room, upload_id))

    assert room.upload(upload_id).sent == CHUNK


def test_small_files_that_nobody_began_wait_for_the_window(room: Room):
    """What workers have in a batch ends with the file that is on its way."""
    room.workers = 1
    put = Hold(room.cloud.put_chunk, 3)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.drop("stills", *([1000] * 20))
    room.until(put.reached.is_set)

    room.turns = SHUT
    room.turn()
    put.go_on.set()
    room.until(lambda: let_go(room, upload_id))
    room.turn()

    assert put.calls == 3
    assert room.upload(upload_id).sent == 3000


def test_upload_that_a_person_starts_goes_though_the_window_is_closed(room: Room):
    """The way out that `waiting` names."""
    room.turns = SHUT
    room.build()
    upload_id = room.drop("urgent", CHUNK)
    for _ in range(3):
        room.turn()
    assert room.upload(upload_id).package_id is None
    assert room.desk.view(upload_id).waiting.reason is WaitReason.QUEUED

    room.desk.start(upload_id)

    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_upload_whose_bytes_are_up_is_finalized_though_the_window_closed(room: Room):
    """A window is about what leaves; the recipients wait for nothing that is there."""
    room.build()
    upload_id = room.drop("done", 1000)
    room.until(lambda: room.upload(upload_id).sent == 1000)
    eventually(lambda: room.turn() and room.upload(upload_id).state != "transferring")

    room.turns = SHUT

    assert room.until_complete(upload_id)["finalize_calls"] == 1
