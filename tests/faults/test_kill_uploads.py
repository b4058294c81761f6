"""SIGKILL in the midst of uploads, at every step of every call: what goes again, and how often.

The daemon's calls pass a proxy that holds the one that a kill is meant for, so that the kill falls
before its effect, within its bytes, or between its effect and its answer; the others come by time.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

from masv_watch.transfer.crew import SMALL_WORKERS
from tests.faults.proxy import Kind, Proxy, Way
from tests.integration.daemon.dispatch import CALLS, CHUNK, Dispatch, digests, expected, let_pass
from tests.waiting import eventually

SEED = 20261205
CONNECTIONS, ACTIVE = 4, 3
#: beside them each upload but one may have a guest's, while that one holds them all
MOST_CONNECTIONS = CONNECTIONS + ACTIVE - 1

Chunk = tuple[str, int]
#: a call and a place within it; None: any time
Moment = tuple[str, str] | None
MOMENTS: list[Moment] = [
    *product(CALLS, ("before it", "within it", "before its answer")), None, None, None, None,
]  # fmt: skip


@dataclass
class Toll:
    """What one kill left open, and what it cost."""

    moment: str
    #: PUTs of each chunk that had come when the daemon was dead
    came: Counter[Chunk]
    acknowledged: set[Chunk]
    again: set[Chunk] = field(default_factory=set)


class Besieged(Dispatch):
    """A daemon behind a proxy, killed over and over while it sends cards."""

    def __init__(self, top: Path) -> None:
        def behind(api: str) -> str:
            self.proxy = Proxy(api, latency_s=0.01)
            return self.proxy.url

        transfer = f"connections: {CONNECTIONS}, chunk_size: 5 MiB, active_uploads: {ACTIVE}"
        super().__init__(top, transfer=transfer, behind=behind)
        self.cards: dict[str, dict[str, str]] = {}
        self.tolls: list[Toll] = []

    def close(self) -> None:
        """End the processes, the line, and what the cloud keeps."""
        super().close()
        self.proxy.close()
        shutil.rmtree(self.top / "cloud")

    def drop_card(self, rng: random.Random) -> None:
        """Drop a folder with files of several chunks and many of one."""
        name = f"CARD{len(self.cards)}"
        files = {
            f"clips/c{number:02}.mxf": rng.randbytes(rng.randrange(20_000)) for number in range(20)
        }
        files["big.mov"] = rng.randbytes(rng.choice([2, 3]) * CHUNK + rng.randrange(9))
        files["long.mov"] = rng.randbytes(CHUNK + 1)
        self.cards[name] = expected(name, files)
        self.drop(name, files)

    def kill_at(self, moment: Moment, rng: random.Random) -> None:
        """Wait for a moment, kill the daemon there, and count what had gone until then."""
        # so that every connection has a chunk on its way
        self.proxy.order(Kind.SLOW, CALLS["chunk PUT"], at=800, rate=8 * CHUNK // 5, times=None)
        is_met = moment is None or self._await(*moment, rng)
        if moment is None:
            let_pass(rng.uniform(0.0, 1.5))
        self.daemon.kill()
        self.proxy.heal()
        # what was on its way is taken or thrown away before it is counted
        eventually(lambda: self.proxy.open_links == 0, within=20)
        told = "by time" if moment is None else f"{moment[0]}, {moment[1]}"
        told = told if is_met else "none of its kind"
        self.tolls.append(Toll(told, self.puts(), self.acknowledged()))

    def _await(self, call: str, when: str, rng: random.Random) -> bool:
        way = Way.DOWN if when == "before its answer" else Way.UP
        at = 0
        if when == "within it":
            at = rng.randrange(700, CHUNK) if call == "chunk PUT" else rng.randrange(1, 500)
        # a small file has no byte so far within; of the calls of a package there is one
        skip = 0 if call.startswith("package") else rng.randrange(8)
        match = CALLS[call]
        times = None if call == "chunk PUT" and at else 1
        fault = self.proxy.order(Kind.HOLD, match, way=way, at=at, skip=skip, times=times)
        # once everything is delivered, no call of any kind comes any more
        eventually(lambda: fault.reached.is_set() or self.is_settled(), within=300, every=0.1)
        return fault.reached.is_set()

    def is_settled(self) -> bool:
        """Say whether every card was delivered."""
        states = {each["package_name"]: each["state"] for each in self.daemon.uploads()}
        return all(states.get(name) == "complete" for name in self.cards)

    def reckon(self) -> None:
        """Find out which chunks went again because of which kill."""
        counts = [*(toll.came for toll in self.tolls[1:]), self.puts()]
        for toll, later in zip(self.tolls, counts, strict=True):
            toll.again = {chunk for chunk, count in toll.came.items() if later[chunk] > count}


@pytest.fixture
def besieged(tmp_path: Path) -> Iterator[Besieged]:
    """Give a daemon behind a proxy that is not started."""
    made = Besieged(tmp_path)
    yield made
    made.close()


@pytest.mark.fault(34)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("kills", "seed"), [(6, SEED), pytest.param(200, SEED + 1, marks=pytest.mark.long)]
)
def test_daemon_killed_at_every_step_of_uploads_sends_no_acknowledged_chunk_again(
    besieged: Besieged, kills: int, seed: int
):
    """A restart goes on from the last acknowledged chunk, and repeats one for each connection."""
    world, rng = besieged, random.Random(seed)
    moments = MOMENTS * (kills // len(MOMENTS) + 1)
    rng.shuffle(moments)
    world.drop_card(rng)
    for moment in moments[:kills]:
        world.daemon.start()
        eventually(world.daemon.answers, within=30)
        states = Counter(each["state"] for each in world.daemon.uploads())
        if len(world.cards) - states["complete"] < 3:
            world.drop_card(rng)
        world.kill_at(moment, rng)
    world.daemon.start()
    eventually(world.daemon.answers, within=30)
    eventually(world.is_settled, within=300, every=0.2)
    world.reckon()
    puts = world.puts()

    for toll in world.tolls:
        assert not toll.again & toll.acknowledged, toll.moment
        large = {chunk for chunk in toll.again if chunk[1] > 1 or (chunk[0], 2) in puts}
        assert len(large) <= MOST_CONNECTIONS, toll.moment
        # each worker has one small file in hand until it is closed; its connection may serve others
        assert len(toll.again - large) <= SMALL_WORKERS, toll.moment
    for name, card in world.cards.items():
        package = world.package(name)
        assert package["finalize_calls"] == 1, name
        assert digests(package) == card, name
        # a create whose answer was lost leaves an empty one, never a second delivery
        assert not [each for each in world.packages(name) if each != package and each["files"]]
    told = Counter(toll.moment for toll in world.tolls)
    again = sum(len(toll.again) for toll in world.tolls)
    print(f"{kills} kills, {len(world.cards)} cards, {again} PUTs again, {dict(told)}")
    assert told["none of its kind"] <= kills // 4
