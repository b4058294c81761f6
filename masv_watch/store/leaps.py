"""How long ago something was, where the clock leapt between two runs of the daemon.

Owns what counts as a leap, and how time is counted back over it. Never reads a clock or a row.
Called by the store's engine when it opens, and by whoever forgets what is old.

Law 1. Time in which nobody was there does not make anything old: a machine that was switched off
       for months, and a clock that showed 2100 for one start, look the same from here.
"""

from __future__ import annotations

from collections.abc import Sequence

#: store clock, seconds: the last moment of one run, and the first of the next
Leap = tuple[float, float]

#: seconds between two runs that are taken for time that passed
LEAP_S = 30 * 86400.0
#: leaps that are remembered
_MOST = 100


def with_leap(leaps: Sequence[Leap], newest: float, opened: float) -> tuple[Leap, ...]:
    """Give the leaps once a state whose newest time is `newest` is opened at another time.

    A state that is new has no newest time: 0.
    """
    if not newest or opened - newest <= LEAP_S:
        return tuple(leaps)
    return (*leaps, (newest, opened))[-_MOST:]


def ago(now: float, seconds: float, leaps: Sequence[Leap]) -> float:
    """Give the moment since which so much time passed, without that of the leaps."""
    for before, after in reversed(leaps):
        if now - seconds >= after:
            break
        seconds -= max(now - after, 0.0)
        now = before
    return now - seconds
