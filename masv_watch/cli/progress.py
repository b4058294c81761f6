"""How fast something moves and when it is done, from successive looks at it.

Owns the rate and the remaining time. Never asks and never reads a clock: whoever looks brings the
time along. Called by the watching commands, once per upload and look.

It stands alone because it is arithmetic that can be proven without a terminal.
"""

from __future__ import annotations

from collections import deque

#: seconds that a rate is averaged over: chunks of 100 MiB are acknowledged in leaps
SPAN_S = 20.0
#: a look nearer than this to the one before it tells nothing new
_NEAREST_S = 0.2


class Meter:
    """The recent looks at one number of bytes that grows."""

    def __init__(self, *, span_s: float = SPAN_S) -> None:
        """Begin without a look."""
        self._span_s = span_s
        self._looks: deque[tuple[float, int]] = deque()

    def note(self, at: float, sent: int) -> None:
        """Remember how much was sent at this time; bytes that went back begin anew."""
        if self._looks and (sent < self._looks[-1][1] or at < self._looks[-1][0]):
            self._looks.clear()
        if len(self._looks) > 1 and at - self._looks[-2][0] < _NEAREST_S:
            self._looks.pop()
        self._looks.append((at, sent))
        # one look from before the span stays, so that the rate covers all of it
        while len(self._looks) > 2 and at - self._looks[1][0] >= self._span_s:
            self._looks.popleft()

    @property
    def rate(self) -> float | None:
        """Give bytes in a second; None until two looks tell."""
        if len(self._looks) < 2:
            return None
        (since, before), (until, after) = self._looks[0], self._looks[-1]
        return (after - before) / (until - since) if until > since else None

    def left_s(self, size: int) -> float | None:
        """Give the seconds until all is sent at this rate; None when it does not move."""
        rate = self.rate
        if not rate or not self._looks:
            return None
        return max(size - self._looks[-1][1], 0) / rate
