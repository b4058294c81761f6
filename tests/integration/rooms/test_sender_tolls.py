"""What the sender tells of its way: bytes in flight, sent in vain, retries and why."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from masv_watch.errors import StoreBusy
from masv_watch.files.slices import BLOCK
from masv_watch.transfer.sender import RENEW_S
from tests.integration.rooms.sent import CHUNK, Door, Room

MIB = 1024 * 1024
PUT, CLOSE = "PUT /storage/", "POST /v1/packages/[^/]+/files/[^/]+/finalize$"


class HeldAnswer:
    """A verb whose effect is done and whose answer stands still until the test lets it go."""

    def __init__(self, real):
        """Hand every call on."""
        self._real = real
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *given, **named):
        """Carry it out, then wait."""
        answer = self._real(*given, **named)
        self.reached.set()
        assert self.go_on.wait(60)
        return answer


class HeldMidway:
    """A PUT that takes one block, waits for the test, and asks for the next one."""

    def __init__(self):
        """Begin with nothing taken."""
        self.blocks = 0
        self.go_on = threading.Event()

    def __call__(self, _blueprint, body):
        """Take one block of the body."""
        body.read()
        self.blocks += 1
        assert self.go_on.wait(60)
        body.read()


def puts(room: Room, upload_id: str):
    """List the PUTs of an upload's chunks as the storage saw them."""
    package_id = room.upload(upload_id).package_id
    return [put for put in room.requests("PUT", "/storage/") if put["package"] == package_id]


def test_chunk_without_an_answer_is_in_flight_and_then_acknowledged(room: Room):
    """Handed over is not yet there; the row and the meter never count a byte twice at rest."""
    held = HeldAnswer(room.cloud.put_chunk)
    room.build(cloud=Door(room.cloud, put_chunk=held))
    upload_id = room.call(room.source("one", 2 * CHUNK))
    room.until(held.reached.is_set)
    room.until(lambda: room.meter.flow().in_flight == 2 * CHUNK)
    traffic = room.meter.traffic()[upload_id]

    assert (traffic.in_flight, traffic.acknowledged) == (2 * CHUNK, 0)
    assert room.meter.flow().busy == 2
    assert room.upload(upload_id).sent == 0
    held.go_on.set()
    room.until_state(upload_id, "idle")
    flow = room.meter.flow()
    assert (flow.in_flight, flow.acknowledged, flow.resent, flow.busy) == (0, 2 * CHUNK, 0, 0)
    assert room.upload(upload_id).sent == 2 * CHUNK
    room.until(lambda: not room.meter.traffic())


@pytest.mark.fault(55)
def test_chunks_that_the_storage_refuses_cost_their_bytes_and_a_retry_each(room: Room):
    """The row says how many bytes went twice, as the storage's own record does, and why."""
    room.sandbox.fault("status", PUT, status=503, times=3)
    room.build()
    upload_id = room.call(room.source("one", 4 * CHUNK))
    room.until_state(upload_id, "idle")
    upload = room.upload(upload_id)

    refused = [put for put in puts(room, upload_id) if put["status"] == 503]
    assert len(refused) == 3
    assert upload.resent == sum(put["bytes"] for put in refused) == 3 * CHUNK
    assert upload.retries == 3
    assert "503" in upload.retry_reason
    assert (upload.attempts, room.file(upload_id).error) == (0, "")
    assert room.meter.flow().retries == 3


def test_cost_outlives_the_process_and_goes_on_from_there(room: Room):
    """What one process paid, the next one adds to."""
    room.sandbox.fault("status", PUT, status=503, times=1)
    room.build()
    upload_id = room.call(room.source("one", 2 * CHUNK))
    room.until(lambda: room.upload(upload_id).retries == 1)
    room.restart()
    room.sandbox.fault("status", PUT, status=500, times=1)
    room.until_state(upload_id, "idle")
    upload = room.upload(upload_id)

    assert (upload.resent, upload.retries) == (2 * CHUNK, 2)
    assert "500" in upload.retry_reason


def test_reset_in_the_middle_of_a_chunk_costs_what_had_left(room: Room):
    """At least what the storage read of it, at most the chunk."""
    room.sandbox.fault("reset", PUT, bytes=2_000_000, times=1)
    room.build()
    upload_id = room.call(room.source("one", 2 * CHUNK))
    room.until_state(upload_id, "idle")
    upload = room.upload(upload_id)

    (lost,) = [put for put in puts(room, upload_id) if put["status"] is None]
    assert 2_000_000 <= upload.resent <= lost["bytes"] == CHUNK
    assert upload.retries == 1
    assert room.meter.flow().acknowledged == 2 * CHUNK


