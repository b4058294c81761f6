"""A disk that fails while it is read: the sender waits for it, and makes up no byte."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Any

import pytest

from masv_watch.model import Verify
from tests.integration.rooms.sent import CHUNK, Room


class _Disk:
    """The reads of this process, some of which fail as those of a dying disk do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, bad_from: int) -> None:
        self.is_bad = True
        self.failed = 0
        self._bad_from = bad_from
        for name in ("pread", "preadv"):
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, real: Any) -> Any:
        def read(descriptor: int, what: Any, offset: int, *rest: Any) -> Any:
            if self.is_bad and offset >= self._bad_from:
                self.failed += 1
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(descriptor, what, offset, *rest)

        return read


@pytest.mark.fault(30)
@pytest.mark.parametrize("verify", [Verify.FAST, Verify.STRICT])
def test_file_on_a_failing_disk_waits_ever_longer_and_arrives_as_it_is(
    room: Room, monkeypatch: pytest.MonkeyPatch, verify: Verify
):
    """What was read before the fault stays sent; nothing is filled up with zeros."""
    disk = _Disk(monkeypatch, bad_from=CHUNK + 4096)
    room.verify = verify
    room.build()
    content = os.urandom(2 * CHUNK + 11)
    upload_id = room.drop("card", len(content))
    (room.root / "card" / "f0").write_bytes(content)
    room.settle_again(upload_id)
    pauses = []
    for _ in range(3):
        tries = disk.failed
        room.until(lambda tries=tries: disk.failed > tries)
        room.until(lambda: room.upload(upload_id).retry_at > room.store.now())
        pauses.append(room.upload(upload_id).retry_at - room.store.now())
        waiting = room.desk.view(upload_id).waiting
        room.clock.advance(pauses[-1] + 1)
    error, sent = room.upload(upload_id).error, room.package(upload_id)
    disk.is_bad = False
    room.until_state(upload_id, "complete")
    package = room.package(upload_id)

    assert "Input/output error" in error
    assert waiting is not None
    assert "Input/output error" in waiting.cure
    assert sent["finalize_calls"] == 0
    assert pauses[0] >= 60
    assert pauses == sorted(pauses)
    assert [file["sha256"] for file in package["files"]] == [hashlib.sha256(content).hexdigest()]
    assert package["finalize_calls"] == 1
    puts = room.sandbox.witness("puts")
    # the chunk that could be read went once
    assert [put["ok"] for put in puts if put["package"] == package["id"]] == [1, 1, 1]
