"""The canary, with the real observer and a clock that the test drives."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch.metrics import Metrics
from masv_watch.watch.canary import MISSES, PERIOD_S, Canary
from masv_watch.watch.hints import Hints, Sight
from tests.doubles import FakeClock
from tests.processes import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

Eventually = Callable[..., Any]


class Nest:
    """One hot folder that is armed, and the canary beside it."""

    def __init__(self, top: Path) -> None:
        self.rung: list[str] = []
        self.clock, self.metrics = FakeClock(), Metrics()
        self.hot = top / "hot"
        self.hot.mkdir()
        self.hints = Hints(self.rung.append, monotonic=self.clock.monotonic)
        self.folder = os.fsencode(top / "canary")
        self.is_deaf = False
        self.canary = Canary(
            self.hints, self.folder, clock=self.clock, metrics=self.metrics, touch=self.touch
        )
        self.touches = 0
        self.arm()

    def touch(self, folder: bytes) -> str:
        """Touch as the daemon does, unless the kernel is to stay silent."""
        self.touches += 1
        if not self.is_deaf:
            os.utime(folder + b"/canary")
        return ""

    def arm(self) -> Sight:
        """Arm as a sweep does."""
        return self.hints.arm("out", os.fsencode(self.hot)).sight

    def pass_period(self) -> None:
        """Let a period pass and tick, as the canary's loop does."""
        self.clock.advance(PERIOD_S)
        self.canary.tick()

    def value(self, name: str) -> float:
        """Give a counter."""
        return self.metrics.value(name)


@pytest.fixture
def nest(tmp_path: Path) -> Iterator[Nest]:
    """Give a canary that sings."""
    made = Nest(tmp_path)
    yield made
    made.hints.stop()


def test_canary_that_is_heard_lets_everything_be(nest: Nest, eventually: Eventually) -> None:
    """One touch a minute, each seen by the real observer, and no hot folder rings for it."""
    assert (nest.hot.parent / "canary").stat().st_mode & 0o777 == 0o700
    nest.canary.tick()
    for _ in range(2 * MISSES):
        eventually(lambda: nest.canary._is_heard)
        nest.pass_period()

    assert nest.touches == 2 * MISSES + 1
    assert nest.value("canary_misses") == nest.value("observers_renewed") == 0
    assert nest.arm() is Sight.EVENTS
    assert nest.rung == []


@pytest.mark.fault(4)
def test_canary_unheard_three_times_makes_the_observer_anew(
    nest: Nest, eventually: Eventually
) -> None:
    """Threads that live and say nothing are found by their silence (pains 14, 57)."""
    nest.is_deaf = True
    nest.canary.tick()
    before = nest.hints._observer
    for _ in range(MISSES - 1):
        nest.pass_period()
    assert nest.hints.mode("out").sight is Sight.EVENTS
    nest.pass_period()
    dead = nest.hints.mode("out"), list(nest.rung), nest.arm()
    nest.is_deaf = False
    nest.pass_period()
    eventually(lambda: nest.canary._is_heard)
    nest.rung.clear()
    nest.canary.tick()

    assert dead[0].sight is Sight.DEGRADED
    assert dead[1] == ["out"]
    assert dead[2] is Sight.DEGRADED
    assert "a touch of our own was not announced" in nest.hints.mode("out").why or (
        nest.hints.mode("out").sight is Sight.EVENTS
    )
    assert nest.hints._observer is not before
    assert nest.arm() is Sight.EVENTS
    assert nest.rung == ["out"]
    assert nest.value("canary_misses") == MISSES
    assert nest.value("observers_renewed") == 1
    nest.rung.clear()
    (nest.hot / "f").touch()
    eventually(lambda: nest.rung)


