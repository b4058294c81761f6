"""A file that changes on its way: what the storage has of it stays, the rest goes again."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import xxhash

from masv_watch.errors import CloudRefused, CloudUnreachable
from masv_watch.model import Draft, SourceFile, Terms, UploadType, Verify
from tests.integration.rooms.sent import CHUNK, FOLDER, QUIET_S, Door, Hold, Room

SIZE = 3 * CHUNK + 1234
#: every chunk of it sent once
ONCE = {1: 1, 2: 1, 3: 1, 4: 1}
AT_ONCE = Terms(type=UploadType.TEAM, idle_s=0.0)


class Case:
    """One file of a hot folder or of a caller, and what the cloud has of it."""

    def __init__(self, room: Room, kind: str, content: bytes) -> None:
        """Write the file and make it an upload."""
        self.room, self.kind, self.content = room, kind, content
        if kind == "caller":
            self.path = room.source("a.mov", content)
            self.upload_id = room.call(self.path, terms=AT_ONCE)
        else:
            self.path = room.root / "drop" / "a.mov"
            self.path.parent.mkdir()
            self.path.write_bytes(content)
            self.upload_id = self._dropped()

    def _dropped(self) -> str:
        drop = self.room.store.see_drop(FOLDER, b"drop")
        draft = Draft(
            hot_folder=FOLDER,
            root=os.fsencode(self.room.root),
            name="drop",
            message="",
            terms=AT_ONCE,
            drops=(self.room.settled("drop", drop.id),),
        )
        return str(self.room.store.create_upload(draft))

    @property
    def file(self) -> SourceFile:
        """Give the row as it stands."""
        return self.room.file(self.upload_id)

    def change(self, content: bytes) -> None:
        """Write the file in place, its times and its size following."""
        self.content = content
        with self.path.open("r+b") as file:
            file.write(content)
            file.truncate()

    def settle(self) -> None:
        """Let the change be found and be quiet, as intake or the looks of `Settling` would."""
        room = self.room
        if self.kind == "drop":
            room.settle_again(self.upload_id)
            return
        room.until(lambda: self.file.stale)
        before = self.file.identity
        room.until(lambda: not room.crew.busy)

        def is_settled() -> bool:
            room.clock.advance(QUIET_S / 4)
            return not self.file.stale and self.file.identity != before

        room.until(is_settled)

    def until_complete(self) -> dict[str, Any]:
        """Send it, time passing, until the package is complete; give its only file."""
        self.room.until_state(self.upload_id, "complete")
        (file,) = self.room.package(self.upload_id)["files"]
        return file

    def puts(self, cloud_id: str | None = None) -> dict[int, int]:
        """Count the PUTs that reached each part of the file's present cloud file."""
        wanted = cloud_id or self.file.cloud_id
        found = self.room.sandbox.witness("puts")
        return {put["part"]: put["attempts"] for put in found if put["file"] == wanted}

    def assert_whole(self) -> None:
        """The cloud has exactly the bytes of the last version, and the rows prove it."""
        file = self.until_complete()
        assert file["sha256"] == hashlib.sha256(self.content).hexdigest()
        assert self.room.package(self.upload_id)["finalize_calls"] == 1
        (proof,) = self.room.store.prove(self.upload_id)
        assert proof.doubt == ""
        assert proof.identity.size == len(self.content)
        spans = range(0, max(len(self.content), 1), CHUNK)
        pieces = [self.content[at : at + CHUNK] for at in spans]
        assert [chunk.size for chunk in proof.chunks] == [len(piece) for piece in pieces]


def noise(size: int, seed: int = 1) -> bytes:
    """Give the same bytes for the same seed."""
    return random.Random(seed).randbytes(size)


def patched(content: bytes, number: int) -> bytes:
    """Give the content with one byte of a chunk changed."""
    at = (number - 1) * CHUNK + 100
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def last_etag(room: Room, number: int) -> Hold:
    """Stand still when the etag of the nth chunk is about to be stored."""
    return Hold(room.store.note_etag, nth=number)


