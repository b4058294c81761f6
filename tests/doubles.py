"""Stand-ins for what a test must drive itself: a handful, each made for its purpose.

Owns the fake clock. Never stands in for code of the house: rooms and store are real in every test.
Used by whoever needs time to pass without waiting.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone


class FakeClock:
    """A `loops.Clock` that moves only when it is told; any thread may read and drive it."""

    def __init__(
        self,
        *,
        wall: float = 1_700_000_000.0,
        boottime: float = 1_000.0,
        monotonic: float = 500.0,
        zone_hours: float = 0.0,
    ) -> None:
        """Begin at these readings, in a zone so many hours east of UTC."""
        self._door = threading.Lock()
        self._wall = wall
        self._boottime = boottime
        self._monotonic = monotonic
        self._zone = timezone(timedelta(hours=zone_hours))

    def monotonic(self) -> float:
        """Give the seconds that stand still during a sleep of the machine."""
        return self._monotonic

    def boottime(self) -> float:
        """Give the seconds since boot."""
        return self._boottime

    def wall(self) -> float:
        """Give the seconds since 1970."""
        return self._wall

    def local(self, wall: float) -> datetime:
        """Give the local time in the clock's zone."""
        return datetime.fromtimestamp(wall, tz=UTC).astimezone(self._zone)

    def advance(self, seconds: float) -> None:
        """Let time pass on all three clocks."""
        if seconds < 0:
            raise ValueError("time passes forwards; jump_wall sets the wall clock back")
        with self._door:
            self._wall += seconds
            self._boottime += seconds
            self._monotonic += seconds

    def sleep_machine(self, seconds: float) -> None:
        """Let the machine sleep: the monotonic clock stands still meanwhile."""
        with self._door:
            self._wall += seconds
            self._boottime += seconds

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back; nothing else moves."""
        with self._door:
            self._wall += seconds

    def reboot(self, *, after_s: float = 0.0) -> None:
        """Begin boot and monotonic time anew, so many wall seconds later."""
        with self._door:
            self._wall += after_s
            self._boottime = 0.0
            self._monotonic = 0.0


class BodyByReads:
    """What makes a chunk's body of a class that has `read(n)` and a length."""

    is_plain = False

    def read_into(self, block):
        """Fill a block by one read."""
        found = self.read(len(block))
        block[: len(found)] = found
        return len(found)

    def look(self):
        """Be wanted to the end."""