@pytest.mark.fault(4)
def test_canary_rings_for_an_emitter_that_died_within_seconds(
    nest: Nest, eventually: Eventually
) -> None:
    """A thread that ended by itself is not waited for: the next look has its folder armed anew."""
    nest.canary.tick()
    emitter = nest.hints._armed["out"].emitter
    emitter.stop()
    emitter.join(60)
    nest.clock.advance(5)
    nest.canary.tick()

    assert nest.rung == ["out"]
    assert nest.arm() is Sight.EVENTS
    nest.rung.clear()
    (nest.hot / "f").touch()
    eventually(lambda: nest.rung)


@pytest.mark.fault(4)
def test_canary_finds_a_dead_dispatcher(nest: Nest, eventually: Eventually) -> None:
    """The one thread that hands events out ends: all hot folders ring and are armed anew."""
    nest.canary.tick()
    observer = nest.hints._observer
    observer.stop()
    observer.join(60)
    nest.clock.advance(5)
    nest.canary.tick()

    assert nest.rung == ["out"]
    assert nest.arm() is Sight.EVENTS
    nest.pass_period()
    eventually(lambda: nest.canary._is_heard)


def test_canary_that_cannot_be_made_says_nothing_about_notifications(tmp_path: Path) -> None:
    """Without a canary nobody is called dead."""
    (tmp_path / "canary").write_text("in the way")
    clock, metrics = FakeClock(), Metrics()
    hints = Hints(lambda _name: None)
    canary = Canary(hints, os.fsencode(tmp_path / "canary"), clock=clock, metrics=metrics)
    for _ in range(3 * MISSES):
        canary.tick()
        clock.advance(PERIOD_S)
    hints.stop()

    assert metrics.value("canary_misses") == 0


@pytest.mark.fault(1)
def test_overflows_are_counted_for_the_metrics(nest: Nest) -> None:
    """What the kernel lost is a number that an operator can see (pain 12)."""
    nest.hints._overflowed("out", False)
    nest.canary.tick()
    nest.canary.tick()

    assert nest.value("hint_overflows") == 1


AT_LIMIT = """
import os, sys, threading
from masv_watch.watch.hints import Hints
top = sys.argv[1].encode()
with open("/proc/sys/user/max_inotify_watches", "w") as file:
    file.write("12")
hints = Hints(lambda _name: None)
hints.arm("out", top)
folders = sum(1 for _ in os.walk(top))
print(hints.mode("out").sight)
print(hints.note_folders("out", folders), hints.note_folders("out", folders))
print(hints.mode("out").why)
with open("/proc/sys/user/max_inotify_watches", "w") as file:
    file.write("4000")
hints.note_folders("out", folders)
hints.arm("out", top)
hints.note_folders("out", folders)
print(hints.mode("out").sight, threading.active_count() > 1)
hints.stop()
"""


@pytest.mark.fault(3)
def test_limit_reached_below_a_root_is_degraded_with_the_exact_number(tmp_path: Path) -> None:
    """The library swallows it for every folder but the root (pains 13, 32); a raise mends it."""
    for number in range(30):
        (tmp_path / "hot" / f"{number}").mkdir(parents=True)
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", AT_LIMIT,
         str(tmp_path / "hot")],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(f"this user may have no user namespace: {done.stderr.strip()}")
    lines = done.stdout.splitlines()

    assert lines[0] == "events"
    assert lines[1] == "True False"
    assert "12 of 31 folders are watched" in lines[2]
    # 31 folders, none of others, and the least margin
    assert "sysctl fs.inotify.max_user_watches=1055" in lines[2]
    assert lines[3] == "events True"


def test_what_is_no_limit_is_not_called_one(nest: Nest) -> None:
    """A sweep that was faster than a watch is checked once more before anything is said."""
    assert nest.hints.note_folders("out", 2)
    assert nest.hints.mode("out").sight is Sight.EVENTS
    assert not nest.hints.note_folders("out", 1)
    assert nest.hints.mode("out").sight is Sight.EVENTS
    assert threading.active_count() > 1