def stopped_before_close(
    room: Room, kind: str, content: bytes, change: Callable[[Case], None], **doors: Any
) -> Case:
    """Send all chunks of a file, and change it before it is closed; it has settled again."""
    chunks = max(-(-len(content) // CHUNK), 1)
    hold = last_etag(room, chunks)
    room.build(store=Door(room.store, note_etag=hold), **doors)
    case = Case(room, kind, content)
    room.until(hold.reached.is_set)
    change(case)
    hold.go_on.set()
    # every chunk is acknowledged; the look before the close finds the change
    room.until(lambda: case.file.stale)
    case.settle()
    return case


KINDS = pytest.mark.parametrize("kind", ["drop", "caller"])


@KINDS
def test_change_of_one_chunk_before_the_close_sends_only_that_one_again(room: Room, kind: str):
    """Of four chunks the third differs: the others stay in the same cloud file."""
    content = noise(SIZE)
    case = stopped_before_close(room, kind, content, lambda case: case.change(patched(content, 3)))
    before = case.file.cloud_id
    listings = _listings(room, case)
    case.assert_whole()

    assert case.file.cloud_id == before
    assert _listings(room, case) - listings <= 1
    assert case.puts() == {1: 1, 2: 1, 3: 2, 4: 1}
    assert room.metrics.value("chunks_kept") == 3
    assert room.upload(case.upload_id).sent == SIZE


def _listings(room: Room, case: Case) -> int:
    """Count how often the package's files were listed."""
    package_id = room.upload(case.upload_id).package_id
    return len(room.requests("GET", f"/v1/packages/{package_id}/files"))


@KINDS
def test_file_that_grew_keeps_its_full_chunks(room: Room, kind: str):
    """The last one was shorter and goes again, longer; one more follows."""
    content, grown = noise(SIZE), noise(SIZE) + noise(CHUNK, 2)
    case = stopped_before_close(room, kind, content, lambda case: case.change(grown))
    case.assert_whole()

    assert case.puts() == {1: 1, 2: 1, 3: 1, 4: 2, 5: 1}


@KINDS
def test_file_that_shrank_names_no_chunk_beyond_its_end(room: Room, kind: str):
    """What lies there at the storage is left unnamed; the last one that is left is cut shorter."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, kind, content, lambda case: case.change(content[: CHUNK + 99])
    )
    case.assert_whole()

    assert case.puts() == {1: 1, 2: 2, 3: 1, 4: 1}
    assert len(room.store.chunks(case.file.id)) == 2


def test_file_that_shrank_to_whole_chunks_sends_nothing_again(room: Room):
    """Two of four chunks make the whole file now."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(content[: 2 * CHUNK])
    )
    case.assert_whole()

    assert case.puts() == ONCE


@pytest.mark.parametrize("size", [0, 100, CHUNK - 1])
def test_file_that_shrank_below_its_first_chunk_begins_anew(room: Room, size: int):
    """Nothing of it can be kept, so its cloud file is replaced by a clean one."""
    content = noise(SIZE)
    case = stopped_before_close(room, "drop", content, lambda case: case.change(content[:size]))
    before = case.file.cloud_id
    case.assert_whole()

    assert before is None
    assert case.puts() == {1: 1}


def test_file_that_was_only_touched_sends_nothing_again(room: Room):
    """Its times differ and its bytes do not: all are read, none goes."""
    case = stopped_before_close(room, "drop", noise(SIZE), lambda case: case.path.touch())
    case.assert_whole()

    assert case.puts() == ONCE
    assert room.metrics.value("chunks_kept") == 4


def test_file_that_its_caller_may_not_read_any_more_is_not_even_compared(room: Room):
    """What the storage has of it would be compared by the daemon's own rights else (P8)."""

    def close(case: Case) -> None:
        case.path.touch()
        case.path.chmod(0o600)

    case = stopped_before_close(room, "caller", noise(SIZE), close)
    room.reach = replace(room.reach, uid=12345)
    room.until_state(case.upload_id, "error")

    assert "is not any more to be read by whoever named it" in room.upload(case.upload_id).error
    assert room.metrics.value("chunks_kept") == 0
    assert case.puts() == ONCE


def test_change_that_is_undone_before_anything_goes_sends_nothing_again(room: Room):
    """The first version's chunks are compared with the third, whose bytes they are."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 2))
    )
    case.change(content)
    case.settle()
    case.assert_whole()

    assert case.puts() == ONCE
    assert room.metrics.value("chunks_kept") == 4


def test_change_that_is_undone_after_its_chunk_went_sends_that_chunk_once_more(room: Room):
    """What the storage had of the first version is gone once other bytes went there."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 2))
    )
    hold = last_etag(room, 4)
    room.restart(store=Door(room.store, note_etag=hold))
    room.until(hold.reached.is_set)
    case.change(content)
    hold.go_on.set()
    room.until(lambda: case.file.stale)
    case.settle()
    case.assert_whole()

    assert case.file.version == 2
    assert case.puts() == {1: 1, 2: 3, 3: 1, 4: 1}


