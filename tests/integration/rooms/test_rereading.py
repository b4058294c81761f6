"""Files of which the share does not keep what tells a rewrite: they are read twice."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest

from masv_watch.model import Verify
from tests.integration.rooms.sent import CHUNK, Door, Room

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

    room.until_complete(upload_id)
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
    room.until(lambda: room.file(upload_id).stale)
    assert room.told
    assert not room.file(upload_id).closed
    room.settle_again(upload_id)

    (sent,) = room.until_complete(upload_id)["files"]
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
