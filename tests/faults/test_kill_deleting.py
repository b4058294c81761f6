"""SIGKILL around deletions and finalizes: nothing deleted is delivered, nothing is left behind."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.killing import CHUNK, Mortal, wait_out
from tests.processes import Sandbox, ask
from tests.waiting import eventually

SEED = 20261128
UPLOADS = "/api/v1/uploads"


@dataclass
class Wish:
    """What a person did with one upload, as far as it was answered."""

    name: str
    upload_id: str = ""
    asked_finalize: bool = False
    #: a delete was sent; and the daemon said yes
    asked_delete: bool = False
    was_deleted: bool = False
    #: it was complete in an answer that came before the delete was sent
    was_complete: bool = False


@dataclass
class Story:
    """One daemon, killed over and over, and what was asked of it."""

    top: Path
    sandbox: Sandbox
    daemon: Mortal
    rng: random.Random
    wishes: list[Wish] = field(default_factory=list)
    #: size and time of every source as it was written
    written: dict[str, tuple[int, int]] = field(default_factory=dict)

    def begin_one(self) -> None:
        """Make an upload by a call, or drop a file into the hot folder."""
        number = len(self.wishes)
        size = self.rng.choice([1000, CHUNK + 7, 2 * CHUNK])
        if self.rng.random() < 0.4:
            self._write("out", name := f"drop{number}.mov", size)
            self.wishes.append(Wish(name))
            return
        source = self._write("named", name := f"call{number}.mov", size)
        body = {"subdomain": "acme", "paths": [str(source)], "package_name": name}
        answer = self.ask("", "POST", body)
        self.wishes.append(Wish(name, answer["upload_id"] if answer else ""))

    def _write(self, folder: str, name: str, size: int) -> Path:
        source = self.top / folder / name
        source.write_bytes(self.rng.randbytes(size))
        self.written[name] = (size, source.stat().st_mtime_ns)
        return source

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Make one call; None when it was refused or the daemon died over it."""
        try:
            status, answer = ask(self.daemon.api, UPLOADS + path, method, body)
        except OSError:
            return None
        return answer if status < 400 else None

    def steer(self) -> None:
        """Finalize or delete some of what there is, at a moment that chance chose."""
        listed = {each["package_name"]: each for each in self.ask("") or ()}
        for wish in self.wishes:
            seen = listed.get(wish.name)
            if seen is None or wish.asked_delete:
                continue
            wish.upload_id = seen["upload_id"]
            if seen["state"] == "idle" and self.rng.random() < 0.6:
                wish.asked_finalize = True
                self.ask(f"/{wish.upload_id}/finalize", "POST", {})
            if self.rng.random() < 0.35:
                wish.was_complete = seen["state"] == "complete"
                wish.asked_delete = True
                wish.was_deleted = self.ask(f"/{wish.upload_id}", "DELETE") is not None

    def sources(self) -> dict[str, tuple[int, int]]:
        """Give size and time of every source."""
        found = [*(self.top / "named").iterdir(), *(self.top / "out").iterdir()]
        kept = [path for path in found if path.suffix == ".mov"]
        return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in kept}

    def is_settled(self) -> bool:
        """Say whether every upload is where it stays."""
        # while a finalize has no answer yet, an upload is still shown as idle
        on_their_way = {"deleting", "finalizing"}
        if any(row[0] in on_their_way for row in self.daemon.rows("SELECT state FROM uploads")):
            return False
        taken = {row[0].decode() for row in self.daemon.rows("SELECT path FROM drops")}
        dropped = {path.name for path in (self.top / "out").iterdir() if path.suffix == ".mov"}
        ends = {"idle", "complete"}
        return taken >= dropped and all(each["state"] in ends for each in self.daemon.uploads())


@pytest.fixture
def story(tmp_path: Path) -> Any:
    """Give a sandbox whose answers are late, and a daemon that is not started."""
    (tmp_path / "named").mkdir()
    sandbox = Sandbox(tmp_path / "cloud")
    # the effect happens and its answer is late: kills fall between the two
    sandbox.fault("stall", "DELETE /v1/packages/", seconds=0.25, times=None)
    sandbox.fault("stall", "POST /v1/packages/[^/]*/finalize", seconds=0.25, times=None)
    sandbox.fault("stall", seconds=0.03, times=None)
    daemon = Mortal(tmp_path, sandbox)
    daemon.configure("to: {recipients: []}")
    yield Story(tmp_path, sandbox, daemon, random.Random())
    if daemon.process is not None:
        daemon.stop()
    sandbox.end()