def test_change_that_is_undone_after_its_put_went_unheard_sends_that_chunk_once_more(room: Room):
    """Nobody knows what the storage has once a PUT has begun: that is stored before it begins."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 2))
    )
    lost = Hold(room.cloud.put_chunk, then=CloudUnreachable("the answer was lost"))
    room.restart(cloud=Door(room.cloud, put_chunk=lost))
    room.until(lost.reached.is_set)
    lost.go_on.set()
    room.until(lambda: case.puts()[2] == 2 and not room.crew.busy)
    first = case.file.cloud_id
    case.change(content)
    case.settle()
    case.assert_whole()

    assert case.file.cloud_id == first
    assert case.puts() == {1: 1, 2: 3, 3: 1, 4: 1}


def test_chunks_without_a_hash_all_go_again(room: Room):
    """With `verify: size` nothing says what the storage has."""
    content = noise(SIZE)
    room.verify = Verify.SIZE
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 3))
    )
    before = case.file.cloud_id
    case.assert_whole()

    assert before is None
    assert case.puts() == ONCE
    assert case.file.hash == ""


def test_chunks_are_not_kept_once_nobody_wants_hashes(room: Room):
    """A reload to `verify: size` sends what differs in nothing; what is kept is not believed."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 3))
    )
    room.verify = Verify.SIZE
    room.restart()
    case.assert_whole()

    assert case.puts() == {1: 2, 2: 2, 3: 2, 4: 2}


def test_strict_keeps_only_what_the_storage_acknowledged_by_its_md5(room: Room):
    """A hash that is equal is not enough there: the etag of then is compared as well."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 3))
    )
    real = room.store.kept_chunk

    def kept_chunk(file: SourceFile, number: int) -> Any:
        kept = real(file, number)
        wrong = hashlib.md5(b"other bytes", usedforsecurity=False).hexdigest()
        return replace(kept, etag=f'"{wrong}"') if kept is not None and number == 1 else kept

    room.verify = Verify.STRICT
    room.restart(store=Door(room.store, kept_chunk=kept_chunk))
    case.assert_whole()

    assert case.puts() == {1: 2, 2: 1, 3: 2, 4: 1}


def test_kill_while_chunks_are_compared_goes_on_with_the_rest(room: Room):
    """What was taken over counts; the rest is compared by the next process, nothing goes twice."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 4))
    )
    room.workers = 1
    hold = Hold(room.store.note_etag, nth=2)
    room.restart(store=Door(room.store, note_etag=hold))
    room.until(hold.reached.is_set)
    counted = room.file(case.upload_id).sent
    room.sender.abort()
    hold.go_on.set()
    room.restart()
    case.assert_whole()

    assert counted == CHUNK
    assert case.puts() == {1: 1, 2: 1, 3: 1, 4: 2}


