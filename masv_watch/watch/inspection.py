"""Ask whether a quiet drop is whole: read its control files, and remember the answer.

Owns when control files are read, how many bytes of them, which hashes were made for them, for how
long a drop has lacked something, and which loose files lie beside each other. Never decides what is
missing: `completeness` does. Called by `assessing` once a drop is quiet.

Law 1. A drop that did not change is asked once, however often it is looked at, unless something of
       it could not be read.
Law 2. No control file stops the look at a hot folder: one that cannot be read is a finding.
Law 3. Hashes are made by the intake's own thread alone, some bytes at each look; whoever explains
       is told how far that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from masv_watch import files
from masv_watch.errors import SourceError
from masv_watch.files import Root
from masv_watch.model import Identity, Rule
from masv_watch.names import shown
from masv_watch.watch.completeness import (
    Completeness,
    assess,
    assess_loose,
    is_overdue,
    lists,
    reads,
)
from masv_watch.watch.controls import (
    LARGEST,
    LARGEST_LIST,
    TOO_LARGE,
    TOO_LARGE_LIST,
    Content,
    Unreadable,
)
from masv_watch.watch.listing import Listing
from masv_watch.watch.scan import Placed, Tree
from masv_watch.watch.sequences import Loose, judge_loose

#: bytes of all control files of one drop
_MOST_TOGETHER = LARGEST_LIST
#: bytes that are read at one look to make hashes: a few seconds' work
READ_AT_ONCE = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found of one drop, and since when."""

    #: of the sample that it was found with; empty when the next look asks again
    fence: str
    completeness: Completeness
    #: monotonic, seconds: since when it has lacked something; None while it lacks nothing
    since: float | None = None
    #: how far the hashes are that its lists ask for, one clause; "" when there is none to be made
    comparing: str = ""
    #: whether the last file that was to be read for them could not be
    is_stuck: bool = False

    def is_late(self, now: float) -> bool:
        """Say whether it has lacked something for so long that somebody should be told."""
        return self.since is not None and is_overdue(self.since, now)


class Inspector:
    """What is remembered of the drops of one rule; any thread may ask, with a root of its own."""

    def __init__(self) -> None:
        """Begin without a drop."""
        self._known: dict[bytes, Checked] = {}
        self._made: dict[bytes, _Made] = {}

    def inspect(self, rule: Rule, root: Root, tree: Tree, *, fence: str, now: float) -> Checked:
        """Say whether a quiet drop holds what it must; `now` is monotonic, seconds."""
        known = self._known.get(tree.top)
        if known is not None and known.fence == fence:
            return known
        return self._assess(rule, root, tree, fence=fence, now=now)

    def read_on(
        self,
        rule: Rule,
        root: Root,
        tree: Tree,
        *,
        fence: str,
        now: float,
        stop: Callable[[], bool],
    ) -> bool:
        """Make some more of the hashes that a drop's lists ask for, and say whether it could.

        The next look knows of them.
        """
        known = self._known.get(tree.top)
        if known is None or not known.comparing:
            return False
        made = self._made.setdefault(tree.top, _Made())
        try:
            made.read_on(root, tree, known.completeness, stop=stop)
        except SourceError:
            # it changes or cannot be read: the next sample says so
            self._keep(tree.top, replace(known, is_stuck=True))
            return False
        if made.lacks(tree, known.completeness):
            comparing = made.told(known.completeness)
            self._keep(tree.top, replace(known, comparing=comparing, is_stuck=False))
        elif self._assess(rule, root, tree, fence=fence, now=now).completeness.hold is None:
            self._made.pop(tree.top, None)
        return True

    def _assess(self, rule: Rule, root: Root, tree: Tree, *, fence: str, now: float) -> Checked:
        known = self._known.get(tree.top)
        listing = _listing(tree)
        contents = _contents(root, tree, reads(rule, listing), lists(rule, listing))
        made = self._made.get(tree.top)
        digests = {} if made is None else made.of(tree)
        found = assess(rule, listing, contents.known, digests)
        since = None
        if found.hold is not None:
            since = known.since if known is not None and known.since is not None else now
        waits = bool(found.unread) and found.hold is None
        # what could not be read now may be read at the next look, without a change of the drop
        checked = Checked(
            fence="" if contents.has_failed else fence,
            completeness=found,
            since=since,
            comparing=(made or _Made()).told(found) if waits else "",
        )
        self._keep(tree.top, checked)
        return checked

    def _keep(self, top: bytes, checked: Checked) -> None:
        self._known.pop(top, None)
        self._known[top] = checked
        while len(self._known) > _MOST_KEPT:
            # another thread may have taken the oldest one already
            oldest = next(iter(tuple(self._known)))
            self._known.pop(oldest, None)
            self._made.pop(oldest, None)


