"""The loose files that a hot folder knows, one number each: a million of them are 8 MiB.

Owns which numbers are known, folder by folder, from one sweep to the next. Never touches the disk
and never decides what is known: `entries` does, and fills it; the walk compares with it (`tops`).

It stands alone because a path and a fence as objects take some 270 bytes a file, and to ask for
each by its name costs more than to look at it.

Law 1. Of a folder that was listed whole only what was met there stays known. Of one that was not,
       everything does as long as nothing there differed, else nothing.
Law 2. The order in which a file system lists its names decides what a comparison costs, never what
       it says.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

from masv_watch.files import Observation
from masv_watch.watch.addresses import above, subfolder_of
from masv_watch.watch.fences import file_marks, mark_of, numbers_of

#: gives, of a folder, the places of those files that something else than a mark knows
Recognised = Callable[[bytes, Sequence[str], Sequence[Any]], Collection[int]]


class Marks:
    """The loose files of one hot folder about which nothing is to be done until they change."""

    def __init__(self) -> None:
        """Begin without a file."""
        self._known: dict[bytes, array[int]] = {}
        #: names to be looked at whatever they show, by their folder
        self._doubted: dict[bytes, set[str]] = {}
        #: the folders of a sweep that has not ended
        self._lists: dict[bytes, Listed] = {}
        #: asked about a folder of which nothing is known
        self.recognised: Recognised = lambda _folder, _names, _stats: ()
        #: by folder, of files that settle and are not due: alike as long as one sweep lasts
        self._resting: dict[bytes, set[int]] = {}

    def __len__(self) -> int:
        """Count the files."""
        lists = (listed.marks for listed in self._lists.values())
        return sum(map(len, (*self._known.values(), *lists)))

    def note(self, top: bytes, fence: str) -> None:
        """Know a file by its fence from now on."""
        folder = subfolder_of(top)
        if folder in self._lists:
            marks = self._lists[folder].marks
        else:
            marks = self._known.setdefault(folder, array("q"))
        marks.append(mark_of(fence))

    def doubt(self, top: bytes) -> None:
        """Have a file looked at once more, even as it is."""
        folder, _, name = top.rpartition(b"/")
        if folder in self._known or folder in self._lists:
            self._doubted.setdefault(folder, set()).add(os.fsdecode(name))

    def begin(self, resting: Iterable[tuple[bytes, str]] = ()) -> None:
        """Begin a sweep; what one before listed until it broke off is known.

        `resting` are files with their fences that nothing is to be done about before this sweep is
        over, unless they changed.
        """
        for folder, listed in self._lists.items():
            self._known[folder] = listed.result()
        self._lists, self._resting = {}, {}
        for top, fence in resting:
            self._resting.setdefault(subfolder_of(top), set()).add(mark_of(fence))

    def list_folder(self, folder: bytes) -> Listed:
        """Begin the list of a folder, "" for the root."""
        known = self._known.get(folder, array("q"))
        recognised = None if known else partial(self.recognised, folder)
        listed = Listed(
            known,
            self._doubted.pop(folder, set()),
            recognised,
            resting=self._resting.get(folder, frozenset()),
        )
        self._lists[folder] = listed
        return listed

    def end(self, hidden: set[bytes]) -> None:
        """Forget what a whole sweep did not meet, but for what lies in and below hidden folders."""
        kept = {
            folder: marks
            for folder, marks in self._known.items()
            if folder in hidden or not hidden.isdisjoint(above(folder))
        }
        kept.update((folder, listed.result()) for folder, listed in self._lists.items())
        self._known = {folder: marks for folder, marks in kept.items() if marks}
        self._lists, self._resting = {}, {}
        for folder in self._doubted.keys() - self._known.keys():
            del self._doubted[folder]


class Listed:
    """The loose files of one folder as a sweep lists them, beside those that are known."""

    def __init__(
        self,
        known: array[int],
        doubted: set[str],
        recognised: Callable[[Sequence[str], Sequence[Any]], Collection[int]] | None = None,
        *,
        resting: Collection[int] = (),
    ) -> None:
        """Begin a list; whatever is `recognised` becomes known unless it is doubted.

        What is `resting` counts as known in this list and not in the next.
        """
        self._known, self._doubted, self._recognised = known, doubted, recognised
        self._resting = resting
        #: where in what is known the next file stands if nothing changed
        self._at = 0
        self._in_order: array[int] | None = None
        self._has_differed = bool(doubted)
        #: what is known of the files that were met, or became known since
        self.marks = array("q")
        #: whether the list came to its end
        self.is_whole = False

    def result(self) -> array[int]:
        """Give what is known of the folder from here on (Law 1)."""
        if self.is_whole:
            return self.marks
        return array("q") if self._has_differed else self._known

    def unknown(self, names: Sequence[str], stats: Sequence[Any]) -> Sequence[int]:
        """Take in some files by their stats; give the places of those that are not known."""
        found = file_marks(names, stats)
        ahead = self._at + len(found)
        if not self._doubted and self._known[self._at : ahead] == found:
            self._at = ahead
            self.marks.extend(found)
            return ()
        if self._recognised is not None and not self._doubted:
            places = self._recognised(names, stats)
            self.marks.extend(found[place] for place in places)
            unknown = [at for at in range(len(found)) if at not in places]
        else:
            pairs = enumerate(zip(names, found, strict=True))
            unknown = [at for at, (name, mark) in pairs if not self._knows(name, mark)]
        return [at for at in unknown if found[at] not in self._resting]

    def knows(self, entry: Observation) -> bool:
        """Take in one entry and say whether it is a file that is known."""
        if entry.kind != "file" or entry.identity is None:
            return False
        name = os.fsdecode(entry.path.rpartition(b"/")[2])
        return self._knows(name, hash((name, numbers_of(entry.identity))))

    def _knows(self, name: str, mark: int) -> bool:
        if name in self._doubted or not self._has(mark):
            self._has_differed = True
            return False
        self.marks.append(mark)
        return True

    def _has(self, mark: int) -> bool:
        if self._at < len(self._known) and self._known[self._at] == mark:
            self._at += 1
            return True
        if self._in_order is None:
            self._in_order = array("q", sorted(self._known))
        place = bisect_left(self._in_order, mark)
        return place < len(self._in_order) and self._in_order[place] == mark
