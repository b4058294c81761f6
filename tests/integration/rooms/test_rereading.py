"""Files of which the share does not keep what tells a rewrite: they are read twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from masv_watch.errors import CloudUnreachable, StoreFull
from masv_watch.model import NO_TURNS, Chunk, SourceFile, Turns, Verify
from masv_watch.transfer.sender import CLOSING_S
from tests.integration.rooms.sent import CHUNK, FOLDER, QUIET_S, Door, Hold, Nth, Room, raising

SHUT = Turns(closed={FOLDER: None})
SIZES = pytest.mark.parametrize("size", [7, 2 * CHUNK])
VERIFIES = pytest.mark.parametrize("verify", Verify)


def on_a_share(room: Room, verify: Verify, *unkept: str) -> Room:
    """Let the share keep everything of a file but this."""
    room.unkept, room.verify = frozenset(unkept), verify
    return room


def drift(room: Room) -> None:
    """Give the only file another inode and change time, and nothing else."""
    path, beside = room.root / "CARD" / "f0", room.root / "beside"
    seen = path.stat()
    beside.write_bytes(path.read_bytes())
    os.utime(beside, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    beside.rename(path)


def rewrite(room: Room) -> None:
    """Write another last byte into the only file, and give it its time again."""
    path = room.root / "CARD" / "f0"
    seen = path.stat()
    with path.open("r+b") as file:
        file.seek(seen.st_size - 1)
        file.write(b"!")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def in_time(room: Room, condition: Callable[[], Any]) -> None:
    """Tick until a condition holds, time passing with every tick."""

    def there() -> Any:
        room.clock.advance(0.25)
        return condition()

    room.until(there)


def until_complete(room: Room, upload_id: str) -> dict[str, Any]:
    """Tick until an upload is complete, time passing; give its package as the cloud has it."""
    room.until_state(upload_id, "complete")
    return room.package(upload_id)


class Rewriting:
    """Puts chunks, and has the file rewritten once the last of them has gone."""

    def __init__(self, room: Room, chunks: int) -> None:
        self._room, self._left = room, chunks

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Put one chunk."""
        answer = self._room.cloud.put_chunk(*given, **named)
        self._left -= 1
        if not self._left:
            rewrite(self._room)
        return answer


@SIZES
@VERIFIES
def test_file_whose_inode_and_change_time_drift_is_sent(room: Room, size: int, verify: Verify):
    """What the share makes up anew at every look is no change."""
    on_a_share(room, verify, "inode", "ctime_ns").build()
    upload_id = room.drop("CARD", size)
    drift(room)

    until_complete(room, upload_id)
    assert room.told == []


