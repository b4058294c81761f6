"""A source that cannot be read for a while: the sender waits for it, and makes up no byte."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Any

import pytest

from masv_watch.model import Verify
from masv_watch.retry import LONGEST_S
from tests.in_use import REFUSALS, InUse
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


@pytest.mark.parametrize("number", REFUSALS, ids=os.strerror)
def test_file_that_is_in_use_when_its_turn_comes_goes_soon_after_it_is_not(
    room: Room, monkeypatch: pytest.MonkeyPatch, number: int
):
    """Whoever has it open closes it in his own time: that is no fault of rights (pain 6)."""
    use = InUse(monkeypatch, "f0", number)
    room.build()
    upload_id = room.drop("card", 10)

    def refused_often() -> bool:
        room.clock.advance(5.0)
        return use.refusals >= 5

    room.until(refused_often)
    room.until(lambda: room.upload(upload_id).error)
    upload, waiting = room.upload(upload_id), room.desk.view(upload_id).waiting
    freed_at = room.store.now()
    use.is_refused = False
    room.until_state(upload_id, "complete")

    assert upload.state == "transferring"
    assert waiting is not None
    assert f"card/f0 is in use by another program or machine: {os.strerror(number)}" in waiting.cure
    assert "close what has it open" in waiting.cure
    assert room.store.now() - freed_at <= LONGEST_S
    assert room.package(upload_id)["finalize_calls"] == 1
