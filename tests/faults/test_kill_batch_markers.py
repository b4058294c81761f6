"""SIGKILL around the done marker of a batch: each one ends its batch once, and no later one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.killing import CHUNK, Mortal, wait_out
from tests.processes import Sandbox
from tests.waiting import eventually

KEYS = (
    'drop: batch, to: {recipients: ["ada@example.com"]}, finalize: {idle: 1d, max_open: 1d},'
    ' after: {delivered: {move: "{root}/_sent/{name}"}}'
)
MARKED = "SELECT 1 FROM batch_marks"
#: the steps by which a marker is used up, each by what the state shows once it is done
STEPS = {
    "noted": MARKED,
    "used": f"{MARKED} WHERE used = 1",
    "closed": "SELECT 1 FROM uploads WHERE batch_closed = 1 AND state <> 'complete'",
    "finalizing": "SELECT 1 FROM uploads WHERE finalize_asked = 1 AND state <> 'complete'",
    "delivered": "SELECT 1 FROM tasks WHERE kind = 'dispose' AND state = 'due'",
    "moved": "SELECT 1 FROM tasks WHERE kind = 'dispose' AND state = 'done'",
}
#: those at which a marker may be lost, or speak twice
FEW = ("noted", "delivered")
SEED = 20261129


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Mortal]:
    """Give a daemon that is not started, before a cloud whose answers are late."""
    sandbox = Sandbox(tmp_path / "cloud")
    # the effect happens and its answer is late: kills fall between the two
    sandbox.fault("stall", "POST /v1/packages/[^/]*/finalize", seconds=0.5, times=None)
    sandbox.fault("stall", seconds=0.03, times=None)
    made = Mortal(tmp_path, sandbox)
    made.configure(KEYS, settle=', done_marker: "DONE"')
    yield made
    if made.process is not None:
        made.stop()
    sandbox.end()


def start(daemon: Mortal) -> None:
    """Start it anew, and wait until it answers."""
    daemon.start()
    eventually(daemon.answers, within=60)


def drop(daemon: Mortal, batch: int, rng: random.Random) -> set[str]:
    """Let some files arrive, and have all of them known before the marker is written."""
    names = {f"{batch}-{number}.mov" for number in range(rng.choice([1, 3]))}
    for name in names:
        (daemon.top / "out" / name).write_bytes(rng.randbytes(rng.choice([1000, CHUNK + 7])))
    eventually(
        lambda: names <= {path.decode() for (path,) in daemon.rows("SELECT path FROM drops")},
        within=60,
    )
    return names


def is_over(daemon: Mortal, batches: int) -> bool:
    """Say whether so many batches are delivered, and the marker of the last one is used up."""
    states = [state for (state,) in daemon.rows("SELECT state FROM uploads")]
    owed = daemon.rows("SELECT 1 FROM tasks WHERE state = 'due'")
    return states == ["complete"] * batches and not owed


def has(daemon: Mortal, query: str) -> bool:
    """Say whether a step was done that the state shows."""
    return bool(daemon.rows(query))


def delivered(daemon: Mortal) -> list[set[str]]:
    """Give the files of each package that was ever finalized, in the order of their making."""
    packages = daemon.sandbox.witness("packages")
    assert all(package["finalize_calls"] <= 1 for package in packages)
    return [
        {file["name"] for file in package["files"]}
        for package in packages
        if package["finalize_calls"]
    ]


@pytest.mark.parametrize("steps", [FEW, pytest.param(tuple(STEPS), marks=pytest.mark.long)])
def test_daemon_killed_at_each_step_of_a_marker_ends_each_batch_once(
    daemon: Mortal, steps: tuple[str, ...]
):
    """What is stored before the next step makes it follow once, whenever the kill came."""
    rng = random.Random(SEED)
    batches: list[set[str]] = []
    start(daemon)
    for step in steps:
        query = STEPS[step]
        batches.append(drop(daemon, len(batches), rng))
        (daemon.top / "out" / "DONE").touch()
        # a step may be over before anybody looks: then the kill comes behind it
        eventually(
            lambda query=query: has(daemon, query) or is_over(daemon, len(batches)), within=60
        )
        daemon.kill()
        start(daemon)
        eventually(lambda: is_over(daemon, len(batches)), within=120)
        assert delivered(daemon) == batches, step
        assert not (daemon.top / "out" / "DONE").exists(), step
    late = drop(daemon, len(batches), rng)
    daemon.kill()
    start(daemon)
    wait_out(3.0)

    # no marker that was used up speaks for what came after it
    assert delivered(daemon) == batches
    (daemon.top / "out" / "DONE").touch()
    eventually(lambda: delivered(daemon) == [*batches, late], within=60)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEED, SEED + 2))
def test_daemon_killed_at_any_moment_around_markers_ends_each_batch_once(daemon: Mortal, seed: int):
    """Forty batches, each with a kill somewhere between its first file and its source's move."""
    rng = random.Random(seed)
    batches: list[set[str]] = []
    for _ in range(40):
        start(daemon)
        batches.append(drop(daemon, len(batches), rng))
        (daemon.top / "out" / "DONE").touch()
        wait_out(rng.uniform(0.0, 5.0))
        daemon.kill()
        start(daemon)
        eventually(lambda: is_over(daemon, len(batches)), within=120)
        daemon.kill()

    assert delivered(daemon) == batches
