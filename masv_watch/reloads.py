"""Reloads of the configuration: who asked for one, and what became of the last.

Owns the way from a signal or a call to the one thread that reloads, and back, and what of a new
configuration has to wait. Never reads a file and never swaps anything: `daemon` does. Asked by the
API from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from masv_watch.errors import Busy, ReloadRefused
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Reloaded, Settings

#: keys that a reload leaves for a restart, each with its value
AT_RESTART: Mapping[str, Callable[[Settings], object]] = {
    "state": lambda settings: settings.state,
    "server.listen": lambda settings: settings.server.listen,
    "masv.api_url": lambda settings: settings.masv.api_url,
    "masv.proxy": lambda settings: settings.masv.proxy,
}
#: seconds that a caller waits; the loop of a folder that is gone gets some of them to end
PATIENCE_S = 30.0


class Reloads:
    """What is asked of the main thread, and what it answered."""

    def __init__(self, ring: Callable[[], None], *, clock: Clock, metrics: Metrics) -> None:
        """Begin with what the start took over; `ring` wakes the thread that reloads."""
        self._ring = ring
        self._clock = clock
        self._metrics = metrics
        self._tell(is_taken=True)
        self._lock = threading.Lock()
        self._waiting: list[threading.Event] = []
        self._is_asked = False
        #: what became of the last one; None before the first
        self.last: Reloaded | None = None

    @staticmethod
    def told(problem: str) -> dict[str, object]:
        """Give what the log says of one reason for which a reload was refused."""
        error = ReloadRefused((problem,))
        return {"problem": problem, "code": error.code, "cure": error.hint}

    def signal(self) -> None:
        """Ask for one and wait for nothing; a signal's handler may call it."""
        self._is_asked = True
        self._ring()

    def ask(self) -> Reloaded:
        """Ask for one and give what became of it.

        Raises:
            Busy: it is not through after half a minute; it goes on.
        """
        done = threading.Event()
        with self._lock:
            self._waiting.append(done)
        self.signal()
        if not done.wait(PATIENCE_S) or self.last is None:
            raise Busy(
                "the reload is not through yet, and goes on",
                hint="masv-watch status shows what became of it",
                retry_after_s=int(PATIENCE_S),
            )
        return self.last

    def carry_out(self, reload: Callable[[], Reloaded]) -> None:
        """Reload if somebody asked, and answer whoever did; called by the main thread alone."""
        if not self._is_asked:
            return
        self._is_asked = False
        with self._lock:
            waiting, self._waiting = self._waiting, []
        try:
            self.last = reload()
            self._tell(is_taken=self.last.is_taken)
        finally:
            for each in waiting:
                each.set()

    def _tell(self, *, is_taken: bool) -> None:
        self._metrics.gauge("config_last_reload_success", is_taken)
        if is_taken:
            at = self._clock.wall()
            self._metrics.gauge("config_last_reload_success_timestamp_seconds", at)


def with_cloud_of(now: Settings, at_start: Settings, new: Settings) -> Settings:
    """Give new settings with the cloud of the start: another host's key must not be shown to it."""
    if new.masv.api_url == at_start.masv.api_url:
        return new
    return replace(new, masv=now.masv)


def waits_for_restart(at_start: Settings, new: Settings) -> list[str]:
    """List the keys whose change counts only after a restart."""
    return [key for key, value in AT_RESTART.items() if value(at_start) != value(new)]
