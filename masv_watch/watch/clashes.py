"""Names that are two here and one where the recipient unpacks them.

Owns which names fold to one on macOS or Windows, and the words for it. Never leaves anything out:
both are sent (fault 22). Called for each drop that is taken, and by whoever explains or previews.

Law 1. A name is compared within its own folder only; of two folders that are one, that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from masv_watch.model import Drop, DropState, Finding
from masv_watch.names import shown
from masv_watch.patterns import fold
from masv_watch.watch.scan import Placed, Tree

#: clashes of one drop that are named; of the others the number is told
MOST = 10


def clashes_of(tree: Tree) -> tuple[str, ...]:
    """Say which names of a tree are one elsewhere, one clause each."""
    if len(tree.files) < 2:
        return ()
    folders: dict[bytes, dict[bytes, bytes]] = {}
    found = list(_of_folders(tree.folders, folders))
    # the walk gives the files of a folder one after the other
    for above, placed in groupby(tree.files, key=_above):
        found += _among((path for path, _ in placed), folders.get(above, {}))
    return _cut([said(one, other) for one, other in found])


def said(one: bytes, other: bytes) -> str:
    """Say that two paths are one name, and where."""
    where = "macOS and Windows" if _is_case(one, other) else "macOS"
    return (
        f"{shown(one)} and {shown(other)} are one name on {where}: both are sent, and there one may"
        " take the place of the other"
    )


class Tops:
    """The names at the top of a hot folder whose drops share a package."""

    def __init__(self) -> None:
        """Begin without a name."""
        self._known: dict[bytes, set[bytes]] = {}

    def add(self, top: bytes) -> None:
        """Note a name that is there."""
        self._known.setdefault(fold(top), set()).add(top)

    @property
    def tops(self) -> Iterator[bytes]:
        """Give the names that are there."""
        return (top for alike in self._known.values() for top in alike)

    def lose(self, tops: set[bytes]) -> None:
        """Let go of what a whole sweep did not show."""
        for top in tops:
            alike = self._known.get(fold(top), set())
            alike.discard(top)
            if not alike:
                self._known.pop(fold(top), None)

    def like(self, top: bytes) -> list[bytes]:
        """Give the other names that are one with this one elsewhere."""
        return sorted(self._known.get(fold(top), set()) - {top})

    def beside(self, top: bytes, latest: Callable[[bytes], Drop | None]) -> Iterator[str]:
        """Say which drops of the same open package have such a name; `latest` gives their rows."""
        for other in self.like(top):
            drop = latest(other)
            if drop is not None and drop.state is DropState.TAKEN:
                yield said(other, top)


def as_findings(clashes: Iterable[str]) -> tuple[Finding, ...]:
    """Give clashes to whoever explains: they keep nothing from going."""
    return tuple(Finding(test="names", passed=True, detail=clash) for clash in clashes)


def _of_folders(
    folders: Iterable[Placed], within: dict[bytes, dict[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes]]:
    """Give the folders that are one, and put each into those within its own folder."""
    for path, _ in folders:
        above, _, name = path.rpartition(b"/")
        other = within.setdefault(above, {}).setdefault(fold(name), path)
        if other != path:
            yield other, path


def _among(paths: Iterable[bytes], folders: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    seen = dict(folders)
    for path in paths:
        other = seen.setdefault(fold(path.rpartition(b"/")[2]), path)
        if other != path:
            yield other, path


def _above(placed: Placed) -> bytes:
    return placed[0].rpartition(b"/")[0]


def _is_case(one: bytes, other: bytes) -> bool:
    """Say whether two names differ in case alone, which Windows does not tell apart either."""
    pair = (path.rpartition(b"/")[2].decode("utf-8", "surrogateescape") for path in (one, other))
    first, second = pair
    return first.upper() == second.upper()


def _cut(found: list[str]) -> tuple[str, ...]:
    if len(found) <= MOST:
        return tuple(found)
    return (*found[:MOST], f"{len(found) - MOST} more pairs of names are one on macOS or Windows")
