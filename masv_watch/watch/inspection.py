"""Ask whether a quiet drop is whole: read its small control files, and remember the answer.

Owns when control files are read, how many bytes of them, for how long a drop has lacked something,
and which loose files lie beside each other. Never decides what is missing: `completeness` does.
Called by `assessing` once a drop is quiet.

Law 1. A drop that did not change is asked once, however often it is looked at, unless something of
       it could not be read.
Law 2. No control file stops the look at a hot folder: one that cannot be read is a finding.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from masv_watch import files
from masv_watch.errors import SourceError
from masv_watch.files import Root
from masv_watch.model import Identity, Rule
from masv_watch.names import shown
from masv_watch.watch.completeness import Completeness, assess, assess_loose, is_overdue, reads
from masv_watch.watch.controls import LARGEST, TOO_LARGE, Content
from masv_watch.watch.listing import Listing
from masv_watch.watch.scan import Tree
from masv_watch.watch.sequences import Loose, judge_loose

#: bytes of all control files of one drop
_MOST_TOGETHER = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found of one drop, and since when."""

    #: of the sample that it was found with; empty when the next look asks again
    fence: str
    completeness: Completeness
    #: monotonic, seconds: since when it has lacked something; None while it lacks nothing
    since: float | None = None

    def is_late(self, now: float) -> bool:
        """Say whether it has lacked something for so long that somebody should be told."""
        return self.since is not None and is_overdue(self.since, now)


class Inspector:
    """What is remembered of the drops of one rule; any thread may ask, with a root of its own."""

    def __init__(self) -> None:
        """Begin without a drop."""
        self._known: dict[bytes, Checked] = {}

    def inspect(self, rule: Rule, root: Root, tree: Tree, *, fence: str, now: float) -> Checked:
        """Say whether a quiet drop holds what it must; `now` is monotonic, seconds."""
        known = self._known.get(tree.top)
        if known is not None and known.fence == fence:
            return known
        listing = _listing(tree)
        contents, failed = _contents(root, tree, reads(rule, listing))
        found = assess(rule, listing, contents)
        since = None
        if found.hold is not None:
            since = known.since if known is not None and known.since is not None else now
        # what could not be read now may be read at the next look, without a change of the drop
        checked = Checked(fence="" if failed else fence, completeness=found, since=since)
        self._keep(tree.top, checked)
        return checked

    def _keep(self, top: bytes, checked: Checked) -> None:
        self._known.pop(top, None)
        self._known[top] = checked
        while len(self._known) > _MOST_KEPT:
            # another thread may have taken the oldest one already
            self._known.pop(next(iter(tuple(self._known))), None)


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

    def keep(self, tops: Collection[bytes]) -> None:
        """Let go of what a whole sweep did not show."""
        gone = self._tops.difference(tops)
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


def _contents(
    root: Root, tree: Tree, paths: tuple[bytes, ...]
) -> tuple[dict[bytes, Content], bool]:
    """Give the contents of control files, and whether one of them could not be read."""
    wanted = set(paths)
    identities = {path: identity for path, identity in tree.files if path in wanted}
    contents: dict[bytes, Content] = {}
    failed = False
    left = _MOST_TOGETHER
    for path in paths:
        identity = identities.get(path)
        if identity is None:
            continue
        if identity.size > left:
            contents[path] = "is not read: all lists and indexes together are too large"
            continue
        try:
            content = files.read_small(root, path, identity, most=LARGEST)
        except SourceError as error:
            contents[path] = error.message.removeprefix(shown(path)).strip()
            failed = True
            continue
        contents[path] = TOO_LARGE if content is None else content
        left -= 0 if content is None else len(content)
    return contents, failed
