"""SIGKILL around rebinds: each drop is delivered once and whole, and never to whom it left."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.processes import Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

SEED = 20261128
CHUNK = 5 * 1024 * 1024

CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
transfer: {{connections: 4, chunk_size: 5 MiB}}
hot_folders:
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    finalize: {{idle: {idle}s}}
    to: {{recipients: ["{to}"]}}
"""


@dataclass
class Story:
    """One daemon, killed over and over, and whom a person wanted each drop to go to."""

    top: Path
    sandbox: Sandbox
    daemon: Daemon
    port: int
    rng: random.Random = field(default_factory=random.Random)
    #: of each drop, its size and whom it may have gone to by what was asked and answered
    sizes: dict[str, int] = field(default_factory=dict)
    to: dict[str, set[str]] = field(default_factory=dict)
    #: rebinds that were answered with yes
    answered: int = 0

    def configure(self, recipient: str, *, idle_s: int) -> None:
        """Let the rule name somebody else at the next start."""
        text = CONFIG.format(
            api=self.sandbox.api,
            port=self.port,
            top=self.top,
            to=recipient,
            idle=idle_s,
        )
        self.daemon.config.write_text(text)
        self.daemon.config.chmod(0o600)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read from the state, whoever has it open."""
        database = sqlite3.connect(f"file:{self.top}/state/masv-watch.db?mode=ro", uri=True)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def drop_one(self, recipient: str) -> None:
        """Let a file arrive."""
        name = f"drop{len(self.sizes)}.mov"
        size = self.rng.choice([1000, CHUNK + 7, 3 * CHUNK])
        (self.top / "out" / name).write_bytes(self.rng.randbytes(size))
        self.sizes[name], self.to[name] = size, {recipient}

    def rebind_some(self, recipient: str) -> None:
        """Have some of what is on its way go to whom the rule names now."""
        for drop_id, path in self.rows("SELECT id, path FROM drops WHERE state = 'taken'"):
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

    def is_settled(self) -> bool:
        """Say whether every drop is delivered and nothing is left to cancel."""
        states = [state for (state,) in self.rows("SELECT state FROM uploads")]
        left = self.rows("SELECT package_id FROM left_packages")
        return len(states) == len(self.sizes) and set(states) == {"complete"} and not left


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Give a sandbox whose answers are late, and a daemon that is not started."""
    (tmp_path / "out").mkdir()
    sandbox = Sandbox(tmp_path / "cloud")
    # the effect happens and its answer is late: kills fall between the two
    sandbox.fault("stall", "DELETE /v1/packages/", seconds=0.2, times=None)
    sandbox.fault("stall", "POST /v1/teams/[^/]*/packages", seconds=0.2, times=None)
    sandbox.fault("stall", "POST /v1/packages/[^/]*/finalize", seconds=0.2, times=None)
    sandbox.fault("stall", seconds=0.03, times=None)
    port = free_port()
    daemon = Daemon(tmp_path / "masv-watch.yml", port, tmp_path / "daemon.log")
    made = Story(tmp_path, sandbox, daemon, port)
    yield made
    if daemon.process is not None:
        daemon.stop()
    sandbox.end()


def _wait_out(moment_s: float) -> None:
    """Let real time pass until the seeded moment; there is no condition to wait for."""
    until = monotonic() + moment_s
    eventually(lambda: monotonic() >= until, within=moment_s + 5)


def _kill_often(story: Story, kills: int, seed: int) -> None:
    story.rng.seed(seed)
    for number in range(kills):
        recipient = f"person{number}@example.com"
        story.configure(recipient, idle_s=story.rng.choice([0, 5]))
        story.daemon.start()
        eventually(story.daemon.answers, within=30)
        story.drop_one(recipient)
        for _ in range(2):
            _wait_out(story.rng.uniform(0.3, 1.2))
            story.rebind_some(recipient)
        _wait_out(story.rng.uniform(0.0, 0.3))
        story.daemon.kill()
        # what had not been taken follows the rule of the next start
        taken = {
            path.decode()
            for (path,) in story.rows("SELECT path FROM drops WHERE upload_id IS NOT NULL")
        }
        for name in story.sizes.keys() - taken:
            story.to[name].add(f"person{number + 1}@example.com")
    story.configure(f"person{kills}@example.com", idle_s=0)
    story.daemon.start()
    eventually(story.daemon.answers, within=30)
    eventually(story.is_settled, within=90, every=0.2)


@pytest.mark.serial
@pytest.mark.timeout(300)
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
