"""Keep time, keep threads alive, and tell systemd that they live.

Owns the clock, the bell that wakes a room early, the supervised thread every room runs in, the
letters to systemd and the flag that says "inside a store transaction". Never knows what a tick
does and never decides about rows. Built by `daemon`, used by every room.

Law 1. A tick that raises never ends its loop: it is logged once, counted, and tried again later.
Law 2. A bell may be lost or fold into another without harm: a loop looks by itself, nearly all of
them every second.
Law 3. The watchdog is fed only while every vital loop ticks; a hung one gets us restarted.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from masv_watch.errors import OUR_FAULT
from masv_watch.metrics import Metrics

log = logging.getLogger(__name__)

#: seconds: a loop that neither ticks nor waits for longer than this hangs
STALLED_AFTER_S = 30.0
#: seconds: the longest wait after a crash of a tick
LONGEST_BACKOFF_S = 60.0

#: whether this thread is inside a store transaction; set by `transaction_flag` only
in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


class Clock(Protocol):
    """Where all time comes from; a test drives its own."""

    def monotonic(self) -> float:
        """Give seconds that never go back; they may stand still while the machine sleeps."""
        ...

    def boottime(self) -> float:
        """Give seconds since boot that go on while the machine sleeps."""
        ...

    def wall(self) -> float:
        """Give seconds since 1970 in UTC; they may jump either way."""
        ...

    def local(self, wall: float) -> datetime:
        """Give the local time, aware of its zone, for names and for people."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def monotonic(self) -> float:
        """Give CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def boottime(self) -> float:
        """Give CLOCK_BOOTTIME in seconds; the monotonic clock where there is none (macOS)."""
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boottime is None else time.clock_gettime(boottime)

    def wall(self) -> float:
        """Give the seconds since 1970."""
        return time.time()

    def local(self, wall: float) -> datetime:
        """Give the local time of this machine's zone."""
        return datetime.fromtimestamp(wall, tz=UTC).astimezone()


def zoned(clock: Clock, tz: str | None) -> Callable[[float], datetime]:
    """Give what tells the local time in a zone at a second since 1970; None: the machine's zone."""
    if tz is None:
        return clock.local
    zone = ZoneInfo(tz)
    return lambda wall: datetime.fromtimestamp(wall, tz=zone)


class Bell:
    """A wake-up: any thread rings, one waits; several rings before the wait are one."""

    def __init__(self) -> None:
        """Begin silent."""
        self._condition = threading.Condition()
        self._rung = False

    def ring(self) -> None:
        """Wake the waiting thread, or let its next wait return at once."""
        if self._rung:
            # whoever clears it looks afterwards, and so sees what this ring was for
            return
        with self._condition:
            self._rung = True
            self._condition.notify_all()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for a ring, clear it, and say whether there was one; None waits for ever."""
        with self._condition:
            rung = self._condition.wait_for(lambda: self._rung, timeout_s)
            self._rung = False
            return rung


def start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    """Start a named thread that never keeps the process from ending."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


class Loop:
    """A supervised thread that calls `tick` for ever.

    A tick returns the seconds until it wants to be called again; None means `at_most_s`. The bell
    cuts that wait short. A tick that takes long calls `beat` while it makes progress.
    """

    def __init__(
        self,
        name: str,
        tick: Callable[[], float | None],
        *,
        bell: Bell,
        clock: Clock,
        metrics: Metrics,
        at_most_s: float = 1.0,
        backoff_s: float = 1.0,
        vital: bool = True,
    ) -> None:
        """Build it without starting it.

        `at_most_s` bounds every wait for the bell; `backoff_s` is the wait after the first crash,
        doubled with each further one. A loop that is not `vital` may hang (a dead network folder)
        without a restart of the process.
        """
        self.name = name
        self.bell = bell
        self.vital = vital
        self._tick = tick
        self._clock = clock
        self._metrics = metrics
        self._at_most_s = at_most_s
        self._backoff_s = backoff_s
        self._crashes_in_row = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        #: monotonic seconds of the last sign of life
        self.last_tick = clock.monotonic()
        self._wakes_at = self.last_tick

    @property
    def alive(self) -> bool:
        """Say whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Say whether the loop was asked to end; a long tick looks here between two steps."""
        return self._stopping.is_set()

    @property
    def crashes_in_row(self) -> int:
        """Count the ticks that crashed since the last one that did not."""
        return self._crashes_in_row

    def start(self) -> None:
        """Start the thread; a loop is started once in its life."""
        if self._thread is not None:
            raise RuntimeError(f"loop {self.name} was started before")
        # a counter that first appears at 1 shows no increase to who watches it
        self._metrics.count("loop_crashes", 0, loop=self.name)
        self.beat()
        self._thread = start_thread(self.name, self.run)

    def ask_to_stop(self) -> None:
        """Let the loop end after the tick it is in, without waiting for it."""
        self._stopping.set()
        self.bell.ring()

    def stop(self, timeout_s: float) -> bool:
        """End the loop, wait at most so long for it, and say whether it ended."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return not self.alive

    def beat(self) -> None:
        """Note a sign of life."""
        self.last_tick = self._wakes_at = self._clock.monotonic()

    def healthy(self, now: float) -> bool:
        """Say whether the thread runs and neither a tick nor a wait lasts too long (monotonic)."""
        return self.alive and now - max(self.last_tick, self._wakes_at) <= STALLED_AFTER_S

    def run(self) -> None:
        """Tick until asked to stop; the thread's body."""
        while not self.stopping:
            self.beat()
            try:
                wanted = self._tick()
            except Exception:
                self._crashes_in_row += 1
                pause = self._pause()
                said = {"loop": self.name, "again_in_s": pause, **OUR_FAULT}
                log.exception("a tick crashed", extra=said)
                self._metrics.count("loop_crashes", loop=self.name)
                self._expect(pause)
                # Not the bell: a storm of rings must not turn a crash into a busy loop.
                self._stopping.wait(pause)
            else:
                self._crashes_in_row = 0
                pause = self._at_most_s if wanted is None else min(wanted, self._at_most_s)
                self._expect(pause)
                self.bell.wait(max(pause, 0.0))

    def _pause(self) -> float:
        doublings = min(self._crashes_in_row - 1, 16)
        return min(self._backoff_s * 2.0**doublings, LONGEST_BACKOFF_S)

    def _expect(self, pause_s: float) -> None:
        self.beat()
        self._wakes_at += pause_s