def test_file_that_changes_again_while_it_is_compared_is_never_mixed(room: Room):
    """The hash of a chunk is taken under the fence: a third version is compared for itself."""
    content = noise(SIZE)
    case = stopped_before_close(room, "drop", content, lambda case: case.path.touch())
    hold = Hold(room.store.kept_chunk, nth=3)
    room.workers = 1
    room.restart(store=Door(room.store, kept_chunk=hold))
    room.until(hold.reached.is_set)
    case.change(patched(content, 1))
    hold.go_on.set()
    room.until(lambda: case.file.stale)
    room.settle_again(case.upload_id)
    case.assert_whole()

    assert case.puts() == {1: 2, 2: 1, 3: 1, 4: 1}


def test_close_that_took_effect_unheard_makes_the_changed_file_begin_anew(room: Room):
    """The multipart upload of the first version is over: it is asked about, nothing is added."""
    content = noise(SIZE)
    lost = Hold(room.cloud.close_file, then=CloudUnreachable("the answer was lost"))
    room.build(cloud=Door(room.cloud, close_file=lost))
    case = Case(room, "drop", content)
    room.until(lost.reached.is_set)
    lost.go_on.set()
    room.until(lambda: not room.crew.busy)
    first = case.file.cloud_id
    case.change(patched(content, 3))
    room.settle_again(case.upload_id)
    kept = case.file.cloud_id
    case.assert_whole()

    assert kept == first
    assert case.file.cloud_id != first
    assert case.puts(first) == ONCE
    assert case.puts() == ONCE


def test_cloud_that_closes_a_closed_file_without_a_word_is_not_taken_at_its_word(room: Room):
    """A shorter version, all of whose chunks it has: it would keep the longer one and say yes."""
    content = noise(SIZE)
    lost = Hold(room.cloud.close_file, then=CloudUnreachable("the answer was lost"))

    def close_file(*given: Any, **named: Any) -> None:
        with suppress(CloudRefused):
            lost(*given, **named)

    room.build(cloud=Door(room.cloud, close_file=close_file))
    case = Case(room, "drop", content)
    room.until(lost.reached.is_set)
    lost.go_on.set()
    room.until(lambda: not room.crew.busy)
    case.change(content[: 2 * CHUNK])
    room.settle_again(case.upload_id)
    case.assert_whole()

    assert case.puts() == {1: 1, 2: 1}


def test_part_that_was_overwritten_late_is_found_at_the_close_and_nothing_is_mixed(room: Room):
    """A PUT of the first version takes effect after the second's: the file begins anew, once."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 3))
    )
    first = case.file
    upload = room.upload(case.upload_id)
    closes: list[int] = []

    def close_file(*given: Any, **named: Any) -> None:
        closes.append(1)
        if len(closes) == 1:
            (url,) = room.cloud.chunk_urls(
                upload.package_id, upload.package_token, file_id=first.cloud_id,
                multipart_id=first.multipart_id, start=2, count=1,
            )  # fmt: skip
            _put_late(url.url, content[2 * CHUNK : 3 * CHUNK])
        room.cloud.close_file(*given, **named)

    room.restart(cloud=Door(room.cloud, close_file=close_file))
    case.assert_whole()

    assert len(closes) == 2
    assert case.file.cloud_id != first.cloud_id
    assert case.puts() == ONCE


def _put_late(url: str, content: bytes) -> None:
    """Send what somebody gave up long ago, past everything of ours."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port)
    connection.request("PUT", f"{parts.path}?{parts.query}", content)
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("call", ["chunk_urls", "close_file"])
@pytest.mark.parametrize("status", [400, 409, 422])
def test_cloud_that_takes_no_more_for_a_changed_file_gets_it_anew(
    room: Room, call: str, status: int
):
    """Whatever it makes of parts that stay over a change: it costs sending them once more."""
    content = noise(SIZE)
    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(patched(content, 3))
    )
    first = case.file.cloud_id
    real = getattr(room.cloud, call)

    def refuse(*given: Any, **named: Any) -> Any:
        if named["file_id"] == first:
            raise CloudRefused("it was begun for another version", status=status)
        return real(*given, **named)

    room.restart(cloud=Door(room.cloud, **{call: refuse}))
    case.assert_whole()

    assert case.file.cloud_id != first
    assert case.puts() == ONCE


