"""By how much a hot folder's file system may show a time otherwise than it was (pain 19).

Owns where that is asked for, and how long an answer may be used again. Never compares two times.
Used by the intake of a hot folder and by whoever explains.
"""

from __future__ import annotations

from masv_watch import files
from masv_watch.loops import Clock
from masv_watch.model import Rule

#: seconds for which the mount is not asked for again
_USED_S = 1.0


def grain_ns_of(rule: Rule) -> int:
    """Give by how much the times of a hot folder may be shown otherwise than they were."""
    if rule.mtime_grain_s is None:
        return files.mtime_grain_ns(rule.path)
    return round(rule.mtime_grain_s * 1e9)


class Grain:
    """The grain of one hot folder, asked once a second and not for each file."""

    def __init__(self, clock: Clock) -> None:
        """Begin without an answer."""
        self._clock = clock
        self._known: tuple[int, Rule, float] | None = None

    def ns(self, rule: Rule) -> int:
        """Give the grain in nanoseconds."""
        now, known = self._clock.monotonic(), self._known
        if known is None or known[1] is not rule or not 0 <= now - known[2] < _USED_S:
            known = self._known = grain_ns_of(rule), rule, now
        return known[0]