def _kill_often(story: Story, kills: int, seed: int) -> None:
    story.rng.seed(seed)
    for _ in range(kills):
        story.daemon.start()
        eventually(story.daemon.answers, within=30)
        for _ in range(story.rng.choice([1, 2])):
            story.begin_one()
        for _ in range(story.rng.randrange(1, 3)):
            wait_out(story.rng.uniform(0.0, 0.4))
            story.steer()
        wait_out(story.rng.uniform(0.0, 0.2))
        story.daemon.kill()
    story.daemon.start()
    eventually(story.daemon.answers, within=30)
    # a slow machine got to little before each kill: something of each kind must have an end
    for _ in range(3):
        eventually(story.is_settled, within=200, every=0.2)
        story.steer()
    eventually(story.is_settled, within=200, every=0.2)


def _judge(story: Story) -> dict[str, int]:
    """Compare what was asked with what the cloud, the state and the disk hold in the end."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in story.sandbox.witness("packages"):
        packages.setdefault(package["name"], []).append(package)
    rows = story.daemon.rows("SELECT name, state, finalized_at IS NOT NULL FROM uploads")
    states = {name: state for name, state, _ in rows}
    told = {name for name, _, is_delivered in rows if is_delivered}
    deleted = delivered = lost = 0
    for wish in story.wishes:
        made = packages.get(wish.name, [])
        finalized = [each for each in made if each["finalized_at"] is not None]
        unfinished = [each for each in made if each["state"] == "new"]
        assert all(each["finalize_calls"] <= 1 for each in made), wish
        assert len(finalized) <= 1, wish
        # what was delivered stays, whatever came after it, and our books say the same
        assert [each["state"] for each in finalized] == ["finalized"] * (wish.name in told), wish
        if states.get(wish.name) == "gone":
            deleted += 1
            assert wish.asked_delete, wish
            # at most what a lost create left behind, which nobody ever sees
            assert not any(each["files"] for each in unfinished), wish
        elif wish.was_deleted:
            pytest.fail(f"a delete that was answered is forgotten: {wish}")
        if wish.was_complete or states.get(wish.name) == "complete":
            delivered += 1
            assert wish.name in told, wish
        if wish.name.startswith("call") and not wish.asked_finalize:
            assert finalized == [], wish
        lost += len([each for each in unfinished if not each["files"]])
    taken = [each for made in packages.values() for each in made if each["state"] == "archived"]
    return {
        "deleted": deleted,
        "delivered": delivered,
        "packages taken from the cloud": len(taken),
        "lost creates": lost,
    }


def _judge_drops(story: Story) -> None:
    """A deleted drop is told as what it was, stays in the ledger, and is not sent again."""
    rows = story.daemon.rows(
        "SELECT drops.path, drops.state, uploads.state, uploads.finalized_at, drops.generation"
        " FROM drops JOIN uploads ON uploads.id = drops.upload_id",
    )
    for path, drop, upload, finalized_at, generation in rows:
        assert generation == 1, path
        if upload == "gone":
            assert drop == ("cancelled" if finalized_at is None else "done"), path
    names = [path for path, *_ in rows]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(6, SEED), *(pytest.param(60, SEED + n, marks=pytest.mark.long) for n in range(1, 4))],
)
def test_daemon_killed_around_deletions_and_finalizes_keeps_every_promise(
    story: Story, kills: int, seed: int
):
    """Whatever moment a kill -9 hits, a deleted upload is gone and a delivered one stays."""
    _kill_often(story, kills, seed)
    told = _judge(story)
    _judge_drops(story)

    assert story.sources() == story.written
    assert told["deleted"] >= kills // 5
    assert told["delivered"] >= kills // 8
    print(f"{kills} kills, {len(story.wishes)} uploads, {told}")


def test_deletion_that_the_cloud_keeps_from_ending_is_a_concern_over_a_kill(story: Story):
    """No list shows it any more, so the daemon says what waits and why, until it is gone."""
    story.sandbox.heal()
    story.daemon.start().until_ready()
    source = story.top / "named" / "stuck.mov"
    source.write_bytes(b"abc")
    body = {"subdomain": "acme", "paths": [str(source)]}
    upload_id = story.ask("", "POST", body)["upload_id"]
    eventually(lambda: story.ask(f"/{upload_id}")["state"] == "idle", within=15)
    story.sandbox.fault("status", "DELETE /v1/packages/", status=500, times=None)
    story.ask(f"/{upload_id}", "DELETE")
    wanted = f"upload {upload_id} was deleted and waits for the cloud: "

    def concern() -> str:
        said = ask(story.daemon.api, "/readyz")[1]["concerns"]
        return next((each for each in said if each.startswith(wanted)), "")

    first = eventually(concern, within=15)
    story.daemon.kill()
    story.daemon.start().until_ready()
    again = eventually(concern, within=15)
    story.sandbox.heal()
    eventually(lambda: not concern(), within=30)

    assert "(500)" in first
    assert "(500)" in again
    assert story.daemon.rows("SELECT state FROM uploads") == [("gone",)]
    assert [each["state"] for each in story.sandbox.witness("packages")] == ["archived"]