@dataclass(slots=True)
class _Made:
    """The hashes that were made of the files of one drop."""

    whole: dict[Placed, dict[str, str]] = field(default_factory=dict)
    #: of the file that is being read
    begun: tuple[Placed, files.Digest] | None = None

    def of(self, tree: Tree) -> dict[bytes, dict[str, str]]:
        """Give those that are of the files as they are now."""
        return {placed[0]: self.whole[placed] for placed in tree.files if placed in self.whole}

    def lacks(self, tree: Tree, found: Completeness) -> list[Placed]:
        """Give the files of which hashes are to be made."""
        return [
            placed
            for placed in tree.files
            if placed[0] in found.unread and not self._has(placed, found)
        ]

    def _has(self, placed: Placed, found: Completeness) -> bool:
        # an earlier list may have asked for other ways
        return found.unread[placed[0]] <= self.whole.get(placed, {}).keys()

    def told(self, found: Completeness) -> str:
        """Say how far they are."""
        done = sum(each[0] in found.unread and self._has(each, found) for each in self.whole)
        return f"hashes of its lists are compared: {done} of {len(found.unread)} files are read"

    def read_on(
        self, root: Root, tree: Tree, found: Completeness, *, stop: Callable[[], bool]
    ) -> None:
        """Read on where it was left.

        Raises: SourceError; the file is begun anew then.
        """
        left = READ_AT_ONCE
        for placed in self.lacks(tree, found):
            if stop():
                return
            begun, self.begun = self.begun, None
            digest = begun[1] if begun is not None and begun[0] == placed else None
            if digest is None:
                digest = files.Digest(
                    root.path, *placed, found.unread[placed[0]], follow=root.follow
                )
            left -= digest.read_on(left, stop=stop) + _EACH
            if not digest.is_whole:
                self.begun = placed, digest
                return
            self.whole[placed] = digest.values


class Siblings:
    """The loose files at the top of one hot folder, and what their sequences lack.

    One thread adds and keeps; any may ask.
    """

    def __init__(self) -> None:
        """Begin without a file."""
        self._tops: set[bytes] = set()
        #: what was found of the files as they are; None after one came or went
        self._found: dict[bytes, Loose] | None = None

    def add(self, top: bytes) -> None:
        """Note a file that is there."""
        if top not in self._tops:
            self._tops.add(top)
            self._found = None

    @property
    def tops(self) -> Collection[bytes]:
        """Give the files that are there."""
        return self._tops

    def lose(self, tops: Collection[bytes]) -> None:
        """Let go of what a whole sweep did not show."""
        gone = self._tops.intersection(tops)
        if gone:
            self._tops -= gone
            self._found = None

    def inspect(self, rule: Rule, top: bytes, *, fence: str) -> Checked:
        """Say whether a loose file's sequence is whole; one that is alone always is."""
        found = self._found
        if found is None and rule.whole.frames is not None:
            placed = [(path, _NO_IDENTITY) for path in tuple(self._tops)]
            found = judge_loose(rule.whole.frames, Listing(b"", "folder", placed))
            self._found = found
        return Checked(fence=fence, completeness=assess_loose(rule, (found or {}).get(top)))


#: of loose files only the names count
_NO_IDENTITY = Identity(size=0, mtime_ns=0, ctime_ns=0, inode=0, device=0)

#: bytes that a file costs beside its own: it is opened
_EACH = 64 * 1024

#: drops of which the answer is remembered; an older one is asked again
_MOST_KEPT = 1000


def _listing(tree: Tree) -> Listing:
    # a link or a device is no file that anybody gets, whatever its name; a pattern's choice is
    left_out = [entry.path for entry in tree.skipped if not entry.reason.startswith("is ")]
    return Listing(
        tree.top,
        tree.kind,
        tree.files,
        folders=(path for path, _ in tree.folders),
        left_out=left_out,
    )


class _List:
    """A list that is read block by block, as often as it is asked about."""

    def __init__(self, root: Root, path: bytes, identity: Identity) -> None:
        self._where = root, path, identity
        self.has_failed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from files.read_blocks(*self._where)
        except SourceError as error:
            self.has_failed = True
            raise Unreadable(_clause(error, self._where[1])) from error


def _clause(error: SourceError, path: bytes) -> str:
    return error.message.removeprefix(shown(path)).strip()


@dataclass(slots=True)
class _Contents:
    """The contents of a drop's control files."""

    root: Root
    known: dict[bytes, Content] = field(default_factory=dict)
    lists: list[_List] = field(default_factory=list)
    failed: bool = False
    left: int = _MOST_TOGETHER

    @property
    def has_failed(self) -> bool:
        """Say whether one of them could not be read."""
        return self.failed or any(each.has_failed for each in self.lists)

    def take(self, path: bytes, identity: Identity, *, is_list: bool) -> None:
        """Put one control file beside the others."""
        most, too_large = (LARGEST_LIST, TOO_LARGE_LIST) if is_list else (LARGEST, TOO_LARGE)
        if identity.size > most:
            self.known[path] = too_large
        elif identity.size > self.left:
            self.known[path] = "is not read: all lists and indexes together are too large"
        elif is_list:
            self.left -= identity.size
            self.known[path] = self._list(path, identity)
        else:
            self.left -= identity.size
            self.known[path] = self._small(path, identity)

    def _list(self, path: bytes, identity: Identity) -> _List:
        found = _List(self.root, path, identity)
        self.lists.append(found)
        return found

    def _small(self, path: bytes, identity: Identity) -> Content:
        try:
            content = files.read_small(self.root, path, identity, most=LARGEST)
        except SourceError as error:
            self.failed = True
            return _clause(error, path)
        return TOO_LARGE if content is None else content


def _contents(
    root: Root, tree: Tree, paths: tuple[bytes, ...], lists_: frozenset[bytes]
) -> _Contents:
    """Give the contents of control files."""
    wanted = set(paths)
    identities = {path: identity for path, identity in tree.files if path in wanted}
    contents = _Contents(root)
    for path in paths:
        if path in identities:
            contents.take(path, identities[path], is_list=path in lists_)
    return contents
