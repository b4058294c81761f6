"""What the ledger says of the next some hundred entries, asked and written at once.

Owns the rows that were fetched ahead of the looks that need them. Never decides what a look leads
to. Used by `entries`, on the thread of its hot folder.

It stands alone because without it each file of a burst costs a transaction of its own, and tens of
thousands of them minutes in which nothing else is found.

Law 1. What a look ahead writes is what the look itself would write: a row for each name that has
       none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from masv_watch.model import Drop
from masv_watch.store.contract import Store
from masv_watch.watch.scan import Tree
from masv_watch.watch.tops import Same, Unlisted

Looked = TypeVar("Looked", bound=Tree | Same | Unlisted | None)

#: loose files that are looked at before a consequence is drawn; a folder is always alone, because
#: its list may be long
AT_ONCE = 512
#: new drops of one sweep after which it only writes down what else is new: to judge them takes
#: longer than to find them, and more may be coming
FLOOD = 1000


class Foresight:
    """The rows of what is looked at next."""

    def __init__(self, hot_folder: str, store: Store) -> None:
        """Begin without a row."""
        self._hot_folder = hot_folder
        self._store = store
        self._rows: dict[bytes, Drop] = {}
        #: rows that were made since somebody set this to 0
        self.made = 0
        #: what was written down by the last look ahead, and is judged at leisure
        self.fresh: frozenset[bytes] = frozenset()

    def look_ahead(self, tops: Sequence[bytes]) -> None:
        """Fetch the newest row of each name, made where there is none."""
        self._rows = {drop.path: drop for drop in self._store.latest_drops(self._hot_folder, tops)}
        new = [top for top in tops if top not in self._rows]
        self.fresh = frozenset()
        if not new:
            return
        if self.made >= FLOOD and self._store.see_firsts(self._hot_folder, new):
            self.fresh = frozenset(new)
        else:
            made = self._store.see_drops(self._hot_folder, new)
            self._rows.update((drop.path, drop) for drop in made)
        self.made += len(new)

    def take(self, top: bytes) -> Drop | None:
        """Give a row that was fetched, once; None where the ledger has to be asked."""
        return self._rows.pop(top, None)


def in_groups(
    looks: Iterable[tuple[bytes, Looked]],
) -> Iterator[list[tuple[bytes, Looked]]]:
    """Give looks, each with its name, by the hundreds; what holds a list comes alone."""
    group: list[tuple[bytes, Looked]] = []
    for top, seen in looks:
        group.append((top, seen))
        if len(group) == AT_ONCE or (isinstance(seen, Tree) and seen.kind != "file"):
            yield group
            group = []
    if group:
        yield group
