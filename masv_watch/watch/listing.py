"""What a drop holds by name, and what a test finds missing in it.

Owns the way from a pattern to the paths that match it, without a look at every path for every
pattern. Never touches the disk: a sweep's paths are handed in. Used by the deciders of
completeness.

Law 1. What a rule leaves out is there all the same: it is not sent, and nobody misses it.
Law 2. A name is shown escaped and as the drop spells it; two spellings of one name are one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from masv_watch.model import Identity
from masv_watch.names import shown
from masv_watch.patterns import Found, Pattern, fold, glob

Placed = tuple[bytes, Identity]


class Lack(NamedTuple):
    """One thing that is missing, or wrong."""

    #: an escaped name or several; with `is_fault` a whole clause
    text: str
    #: something is there, and not as it must be
    is_fault: bool = False
    #: how many files it names
    files: int = 1
    #: the first and the last of several names that follow each other, escaped
    run: tuple[str, str] | None = None

    def __str__(self) -> str:
        """Give it as a clause of its own."""
        if self.is_fault:
            return self.text
        return f"{self.text} {'is' if self.files == 1 else 'are'} missing"


@dataclass(slots=True)
class Shortage:
    """What one test found missing, each once, in the order in which it was found."""

    #: by folded path; these may hold a drop
    lacks: dict[bytes, Lack] = field(default_factory=dict)
    #: the same; only ever named
    advice: dict[bytes, Lack] = field(default_factory=dict)
    #: what was looked at, for people: "2 p2 cards"
    scope: str = ""
    #: files of which a hash is wanted that was not handed in, by the ways to make it
    unread: dict[bytes, frozenset[str]] = field(default_factory=dict)

    def miss(self, path: bytes, *others: bytes, advice: bool = False) -> None:
        """Note a path that is missing; any of the others would have done."""
        text = shown(path)
        if others:
            text += f" (or {', '.join(shown(_name(other)) for other in others)})"
        self._note(path, Lack(text), advice=advice)

    def miss_run(self, first: bytes, last: bytes, count: int, *, advice: bool = False) -> None:
        """Note one or more paths that follow each other."""
        text = shown(first)
        if count > 1:
            text += f" to {shown(_name(last))} ({count} files)"
        run = shown(first), shown(last)
        self._note(first, Lack(text, files=count, run=run), advice=advice)

    def fault(self, path: bytes, clause: str, *, advice: bool = False) -> None:
        """Note what is wrong with something that is there."""
        self._note(path, Lack(clause, is_fault=True), advice=advice)

    def _note(self, path: bytes, lack: Lack, *, advice: bool) -> None:
        key = fold(path)
        if advice and key in self.lacks:
            return
        known = self.advice if advice else self.lacks
        # one that begins a longer run is told with it
        if key not in known or known[key].files < lack.files:
            known[key] = lack
        if not advice:
            self.advice.pop(key, None)


def _name(path: bytes) -> bytes:
    above, slash, name = path.removesuffix(b"/").rpartition(b"/")
    return name + path[len(above + slash + name) :]


class Listing:
    """The paths of one drop, made ready once; used by one thread."""

    def __init__(
        self,
        top: bytes,
        kind: str,
        files: Sequence[Placed],
        *,
        folders: Iterable[bytes] = (),
        left_out: Iterable[bytes] = (),
    ) -> None:
        """Take in what a sweep saw; `kind` is `file` or `folder`.

        `left_out` is what a rule leaves out of what is sent: files, and folders with all in them.
        """
        self.top = top
        self.kind = kind
        self.files = files
        self._left_out = {fold(path) for path in left_out}
        self._placed: dict[bytes, Placed] = {}
        self._below: dict[bytes, list[bytes]] = {}
        for placed in files:
            path = placed[0]
            self._placed[fold(path)] = placed
            self._below.setdefault(path.rpartition(b"/")[0], []).append(path)
        self._folders: dict[bytes, list[bytes]] = {}
        self._known_folders: set[bytes] = set()
        for path in folders:
            self._known_folders.add(fold(path))
            self._folders.setdefault(path.rpartition(b"/")[0], []).append(path)
        self._folded: dict[bytes, list[bytes]] | None = None

    def find(self, pattern: Pattern, bases: Collection[bytes] | None = None) -> Iterator[Found]:
        """Give what matches a pattern, below these folded bases only where they are given."""
        index = self._folders if pattern.is_folder else self._below
        for folder, paths in index.items():
            if not pattern.leads_to(folder):
                continue
            for path in paths:
                found = pattern.match(path)
                if found is not None and (bases is None or fold(found.base) in bases):
                    yield found

    def has(self, path: bytes) -> bool:
        """Say whether a path is there; a folder's ends in a slash, and `*` stands for any text."""
        if b"*" in path:
            return self._has_any(path)
        key = fold(path)
        if key.endswith(b"/"):
            key = key[:-1]
            return key in self._known_folders or self._is_left_out(key)
        return key in self._placed or self._is_left_out(key)

    def size(self, path: bytes) -> int | None:
        """Give the bytes of a file that is sent, None for what is not."""
        placed = self.placed(path)
        return None if placed is None else placed[1].size

    def placed(self, path: bytes) -> Placed | None:
        """Give a file that is sent as the drop spells it; None for what is not."""
        return self._placed.get(fold(path))

    def encloses(self, path: bytes) -> bool:
        """Say whether a path lies inside the drop, so that the drop can be asked for it."""
        return fold(path).startswith(fold(self.top) + b"/")

    def _is_left_out(self, key: bytes) -> bool:
        if not self._left_out:
            return False
        while key:
            if key in self._left_out:
                return True
            key = key.rpartition(b"/")[0]
        return False

    def _has_any(self, path: bytes) -> bool:
        """Say whether one path matches a filled pattern whose last name alone is open."""
        is_folder = path.endswith(b"/")
        wanted = fold(path.rstrip(b"/"))
        expression, begin = glob(wanted), wanted.partition(b"*")[0]
        known = self._in_order(wanted.rpartition(b"/")[0])
        for at in range(bisect_left(known, begin), len(known)):
            if not known[at].startswith(begin):
                return False
            is_kind = (known[at] in self._known_folders) is is_folder
            if is_kind and expression.fullmatch(known[at]):
                return True
        return False

    def _in_order(self, folder: bytes) -> list[bytes]:
        """Give the folded paths directly in a folded folder, in order."""
        if self._folded is None:
            self._folded = {}
            for index in (self._below, self._folders):
                for above, paths in index.items():
                    self._folded.setdefault(fold(above), []).extend(map(fold, paths))
            for known in self._folded.values():
                known.sort()
        return self._folded.get(folder, [])
