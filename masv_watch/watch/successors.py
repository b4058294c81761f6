"""Under which name a drop goes on that left its own while it was on its way.

Owns the look for that name. Reads no content, and decides nothing that follows from it. Used by the
entries of a hot folder, for what one whole sweep missed.

Law 1. A drop goes on elsewhere only where every file that its upload has of it stands there as it
       was taken, and where what stands there is a drop that somebody hears of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from masv_watch.files import Root
from masv_watch.lifecycle import is_given_up
from masv_watch.model import Drop, Identity, Rule
from masv_watch.store.contract import Store
from masv_watch.watch.memory import Remembered
from masv_watch.watch.tops import seen_at


class Successors:
    """What stands in a hot folder at the end of one sweep, for drops that it missed."""

    def __init__(
        self, rule: Rule, *, store: Store, root: Root, growing: Mapping[bytes, Remembered]
    ) -> None:
        """Look among these; `growing` is what settles now."""
        self._rule = rule
        self._store = store
        self._root = root
        #: by the inode of a loose file; 0: a folder
        self._tops: defaultdict[int, list[bytes]] = defaultdict(list)
        for top, known in growing.items():
            self._tops[0 if known.place is None else known.place[1]].append(top)

    def of(self, drop: Drop) -> bytes | None:
        """Give the path under which a taken drop goes on; None where it does not."""
        held = self._store.files(drop.upload_id or "")
        files = [(file.path, file.identity) for file in held if file.drop_id == drop.id]
        if not files or not all(identity.inode for _, identity in files):
            return None
        path, first = files[0]
        known = self._store.tops_of_file(self._rule.name, drop.path, first)
        for top in (*self._tops[first.inode if path == drop.path else 0], *known):
            if top != drop.path and self._is_drop(top) and self._holds(files, drop.path, top):
                return top
        return None

    def _is_drop(self, top: bytes) -> bool:
        row = self._store.latest_drop(self._rule.name, top)
        return row is not None and not is_given_up(row)

    def _holds(self, files: Iterable[tuple[bytes, Identity]], before: bytes, top: bytes) -> bool:
        return all(self._stands(top + path[len(before) :], was) for path, was in files)

    def _stands(self, path: bytes, was: Identity) -> bool:
        seen = seen_at(self._root, path)
        now = None if seen is None else seen.identity
        return now is not None and (
            (now.size, now.mtime_ns, now.inode) == (was.size, was.mtime_ns, was.inode)
        )
