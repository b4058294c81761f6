"""Say whether what a process holds stays the same under a load that goes on.

Owns the sample, the robust line through samples, what the state's rows explain, and the verdict on
each figure. Pure: never looks at a process. Used by the soak.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: share of a run that warms up and is not judged
WARM_UP = 1 / 3
#: seconds that are judged at the least: in less, a buffer that is filled once looks like a leak
LEAST_S = 300.0
#: samples that are judged at the least
LEAST = 20
TEN_MINUTES_S = 600.0
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a daemon held at one moment."""

    #: since the load began
    at_s: float
    #: resident, and the part of it that no file backs
    rss_mib: float
    anon_mib: float
    pss_mib: float
    fds: int
    threads: int
    database_mib: float
    wal_mib: float
    #: of the state, all tables together
    rows: int
    #: files that lie in the hot folders
    standing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much of a figure may be gained within ten minutes."""

    figure: str
    unit: str
    most: float
    #: of the figure's unit, what a row of the state may add to it
    a_row: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one figure after the warm-up; gains are those of ten minutes."""

    bound: Bound
    first: float
    last: float
    gained: float
    #: what the rows that the state gained explain
    explained: float

    @property
    def is_flat(self) -> bool:
        """Say whether it gained no more than it may."""
        return self.gained - self.explained <= self.bound.most


#: a process that leaks one descriptor or thread with each reload gains ten
BOUNDS = (
    Bound(figure="rss_mib", unit="MiB", most=1.0),
    Bound(figure="anon_mib", unit="MiB", most=1.0),
    Bound(figure="pss_mib", unit="MiB", most=1.0),
    Bound(figure="fds", unit="descriptors", most=1.0),
    Bound(figure="threads", unit="threads", most=0.5),
    Bound(figure="wal_mib", unit="MiB", most=1.0),
)


def warm(samples: Sequence[Sample]) -> list[Sample]:
    """Give the samples after the warm-up."""
    if not samples:
        return []
    begin, end = samples[0].at_s, samples[-1].at_s
    return [each for each in samples if each.at_s >= begin + (end - begin) * WARM_UP]


def is_long_enough(samples: Sequence[Sample]) -> bool:
    """Say whether what is left after the warm-up can be judged."""
    left = warm(samples)
    return len(left) >= LEAST and left[-1].at_s - left[0].at_s >= LEAST_S


def slope(pairs: Sequence[tuple[float, float]]) -> float:
    """Give the gain of y for one of x: the median of the slopes of all pairs (Theil-Sen).

    Nearly a third of the pairs may be wild without moving it.
    """
    slopes = [
        (y_after - y) / (x_after - x)
        for (x, y), (x_after, y_after) in itertools.combinations(pairs, 2)
        if x_after != x
    ]
    return statistics.median(slopes) if slopes else 0.0


def gained(samples: Sequence[Sample], figure: str) -> float:
    """Give what a figure gains within ten minutes, by the robust line."""
    pairs = [(each.at_s, float(getattr(each, figure))) for each in samples]
    return slope(pairs) * TEN_MINUTES_S


def judge(samples: Sequence[Sample], bounds: Sequence[Bound] = BOUNDS) -> list[Verdict]:
    """Hold every figure against its bound, the warm-up left out.

    Raises:
        ValueError: too little is left of them to be judged.
    """
    if not is_long_enough(samples):
        raise ValueError(f"{len(samples)} samples are too few, or of too short a time")
    left = warm(samples)
    rows = max(0.0, gained(left, "rows"))
    tenth = max(1, len(left) // 10)
    return [
        Verdict(
            bound=bound,
            first=statistics.median(getattr(each, bound.figure) for each in left[:tenth]),
            last=statistics.median(getattr(each, bound.figure) for each in left[-tenth:]),
            gained=gained(left, bound.figure),
            explained=rows * bound.a_row,
        )
        for bound in bounds
    ]
