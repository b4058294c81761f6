"""Say how fast bytes leave, from the blocks that left.

Owns the arithmetic of a rate and nothing else. Never asks for the time: whoever notes or reads
brings it along. Called by `transfer.meter`, for each upload and for all of them together.

Law 1. A rate is the bytes of the last SPAN_S seconds by those seconds, or by as many as there are
       since it began: a chunk of any size moves it only as its bytes leave.
Law 2. Nothing that left longer ago counts: what stands still reads 0 within SPAN_S.
Law 3. The first bytes fill buffers faster than any link takes them, so they do not count, and
       nothing is said before LEAST_S seconds did.
"""

from __future__ import annotations

#: seconds that a rate looks back
SPAN_S = 10.0
#: seconds at the begin whose bytes do not count
FILLING_S = 0.5
#: seconds that must count before a rate is told
LEAST_S = 1.0

#: seconds that are counted together, and how many of these a span has
_WIDTH_S = 0.5
_SPANNED = int(SPAN_S / _WIDTH_S)
#: the oldest one is only partly within the span
_KEPT = _SPANNED + 1


class Rate:
    """The bytes of the last seconds; for one thread at a time."""

    __slots__ = ("_last", "_since", "_sums")

    def __init__(self) -> None:
        """Begin with nothing noted."""
        self._sums = [0] * _KEPT
        #: number of the newest sum, counted from time 0
        self._last = -_KEPT
        #: seconds from which on bytes count
        self._since = 0.0

    def note(self, at: float, size: int) -> None:
        """Count bytes that left at this time; a time before the newest one counts as that."""
        number = int(at / _WIDTH_S)
        if number > self._last:
            self._go_on(at, number)
        if at >= self._since:
            self._sums[self._last % _KEPT] += size

    def _go_on(self, at: float, number: int) -> None:
        passed = number - self._last
        if passed >= _KEPT:
            # it stood still for a whole span: this is a new begin
            self._sums = [0] * _KEPT
            self._since = at + FILLING_S
        else:
            for between in range(self._last + 1, number + 1):
                self._sums[between % _KEPT] = 0
        self._last = number

    def at(self, now: float) -> float:
        """Give bytes in a second at this time; 0 while that is not known."""
        now = max(now, self._last * _WIDTH_S)
        counted_s = min(now - self._since, SPAN_S)
        number = int(now / _WIDTH_S)
        oldest = number - _SPANNED
        if counted_s < LEAST_S or self._last < oldest:
            return 0.0
        within = sum(self._sums[each % _KEPT] for each in range(oldest, self._last + 1))
        over = self._sums[oldest % _KEPT] * (now / _WIDTH_S - number)
        return (within - over) / counted_s
