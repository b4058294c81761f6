"""A list of paths that stands for a hot folder.

Owns the form of a listing and the walk through it, so that the sweep reads it as it reads a root.
Never touches what the paths name. Called by the command `rules test`.

A listing has one entry on each line: its path below the hot folder, and where they are known its
size in bytes and its time of modification in seconds since 1970, each behind a tab. A folder's path
ends with a slash; what holds others is one anyway. `find -type f -printf '%P\\t%s\\t%T@\\n'` writes
it. With both columns, and NUL instead of line ends, every name is read as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from masv_watch.cli.outcomes import WrongUsage
from masv_watch.cli.whereabouts import shown_word
from masv_watch.errors import SourceUnreadable
from masv_watch.files import Batch, Fields, Observation
from masv_watch.model import Identity
from masv_watch.names import shown

_ENTRY = re.compile(
    rb"(?P<path>.*?)(?:\t(?P<size>\d{1,18})(?:\t(?P<time>-?\d{1,12}(?:\.\d*)?))?)?", re.DOTALL
)


class Listing:
    """The entries of a listing, as a root gives those of a folder."""

    def __init__(self, entries: Iterable[Observation]) -> None:
        """Take these; folders that are only named in paths are made of them."""
        self._folders: dict[bytes, dict[bytes, Observation]] = {b"": {}}
        for entry in entries:
            self._place(entry)

    def _place(self, entry: Observation) -> None:
        above = entry.path.rpartition(b"/")[0]
        if above and above not in self._folders:
            self._place(_entry(above, "folder"))
        if entry.kind == "folder":
            self._folders.setdefault(entry.path, {})
        elif entry.path in self._folders:
            # it holds others: what a listing without slashes names as a file is a folder
            return
        self._folders[above][entry.path] = entry

    def list_folder(self, relative: bytes = b"") -> Iterator[Observation]:
        """Give what a folder holds, in the order of the listing."""
        yield from self._folders.get(relative, {}).values()

    def stat_folder(self, relative: bytes = b"") -> Iterator[Batch]:
        """Give what a folder holds at once."""
        yield Batch([], [], list(self.list_folder(relative)))

    def observe(self, path: bytes) -> Observation | None:
        """Give one entry; None when it is not listed."""
        return self._folders.get(path.rpartition(b"/")[0], {}).get(path)

    @property
    def unkept(self) -> Fields:
        """Say that all is kept that is listed."""
        return frozenset()

    def is_fresh(self, *_devices: int) -> bool:
        """Say that nothing lies on another file system: that is not listed."""
        return False

    def open_file(self, path: bytes) -> int:
        """Refuse: of a file that is only listed nothing can be read.

        Raises: SourceUnreadable
        """
        raise SourceUnreadable(f"{shown(path)} is only listed, so what it says is not known")


def read(content: bytes, root: bytes, *, by_nul: bool) -> Listing:
    """Read a listing; absolute paths must lie below `root`.

    Raises:
        WrongUsage: a path is none, or lies elsewhere.
    """
    lines = (
        content.split(b"\0") if by_nul else [line.rstrip(b"\r") for line in content.split(b"\n")]
    )
    return Listing(_read(line, at, root) for at, line in enumerate(lines, start=1) if line)


def _read(line: bytes, number: int, root: bytes) -> Observation:
    found = _ENTRY.fullmatch(line)
    spelled, size, time = (line, None, None) if found is None else found.group(1, 2, 3)
    path, top = spelled, root.rstrip(b"/") + b"/"
    if path.startswith(b"/"):
        if not path.startswith(top):
            raise _wrong(number, spelled, f"lies outside {shown(root)}")
        path = path[len(top) :]
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    if not names or b".." in names:
        raise _wrong(number, spelled, "is no path below a hot folder")
    kind = "folder" if path.endswith(b"/") else "file"
    mtime_ns = int(Decimal((time or b"0").decode()) * 10**9)
    return _entry(b"/".join(names), kind, size=int(size or 0), mtime_ns=mtime_ns)


def _entry(path: bytes, kind: str, *, size: int = 0, mtime_ns: int = 0) -> Observation:
    identity = Identity(size=size, mtime_ns=mtime_ns, ctime_ns=0, inode=0, device=0)
    return Observation(path=path, kind=kind, identity=identity)


def _wrong(number: int, path: bytes, why: str) -> WrongUsage:
    return WrongUsage(f"line {number} of the listing: {shown_word(shown(path))} {why}")
