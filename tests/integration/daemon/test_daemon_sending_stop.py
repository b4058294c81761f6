"""How the daemon ends while it sends: in time, with status 0, and without sending twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import monotonic

import pytest

from tests.integration.daemon.dispatch import CHUNK, MIB, Dispatch, digests, expected, running
from tests.waiting import eventually


@pytest.mark.fault(36)
def test_sigterm_during_a_large_upload_ends_soon_and_sends_no_acknowledged_chunk_again(
    tmp_path: Path,
):
    """Chunks on their way end, the rest waits for the next start (promise P4)."""
    content = os.urandom(16 * CHUNK)
    with running(tmp_path) as world:
        world.sandbox.fault("stall", "PUT /storage/", seconds=0.8, times=None)
        world.drop("large.mov", content)
        eventually(lambda: len(world.acknowledged()) >= 4, within=20, every=0.05)
        began = monotonic()
        status = world.daemon.stop()
        took_s = monotonic() - began
        held, before = world.acknowledged(), world.puts()
        world.sandbox.heal()
        world.daemon.start().until_ready()
        (package,) = world.until_delivered("large.mov")
        after = world.puts()

    assert status == 0
    assert took_s < 20
    # what was on the wire ends; what only waited for a worker is not begun
    assert 4 <= len(held) < 16
    assert {chunk: after[chunk] - before[chunk] for chunk in held} == dict.fromkeys(held, 0)
    # an end in peace wastes no chunk at all
    assert set(after.values()) == {1}
    assert digests(package) == expected("large.mov", content)
    assert package["finalize_calls"] == 1


@pytest.mark.fault(36)
@pytest.mark.fault(53)
def test_sigterm_while_the_storage_stands_still_ends_in_time_and_repeats_only_that(tmp_path: Path):
    """Neither a black hole nor an answer that never comes holds up the end longer than its share.

    An answer that comes after the last moment costs its own chunk once more, no other. Both daemons
    are told at the same time, as both take their whole time.
    """
    content = os.urandom(10 * CHUNK)
    for name in ("hole", "held"):
        (tmp_path / name).mkdir()
    with (
        running(tmp_path / "hole", transfer="connections: 4, chunk_size: 100 MiB") as hole,
        running(tmp_path / "held") as held,
    ):
        hole.sandbox.fault("stall", "PUT /storage/", seconds=300, when="before", times=4)
        hole.drop_hollow("hole.mov", 400 * MIB)
        held.sandbox.fault("stall", "PUT /storage/", seconds=300, times=4, skip=2)
        held.drop("held.mov", content)
        for world in (hole, held):
            eventually(lambda world=world: _fired(world) == 4, every=0.05)
        began = monotonic()
        for world in (hole, held):
            world.daemon.signal(signal.SIGTERM)
        # a second signal would end it at once
        status = {world.daemon.process.wait(60) for world in (hole, held)}
        took_s = monotonic() - began
        acknowledged = held.acknowledged()
        for world in (hole, held):
            world.sandbox.heal()
            world.daemon.start().until_ready()
        (large,) = hole.until_delivered("hole.mov")
        (package,) = held.until_delivered("held.mov")
        puts = held.puts()

    print(f"stop: {took_s:.1f} s with four black holes")
    assert status == {0}
    # systemd gives half a minute; a machine that is not busy takes about 15 s
    assert took_s < 30
    assert large["finalize_calls"] == 1
    assert [file["size"] for file in large["files"]] == [400 * MIB]
    assert {puts[chunk] for chunk in acknowledged} == {1}
    assert sum(puts.values()) == 10 + 4
    assert digests(package) == expected("held.mov", content)


def _fired(world: Dispatch) -> int:
    """Count how often the first fault that is ordered struck."""
    return int(world.sandbox.witness("faults")[0]["fired"])
