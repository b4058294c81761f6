"""Small files go whole, in a lane of their own, and are stored once at their end."""

from __future__ import annotations

import threading

import pytest

from masv_watch.errors import CloudThrottled, CloudUnreachable, StoreFull
from masv_watch.transfer.claims import SMALL, Step
from masv_watch.transfer.crew import Lane
from masv_watch.transfer.grip import lane_of
from tests.integration.rooms.sent import CHUNK, Door, Hold, Nth, Room, raising


def stored(room: Room, upload_id: str) -> list[tuple[bool, int]]:
    """Say of each file whether it is closed, and how many of its chunks are stored."""
    return [(file.closed, len(room.store.chunks(file.id))) for file in room.store.files(upload_id)]


def test_small_files_are_stored_by_one_verb_each(room: Room):
    """Four writes a file would cost more than the file."""
    verbs = ("note_file_opened", "note_etag", "note_file_closed", "note_file_shipped")
    counted = {verb: Nth(getattr(room.store, verb), 0) for verb in verbs}
    upload_id = room.drop("card", *[1000 + number for number in range(20)], 0, SMALL)

    room.build(store=Door(room.store, **counted))
    room.until_complete(upload_id)

    assert {verb: call.calls for verb, call in counted.items()} == {
        "note_file_opened": 0,
        "note_etag": 0,
        "note_file_closed": 0,
        "note_file_shipped": 22,
    }
    assert stored(room, upload_id) == [(True, 1)] * 22
    assert room.upload(upload_id).sent == room.upload(upload_id).size


STEPS = ("add_file", "start_multipart", "chunk_urls", "put_chunk", "close_file")


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("verb", STEPS)
def test_small_file_whose_step_fails_goes_on_from_what_was_reached(
    room: Room, verb: str, lost: bool
):
    """Nothing of it is left in the package, and what the storage acknowledged never goes again."""
    upload_id = room.drop("one", 4000)
    error = CloudUnreachable("the line is cut")
    if lost:
        step = Hold(getattr(room.cloud, verb), 1, then=error)
        step.go_on.set()
    else:
        step = Nth(getattr(room.cloud, verb), 1, raising(error))
    room.build(cloud=Door(room.cloud, **{verb: step}))
    room.until_state(upload_id, "complete")

    package = room.package(upload_id)

    assert [file["completed"] for file in package["files"]] == [True]
    puts = [put["ok"] for put in room.sandbox.witness("puts") if put["package"] == package["id"]]
    assert puts == [2 if lost and verb == "put_chunk" else 1]


def test_small_file_that_turns_out_to_have_several_chunks_goes_in_them(room: Room):
    """Only once it was added are the least chunk of the cloud, and so its own, known."""
    size = 3 * 1024 * 1024
    upload_id = room.call(room.source("cut.mov", size), chunk_size=1024 * 1024)
    real = room.cloud.add_file

    def add_file(*given, **named):
        added = real(*given, **named)
        return type(added)(
            id=added.id,
            blueprint=added.blueprint,
            min_chunk=1024 * 1024,
            max_chunk=added.max_chunk,
            max_count=added.max_count,
        )

    room.build(cloud=Door(room.cloud, add_file=add_file, close_file=closes))
    room.until(lambda: room.upload(upload_id).sent == size)

    (file,) = room.store.files(upload_id)
    assert file.chunk_size == 1024 * 1024
    assert [chunk.number for chunk in room.store.chunks(file.id)] == [1, 2, 3]


def closes(*_given, **_named):
    """Stand for a storage that takes small chunks, which the sandbox does not."""


def test_small_files_do_not_wait_behind_the_chunks_of_a_large_one(room: Room):
    """Every connection is busy with chunks, and a card still arrives."""
    large = room.drop("large", 16 * CHUNK)
    go_on = threading.Event()
    sends = room.cloud.put_chunk

    def put_chunk(blueprint, body):
        assert len(body) < CHUNK or go_on.wait(60)
        return sends(blueprint, body)

    room.build(cloud=Door(room.cloud, put_chunk=put_chunk))
    room.until(lambda: room.crew.is_full(Lane.LARGE))
    small = room.drop("small", *[100] * 10)

    room.until_complete(small)

    assert room.upload(large).state == "transferring"
    go_on.set()
    room.until_complete(large)


def test_slowed_by_the_cloud_no_piece_goes_out_that_nobody_had_begun(room: Room):
    """One Retry-After slows all workers together, those with a piece behind them too."""
    upload_id = room.drop("throttled", *[100] * 40)
    slow = CloudThrottled("slow down", retry_after_s=30.0)
    asked = Nth(room.cloud.add_file, 5, raising(slow))
    room.build(cloud=Door(room.cloud, add_file=asked))
    room.until(lambda: asked.calls >= 5 and not room.crew.busy)

    # each worker was within its file, and none began another
    assert asked.calls <= 5 + 2 * room.workers
    for _ in range(20):
        room.turn()
    assert room.crew.busy == 0
    room.clock.advance(40.0)
    room.until_complete(upload_id)
    assert stored(room, upload_id) == [(True, 1)] * 40


def test_listing_after_a_kill_is_asked_once_for_all_files(room: Room):
    """A card of thousands of files does not list its package thousands of times."""
    upload_id = room.drop("killed", *[100] * 12)
    lost = raising(StoreFull("the disk is full"))
    room.build(store=Door(room.store, note_file_shipped=lambda *_: lost()))
    room.until(lambda: [row.attempts for row in room.store.files(upload_id)] == [1] * 12)
    files = Nth(room.cloud.files)

    room.restart(cloud=Door(room.cloud, files=files))
    room.until_complete(upload_id)

    package = room.package(upload_id)
    assert files.calls == 1
    assert sorted(file["name"] for file in package["files"]) == sorted(
        file.name for file in room.store.files(upload_id)
    )
    assert all(file["completed"] for file in package["files"])


def test_step_of_each_lane_is_the_one_that_waits_for_bytes():
    """Only chunks go to the few connections of the large lane."""
    assert [step for step in Step if lane_of(step) is Lane.LARGE] == [Step.SEND_CHUNK]


@pytest.mark.parametrize(("answer_s", "pieces"), [(None, 3), (0.0, 3), (0.001, 4), (1.0, 4)])
def test_small_files_have_no_more_pieces_out_than_a_cloud_so_near_is_worth(
    room: Room, answer_s: float | None, pieces: int
):
    """Who answers at once is asked by two, who is far away by every worker.

    Each upload has a piece out all the same: the second one is the third piece.
    """
    first, second = room.drop("first", *[100] * 40), room.drop("second", *[100] * 40)
    go_on, began = threading.Event(), Nth(room.cloud.add_file)

    def add_file(*given: object, **named: object) -> object:
        answer = began(*given, **named)
        assert go_on.wait(60)
        return answer

    room.build(cloud=Door(room.cloud, add_file=add_file, answer_s=answer_s))
    room.until(lambda: began.calls >= pieces)
    for _ in range(50):
        room.turn()
    at_once = began.calls
    go_on.set()

    assert at_once == pieces
    room.until_complete(first)
    room.until_complete(second)
