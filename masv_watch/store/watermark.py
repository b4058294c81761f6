"""How much room the disk of the state has, and when that is too little to begin anything.

Owns the two marks and what was found last. Never stops anything: rooms ask. Built by
`store.sqlite`; any thread may ask.

Law 1. Low below one mark and well above a higher one: a disk at its edge changes nothing twice.
Law 2. What cannot be looked at is not low: the database itself says what it cannot store.
"""

from __future__ import annotations

import logging
import os
import threading

from masv_watch.errors import StoreFull
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics

log = logging.getLogger(__name__)

#: bytes free below which nothing new begins, and above which it begins again
LOW, ENOUGH = 1 << 30, 2 << 30
#: share of the disk below which nothing new begins
LOW_SHARE = 0.02
#: of a small disk no more than this is kept free
LOW_AT_MOST, ENOUGH_AT_MOST = 0.25, 0.5
#: seconds that a look holds
LOOK_S = 1.0


def marks(total: int) -> tuple[int, int]:
    """Give the bytes below which a disk of this size is low, and above which it is well again.

    2 % of a large disk would keep terabytes idle: never so much that 2 GiB are not enough.
    """
    share = min(int(total * LOW_SHARE), LOW + LOW // 2)
    low = min(max(LOW, share), int(total * LOW_AT_MOST))
    return low, min(ENOUGH, int(total * ENOUGH_AT_MOST))


def is_low(free: int, total: int, *, was_low: bool) -> bool:
    """Say whether a disk has too little room, in bytes, given what was said of it before."""
    low, enough = marks(total)
    return free <= enough if was_low else free < low


class Watermark:
    """The room on the disk of one folder."""

    def __init__(self, folder: str, *, clock: Clock, metrics: Metrics) -> None:
        """Begin as if there were room; nothing is looked at before somebody asks."""
        self._folder, self._clock, self._metrics = folder, clock, metrics
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._is_low = False
        #: bytes that were free at the last look
        self.free = 0

    def is_low(self, *, holds_s: float = LOOK_S) -> bool:
        """Say whether nothing new may begin; what was seen so many seconds ago still counts."""
        with self._lock:
            now = self._clock.monotonic()
            if self._looked_at is None or not 0.0 <= now - self._looked_at < holds_s:
                self._looked_at = now
                self._look()
            return self._is_low

    def demand(self) -> None:
        """Make sure that something new may begin.

        Raises:
            StoreFull: there is too little room; the message says how much.
        """
        # whoever freed space and asks again gets his answer at once
        if self.is_low(holds_s=0.0):
            raise StoreFull(
                f"the disk of the state has {self.sentence()}, so nothing new begins",
                hint=f"free space on the disk of {self._folder}; it goes on by itself",
            )

    def sentence(self) -> str:
        """Give what is free in words for people."""
        return f"{self.free / (1 << 20):,.0f} MiB free"

    def _look(self) -> None:
        try:
            seen = os.statvfs(self._folder)
        except OSError:
            self._is_low = False
            return
        total, self.free = seen.f_blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize
        before, self._is_low = self._is_low, is_low(self.free, total, was_low=self._is_low)
        self._metrics.gauge("state_disk_free_bytes", self.free)
        self._metrics.gauge("state_disk_low", self._is_low)
        if self._is_low and not before:
            log.warning(
                "the disk of the state is low: nothing new begins",
                extra={"folder": self._folder, "free": self.free, "below": marks(total)[0]},
            )
        elif before and not self._is_low:
            log.info(
                "the disk of the state has room again",
                extra={"folder": self._folder, "free": self.free},
            )