def wake_all(loops: Iterable[Loop]) -> None:
    """Have loops tick at once, however long they meant to rest."""
    for loop in loops:
        loop.bell.ring()


def end_all(loops: Sequence[Loop], *, clock: Clock, within_s: float) -> None:
    """End loops, waiting at most so many seconds for all of them together."""
    for loop in loops:
        loop.ask_to_stop()
    until = clock.monotonic() + within_s
    for loop in loops:
        loop.stop(max(until - clock.monotonic(), 0.0))


class Heart:
    """The letters to systemd: ready, status, reloading, stopping, and the watchdog's food.

    Silent without NOTIFY_SOCKET. A letter that cannot be sent is lost, never an error.
    """

    def __init__(self, *, clock: Clock, environ: Mapping[str, str] | None = None) -> None:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""
        environ = os.environ if environ is None else environ
        self._clock = clock
        self._address = _socket_address(environ.get("NOTIFY_SOCKET", ""))
        self._standing = ""
        #: seconds within which systemd wants to hear; None without a watchdog
        self.watchdog_s = _watchdog_s(environ)

    def notify(self, *assignments: str) -> bool:
        """Send the assignments as one letter and say whether it left."""
        if not self._address:
            return False
        letter = "\n".join(line.replace("\n", " ") for line in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                # systemd reads at once; a full queue must not stop the daemon.
                out.settimeout(1.0)
                out.sendto(letter.encode("utf-8", "backslashreplace"), self._address)
        except OSError as error:
            log.warning("systemd did not take a letter", extra={"reason": str(error)})
            return False
        return True

    @property
    def is_heard(self) -> bool:
        """Say whether a service manager reads the letters."""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """Say that start or reload is over."""
        self._standing = status
        return self.notify("READY=1", *([f"STATUS={status}"] if status else []))

    def status(self, sentence: str) -> bool:
        """Set the line that `systemctl status` shows; nothing leaves when it is the same."""
        if sentence == self._standing:
            return True
        self._standing = sentence
        return self.notify(f"STATUS={sentence}")

    def reloading(self) -> bool:
        """Say that a reload begins; `ready` ends it."""
        return self.notify("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}")

    def stopping(self) -> bool:
        """Say that the end begins."""
        return self.notify("STOPPING=1")

    def beat(self, loops: Iterable[Loop]) -> float:
        """Feed the watchdog if every vital loop is healthy; give the seconds to the next beat.

        The daemon's main thread calls it; an unhealthy loop is named and the watchdog starves.
        """
        now = self._clock.monotonic()
        stalled = [loop.name for loop in loops if loop.vital and not loop.healthy(now)]
        if stalled:
            said = {**OUR_FAULT, "cure": "masv-watch doctor, then restart the service"}
            log.error("a loop does not tick", extra={"loops": ", ".join(stalled), **said})
        elif self.watchdog_s is not None:
            self.notify("WATCHDOG=1")
        # A third of the time systemd allows: one lost letter does no harm.
        return 10.0 if self.watchdog_s is None else self.watchdog_s / 3


def _socket_address(name: str) -> str:
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    spelled = environ.get("WATCHDOG_USEC", "")
    return int(spelled) / 1e6 if spelled.isascii() and spelled.isdigit() and int(spelled) else None


@contextmanager
def transaction_flag() -> Iterator[None]:
    """Mark this thread as inside a store transaction; the store's engines wrap theirs in it."""
    token = in_transaction.set(True)
    try:
        yield
    finally:
        in_transaction.reset(token)


def assert_outside_transaction() -> None:
    """Refuse to talk to the outside world while a store transaction is open.

    Raises:
        RuntimeError: a transaction is open, which is a mistake in our code.
    """
    if in_transaction.get():
        raise RuntimeError("a store transaction is open while calling the outside world")
