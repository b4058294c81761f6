"""The sender over a real store and a real cloud: races, crashes, leases and bounds."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from masv_watch.errors import (
    CloudRefused,
    CloudUnreachable,
    EtagMismatch,
    StoreFull,
    TokenExpired,
)
from masv_watch.model import Draft, Secret, Terms, UploadType
from masv_watch.transfer.sender import LEASE_S
from tests.integration.rooms.sent import CHUNK, Door, Nth, Room, raising
from tests.waiting import eventually


def test_worker_that_crashes_is_logged_and_its_upload_goes_on(
    room: Room, caplog: pytest.LogCaptureFixture
):
    """A fault of our own code costs one piece, is told with its traceback, and stops nothing."""
    put = Nth(room.cloud.put_chunk, 2, raising(ZeroDivisionError("a fault of our own")))
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.drop("crash", 3 * CHUNK, 100)

    def complete() -> bool:
        room.clock.advance(0.05)
        return room.upload(upload_id).state == "complete"

    with caplog.at_level(logging.ERROR):
        room.until(complete)

    (crash,) = [record for record in caplog.records if record.message == "a tick crashed"]
    assert crash.exc_info
    assert "a fault of our own" in str(crash.exc_info[1])
    assert room.package(upload_id)["finalize_calls"] == 1
    sizes = sorted(file["size"] for file in room.package(upload_id)["files"])
    assert sizes == [100, 3 * CHUNK]


def test_file_that_begins_anew_during_its_put_does_not_cost_the_claim(room: Room):
    """Only the old version is let go of; nobody waits for a lease of our own (no time passes)."""
    upload_id = room.drop("anew", 2 * CHUNK)

    def rewrite() -> None:
        (room.root / "anew" / "f0").write_bytes(b"new" * 1000)
        room.settle_again(upload_id)

    put = Nth(room.cloud.put_chunk, 2, rewrite)
    # no other chunk is on its way that could find the change before it has settled
    room.workers = 1
    room.build(cloud=Door(room.cloud, put_chunk=put))
    fences = set()

    def complete() -> bool:
        fences.add(room.upload(upload_id).fence)
        return room.upload(upload_id).state == "complete"

    room.until(complete)

    package = room.package(upload_id)
    assert [file["size"] for file in package["files"]] == [3000]
    assert package["finalize_calls"] == 1
    # one claim to send, one to finalize
    assert len(fences) <= 3
    assert room.told == []


def test_file_that_begins_anew_as_soon_as_it_was_opened_is_no_fault_of_ours(
    room: Room, caplog: pytest.LogCaptureFixture
):
    """Between the row that says that it is open and the next look at it its source settles anew."""
    upload_id = room.drop("soon", 2 * CHUNK)
    opened = room.store.note_file_opened

    def note_file_opened(*given: Any, **named: Any) -> None:
        opened(*given, **named)
        if noted.calls == 1:
            (room.root / "soon" / "f0").write_bytes(b"new" * 1000)
            room.settle_again(upload_id)

    noted = Nth(note_file_opened)
    room.build(store=Door(room.store, note_file_opened=noted))
    package = room.until_complete(upload_id)

    assert [file["size"] for file in package["files"]] == [3000]
    assert not [record for record in caplog.records if record.exc_info]


def test_change_of_an_old_version_never_marks_the_one_that_settled_since(room: Room):
    """A worker that finds its old version gone does not stop the new one for ever."""
    upload_id = room.drop("late", 2 * CHUNK)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go_on.wait(60)

    put = Nth(room.cloud.put_chunk, 1, hold)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    room.until(held.is_set)
    (room.root / "late" / "f0").write_bytes(b"x" * 77)
    room.settle_again(upload_id)
    go_on.set()
    package = room.until_complete(upload_id)

    assert [file["size"] for file in package["files"]] == [77]


def test_claim_that_somebody_else_took_is_dropped_and_nothing_is_touched(room: Room):
    """After a newer claim no outcome of the old one is stored (fault 37)."""
    upload_id = room.drop("fenced", 2 * CHUNK)
    put = Nth(room.cloud.put_chunk, 1, room.store.start_over)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    package = room.until_complete(upload_id)

    assert package["finalize_calls"] == 1
    assert [file["completed"] for file in package["files"]] == [True]


def test_lease_that_ran_out_while_the_machine_slept_is_prolonged_not_claimed_again(room: Room):
    """Nobody else works on our state: after a sleep the same claim goes on, nothing goes twice."""
    upload_id = room.drop("asleep", 4 * CHUNK)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go_on.wait(60)

    put = Nth(room.cloud.put_chunk, 2, hold)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    room.until(held.is_set)
    before = room.upload(upload_id).fence
    room.clock.sleep_machine(LEASE_S * 10)
    room.turn()
    after = room.upload(upload_id).fence
    go_on.set()
    room.until_complete(upload_id)

    assert after == before
    assert put.calls == 4


@pytest.mark.parametrize("verb", [
    "note_package_asked", "note_package", "note_files_asked", "note_file_opened", "note_etag",
    "note_file_closed", "advance_all_sent", "let_go", "finalize_due", "note_finalize_asked",
    "advance_claimed", "claim_uploads", "renew",
])  # fmt: skip
def test_store_that_refuses_one_write_delays_and_loses_nothing(room: Room, verb: str):
    """Whichever write the disk refuses, the upload is complete once it is taken again (fault 38).

    What was out is given back, and no lease or claim is left behind.
    """
    nth = Nth(getattr(room.store, verb), 1, raising(StoreFull("the disk is full")))
    room.build(store=Door(room.store, **{verb: nth}))
    upload_id = room.drop(f"full {verb}", CHUNK + 5, 10, 0)

    def complete() -> bool:
        # StoreFull is looked at again after a minute
        room.clock.advance(3.0)
        return room.upload(upload_id).state == "complete"

    room.until(complete, within=30)
    room.until(lambda: not room.crew.busy)

    package = room.package(upload_id)
    assert nth.calls > 1
    assert sorted(file["size"] for file in package["files"]) == [0, 10, CHUNK + 5]
    assert all(file["completed"] for file in package["files"])
    assert package["finalize_calls"] == 1
    made = [each for each in room.sandbox.witness("packages") if each["name"] == f"full {verb}"]
    assert [each["id"] for each in made if each["files"]] == [package["id"]]
    assert room.upload(upload_id).lease_until == 0.0


def test_urls_that_come_slowly_do_not_hold_up_the_senders_thread(room: Room):
    """A worker that waits for the cloud holds nothing that the sender needs."""
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go_on.wait(60)

    ask = Nth(room.cloud.chunk_urls, 1, hold)
    room.build(cloud=Door(room.cloud, chunk_urls=ask))
    slow = room.drop("slow", 12 * CHUNK)
    room.until(held.is_set)
    ticked = threading.Event()

    def tick() -> None:
        for _ in range(20):
            room.turn()
        ticked.set()

    threading.Thread(target=tick, daemon=True).start()
    was_free = ticked.wait(30)
    go_on.set()
    eventually(ticked.is_set)
    room.until_complete(slow)

    assert was_free
    # 12 chunks in one window, or in two when a later chunk's worker came first
    assert ask.calls <= 3


def test_failures_far_apart_are_no_failures_in_a_row(room: Room):
    """What went through in between begins the count anew: a long file outlives many hiccups."""
    upload_id = room.drop("hiccups", 21 * CHUNK)
    calls: list[int] = []
    lock = threading.Lock()

    def put(blueprint: Any, body: Any) -> str:
        with lock:
            calls.append(1)
            # two good ones, then the bad one and the one that waited behind it
            is_bad = len(calls) % 4 in {3, 0} and len(calls) <= 28
        etag = room.cloud.put_chunk(blueprint, body)
        if is_bad:
            raise EtagMismatch("not what was sent", limit=5)
        return etag

    room.workers = 1
    room.build(cloud=Door(room.cloud, put_chunk=put))

    def over() -> bool:
        room.clock.advance(0.5)
        return room.upload(upload_id).state in {"complete", "error"}

    room.until(over, within=30)

    assert room.upload(upload_id).state == "complete", room.upload(upload_id).error
    assert len(calls) >= 21 + 10


def test_same_failure_in_a_row_reaches_its_limit(room: Room):
    """Nothing goes through in between: five tries, then a person must look (fault 60)."""
    put = Nth(room.cloud.put_chunk, 0, None)
    bad = Door(room.cloud, put_chunk=lambda *given: _lie(put(*given)))
    room.build(cloud=bad)
    upload_id = room.drop("bad", 100)

    def over() -> bool:
        room.clock.advance(5.0)
        return room.upload(upload_id).state == "error"

    room.until(over)

    assert put.calls == 5


def _lie(_etag: str) -> str:
    raise EtagMismatch("not what was sent", limit=5)


def test_token_that_stays_refused_is_renewed_once_and_then_backs_off(room: Room):
    """A fresh token that is refused as well cannot be cured by another: no loop without a pause."""
    refused = Nth(room.cloud.add_file, 0, None)

    def add_file(*given: Any, **named: Any) -> Any:
        refused(*given, **named)
        raise TokenExpired("the cloud refused the package token (401)")

    reads = Nth(room.cloud.team_package, 0, None)
    door = Door(room.cloud, add_file=add_file, team_package=reads)
    room.build(cloud=door)
    room.drop("refused", 100, 100)
    room.until(lambda: refused.calls >= 4)
    for _ in range(200):
        room.turn()
    room.until(lambda: not room.crew.busy)

    # the clock stands still: what backs off is not tried again
    assert refused.calls <= 8
    assert reads.calls <= 2


def test_storage_that_forgot_a_multipart_upload_gets_the_file_anew(room: Room):
    """An upload that lay still too long begins its file again instead of failing for ever."""
    put = Nth(room.cloud.put_chunk, 2, raising(CloudUnreachable("a reset")))
    forgotten: list[str] = []

    def put_or_forget(blueprint: Any, body: Any) -> str:
        if any(part in blueprint.url for part in forgotten):
            raise CloudRefused("the storage refused (404): NoSuchUpload", status=404)
        return put(blueprint, body)

    room.workers = 1
    room.build(cloud=Door(room.cloud, put_chunk=put_or_forget))
    upload_id = room.drop("forgotten", 3 * CHUNK)
    room.until(lambda: put.calls >= 2)
    room.until(lambda: not room.crew.busy)
    first = room.file(upload_id).cloud_id
    assert first is not None
    forgotten.append(first)

    def over() -> bool:
        room.clock.advance(0.5)
        return room.upload(upload_id).state in {"complete", "error"}

    room.until(over)

    assert room.upload(upload_id).state == "complete", room.upload(upload_id).error
    package = room.package(upload_id)
    assert [file["size"] for file in package["files"]] == [3 * CHUNK]
    assert package["files"][0]["id"] != first


def test_small_upload_gets_a_worker_though_large_chunks_last_long(room: Room):
    """A large upload keeps no queue of its own chunks before others: two that end make room."""
    released = threading.Semaphore(0)
    held: list[int] = []

    def put(blueprint: Any, body: Any) -> str:
        if len(body) == CHUNK:
            held.append(1)
            assert released.acquire(timeout=60)
        return room.cloud.put_chunk(blueprint, body)

    room.workers = 2
    room.build(cloud=Door(room.cloud, put_chunk=put))
    large = room.drop("large", 9 * CHUNK)
    room.until(lambda: len(held) == 2)
    small = room.drop("small", *[100] * 20)
    room.turn()
    released.release(2)
    room.until(lambda: room.upload(small).state == "complete")
    state = room.upload(large).state
    released.release(9)
    room.until_complete(large)

    assert state == "transferring"


def test_stop_takes_back_what_no_worker_has_begun(room: Room):
    """After a stop only what is on the wire goes on; the rest is not begun."""
    held, go_on = threading.Event(), threading.Event()
    puts: list[int] = []

    def put(blueprint: Any, body: Any) -> str:
        puts.append(1)
        held.set()
        assert go_on.wait(60)
        return room.cloud.put_chunk(blueprint, body)

    room.workers = 2
    sender = room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.drop("stopped", 12 * CHUNK)
    room.until(lambda: len(puts) == 2)
    sender.stop()
    room.turn()
    go_on.set()
    room.until(lambda: sender.is_still)
    room.turn()

    assert len(puts) == 2
    assert len(room.store.chunks(room.file(upload_id).id)) == 2
    assert room.upload(upload_id).lease_until == 0.0


def test_uploads_of_one_name_never_share_a_package(room: Room):
    """Creates whose answers are lost are made again; what they left behind stays empty."""
    room.sandbox.fault("after", "POST /v1/teams/", times=2)
    room.build()
    ids = [room.drop("one name", 10)]
    # the same name from another hot folder's point of view
    ids.append(_twin(room, "one name"))

    def complete() -> bool:
        room.clock.advance(0.5)
        return all(room.upload(each).state == "complete" for each in ids)

    room.until(complete)

    assert len({room.upload(each).package_id for each in ids}) == 2
    made = [each for each in room.sandbox.witness("packages") if each["name"] == "one name"]
    assert sorted(each["finalize_calls"] for each in made) == [0, 0, 1, 1]
    assert not any(each["files"] for each in made if each["state"] == "new")


def test_package_of_a_stranger_with_the_same_name_is_never_taken_over(room: Room):
    """Nothing in an open package proves whose it is: our files never go to another's recipients."""
    cloud, key = room.cloud, Secret("sandbox-key")
    team_id = cloud.teams(key)[0].id
    stranger = cloud.create_team_package(
        key, team_id=team_id, name="same name", description="", recipients=["j@else.example"]
    )
    room.sandbox.fault("status", "POST /v1/teams/", status=503)
    room.build()
    upload_id = room.drop("same name", 10)

    def complete() -> bool:
        room.clock.advance(0.5)
        return room.upload(upload_id).state == "complete"

    room.until(complete)

    assert room.upload(upload_id).package_id != stranger.id
    (theirs,) = [each for each in room.sandbox.witness("packages") if each["id"] == stranger.id]
    assert (theirs["state"], theirs["files"]) == ("new", [])


def _twin(room: Room, name: str) -> str:
    drop = room.store.see_drop("twin", name.encode())
    return room.store.create_upload(
        Draft(
            hot_folder="twin", root=bytes(room.root), name=name, message="",
            terms=Terms(type=UploadType.TEAM), drops=(room.settled(name, drop.id),),
        )
    )  # fmt: skip
