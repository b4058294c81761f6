"""Any order of writing, waiting and asking: nothing is missed, nothing doubled, and each look is
explained before it is taken."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from masv_watch import files
from masv_watch.model import (
    Drop,
    DropMode,
    HoldReason,
    Initial,
    Prospect,
    Settle,
    UploadState,
)
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S, REPROBE_S
from tests.integration.rooms.foretold import foretold, look_as_foretold
from tests.integration.rooms.watched import LOOK_S, QUIET_S, SPACING_S, Room
from tests.searching import examples

NAMES = ("a.mov", "b.mov", "CARD")
INSIDE = ("x", "deep/y", "draft.tmp")
#: seconds after which what stands still was found and has settled
WHOLE_S = max(PERIOD_S[Sight.DEGRADED], REPROBE_S) + 4 * QUIET_S + 5 * SPACING_S + 2 * LOOK_S


class IntakeMachine(RuleBasedStateMachine):
    """People at a hot folder, an operator, and the intake between them."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="intake-machine-"))
        (self.top / "hot").mkdir()
        self.before = signal.getsignal(signal.SIGIO)
        files.prepare()
        self.room: Room
        #: a time that no other write has, and the nanosecond from which they are counted
        self.writes, self.epoch_ns = 0, 10**18
        #: names that the rule leaves out, beside the built-in ones
        self.left_out: tuple[str, ...] = ()
        #: seconds of the store's clock of each top's last change
        self.changed_at: dict[str, float] = {}
        self.is_marked = False
        #: how often each content was taken: its top and the ledger's signature
        self.taken: Counter[tuple[bytes, str]] = Counter()
        self.seen: set[tuple[str, int]] = set()
        #: path and bytes of each file that ever went
        self.sent: set[tuple[bytes, bytes]] = set()
        #: the bytes of each path as they were delivered last
        self.delivered: dict[bytes, bytes] = {}
        #: what each upload was taken with: path and bytes
        self.loads: dict[str, dict[bytes, bytes]] = {}

    def teardown(self) -> None:
        self.room.close()
        signal.signal(signal.SIGIO, self.before)
        shutil.rmtree(self.top)

    @initialize(
        drop=st.sampled_from([DropMode.EACH, DropMode.FOLDER, DropMode.FILE]),
        marked=st.booleans(),
    )
    def first(self, drop: DropMode, marked: bool) -> None:
        """Start over an empty hot folder."""
        self.is_marked = marked
        settle = Settle(quiet_s=QUIET_S, done_marker="{name}.done" if marked else None)
        self.room = Room(self.top, drop=drop, initial=Initial.SEND, early=False, settle=settle)
        self.room.pass_time(1)

    @property
    def now(self) -> float:
        return self.room.store.now()

    def path(self, name: str, inside: str) -> Path:
        return self.room.hot / name / inside if name == "CARD" else self.room.hot / name

    @rule(name=st.sampled_from(NAMES), inside=st.sampled_from(INSIDE), size=st.integers(0, 3))
    def write(self, name: str, inside: str, size: int) -> None:
        """Somebody writes a file, at a time of its own."""
        path = self.path(name, inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        # no content of one path is that of another: equal ones may have been moved
        letter = bytes([ord("a") + 4 * NAMES.index(name) + INSIDE.index(inside)])
        path.write_bytes(letter * size)
        self.writes += 1
        os.utime(path, ns=(self.epoch_ns + self.writes, self.epoch_ns + self.writes))
        self.changed_at[name] = self.now

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        """Somebody takes it away."""
        path = self.room.hot / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        self.changed_at.pop(name, None)

    @rule(name=st.sampled_from(NAMES))
    def move_aside(self, name: str) -> None:
        """Somebody takes it out of the hot folder, or puts it back as it was."""
        path, aside = self.room.hot / name, self.top / f"aside-{name}"
        if aside.exists() and not path.exists():
            aside.rename(path)
            self.changed_at[name] = self.now
        elif path.exists() and not aside.exists():
            path.rename(aside)
            self.changed_at.pop(name, None)

    @rule(name=st.sampled_from(NAMES), is_there=st.booleans())
    def mark(self, name: str, is_there: bool) -> None:
        """The writer says that he is done, or takes it back."""
        marker = self.room.hot / f"{name}.done"
        if is_there:
            marker.touch()
        else:
            marker.unlink(missing_ok=True)

    @rule(name=st.sampled_from(NAMES), mode=st.sampled_from([0o600, 0o644, 0o755]))
    def touch_rights(self, name: str, mode: int) -> None:
        """A chmod: other rights are no other content."""
        path = self.room.hot / name
        if path.exists():
            path.chmod(mode | 0o100 * path.is_dir())
            self.changed_at[name] = self.now

    @rule(name=st.sampled_from(NAMES))
    def odd(self, name: str) -> None:
        """A FIFO and a link to nowhere beside the files stop nobody."""
        if not (self.room.hot / f"{name}.fifo").exists():
            os.mkfifo(self.room.hot / f"{name}.fifo")

    @rule(seconds=st.sampled_from([0.5, SPACING_S, QUIET_S, PERIOD_S[Sight.DEGRADED]]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.room.pass_time(seconds)

    @rule()
    def hurry(self) -> None:
        """A notification rings."""
        self.room.intake.hurry()

    @rule()
    def restart(self) -> None:
        """The daemon starts anew and remembers nothing of what it sampled."""
        self.room.begin()

    @rule(seconds=st.sampled_from([0.5, QUIET_S, 40.0]))
    def lose_root(self, seconds: float) -> None:
        """The hot folder goes away for a while, and comes back as it was."""
        self.room.hot.rename(self.top / "away")
        self.room.pass_time(seconds)
        (self.top / "away").rename(self.room.hot)

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 3), seconds=st.integers(6, 40))
    def arrive(self, name: str, size: int, seconds: int) -> None:
        """Somebody drops something, says that he is done, and watches what becomes of it."""
        self.write(name, "x", size)
        self.mark(name, is_there=True)
        self.explained_looks(seconds)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        """An operator pauses the hot folder, or resumes it."""
        if paused:
            self.room.store.pause_folder("hot")
        else:
            self.room.store.resume_folder("hot")
            self.room.intake.hurry()

    @rule()
    def deliver(self) -> None:
        """The sender delivers what can be."""
        self.nothing_unsettled_goes_and_nothing_goes_twice()
        for upload in self.room.taken():
            drops = self.room.store.drops_of(upload.id)
            can_go = all(drop.whole and drop.hold is None for drop in drops)
            load = self.loads[upload.id]
            # the sender reads what stands there, and sends no other bytes than were taken
            is_whole = all(self.bytes_of(path) == content for path, content in load.items())
            if upload.state is UploadState.TRANSFERRING and can_go and is_whole:
                # as a restart does: no other upload is kept by an earlier claim
                self.room.store.start_over()
                self.room.deliver(upload)
                self.delivered |= load

    def bytes_of(self, path: bytes) -> bytes | None:
        """Read a file of the hot folder; None when it is not there."""
        file = self.room.hot / os.fsdecode(path)
        return file.read_bytes() if file.is_file() else None

    @rule(seconds=st.integers(1, 12))
    def explained_looks(self, seconds: int) -> None:
        """What is explained as going goes at that very look, and nothing else does."""
        for _ in range(seconds):
            if not self.room.intake.gate.why:
                for name in NAMES:
                    look_as_foretold(self.room, name)
                self.nothing_unsettled_goes_and_nothing_goes_twice()
            self.room.clock.advance(1)

    @rule()
    def whole(self) -> None:
        """What stands still for long enough is taken: nothing that settled is missed."""
        for marker in self.room.hot.glob("*.done"):
            # one that is older than what it marks speaks for nothing new
            marker.touch()
        self.room.store.resume_folder("hot")
        self.room.intake.hurry()
        self.room.pass_time(WHOLE_S)
        self.deliver()
        self.room.pass_time(WHOLE_S)
        self.nothing_unsettled_goes_and_nothing_goes_twice()
        for name in NAMES:
            said = foretold(self.room, name)
            assert said is not Prospect.GOES
            drop = self.room.drop(name)
            if not self.is_sendable(name) or self.is_excused(name):
                continue
            assert drop is not None
            if drop.hold is HoldReason.REDROP_ASK:
                assert said is Prospect.HELD
                assert self.may_ask(name)
                continue
            assert said in (Prospect.ON_ITS_WAY, Prospect.KNOWN), (drop, said)
            assert self.contents(name) <= self.sent, drop
            if said is Prospect.KNOWN:
                # what the recipient has last is what stands here
                assert self.contents(name) <= set(self.delivered.items()), drop

    def counted(self, drop: Drop) -> tuple[bytes, str]:
        """Give what may be taken once: a path and what the ledger knows its content by."""
        return drop.path, drop.signature

    def may_ask(self, name: str) -> bool:
        """Say whether a person may be asked about it: a second late package within a day is."""
        return name == "CARD"

    def is_excused(self, _name: str) -> bool:
        """Say whether the rule itself keeps from being sent what settled."""
        return False

    def contents(self, name: str) -> set[tuple[bytes, bytes]]:
        """Give every file of a name that is sent, with its bytes."""
        top = self.room.hot / name
        files_ = [path for path in (top, *top.rglob("*")) if path.is_file()]
        return {
            (os.fsencode(path.relative_to(self.room.hot)), path.read_bytes())
            for path in files_
            if path.suffix != ".tmp" and path.name not in self.left_out
        }

    def is_sendable(self, name: str) -> bool:
        """Say whether a name stands in the folder as a whole that the rule sends."""
        path, mode = self.room.hot / name, self.room.rule.drop
        kind = DropMode.FOLDER if path.is_dir() else DropMode.FILE
        marked = not self.is_marked or (self.room.hot / f"{name}.done").exists()
        return bool(self.contents(name)) and mode in (DropMode.EACH, kind) and marked

    @invariant()
    def nothing_unsettled_goes_and_nothing_goes_twice(self) -> None:
        """A new upload's source stood still for the quiet time, and was never taken before."""
        for upload in self.room.taken():
            (drop,) = self.room.store.drops_of(upload.id)
            if not drop.whole or (upload.id, drop.generation) in self.seen:
                continue
            self.seen.add((upload.id, drop.generation))
            changed_at = self.changed_at.get(os.fsdecode(drop.path), 0.0)
            least = 2.0 if self.is_marked else QUIET_S
            assert drop.settled_at is not None
            assert drop.settled_at - changed_at >= least - 1e-3, (drop, changed_at)
            self.taken[self.counted(drop)] += 1
            assert self.taken[self.counted(drop)] == 1
            load = {
                file.path: self.bytes_of(file.path) for file in self.room.store.files(upload.id)
            }
            for path, content in load.items():
                # a file that went back to an earlier content changed all the same (behaviour 11)
                assert content is not None
                assert not drop.is_late or content != self.delivered.get(path), (drop, path)
                self.sent.add((path, content))
            self.loads[upload.id] = load


class LongIntakeMachine(IntakeMachine):
    """The same, for as long as `make test-faults` takes."""


for machine, number in ((IntakeMachine, examples(25)), (LongIntakeMachine, 1500)):
    machine.TestCase.settings = settings(
        max_examples=number,
        stateful_step_count=40,
        deadline=None,
        # the short one goes as its profile says; the long one always looks for other ways
        derandomize=machine is IntakeMachine and settings.default.derandomize,
        suppress_health_check=[HealthCheck.too_slow],
    )
# a counter-example is made small before it is told, which takes minutes
TestIntakeInAnyOrder = pytest.mark.timeout(1800)(IntakeMachine.TestCase)
TestIntakeInAnyOrderAtLength = pytest.mark.long(
    pytest.mark.timeout(3600)(LongIntakeMachine.TestCase)
)
