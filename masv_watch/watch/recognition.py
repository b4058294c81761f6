"""What the ledger ended with, known again after a restart by path, size and time alone.

Owns which files need no look for that. Never writes, and never decides that anything is new or has
changed: what it does not know again is looked at as ever. Asked by the walk (`marks`), on the
thread of its hot folder.

It stands alone because of a million files each has a row of its own, and a look at each, with its
tests and its words, takes ten times as long.

Law 1. What is known again is what a look would conclude at once, without a word and without a
       write: the rule keeps the file, and the newest row of its path ended with this content.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Container, Sequence
from typing import Any

from masv_watch.model import DropMode, Rule
from masv_watch.store.contract import Store
from masv_watch.watch.rules import Fate, Matcher
from masv_watch.watch.settle import is_same_signature, signature_of


class Recognition:
    """The ended drops of one hot folder."""

    def __init__(
        self, rule: Rule, *, store: Store, matcher: Matcher, others: Sequence[Container[bytes]]
    ) -> None:
        """Ask these; nothing is known again of `others`: they settle, or could not be judged."""
        self._rule, self._store, self._matcher = rule, store, matcher
        self._others = others
        #: of a loose file more than its row counts: its neighbours, or a marker beside it
        self._is_of_use = (
            rule.drop in (DropMode.FILE, DropMode.EACH)
            and rule.whole.frames is None
            and not rule.schedule.heeds_marks
        )

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
