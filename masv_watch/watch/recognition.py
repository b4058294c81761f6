"""What the ledger ended with, known again after a restart by path, size and time alone.

Owns which files and folders need no look for that. Never writes, and never decides that anything is
new or has changed: what it does not know again is looked at as ever. Asked by the walk (`marks`,
`scan`), on the thread of its hot folder.

It stands alone because of a million files each has a row of its own, and a look at each, with its
tests and its words, takes ten times as long; and because a look at a folder holds a list of it.

Law 1. What is known again is what a look would conclude at once, without a word and without a
       write: the rule keeps it, and the newest row of its path ended with this content, or is on
       its way with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Container, Sequence
from typing import Any

from masv_watch.model import Drop, DropMode, Rule
from masv_watch.store.contract import Store
from masv_watch.watch.generations import kept_signature
from masv_watch.watch.rules import Fate, Matcher
from masv_watch.watch.settle import is_same_signature, signature_of
from masv_watch.watch.tops import Kept


class Recognition:
    """The drops of one hot folder about which nothing is to be done."""

    def __init__(
        self,
        rule: Rule,
        *,
        store: Store,
        matcher: Matcher,
        others: Sequence[Container[bytes]],
        is_elsewhere: Callable[[Drop], bool],
        grain_ns: Callable[[Rule], int],
    ) -> None:
        """Ask these; nothing is known again of `others`: they settle, or could not be judged."""
        self._rule, self._store, self._matcher = rule, store, matcher
        self._others, self._is_elsewhere, self._grain_ns = others, is_elsewhere, grain_ns
        #: where more than its row counts: a marker beside it
        heeds_others = rule.schedule.heeds_marks
        #: or its neighbours
        self._is_of_use = (
            rule.drop in (DropMode.FILE, DropMode.EACH)
            and rule.whole.frames is None
            and not heeds_others
        )
        self._knows_folders = rule.drop in (DropMode.FOLDER, DropMode.EACH) and not heeds_others

    def kept(self, top: bytes) -> Kept | None:
        """Give what is kept of a folder that is known again by it; None where it has to be seen."""
        if not self._knows_folders or any(top in others for others in self._others):
            return None
        latest = self._store.latest_drop(self._rule.name, top)
        is_elsewhere = latest is not None and self._is_elsewhere(latest)
        signature = kept_signature(latest, is_elsewhere=is_elsewhere)
        return Kept(signature, self._grain_ns(self._rule)) if signature else None

    def places(self, folder: bytes, names: Sequence[str], stats: Sequence[Any]) -> Collection[int]:
        """Give the places of the files of a folder that are known again, by their stats."""
        if not self._is_of_use or not names:
            return ()
        above = folder + b"/" if folder else b""
        tops = [above + os.fsencode(name) for name in names]
        ended = self._store.ended_signatures(self._rule.name, tops)
        if not ended:
            return ()
        found = {
            place: top
            for place, (top, status) in enumerate(zip(tops, stats, strict=True))
            if top in ended
            and is_same_signature(ended[top], signature_of(top, status.st_size, status.st_mtime_ns))
            and not any(top in others for others in self._others)
        }
        if self._matcher.keeps_way(folder) and self._matcher.keeps_all(folder, names):
            return found
        return {place for place, top in found.items() if self._keeps(top, stats[place])}

    def _keeps(self, top: bytes, status: Any) -> bool:
        match = self._matcher.match(top, "file", size=status.st_size, nlink=status.st_nlink)
        return match.fate is Fate.KEEP
