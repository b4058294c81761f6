"""SIGKILL around rebinds: each drop is delivered once and whole, and never to whom it left."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.killing import CHUNK, Mortal, wait_out
from tests.processes import Sandbox, ask
from tests.waiting import eventually

SEED = 20261128


@dataclass
class Story:
    """One daemon, killed over and over, and whom a person wanted each drop to go to."""

    top: Path
    sandbox: Sandbox
    daemon: Mortal
    rng: random.Random = field(default_factory=random.Random)
    #: of each drop, its size and whom it may have gone to by what was asked and answered
    sizes: dict[str, int] = field(default_factory=dict)
    to: dict[str, set[str]] = field(default_factory=dict)
    #: rebinds that were answered with yes
    answered: int = 0

    def configure(self, recipient: str, *, idle_s: int) -> None:
        """Let the rule name somebody else at the next start."""
        self.daemon.configure(f'finalize: {{idle: {idle_s}s}}, to: {{recipients: ["{recipient}"]}}')

    def drop_one(self, recipient: str) -> None:
        """Let a file arrive."""
        name = f"drop{len(self.sizes)}.mov"
        size = self.rng.choice([1000, CHUNK + 7, 3 * CHUNK])
        (self.top / "out" / name).write_bytes(self.rng.randbytes(size))
        self.sizes[name], self.to[name] = size, {recipient}

    def rebind_some(self, recipient: str) -> None:
        """Have some of what is on its way go to whom the rule names now."""
        for drop_id, path in self.daemon.rows("SELECT id, path FROM drops WHERE state = 'taken'"):
            name = path.decode()
            if self.rng.random() < 0.3:
                continue
            before = set(self.to[name])
            self.to[name].add(recipient)
            try:
                status, _ = ask(self.daemon.api, f"/api/v1/drops/{drop_id}/rebind", "POST", {})
            except OSError:
                continue
            if status == 200:
                self.to[name] = {recipient}
                self.answered += 1
            else:
                # refused: it is being delivered to whom it went before
                self.to[name] = before

    def has_left(self) -> bool:
        """Say whether a package was left for a rebind, and is gone from the cloud or will be."""
        return bool(
            self.daemon.rows("SELECT 1 FROM left_packages")
            or self.sandbox.packages(state="archived")
        )

    def is_sending(self) -> bool:
        """Say whether a package is there for a drop that may still go to others."""
        return bool(
            self.daemon.rows(
                "SELECT 1 FROM drops JOIN uploads ON uploads.id = drops.upload_id"
                " WHERE drops.state = 'taken' AND uploads.package_id IS NOT NULL"
                " AND uploads.state IN ('transferring', 'idle')"
            )
        )

    def is_settled(self) -> bool:
        """Say whether every drop is delivered and nothing is left to cancel."""
        states = [state for (state,) in self.daemon.rows("SELECT state FROM uploads")]
        left = self.daemon.rows("SELECT package_id FROM left_packages")
        return len(states) == len(self.sizes) and set(states) == {"complete"} and not left


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Give a sandbox whose answers are late, and a daemon that is not started."""
    sandbox = Sandbox(tmp_path / "cloud")
    # the effect happens and its answer is late: kills fall between the two
    sandbox.fault("stall", "DELETE /v1/packages/", seconds=0.2, times=None)
    sandbox.fault("stall", "POST /v1/teams/[^/]*/packages", seconds=0.2, times=None)
    sandbox.fault("stall", "POST /v1/packages/[^/]*/finalize", seconds=0.2, times=None)
    sandbox.fault("stall", seconds=0.03, times=None)
    made = Story(tmp_path, sandbox, Mortal(tmp_path, sandbox))
    yield made
    if made.daemon.process is not None:
        made.daemon.stop()
    sandbox.end()


def _kill_often(story: Story, kills: int, seed: int) -> None:
    story.rng.seed(seed)
    number = 0
    # a slow machine may come to no package that is left: then it is killed more often
    while number < kills or (number < 4 * kills and not story.has_left()):
        recipient = f"person{number}@example.com"
        story.configure(recipient, idle_s=story.rng.choice([0, 5]))
        story.daemon.start()
        eventually(story.daemon.answers, within=30)
        story.drop_one(recipient)
        for _ in range(2):
            wait_out(story.rng.uniform(0.3, 1.2))
            story.rebind_some(recipient)
        # however slow the machine is, something is rebound that has a package already
        eventually(lambda: story.is_sending() or story.is_settled())
        story.rebind_some(recipient)
        wait_out(story.rng.uniform(0.0, 0.3))
        story.daemon.kill()
        # what had not been taken follows the rule of the next start
        taken = {
            path.decode()
            for (path,) in story.daemon.rows("SELECT path FROM drops WHERE upload_id IS NOT NULL")
        }
        for name in story.sizes.keys() - taken:
            story.to[name].add(f"person{number + 1}@example.com")
        number += 1
    story.configure(f"person{number}@example.com", idle_s=0)
    story.daemon.start()
    eventually(story.daemon.answers, within=30)
    eventually(story.is_settled, within=300, every=0.2)


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(5, SEED), *(pytest.param(40, SEED + n, marks=pytest.mark.long) for n in range(1, 4))],
)
def test_daemon_killed_around_rebinds_delivers_each_drop_once_and_only_to_the_last(
    story: Story, kills: int, seed: int
):
    """The intent to leave a package is stored with all that begins anew (behaviour 7.7)."""
    _kill_often(story, kills, seed)

    packages: dict[str, list[dict[str, Any]]] = {}
    for package in story.sandbox.witness("packages"):
        packages.setdefault(package["name"], []).append(package)
    cancelled = 0
    for name, size in story.sizes.items():
        made = packages[name]
        (delivered,) = [each for each in made if each["finalize_calls"]]
        assert delivered["finalize_calls"] == 1, name
        assert [each["size"] for each in delivered["files"]] == [size], name
        (recipient,) = delivered["recipients"]
        assert recipient in story.to[name], name
        for other in made:
            # an answer that was lost may leave an empty one, which nobody ever sees
            is_gone = other is delivered or other["state"] == "archived"
            assert is_gone or not other["files"], name
            cancelled += other["state"] == "archived"
    assert cancelled
    assert story.answered >= kills // 2
    print(f"{kills} kills, {len(story.sizes)} drops, {story.answered} rebinds, {cancelled} left")
