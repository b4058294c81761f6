"""SIGKILL around recall windows: what was taken back reaches nobody, and all else goes once."""

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

SEED = 20261129
#: seconds of a window: of one that begins in a daemon's life some end in it, and some in the next
WINDOW_S = 3.0
#: uploads with what is known of their finalize
UPLOADS = "SELECT id, name, state, finalize_at, finalize_asked, finalized_at FROM uploads"


@dataclass
class Story:
    """One daemon, killed over and over, and what of its drops a person took back."""

    top: Path
    sandbox: Sandbox
    daemon: Mortal
    rng: random.Random = field(default_factory=random.Random)
    drops: int = 0
    #: names of which it was answered that they are taken back, before any finalize was asked for
    taken_back: set[str] = field(default_factory=set)
    #: names of which that was asked, and the daemon was killed over it
    doubtful: set[str] = field(default_factory=set)
    #: of each upload in its window, when that began, as it was before a kill
    begun: dict[str, float] = field(default_factory=dict)
    #: windows that a kill parted
    outlived: int = 0

    def drop_one(self) -> None:
        """Let a file arrive."""
        size = self.rng.choice([1000, 1000, CHUNK + 7])
        (self.top / "out" / f"drop{self.drops}.mov").write_bytes(self.rng.randbytes(size))
        self.drops += 1

    def take_back_some(self) -> None:
        """Take back some of what is up, by either command, whatever becomes of the answer."""
        for upload_id, name, state, *_ in self.daemon.rows(UPLOADS):
            if state != "idle" or name in self.doubtful or self.rng.random() < 0.6:
                continue
            self.doubtful.add(name)
            if self._is_taken_back(upload_id):
                self.doubtful.discard(name)
                self.taken_back.add(name)

    def _is_taken_back(self, upload_id: str) -> bool:
        path, method = f"/api/v1/uploads/{upload_id}", "DELETE"
        if len(self.taken_back) % 2:
            # each command has its turn, the other one first
            found = f"SELECT id FROM drops WHERE upload_id = '{upload_id}'"
            ((drop_id,),) = self.daemon.rows(found)
            path, method = f"/api/v1/drops/{drop_id}/cancel", "POST"
        try:
            status, _ = ask(self.daemon.api, path, method, None if method == "DELETE" else {})
        except OSError:
            return False
        asked = f"SELECT finalize_asked FROM uploads WHERE id = '{upload_id}'"
        return status < 300 and self.daemon.rows(asked) == [(0,)]

    def note_windows(self) -> None:
        """Note what is in its window right before a kill."""
        self.begun = {row[0]: row[3] for row in self.daemon.rows(UPLOADS) if row[2] == "idle"}

    def compare_windows(self) -> None:
        """See that a start began no window anew."""
        for upload_id, _, state, finalize_at, *_ in self.daemon.rows(UPLOADS):
            if state == "idle" and upload_id in self.begun:
                assert finalize_at == self.begun[upload_id]
                self.outlived += 1

    def has_both_ends(self) -> bool:
        """Say whether every drop is where it stays, and some of them at either end.

        A slow machine may have got to little before each kill.
        """
        if not self.taken_back:
            self.take_back_some()
        rows = self.daemon.rows(UPLOADS)
        states = {row[2] for row in rows}
        is_settled = len(rows) == self.drops and states <= {"complete", "gone"}
        if is_settled and not (self.taken_back and "complete" in states):
            self.drop_one()
            return False
        return is_settled


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Give a sandbox whose answers are late, and a daemon that is not started."""
    sandbox = Sandbox(tmp_path / "cloud")
    # the effect happens and its answer is late: kills fall between the two
    sandbox.fault("stall", "DELETE /v1/packages/", seconds=0.25, times=None)
    sandbox.fault("stall", "POST /v1/packages/[^/]*/finalize", seconds=0.25, times=None)
    daemon = Mortal(tmp_path, sandbox)
    daemon.configure(f'recall: {WINDOW_S:g}s, to: {{recipients: ["client@example.com"]}}')
    yield Story(tmp_path, sandbox, daemon)
    if daemon.process is not None:
        daemon.stop()
    sandbox.end()


def _kill_often(story: Story, kills: int, seed: int) -> None:
    story.rng.seed(seed)
    for _ in range(kills):
        story.daemon.start()
        eventually(story.daemon.answers, within=60)
        story.compare_windows()
        for _ in range(story.rng.choice([1, 2])):
            story.drop_one()
        wait_out(story.rng.uniform(0.5, 2.5))
        story.take_back_some()
        wait_out(story.rng.uniform(0.0, 0.3))
        story.note_windows()
        story.daemon.kill()
    story.daemon.start()
    eventually(story.daemon.answers, within=60)
    story.compare_windows()
    # of one more the whole window lies in one life
    story.drop_one()
    eventually(story.has_both_ends, within=240, every=0.2)


def _judge(story: Story) -> dict[str, int]:
    """Compare what was taken back with what cloud, state and disk hold in the end."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in story.sandbox.witness("packages"):
        packages.setdefault(package["name"], []).append(package)
    delivered = 0
    for upload_id, name, state, _, _, finalized_at in story.daemon.rows(UPLOADS):
        made = packages.get(name, [])
        calls = sum(each["finalize_calls"] for each in made)
        is_back = name in story.taken_back
        assert calls == (0 if is_back else finalized_at is not None), name
        if is_back:
            assert (state, finalized_at) == ("gone", None), name
            # nobody has a link, and what a lost create left behind is empty
            assert all(each["state"] == "archived" or not each["files"] for each in made), name
            assert story.daemon.rows(f"SELECT 1 FROM tasks WHERE upload_id = '{upload_id}'") == []
        elif name not in story.doubtful:
            assert (state, finalized_at is not None) == ("complete", True), name
        delivered += finalized_at is not None
    return {"taken back": len(story.taken_back), "delivered": delivered}


def _judge_windows(story: Story) -> None:
    """No window was skipped: between the last byte and the finalize lies all of it."""
    noted = story.daemon.rows(
        "SELECT noun_id, event, at FROM events WHERE noun = 'upload' ORDER BY id"
    )
    up: dict[str, float] = {}
    for upload_id, event, at in noted:
        if event == "all_sent":
            up[upload_id] = at
        elif event == "finalize":
            assert at - up[upload_id] >= WINDOW_S


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(5, SEED), *(pytest.param(40, SEED + n, marks=pytest.mark.long) for n in range(1, 3))],
)
def test_daemon_killed_around_recall_windows_delivers_nothing_that_was_taken_back(
    story: Story, kills: int, seed: int
):
    """Whatever moment a kill -9 hits: no finalize reaches the cloud, and so no mail anybody."""
    _kill_often(story, kills, seed)
    told = _judge(story)
    _judge_windows(story)
    kept = sorted(path.name for path in (story.top / "out").iterdir() if path.suffix == ".mov")

    assert kept == sorted(f"drop{number}.mov" for number in range(story.drops))
    assert len(story.daemon.rows("SELECT 1 FROM drops")) == story.drops
    assert min(told.values()) >= 1
    print(f"{kills} kills, {story.drops} drops, {told}, {story.outlived} windows outlived a kill")
