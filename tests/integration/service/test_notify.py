"""Letters to systemd, read from a real datagram socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.api.calls import Health
from masv_watch.loops import STALLED_AFTER_S, Bell, Heart, Loop, SystemClock
from masv_watch.metrics import Metrics
from tests.waiting import eventually


class LaterClock(SystemClock):
    """The system's clock plus some seconds that a test adds."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """Listen where systemd would, on a path or on an abstract name."""
    address = f"\0masv-watch-{time.monotonic_ns()}" if request.param == "abstract" else "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address if address.startswith("\0") else str(tmp_path / address))
        listening.settimeout(60)
        yield listening


def environ(listening: socket.socket) -> dict[str, str]:
    """Say what systemd puts into the environment of its service."""
    name = listening.getsockname()
    text = "@" + name[1:].decode() if isinstance(name, bytes) else name
    return {"NOTIFY_SOCKET": text, "WATCHDOG_USEC": "60000000"}


def letter(listening: socket.socket) -> list[str]:
    return listening.recv(65536).decode().split("\n")


def silent(listening: socket.socket) -> bool:
    listening.setblocking(False)
    try:
        listening.recv(65536)
    except BlockingIOError:
        return True
    finally:
        listening.settimeout(60)
    return False


def test_heart_letters_arrive_as_systemd_reads_them(systemd):
    """Ready, status, reload and end are one datagram each, one assignment a line."""
    heart = Heart(clock=SystemClock(), environ=environ(systemd))
    before = time.monotonic_ns() // 1000

    heart.ready("2 hot folders")
    heart.status("one line\nREADY=1")
    heart.reloading()
    heart.stopping()

    assert letter(systemd) == ["READY=1", "STATUS=2 hot folders"]
    assert letter(systemd) == ["STATUS=one line READY=1"]
    reloading, stamp = letter(systemd)
    assert reloading == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    assert letter(systemd) == ["STOPPING=1"]


def test_heart_says_a_standing_once(systemd):
    """The line of `systemctl status` is written when it changes, not with every beat."""
    heart = Heart(clock=SystemClock(), environ=environ(systemd))
    heart.ready("watching 1 hot folder")
    letter(systemd)

    heart.status("watching 1 hot folder")
    heart.status("watching 1 hot folder; look at: out is away")
    heart.status("watching 1 hot folder; look at: out is away")

    assert heart.is_heard
    assert letter(systemd) == ["STATUS=watching 1 hot folder; look at: out is away"]
    assert silent(systemd)


@pytest.mark.parametrize(
    ("health", "sentence"),
    [
        (Health(live=True, ready=False, why="not swept yet: out"), "not swept yet: out"),
        (Health(live=True, ready=True), "watching 2 hot folders"),
        (
            Health(live=True, ready=True, concerns=("a is away", "b", "c")),
            "watching 2 hot folders; look at: a is away (and 2 more)",
        ),
    ],
)
def test_standing_names_what_a_person_should_look_at_first(health, sentence):
    """Who asks `systemctl status` at night reads one line."""
    assert health.sentence(2) == sentence


def loop_in(tick: object, clock: SystemClock, *, vital: bool = True) -> Loop:
    loop = Loop("probe", tick, bell=Bell(), clock=clock, metrics=Metrics(), vital=vital)
    loop.start()
    return loop


def test_heart_feeds_the_watchdog_while_every_loop_ticks(systemd):
    """A beat with healthy loops is WATCHDOG=1, three times within systemd's patience."""
    clock = SystemClock()
    heart = Heart(clock=clock, environ=environ(systemd))
    loop = loop_in(lambda: None, clock)

    pause = heart.beat([loop])

    loop.stop(5)
    assert letter(systemd) == ["WATCHDOG=1"]
    assert pause == 20.0


@pytest.mark.parametrize("vital", [True, False])
def test_heart_lets_the_watchdog_starve_only_for_a_hung_vital_loop(systemd, vital, caplog):
    """A hung sender restarts the daemon; a hung network folder does not."""
    clock, inside, release = LaterClock(), threading.Event(), threading.Event()
    heart = Heart(clock=clock, environ=environ(systemd))

    def tick() -> None:
        inside.set()
        release.wait(60)

    loop = loop_in(tick, clock, vital=vital)
    inside.wait(60)
    clock.ahead = STALLED_AFTER_S + 1

    heart.beat([loop])

    release.set()
    assert silent(systemd) is vital
    assert ("a loop does not tick" in caplog.text) is vital
    assert loop.stop(5)


def test_heart_names_a_loop_that_ended(systemd, caplog):
    """A thread that is gone is a stalled loop."""
    clock = SystemClock()
    heart = Heart(clock=clock, environ=environ(systemd))
    loop = loop_in(lambda: None, clock)
    loop.stop(5)
    eventually(lambda: not loop.alive)

    heart.beat([loop])

    assert silent(systemd)
    assert caplog.records[-1].loops == "probe"
