"""The signature of a large tree, made while it is walked: no list of its files is held.

Owns in what order a walk has to go for that, and what is kept of a folder until its turn. Never
touches the disk. Used by the sweep.

It stands alone because a list of a million files takes more than a hundred MiB, to make one number.

Law 1. What comes out is what `settle.signature` gives for the same files, whatever their names.
Law 2. No more is held than what the folders on the way down to one hold.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from masv_watch.watch.fences import Numbers
from masv_watch.watch.settle import Signing

#: folders still to be listed, and whether every name on the way to them is plain
Ahead = tuple[bytes, Numbers, bool]

#: one object for a file, in the order of the names: none of them holds a zero
_RECORD = b"%b\0%d\0%d"
_SIZE, _MTIME_NS = attrgetter("st_size"), attrgetter("st_mtime_ns")
#: files that are hashed between two questions whether to go on
_AT_ONCE = 4096


class Run:
    """Files of one folder that follow each other in the order of paths."""

    def __init__(self, folder: bytes, records: list[bytes]) -> None:
        """Hold what `Condensed` wrote of them."""
        self.folder, self.records = folder, records


class Condensed:
    """The files of a tree as they are found, and what they come to."""

    def __init__(self, *, grain_ns: int) -> None:
        """Begin without a file; `grain_ns` is that of `settle.signature`."""
        self._signing = Signing(grain_ns=grain_ns)
        #: what was found in the folder that is listed: each name, with its numbers behind it
        self._records: list[bytes] = []
        self._folders: dict[bytes, Ahead] = {}
        self.files = self.size = 0

    def add(self, name: bytes, size: int, mtime_ns: int) -> None:
        """Take in a file of the folder that is listed."""
        self._records.append(_RECORD % (name, size, mtime_ns))
        self.files += 1
        self.size += size

    def add_all(self, names: Sequence[str], stats: Sequence[Any]) -> None:
        """Take in files of the folder that is listed, by their stats."""
        if not names:
            return
        sizes = list(map(_SIZE, stats))
        encoded = os.fsencode("/".join(names)).split(b"/")
        rows = zip(encoded, sizes, map(_MTIME_NS, stats), strict=True)
        self._records += map(_RECORD.__mod__, rows)
        self.files += len(sizes)
        self.size += sum(sizes)

    def lead(self, folder: Ahead) -> None:
        """Take in a folder that lies in the one that is listed."""
        # as in the paths of what it holds
        self._folders[folder[0].rpartition(b"/")[2] + b"/"] = folder

    def turn(self, folder: bytes) -> Iterator[Ahead | Run]:
        """Give all that a folder holds, what comes last first, and be ready for another one."""
        records, folders = self._records, self._folders
        self._records, self._folders = [], {}
        records.sort()
        for name in sorted(folders, reverse=True):
            yield from _runs(folder, records, bisect_left(records, name))
            yield folders[name]
        yield from _runs(folder, records, 0)

    def take(self, run: Run) -> None:
        """Hash files whose turn it is."""
        above, add = run.folder + b"/", self._signing.add
        for record in run.records:
            name, size, mtime_ns = record.split(b"\0")
            add(above + name, int(size), int(mtime_ns))

    def signature(self) -> str:
        """Give the signature of what was taken."""
        return self._signing.result()


def _runs(folder: bytes, records: list[bytes], start: int) -> Iterator[Run]:
    """Cut off all records from a place on, what comes last first."""
    while len(records) > start:
        at = max(start, len(records) - _AT_ONCE)
        yield Run(folder, records[at:])
        del records[at:]
