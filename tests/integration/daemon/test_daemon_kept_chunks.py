"""A large file that changes on its way, with kills in between: only what differs goes again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon.dispatch import CALLS, CHUNK, Dispatch, digests, expected, running
from tests.processes import ask
from tests.waiting import eventually

NAME = "a.mov"


def _versions(world: Dispatch) -> list[tuple[Any, ...]]:
    return world.rows("SELECT version, cloud_id, sent, closed, stale FROM files")


def _until_acknowledged(world: Dispatch, count: int, version: int) -> None:
    chunks = f"SELECT count(*) FROM chunks WHERE version = {version}"
    eventually(lambda: world.rows(chunks) == [(count,)], within=20)


def _rewrite(path: Path, content: bytes, number: int) -> bytes:
    """Change one byte of a chunk in place and give the whole content."""
    at = (number - 1) * CHUNK + 7
    changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    with path.open("r+b") as file:
        file.seek(at)
        file.write(changed[at : at + 1])
    return changed


@pytest.mark.fault(12)
@pytest.mark.fault(34)
def test_file_that_changes_between_two_kills_sends_only_its_changed_chunk_again(tmp_path: Path):
    """All four chunks were sent, it is not closed yet, the third changes while the daemon is down.

    The second kill falls while its next version is on the way.
    """
    content = random.Random(12).randbytes(3 * CHUNK + 4321)
    with running(tmp_path) as world:
        # nothing is closed until the change has come
        world.sandbox.fault("status", CALLS["file finalize"], status=503, times=None)
        world.drop(NAME, content)
        _until_acknowledged(world, 4, 0)
        world.daemon.kill()
        ((_, cloud_id, sent, closed, _),) = _versions(world)
        content = _rewrite(world.top / "out" / NAME, content, 3)
        world.sandbox.fault("stall", CALLS["chunk PUT"], seconds=1.0, when="before", times=None)
        world.daemon.start().until_ready()
        eventually(lambda: _versions(world)[0][0] == 1, within=20)
        _until_acknowledged(world, 3, 1)
        world.daemon.kill()
        world.sandbox.heal()
        world.daemon.start().until_ready()
        (package,) = world.until_delivered(NAME, impatient=True)
        ((version, same_id, all_sent, _, _),) = _versions(world)
        puts = {part: count for (_, part), count in world.puts().items()}
        details = ask(world.daemon.api, f"/api/v1/uploads/{world.upload(NAME)['upload_id']}")[1]

    assert (sent, closed) == (len(content), 0)
    assert (version, same_id, all_sent) == (1, cloud_id, len(content))
    assert digests(package) == expected(NAME, content)
    assert len(package["files"]) == 1
    # the kill may have cut the PUT of the changed chunk short: then it went once more
    assert {part: count for part, count in puts.items() if part != 3} == {1: 1, 2: 1, 4: 1}
    assert puts[3] in {2, 3}
    assert details["files"][0]["hash"].startswith(f"xxh3-128/{CHUNK}:")
