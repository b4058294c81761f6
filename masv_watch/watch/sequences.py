"""Which numbers are missing in a row: frames of an image sequence, pieces of a clip.

Owns the algebra of ranges, and what is no gap although it looks like one. Never touches the disk.
Called by `completeness` for the sequences of a rule, and by `bundles` for the rows of a card.

Law 1. Nothing is counted one by one: a gap of a thousand million frames costs what one costs.
Law 2. The first and the last frame are what is there: only an inner gap is known to be one.
Law 3. One number far off is a stray, such as a still or a slate; it is named and holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from masv_watch.figures import counted
from masv_watch.model import Frames
from masv_watch.names import shown
from masv_watch.patterns import Found, Pattern, parse
from masv_watch.watch.listing import Listing, Shortage

#: a single number at the end of a row is no stray while the gap before it is at most this long
_NEAR = 10


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Numbers that follow each other, both ends included."""

    first: int
    last: int

    def count(self, step: int = 1) -> int:
        """Count its numbers."""
        return (self.last - self.first) // step + 1


def runs(numbers: Iterable[int], step: int = 1) -> list[Run]:
    """Give the runs that numbers form, in order."""
    found: list[Run] = []
    for number in sorted(set(numbers)):
        if found and number - found[-1].last <= step:
            found[-1] = Run(found[-1].first, number)
        else:
            found.append(Run(number, number))
    return found


def gaps(numbers: Iterable[int], *, first: int | None = None, step: int = 1) -> list[Run]:
    """Give what is missing between numbers, and before them where it is known how they begin."""
    known = runs(numbers, step)
    missing = []
    if known and first is not None and known[0].first > first:
        last = known[0].first - step
        missing.append(Run(last - (last - first) // step * step, last))
    for before, after in pairwise(known):
        begin = before.last + step
        missing.append(Run(begin, begin + (after.first - 1 - begin) // step * step))
    return missing


def strays(known: Sequence[Run], step: int = 1) -> tuple[Run, ...]:
    """Give the single numbers at the ends that are too far off to belong to the rest."""
    if len(known) < 2:
        return ()
    total = sum(run.count(step) for run in known)
    ends = (
        (known[0], known[1].first - known[0].last),
        (known[-1], known[-1].first - known[-2].last),
    )
    return tuple(
        dict.fromkeys(
            run
            for run, away in ends
            if run.first == run.last and away // step - 1 > max(_NEAR, total - 1)
        )
    )


def judge(wants: Frames, listing: Listing) -> Shortage:
    """Say which frames are missing in the sequences of a drop."""
    shortage, count = Shortage(), 0
    for pattern, row in _rows(wants, listing):
        count += len(row) > 1
        _note(shortage, pattern, row, step=wants.step)
    shortage.scope = counted(count, "sequence")
    return shortage


class Loose(NamedTuple):
    """What a loose file's sequence lacks."""

    shortage: Shortage
    #: whether it tells of that, as one of the sequence does: the one behind the first gap
    speaks: bool


def judge_loose(wants: Frames, listing: Listing) -> dict[bytes, Loose]:
    """Say of each loose file what is missing in its own sequence; files of none are left out."""
    found: dict[bytes, Loose] = {}
    for pattern, row in _rows(wants, listing):
        shortage = Shortage(scope=f"a sequence of {len(row)} files")
        _note(shortage, pattern, row, step=wants.step)
        speaker = next((run.first for run in runs(row, wants.step)[1:]), None)
        for number, member in row.items():
            found.setdefault(member.path, Loose(shortage, number == speaker))
    return found


def _rows(wants: Frames, listing: Listing) -> Iterator[tuple[Pattern, dict[int, Found]]]:
    for text in wants.patterns:
        pattern = parse(text)
        rows: dict[object, dict[int, Found]] = {}
        for found in listing.find(pattern):
            if found.number is not None:
                rows.setdefault(found.kin, {}).setdefault(found.number, found)
        for row in rows.values():
            yield pattern, row


def _note(shortage: Shortage, pattern: Pattern, row: dict[int, Found], *, step: int) -> None:
    far = strays(runs(row, step), step)
    for run in far:
        stray = row[run.first].path
        shortage.fault(stray, f"{shown(stray)} is far from its sequence", advice=True)
    kept = row.keys() - {run.first for run in far}
    for gap in gaps(kept, step=step):
        sample = row[min(kept)]
        first, last = (
            sample.base + pattern.fill(sample.words, number) for number in (gap.first, gap.last)
        )
        shortage.miss_run(first, last, gap.count(step))
