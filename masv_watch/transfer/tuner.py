"""Take the readings by which the number of connections is tuned.

Owns the count of bytes that left in chunks of large files and the time of each reading. Never
decides: `transfer.tuning` does. Built by `daemon`; workers count, the sender ticks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from masv_watch.loops import Clock
from masv_watch.transfer.tuning import READING_S, WARM_S, Tuning, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    #: monotonic seconds; before, a change still works itself out
    begins: float
    #: bytes sent when it began; None before it did
    sent: int | None = None


class Tuner:
    """The number of connections as it is now."""

    def __init__(self, fixed: Callable[[], int | None], *, clock: Clock) -> None:
        """Give what `fixed` says, and tune where it says None."""
        self._fixed = fixed
        self._clock = clock
        self._door = threading.Lock()
        self._sent = 0
        self._tuning = Tuning()
        self._reading: _Reading | None = None

    def connections(self) -> int:
        """Say how many connections may carry chunks now."""
        return self._fixed() or self._tuning.connections

    def note(self, size: int) -> None:
        """Count bytes that were handed over; any thread."""
        with self._door:
            self._sent += size

    def tick(self, *, is_full: bool) -> None:
        """Go on with the reading; `is_full` says whether every connection has a chunk."""
        now, reading = self._clock.monotonic(), self._reading
        if not is_full or self._fixed() is not None:
            self._reading = None
        elif reading is None:
            self._reading = _Reading(begins=now + WARM_S)
        elif reading.sent is None:
            if now >= reading.begins:
                self._reading = _Reading(begins=now, sent=self._sent)
        elif now >= reading.begins + READING_S:
            self._read(now, (self._sent - reading.sent) / (now - reading.begins))

    def _read(self, now: float, rate: float) -> None:
        before = self._tuning.connections
        self._tuning = judge(self._tuning, rate)
        if self._tuning.connections == before:
            self._reading = _Reading(begins=now, sent=self._sent)
        else:
            self._reading = _Reading(begins=now + WARM_S)