def test_refusal_that_has_nothing_to_do_with_versions_still_needs_a_person(room: Room):
    """A file that never changed, and a refusal for payment, are not sent twice for nothing."""
    content = noise(2 * CHUNK)

    def refuse(*_given: Any, **_named: Any) -> Any:
        raise CloudRefused("no", status=refused_with[0])

    refused_with = [409]
    room.build(cloud=Door(room.cloud, close_file=refuse))
    unchanged = Case(room, "caller", content)
    room.until_state(unchanged.upload_id, "error")
    room.crew.stop(5)
    case = stopped_before_close(room, "drop", content, lambda case: case.path.touch())
    cloud_id = case.file.cloud_id
    refused_with[0] = 402
    room.restart(cloud=Door(room.cloud, close_file=refuse))
    room.until_state(case.upload_id, "error")

    assert case.file.cloud_id == cloud_id
    assert unchanged.puts() == case.puts() == {1: 1, 2: 1}


def test_grown_file_that_needs_more_chunks_than_its_cloud_file_takes_begins_anew(room: Room):
    """The count is the one that the cloud named for this file."""
    content = noise(SIZE)
    real = room.cloud.add_file

    def add_file(*given: Any, **named: Any) -> Any:
        return replace(real(*given, **named), max_count=4)

    case = stopped_before_close(
        room, "drop", content, lambda case: case.change(content + noise(CHUNK, 2)),
        cloud=Door(room.cloud, add_file=add_file),
    )  # fmt: skip
    before = case.file.cloud_id
    file = case.until_complete()

    assert before is None
    assert file["sha256"] == hashlib.sha256(case.content).hexdigest()
    assert [chunk.size for chunk in room.store.chunks(case.file.id)] == [
        6 << 20,
        6 << 20,
        6 << 20,
        2 * (1 << 20) + 1234,
    ]


def test_deleted_upload_stops_the_comparing(room: Room):
    """Nobody waits for a chunk to be read that nobody wants."""
    case = stopped_before_close(room, "drop", noise(SIZE), lambda case: case.path.touch())
    room.workers = 1
    hold = Hold(room.store.kept_chunk)
    room.restart(store=Door(room.store, kept_chunk=hold))
    room.until(hold.reached.is_set)
    room.desk.delete(case.upload_id)
    room.turn()
    hold.go_on.set()
    room.until(lambda: room.upload(case.upload_id).state == "gone")

    assert room.metrics.value("chunks_kept") == 0


@KINDS
def test_hash_of_a_whole_file_can_be_made_again_from_the_file_alone(room: Room, kind: str):
    """For one chunk it is that of the bytes; for more, of a line for each chunk."""
    room.build()
    content = noise(SIZE)
    case = Case(room, kind, content)
    small = room.call(room.source("small", b"abc"), terms=AT_ONCE)
    case.assert_whole()
    room.until_state(small, "complete")
    pieces = [content[at : at + CHUNK] for at in range(0, SIZE, CHUNK)]
    lines = "".join(f"{xxhash.xxh3_128_hexdigest(piece)} {len(piece)}\n" for piece in pieces)

    whole = xxhash.xxh3_128_hexdigest(lines.encode())
    assert case.file.hash == f"xxh3-128/{CHUNK}:{whole}"
    assert room.file(small).hash == f"xxh3-128:{xxhash.xxh3_128_hexdigest(b'abc')}"
