"""What the sender does when a hot folder's window closes under an upload, and when it opens."""

from __future__ import annotations

from masv_watch.errors import CloudUnreachable, SourceUnreadable
from masv_watch.model import NO_TURNS, Terms, Turns, UploadType
from masv_watch.transfer.sender import CLOSING_S
from masv_watch.uploads import WaitReason
from tests.integration.rooms.sent import CHUNK, FOLDER, Door, Hold, Nth, Room, raising
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
    eventually(lambda: room.turn() and room.upload(upload_id).state != "transferring", every=0.01)

    room.turns = SHUT

    assert room.until_complete(upload_id)["finalize_calls"] == 1


KEPT = Turns(undelivered={FOLDER: 4e9})


def idle(room: Room, *, batch: bool = False) -> str:
    """Give an upload whose bytes are all up while its window of delivery is closed."""
    room.turns = KEPT
    room.desk._turns = lambda: room.turns
    room.build()
    upload_id = room.drop("kept", CHUNK, 1000, terms=Terms(type=UploadType.TEAM, batch=batch))
    room.until(lambda: room.upload(upload_id).state == "idle")
    for _ in range(3):
        room.clock.advance(1.0)
        room.turn()
    return upload_id


def test_upload_whose_window_of_delivery_is_closed_is_finalized_when_it_opens(room: Room):
    """Its bytes leave meanwhile, and it says until when it waits (behaviour 12)."""
    upload_id = idle(room)

    upload = room.upload(upload_id)
    assert (upload.state, upload.sent) == ("idle", CHUNK + 1000)
    assert room.package(upload_id)["finalize_calls"] == 0
    waiting = room.desk.view(upload_id).waiting
    assert (waiting.reason, waiting.until) == (WaitReason.WINDOW_CLOSED, 4e9)
    assert waiting.cure.endswith(f"masv-watch start {upload_id} sends it now")
    assert [view.waiting for view in room.desk.list()] == [waiting]
    room.turns = NO_TURNS
    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_upload_that_waits_for_its_delivery_goes_when_a_person_starts_it(room: Room):
    """The way out that `waiting` names."""
    upload_id = idle(room)

    room.desk.start(upload_id)

    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_finalize_that_a_person_asks_for_waits_for_the_window_of_delivery_all_the_same(room: Room):
    """It ends a batch and says nothing of the hour; what waits is still named."""
    upload_id = idle(room, batch=True)

    room.desk.finalize(upload_id)
    for _ in range(3):
        room.clock.advance(1.0)
        room.turn()

    assert room.upload(upload_id).state == "finalizing"
    assert room.store.claim_uploads(4, 30.0, turns=KEPT) == []
    assert room.package(upload_id)["finalize_calls"] == 0
    assert room.desk.view(upload_id).waiting.reason is WaitReason.WINDOW_CLOSED
    room.turns = NO_TURNS
    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_finalize_whose_answer_was_lost_is_asked_about_though_its_window_closed(room: Room):
    """What may have been delivered is learned at once; nothing is asked for twice."""
    lost = Hold(room.cloud.finalize_package, 1, then=CloudUnreachable("lost"))
    room.build(cloud=Door(room.cloud, finalize_package=lost))
    lost.go_on.set()
    upload_id = room.drop("lost", 1000)
    room.until(lambda: room.upload(upload_id).finalize_asked and lost.calls)

    room.turns = KEPT
    room.until_state(upload_id, "complete")

    assert room.package(upload_id)["finalize_calls"] == 1


def test_finalize_in_hand_is_let_go_when_its_window_of_delivery_closes_before_it_is_asked(
    room: Room,
):
    """Nothing is finalized in the hours in which nothing may be, at once or by a retry."""
    ask = Nth(room.store.note_finalize_asked, 1, raising(SourceUnreadable("not now")))
    room.build(store=Door(room.store, note_finalize_asked=ask))
    upload_id = room.drop("late", 1000)
    room.until(lambda: room.upload(upload_id).state == "finalizing")

    room.turns = KEPT
    room.until(lambda: let_go(room, upload_id))
    assert ask.calls == 0
    room.turns = NO_TURNS
    room.until(lambda: ask.calls and let_go(room, upload_id))
    room.turns = KEPT
    for _ in range(20):
        room.clock.advance(60.0)
        room.turn()

    assert ask.calls == 1
    room.turns = NO_TURNS
    room.until_state(upload_id, "complete")