@pytest.mark.fault(57)
def test_chunk_whose_url_expired_counts_as_tried_again(room: Room):
    """It goes on with a fresh URL at once, without a wait, and is told all the same."""
    room.sandbox.fault("expire_urls", PUT, times=1)
    room.build()
    upload_id = room.call(room.source("one", 2 * CHUNK))
    room.until_state(upload_id, "idle")
    upload = room.upload(upload_id)

    assert upload.retries == 1
    assert "URL" in upload.retry_reason
    assert 0 <= upload.resent <= CHUNK
    assert room.meter.flow().acknowledged == 2 * CHUNK


def test_pause_in_the_middle_of_a_chunk_costs_bytes_and_no_retry(room: Room):
    """A person's wish is no failure, but what had left goes once more."""
    held = HeldMidway()
    room.build(cloud=Door(room.cloud, put_chunk=held))
    upload_id = room.call(room.source("one", 2 * CHUNK))
    room.until(lambda: held.blocks == 2)
    assert room.meter.flow().in_flight == 2 * BLOCK
    room.desk.pause(upload_id)
    room.turn()
    held.go_on.set()
    room.until(lambda: not room.meter.traffic())
    upload = room.upload(upload_id)

    assert (upload.resent, upload.retries) == (2 * BLOCK, 0)
    assert (room.meter.flow().in_flight, room.meter.flow().resent) == (0, 2 * BLOCK)


def test_small_file_that_is_stored_but_not_closed_sends_no_byte_again(room: Room):
    """Its chunk is acknowledged: only the call that failed is made once more."""
    room.sandbox.fault("status", CLOSE, status=503, times=1)
    room.build()
    upload_id = room.call(room.source("small", b"x" * 1000))
    room.until_state(upload_id, "idle")
    upload = room.upload(upload_id)

    assert (upload.resent, upload.retries) == (0, 1)
    assert room.meter.flow().acknowledged == 1000
    assert len(puts(room, upload_id)) == 1


def test_cost_that_the_store_did_not_take_is_owed_until_it_does(room: Room):
    """A busy disk loses nothing that was counted."""
    refused = []

    def note_file_retry(*given, **named):
        if not refused:
            refused.append(named["toll"])
            raise StoreBusy("busy")
        room.store.note_file_retry(*given, **named)

    room.sandbox.fault("status", PUT, status=503, times=1)
    room.build(store=Door(room.store, note_file_retry=note_file_retry))
    upload_id = room.call(room.source("one", 2 * CHUNK))
    room.until_state(upload_id, "idle")
    upload = room.upload(upload_id)

    assert [(toll.resent, toll.retries) for toll in refused] == [(CHUNK, 1)]
    assert (upload.resent, upload.retries) == (CHUNK, 1)


def test_small_file_that_turns_out_to_have_several_chunks_is_not_closed_by_its_opening(room: Room):
    """It counts as closed when the cloud put it together, not when its first piece is done."""

    def add_file(*given, **named):
        return replace(room.cloud.add_file(*given, **named), min_chunk=MIB)

    held = HeldMidway()
    room.build(cloud=Door(room.cloud, add_file=add_file, put_chunk=held))
    room.call(room.source("small", 3 * MIB), chunk_size=MIB)
    room.until(lambda: held.blocks == 3)
    room.meter.report(room.metrics)
    held.go_on.set()

    assert room.metrics.value("files_closed", hot_folder="") == 0


def test_cost_of_a_claim_that_goes_on_is_stored_with_its_lease(room: Room):
    """A kill loses what the last seconds cost, not what the last hours did."""
    room.sandbox.fault("status", PUT, status=503, times=2)
    held = HeldAnswer(room.cloud.put_chunk)
    room.build(cloud=Door(room.cloud, put_chunk=held))
    upload_id = room.call(room.source("one", 4 * CHUNK))
    # both fail before their file waits: the second one finds nothing to write
    room.until(lambda: room.meter.flow().retries == 2)
    before = room.upload(upload_id).retries
    room.clock.advance(RENEW_S + 1)
    room.turn()

    assert before == 1
    assert (room.upload(upload_id).retries, room.upload(upload_id).resent) == (2, 2 * CHUNK)
    held.go_on.set()


def test_files_are_counted_as_the_cloud_closes_them(room: Room):
    """Small and large ones, once each."""
    room.build()
    upload_id = room.drop("card", 10, 20, 2 * CHUNK, 0)
    room.until_complete(upload_id)
    metrics = room.metrics
    room.meter.report(metrics)

    assert metrics.value("files_closed", hot_folder="out") == 4
    assert metrics.value("chunks_acknowledged", hot_folder="out") == 5
    assert metrics.value("sent_bytes", hot_folder="out") == 30 + 2 * CHUNK
