"""How the daemon ends while it sends: in time, with status 0, and without sending twice."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

import pytest

from tests.integration.daemon.dispatch import CHUNK, MIB, digests, expected, running
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
def test_sigterm_while_the_storage_takes_nothing_ends_within_twenty_seconds(tmp_path: Path):
    """A black hole holds up the end no longer than its share; the next start delivers."""
    with running(tmp_path, transfer="connections: 4, chunk_size: 100 MiB") as world:
        world.sandbox.fault("stall", "PUT /storage/", seconds=300, when="before", times=4)
        world.drop_hollow("hole.mov", 400 * MIB)
        eventually(lambda: world.sandbox.witness("faults")[0]["fired"] == 4, within=20, every=0.05)
        began = monotonic()
        status = world.daemon.stop()
        took_s = monotonic() - began
        world.sandbox.heal()
        world.daemon.start().until_ready()
        (package,) = world.until_delivered("hole.mov", within=40)

    print(f"stop: {took_s:.1f} s with four black holes")
    assert status == 0
    assert took_s < 20
    assert package["finalize_calls"] == 1
    assert [file["size"] for file in package["files"]] == [400 * MIB]


@pytest.mark.fault(36)
def test_sigterm_while_answers_are_held_back_ends_in_time_and_repeats_only_those(tmp_path: Path):
    """An answer that comes after the last moment costs its own chunk once more, no other."""
    content = os.urandom(10 * CHUNK)
    with running(tmp_path) as world:
        world.drop("held.mov", content)
        world.sandbox.fault("stall", "PUT /storage/", seconds=300, times=4, skip=2)
        eventually(lambda: world.sandbox.witness("faults")[0]["fired"] == 4, within=20, every=0.05)
        began = monotonic()
        status = world.daemon.stop()
        took_s = monotonic() - began
        held = world.acknowledged()
        world.sandbox.heal()
        world.daemon.start().until_ready()
        (package,) = world.until_delivered("held.mov")
        puts = world.puts()

    assert status == 0
    assert took_s < 20
    assert {puts[chunk] for chunk in held} == {1}
    assert sum(puts.values()) == 10 + 4
    assert digests(package) == expected("held.mov", content)
