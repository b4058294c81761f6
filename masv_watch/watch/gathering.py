"""The files of a drop as they are called inside its package.

Owns the way from what lies in a hot folder to what a package holds. Never touches the disk. Called
by whoever makes a draft.

Law 1. Of many files no list of drafts is made: each is made when it is asked for, and let go. A
       drop of a million files is handed over without being held twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from masv_watch.model import FileDraft, Identity
from masv_watch.names import sent_name, sent_path
from masv_watch.watch.addresses import subfolder_of
from masv_watch.watch.columns import in_order

#: drafts that are held as they are; more are made anew each time that they are gone through
_HELD = 1000

_Placed = tuple[bytes, Identity]


def gather(top: bytes, files: Iterable[_Placed], *, below: bytes = b"") -> Sequence[FileDraft]:
    """Give the files of a quiet top-level entry as they are called inside its package.

    A dropped file has the folder ""; below a dropped folder every folder starts with its name.
    The order is that of the paths. `below` is put before each path, outside of the package; so is
    the address in which the entry lies.

    Raises:
        ValueError: one is a file of another drop.
    """
    inside = top + b"/"
    ordered = in_order(files)
    if any(path != top and not path.startswith(inside) for path, _ in ordered):
        raise ValueError("a file of another drop")
    gathered = _Gathered(ordered, outside=len(subfolder_of(top)), below=below)
    return gathered if len(ordered) > _HELD else tuple(gathered)


class _Gathered(Sequence[FileDraft]):
    """The drafts of many files, each made when it is asked for."""

    def __init__(self, ordered: Sequence[_Placed], *, outside: int, below: bytes) -> None:
        self._ordered = ordered
        self._outside = outside
        self._below = below

    def __len__(self) -> int:
        return len(self._ordered)

    @overload
    def __getitem__(self, at: int) -> FileDraft: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[FileDraft]: ...
    def __getitem__(self, at: int | slice) -> FileDraft | Sequence[FileDraft]:
        if isinstance(at, slice):
            return tuple(self._made(self._ordered[at]))
        return next(self._made((self._ordered[at],)))

    def __iter__(self) -> Iterator[FileDraft]:
        return self._made(self._ordered)

    def _made(self, files: Iterable[_Placed]) -> Iterator[FileDraft]:
        above, folder = None, ""
        for path, identity in files:
            before, _, name = path.rpartition(b"/")
            if before != above:
                above, folder = before, sent_path(before[self._outside :].removeprefix(b"/"))
            yield FileDraft(
                path=self._below + path,
                package_path=folder,
                name=sent_name(name),
                identity=identity,
            )
