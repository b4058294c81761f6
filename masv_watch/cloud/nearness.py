"""How soon the cloud answers at best, which tells how far away it is.

Owns the least time of the last moments. Never sends and never asks for the time: both are handed
in. Called by `cloud.http` for every small call.
"""

from __future__ import annotations

import threading

#: seconds that a reading counts at least; the least of the span before counts beside it
SPAN_S = 10.0


class Nearness:
    """The least time from a request to the first byte of its answer; verbs from any thread."""

    def __init__(self) -> None:
        """Begin without a reading."""
        self._door = threading.Lock()
        self._since = 0.0
        self._least: float | None = None
        self._before: float | None = None

    def note(self, now: float, answer_s: float) -> None:
        """Take a reading, in seconds, at a monotonic time."""
        with self._door:
            if self._least is None or now >= self._since + SPAN_S:
                self._before, self._least, self._since = self._least, answer_s, now
            else:
                self._least = min(self._least, answer_s)

    @property
    def answer_s(self) -> float | None:
        """Give the least seconds of late; None before the first answer.

        The least and not the usual: what waits because much was asked at once is not far away.
        """
        with self._door:
            known = [each for each in (self._before, self._least) if each is not None]
            return min(known, default=None)
