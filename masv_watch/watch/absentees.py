"""Which delivered sources are not in their hot folder any more: what may be forgotten one day.

Owns the look at the paths of drops that ended. Never judges a drop and removes nothing. Called by
intake after a whole sweep of a root that is present, when housekeeping asked for it.

Law 1. Only a root that passed its gate says that something is missing.
Law 2. What cannot be looked at stays as it was noted.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from masv_watch import files
from masv_watch.errors import SourceError
from masv_watch.model import EndedDrop
from masv_watch.store.contract import Store

#: drops that are looked at after one sweep, so that no arrival waits for it
LOOKED_AT = 5000
#: of them in one transaction
BATCH = 500


class Fate(Enum):
    """What a look at the path of a drop that ended changes."""

    SAME = auto()
    GONE = auto()
    BACK = auto()
    OVER = auto()


class Absentees:
    """Where the look at one hot folder's ended drops stands."""

    def __init__(self, *, stop: Callable[[], bool]) -> None:
        """Begin with the oldest; `stop` is asked between two batches."""
        self._stop = stop
        self._after = 0
        #: seconds that history is kept, while a look is asked for; None: none is
        self.kept_s: float | None = None

    def look(self, root: files.Root, ledger: Store, hot_folder: str) -> None:
        """Do the look that is asked for, at the next drops that ended; at the end begin anew.

        What was missed for as long as history is kept, and still is, may be forgotten.
        """
        kept_s, self.kept_s = self.kept_s, None
        if kept_s is None:
            return
        for _ in range(LOOKED_AT // BATCH):
            if self._stop():
                return
            found = ledger.ended_drops(hot_folder, after=self._after, limit=BATCH)
            until = ledger.ago(kept_s)
            ids: dict[Fate, list[int]] = {fate: [] for fate in Fate}
            for drop in found:
                ids[fate_of(drop, _stands(root, drop.path), until=until)].append(drop.id)
            ledger.note_missed(gone=ids[Fate.GONE], back=ids[Fate.BACK], over=ids[Fate.OVER])
            self._after = found[-1].id if len(found) == BATCH else 0
            if not self._after:
                return


def fate_of(drop: EndedDrop, stands: bool | None, *, until: float) -> Fate:
    """Say what a look at the path of a drop changes; what was gone by `until` is over."""
    if stands is None:
        return Fate.SAME
    if stands:
        return Fate.SAME if drop.gone_at is None else Fate.BACK
    if drop.gone_at is None:
        return Fate.GONE
    return Fate.OVER if drop.gone_at <= until and not drop.is_over else Fate.SAME


def _stands(root: files.Root, path: bytes) -> bool | None:
    """Say whether anything stands at a path, whatever it is; None when that cannot be told."""
    try:
        return root.observe(path) is not None
    except SourceError:
        return None
