"""Say when a block may leave so that no limit is exceeded.

Owns the arithmetic of limits and of the line in which blocks wait, and nothing else. Never waits,
never locks and never asks for the time: it is handed in. Called by `transfer.throttle`.

Law 1. A byte passes two limits: the one for all, and the one of its hot folder where it has one.
Law 2. First come, first served: a block waits for those before it that can go, and for none that
       waits for its own hot folder's limit. No upload starves another, however large it is.
Law 3. A limit that was not used up is not saved up, but for SLACK_S; what waited in the line while
       others went is no idleness, and up to CATCH_UP_S of it is made up for.
Law 4. A block goes as soon as the one before it is paid: it pays while it is on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: seconds: a block that comes so late is not the loss of its limit; more would be a burst
SLACK_S = 0.1
#: the same for a block that was waiting meanwhile, for another limit or to be woken
CATCH_UP_S = 0.25
#: seconds of a new limit that what went out under the old one may cost at most
_DEBT_S = 0.25
#: seconds that one block should take, and the bounds of its size in bytes
_BLOCK_S = 0.125
#: seconds of their limits for which small files are in the hands of workers, and the least workers
WORK_S = 1.0
LEAST_WORKERS = 4
LEAST_BLOCK, MOST_BLOCK = 4 * 1024, 1024 * 1024
#: bytes: more than anybody hands over at once
ANY_BLOCK = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The limits at one moment, each in bytes a second."""

    #: for all uploads together; None: no limit
    total: int | None = None
    #: for hot folders by their names; one that is not here has none of its own
    folders: Mapping[str, int] = field(default_factory=dict)

    def of(self, hot_folder: str | None) -> int | None:
        """Give a hot folder's own limit, None when it has none; an upload of a caller has none."""
        return None if hot_folder is None else self.folders.get(hot_folder)

    def holds_back(self, hot_folder: str | None) -> bool:
        """Say whether any limit counts for a hot folder's bytes, or for a caller's (None)."""
        return self.total is not None or self.of(hot_folder) is not None

    def least(self, hot_folder: str | None) -> int | None:
        """Give the slower of the limits that count for a hot folder's bytes, or a caller's."""
        known = [rate for rate in (self.total, self.of(hot_folder)) if rate is not None]
        return min(known) if known else None

    def block(self, hot_folder: str | None) -> int:
        """Give the largest block worth handing over at once, in bytes; any where none counts."""
        rate = self.least(hot_folder)
        if rate is None:
            return ANY_BLOCK
        wanted = int(rate * _BLOCK_S) // LEAST_BLOCK * LEAST_BLOCK
        return max(LEAST_BLOCK, min(wanted, MOST_BLOCK))

    def workers(self, hot_folder: str | None, sizes: Iterable[int], most: int) -> int:
        """Say how many workers are worth having for files of these sizes, each sent by one.

        As many as keep the limits busy for WORK_S; more would only wait, and others need them.
        """
        rate = self.least(hot_folder)
        if rate is None:
            return most
        wanted, left = 0, rate * WORK_S
        for size in sizes:
            if left <= 0 or wanted >= most:
                return min(max(wanted, LEAST_WORKERS), most)
            wanted, left = wanted + 1, left - size
        return most


@dataclass(eq=False, slots=True, kw_only=True)
class Place:
    """A block's place in the line."""

    size: int
    hot_folder: str | None
    since: float

    def forgives(self, now: float) -> float:
        """Give the time from before which nothing that its limits did not use is made up for."""
        return max(self.since - SLACK_S, now - CATCH_UP_S)


class Pacing:
    """The line of blocks, and when each limit lets the next one go; times are monotonic seconds."""

    def __init__(self) -> None:
        """Begin without limits and with nobody in the line."""
        self.rates = Rates()
        #: from when on the limit for all lets a block go
        self._free_at = 0.0
        #: the same for the limit of each hot folder
        self._folder_free_at: dict[str, float] = {}
        #: in the order in which they came
        self._places: dict[Place, None] = {}

    def change(self, rates: Rates, now: float) -> None:
        """Let other limits hold from now on; what waits is paced by them."""
        before, self.rates = self.rates, rates
        self._free_at = _carried(self._free_at, before.total, rates.total, now)
        self._folder_free_at = {
            name: _carried(self._folder_free_at.get(name, now), before.of(name), rate, now)
            for name, rate in rates.folders.items()
        }

    def join(self, size: int, hot_folder: str | None, now: float) -> Place:
        """Take a place at the end of the line for a block of `size` bytes."""
        place = Place(size=size, hot_folder=hot_folder, since=now)
        self._places[place] = None
        return place

    def leave(self, place: Place) -> None:
        """Give up a place; nothing happens when its block went already."""
        self._places.pop(place, None)

    def ask(self, place: Place, now: float) -> float:
        """Let a block go, giving 0, or give the seconds after which it is worth asking again.

        It never goes before its time. When others leave or come, its time moves by what they take.
        """
        wait_s = self._due(place, now) - now
        if wait_s > 0:
            return wait_s
        del self._places[place]
        self._pay(place, now)
        return 0.0

    def _due(self, place: Place, now: float) -> float:
        """Say when a block may go if everybody before it goes as soon as he may."""
        total, oldest = self.rates.total, place.forgives(now)
        at = self._total_at(oldest)
        folders: dict[str, float] = {}
        for other in self._places:
            name, own = other.hot_folder, self.rates.of(other.hot_folder)
            due = at
            if name is not None and own is not None:
                due = folders.get(name, self._folder_at(name, oldest))
                folders[name] = due + other.size / own
            if other is place:
                return max(due, at)
            if total is not None and due <= max(at, now):
                at += other.size / total
        raise ValueError("it has no place in the line")

    def _total_at(self, oldest: float) -> float:
        return oldest if self.rates.total is None else max(self._free_at, oldest)

    def _folder_at(self, name: str, oldest: float) -> float:
        return max(self._folder_free_at[name], oldest)

    def _pay(self, place: Place, now: float) -> None:
        name, total, own = place.hot_folder, self.rates.total, self.rates.of(place.hot_folder)
        if total is not None:
            self._free_at = self._total_at(place.forgives(now)) + place.size / total
        if name is not None and own is not None:
            paid_from = self._folder_at(name, place.forgives(now))
            self._folder_free_at[name] = paid_from + place.size / own


def _carried(free_at: float, before: int | None, after: int | None, now: float) -> float:
    """Give from when on a changed limit lets a block go: what is not paid is paid at its pace."""
    if before is None or after is None or before == after:
        return free_at if before is not None and before == after else now
    unpaid = max(free_at - now, 0.0) * before
    return now + min(unpaid / after, _DEBT_S)