@SIZES
@VERIFIES
def test_file_that_is_rewritten_under_its_size_and_time_goes_as_it_is_at_last(
    room: Room, size: int, verify: Verify
):
    """Only its bytes tell it there, and no version is mixed with another (P2)."""
    on_a_share(room, verify, "ctime_ns")
    room.build(cloud=Door(room.cloud, put_chunk=Rewriting(room, max(size // CHUNK, 1))))
    upload_id = room.drop("CARD", size)
    in_time(room, lambda: room.file(upload_id).stale)
    assert room.told
    assert not room.file(upload_id).closed
    room.settle_again(upload_id)

    (sent,) = until_complete(room, upload_id)["files"]
    content = (room.root / "CARD" / "f0").read_bytes()
    assert content.endswith(b"!")
    assert sent["sha256"] == hashlib.sha256(content).hexdigest()
    (proof,) = room.store.prove(upload_id)
    assert proof.doubt == ""


def test_file_on_a_share_that_keeps_everything_is_read_once(room: Room):
    """There its identity tells a rewrite."""
    room.build(cloud=Door(room.cloud, put_chunk=Rewriting(room, 2)))
    upload_id = room.drop("CARD", 2 * CHUNK)

    room.until(lambda: room.file(upload_id).stale)
    assert "ctime_ns changed" in room.file(upload_id).error


def until_sent(room: Room, upload_id: str) -> float:
    """Send all chunks of the only file, time standing still; give when it may be read again."""
    room.until(lambda: room.file(upload_id).retry_at and not room.crew.busy)
    file = room.file(upload_id)
    assert (file.sent, file.reread, file.closed) == (file.identity.size, 0, False)
    return file.retry_at


@SIZES
def test_second_read_begins_a_quiet_time_after_the_last_chunk_went(room: Room, size: int):
    """Nobody has the upload in hand meanwhile, and it says what it waits for."""
    on_a_share(room, Verify.FAST, "ctime_ns")
    note = Nth(room.store.note_reread)
    room.build(store=Door(room.store, note_reread=note))
    upload_id = room.drop("CARD", size)
    due = until_sent(room, upload_id)
    room.until(lambda: room.upload(upload_id).lease_until == 0.0)
    assert due == room.store.now() + QUIET_S
    assert room.quiets == {(os.fsencode(room.root / "CARD" / "f0"), FOLDER)}
    assert "read once more after a quiet time" in room.upload(upload_id).error
    room.clock.advance(QUIET_S - 0.1)
    room.turn()
    assert note.calls == 0
    room.clock.advance(0.2)

    room.until_complete(upload_id)
    assert note.calls == max(size // CHUNK, 1)


@pytest.mark.parametrize("haste", ["reload", "kill"])
def test_second_read_is_hastened_by_nothing(room: Room, haste: str):
    """What ends every other wait does not make the bytes older."""
    on_a_share(room, Verify.FAST, "ctime_ns").build()
    upload_id = room.drop("CARD", 2 * CHUNK)
    due = until_sent(room, upload_id)
    room.clock.advance(QUIET_S / 2)
    if haste == "kill":
        room.restart()
    room.store.hurry()

    assert until_sent(room, upload_id) == due
    room.clock.advance(QUIET_S / 2)
    room.until_complete(upload_id)


@SIZES
def test_writer_that_sets_size_and_time_first_is_found_out_by_the_second_read(
    room: Room, size: int
):
    """He looks done when he is read first, and writes on after that (P2)."""
    on_a_share(room, Verify.FAST, "ctime_ns").build()
    upload_id = room.drop("CARD", size)
    until_sent(room, upload_id)
    rewrite(room)
    room.clock.advance(QUIET_S)
    room.until(lambda: room.file(upload_id).stale)
    assert not room.file(upload_id).closed
    room.settle_again(upload_id)

    until_complete(room, upload_id)
    (sent,) = room.package(upload_id)["files"]
    content = (room.root / "CARD" / "f0").read_bytes()
    assert sent["sha256"] == hashlib.sha256(content).hexdigest()


def test_second_read_that_a_closed_window_ends_goes_on_where_it_came_to(room: Room):
    """A file whose reading lasts longer than its window is read in several."""
    on_a_share(room, Verify.FAST, "ctime_ns")
    note = Hold(room.store.note_reread, nth=2)
    room.build(store=Door(room.store, note_reread=note))
    upload_id = room.drop("CARD", 4 * CHUNK)
    in_time(room, note.reached.is_set)
    room.turns = SHUT
    room.turn()
    room.clock.advance(CLOSING_S)
    room.turn()
    note.go_on.set()
    room.until(lambda: not room.crew.busy)
    assert room.file(upload_id).reread == 2
    assert not room.file(upload_id).closed
    room.turns = NO_TURNS

    until_complete(room, upload_id)
    assert note.calls == 4


@pytest.mark.fault(34)
@pytest.mark.parametrize("killed_at", [1, 3, 4])
def test_second_read_that_a_kill_ends_goes_on_from_the_last_chunk_that_was_stored(
    room: Room, killed_at: int
):
    """As sending does: at most the chunk that was being read is read once more (P4)."""
    on_a_share(room, Verify.FAST, "ctime_ns")
    upload_id = room.drop("CARD", 4 * CHUNK)
    killed = Nth(room.store.note_reread, killed_at, raising(StoreFull("killed")))
    room.build(store=Door(room.store, note_reread=killed))
    in_time(room, lambda: killed.calls == killed_at and not room.crew.busy)
    noted: list[int] = []

    def note(file: SourceFile, fence: int, number: int) -> None:
        noted.append(number)
        room.store.note_reread(file, fence, number)

    room.restart(store=Door(room.store, note_reread=note))
    room.store.hurry()

    until_complete(room, upload_id)
    assert noted == list(range(killed_at, 5))


@SIZES
def test_close_that_fails_has_nothing_read_a_third_time(room: Room, size: int):
    """What was read twice stays so: one hiccup of the cloud costs no second day of reading."""
    on_a_share(room, Verify.FAST, "ctime_ns")
    note = Nth(room.store.note_reread)
    close = Nth(room.cloud.close_file, 1, raising(CloudUnreachable("503")))
    room.build(store=Door(room.store, note_reread=note), cloud=Door(room.cloud, close_file=close))
    upload_id = room.drop("CARD", size)

    until_complete(room, upload_id)
    assert close.calls == 2
    assert note.calls == max(size // CHUNK, 1)


def test_chunk_that_has_no_hash_counts_as_changed(room: Room):
    """Nothing says what was sent of it, so it goes again with one."""
    on_a_share(room, Verify.FAST, "ctime_ns")
    put: list[Chunk] = []

    def note(file: SourceFile, fence: int, chunk: Chunk, *, last: bool) -> None:
        put.append(chunk)
        bare = chunk if len(put) > 2 else replace(chunk, hash="")
        room.store.note_etag(file, fence, bare, last=last)

    room.build(store=Door(room.store, note_etag=note))
    upload_id = room.drop("CARD", 2 * CHUNK)
    in_time(room, lambda: room.file(upload_id).stale)
    assert not room.file(upload_id).closed
    room.settle_again(upload_id)

    until_complete(room, upload_id)
    assert len(put) == 4
