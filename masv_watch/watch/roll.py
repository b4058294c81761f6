"""Who of those that a hot folder remembers was met by one sweep, and who was not.

Owns that record for one sweep. Never looks at a root and draws no consequence. Used by intake.

It stands alone because a set of all that a sweep met would hold a million paths, to ask about a
few of them.

Law 1. Only what was expected before the sweep can be missing after it: what became known meanwhile
       is asked about by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from masv_watch.files import MARKER_NAME
from masv_watch.watch.addresses import above, subfolder_of
from masv_watch.watch.scan import Tree
from masv_watch.watch.tops import Alike, Same, Unlisted


class Roll:
    """Those that one sweep is expected to meet."""

    def __init__(self, drops: Iterable[bytes], told: Iterable[bytes], odd: Iterable[bytes]) -> None:
        """Expect these as drops, these in whatever form, and these to be judged, alike or not."""
        #: expected as drops, and not met as such
        self.missing = set(drops)
        #: somebody was told of them, and they were not met in any form
        self.untold = set(told)
        #: could not be judged before, and were not looked at
        self.unjudged = set(odd)
        self._folders = {subfolder_of(path) for path in chain(self.missing, self.untold)}
        self._odd_folders = {subfolder_of(path) for path in self.unjudged}
        #: whether a drop was met, and whether anything but the marker of the root
        self.has_drop = self.has_name = False
        #: names that were met in any form
        self.names = 0

    def meet(self, top: bytes, *, is_drop: bool) -> None:
        """Take in an entry that was looked at."""
        self.names += 1
        self.untold.discard(top)
        self.unjudged.discard(top)
        self.has_name = self.has_name or top != MARKER_NAME
        if is_drop:
            self.has_drop = True
            self.missing.discard(top)

    def meet_alike(self, alike: Alike) -> list[bytes]:
        """Take in files that are known; give those that have to be judged all the same."""
        self.has_drop = self.has_name = True
        self.names += len(alike.names)
        if alike.folder in self._folders:
            tops = alike.tops
            self.missing.difference_update(tops)
            self.untold.difference_update(tops)
        if alike.folder in self._odd_folders:
            return [top for top in alike.tops if top in self.unjudged]
        return []

    def spare(self, hidden: set[bytes]) -> None:
        """Miss nothing that lies below these folders: they could not be listed."""
        if not hidden:
            return
        lacking = self.missing | self.untold
        spared = {path for path in lacking if not hidden.isdisjoint(above(path))}
        self.missing -= spared
        self.untold -= spared
        self.unjudged -= spared


def one_by_one(
    found: Iterable[Tree | Same | Alike | Unlisted], roll: Roll
) -> Iterator[tuple[bytes, Tree | Same | Unlisted]]:
    """Give what has to be looked at, each with its name; what is alike only answers the roll."""
    for seen in found:
        if isinstance(seen, Alike):
            yield from ((top, Same(top)) for top in roll.meet_alike(seen))
        else:
            yield seen.top, seen
