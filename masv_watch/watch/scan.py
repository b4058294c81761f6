"""One look at everything in a hot folder: the truth that notifications only hurry.

Owns the walk from a root's entries down to every file of theirs. Never decides whether something is
quiet, and remembers nothing between two sweeps. Called by intake.

Law 1. One entry that cannot be read never stops the rest: it is reported with its reason.
Law 2. The walk has a stack of its own and a budget, so that no tree exhausts the process.
Law 3. A root that cannot be listed raises: an empty answer would prove something false (fault 8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from masv_watch.errors import SourceError, SourceForbidden, SourceVanished
from masv_watch.files import Observation, Root
from masv_watch.model import Identity
from masv_watch.names import shown
from masv_watch.watch.rules import Fate, Match, Matcher
from masv_watch.watch.settle import Seen, fence, signature

Placed = tuple[bytes, Identity]

#: entries of one drop that are held in memory; a long path counts as several. More than the files
#: that a drop may have unasked (`watch.limits`): what a person lets go must still be walked
BUDGET = 2_000_000
_PATH_UNIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One entry that is not sent, and why."""

    path: bytes
    #: one clause that follows the name, as in "is a FIFO"
    reason: str
    #: `file:line` of the rule that leaves it out; empty when nothing of a rule does
    rule_at: str = ""

    def __str__(self) -> str:
        """Give the escaped name with its reason."""
        return f"{shown(self.path)} {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A top-level entry of a hot folder with everything below it, as one sweep saw it."""

    top: bytes
    #: of the top: `file`, `folder`, `link`, `other` or `unreadable`
    kind: str
    #: what would be sent, in the order of the walk
    files: tuple[Placed, ...] = ()
    #: every folder that was walked, the top included
    folders: tuple[Placed, ...] = ()
    #: files under temporary names: not sent, but while one changes the tree is not quiet
    temporary: tuple[Placed, ...] = ()
    skipped: tuple[LeftOut, ...] = ()
    #: as long as there is one, nothing of the tree is sent
    unreadable: tuple[LeftOut, ...] = ()
    #: what it took of the budget
    cost: int = 0

    @property
    def is_drop(self) -> bool:
        """Say whether the top itself is kept: a file or a folder that no pattern leaves out."""
        left_out = bool(self.skipped) and self.skipped[0].path == self.top
        return self.kind in ("file", "folder") and not left_out

    @property
    def size(self) -> int:
        """Give the bytes that would be sent."""
        return sum(identity.size for _, identity in self.files)

    def seen(self) -> Seen:
        """Give what `settle.judge` needs of this look."""
        return Seen(
            kind=self.kind,
            signature=signature(self.files),
            fence=fence((*self.files, *self.temporary), self.folders),
            files=len(self.files),
            size=self.size,
            unreadable=tuple(str(entry) for entry in self.unreadable),
        )

    def empty_folders(self) -> tuple[bytes, ...]:
        """Give the folders below which nothing would be sent, each without those inside it."""
        full = {b""}
        for path, _ in self.files:
            above = path.rpartition(b"/")[0]
            while above not in full:
                full.add(above)
                above = above.rpartition(b"/")[0]
        empty = [path for path, _ in self.folders if path not in full]
        return tuple(path for path in empty if path.rpartition(b"/")[0] in full)


def sweep(
    root: Root,
    matcher: Matcher,
    *,
    budget: int = BUDGET,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Tree]:
    """Give each top-level entry with its tree, one at a time; only one tree is held at once.

    What is left out at the top comes too, with `is_drop` false. When `stop` answers true the sweep
    ends at once, so that what was not seen by then proves nothing.

    Raises: SourceUnreadable when the root itself cannot be listed or goes away.
    """
    for top in root.list_folder():
        if stop():
            return
        tree = _tree(root, top, matcher, budget=budget, stop=stop)
        if tree is None:
            return
        yield tree


def one(
    root: Root,
    top: bytes,
    matcher: Matcher,
    *,
    budget: int = BUDGET,
    stop: Callable[[], bool] = lambda: False,
    is_last: bool = False,
) -> Tree | None:
    """Look at one top-level entry again; None when it is gone or `stop` answered true.

    With `is_last` no further look follows: a folder that goes away meanwhile is unreadable.

    Raises: SourceUnreadable when the root is gone.
    """
    seen = root.observe(top)
    if seen is None:
        return None
    return _tree(root, seen, matcher, budget=budget, stop=stop, is_last=is_last)


@dataclass(slots=True, kw_only=True)
class _Walk:
    """A tree in the making."""

    top: Observation
    files: list[Placed] = field(default_factory=list)
    folders: list[Placed] = field(default_factory=list)
    temporary: list[Placed] = field(default_factory=list)
    skipped: list[LeftOut] = field(default_factory=list)
    unreadable: list[LeftOut] = field(default_factory=list)
    #: folders still to be listed
    ahead: list[bytes] = field(default_factory=list)
    cost: int = 0

    def note(self, entry: Observation, match: Match) -> None:
        """Put one entry where it belongs."""
        self.cost += 1 + len(entry.path) // _PATH_UNIT
        if match.fate is Fate.SKIP:
            at = match.findings[-1].rule_at
            self.skipped.append(LeftOut(path=entry.path, reason=match.reason, rule_at=at))
            if match.temporary and entry.identity:
                self.temporary.append((entry.path, entry.identity))
        elif entry.identity is None:
            self.unreadable.append(LeftOut(path=entry.path, reason=entry.detail))
        elif entry.kind == "folder":
            self.folders.append((entry.path, entry.identity))
            self.ahead.append(entry.path)
        else:
            self.files.append((entry.path, entry.identity))

    def tree(self) -> Tree:
        """Give what was found."""
        return Tree(
            top=self.top.path,
            kind=self.top.kind,
            files=tuple(self.files),
            folders=tuple(self.folders),
            temporary=tuple(self.temporary),
            skipped=tuple(self.skipped),
            unreadable=tuple(self.unreadable),
            cost=self.cost,
        )


def _tree(
    root: Root,
    top: Observation,
    matcher: Matcher,
    *,
    budget: int,
    stop: Callable[[], bool],
    is_last: bool = False,
) -> Tree | None:
    walk = _Walk(top=top)
    walk.note(top, matcher.match(top.path, top.kind, top.detail))
    while walk.ahead:
        folder = walk.ahead.pop()
        try:
            for entry in root.list_folder(folder):
                if stop():
                    return None
                walk.note(entry, matcher.match(entry.path, entry.kind, entry.detail))
                if walk.cost > budget:
                    reason = f"holds more than the {budget} entries that one drop may have"
                    walk.unreadable.append(LeftOut(path=top.path, reason=reason))
                    return walk.tree()
        except SourceError as error:
            if isinstance(error, SourceVanished | SourceForbidden) and not is_last:
                # gone, or a link by now (fault 24): the next sample shows another fence
                continue
            _assert_root(root)
            walk.unreadable.append(LeftOut(path=folder, reason=_why(error, folder)))
    return walk.tree()


def _assert_root(root: Root) -> None:
    # a root that went away is no fault of the entry; asked by listing nothing of it
    root.observe(b".masv-watch")


def _why(error: SourceError, path: bytes) -> str:
    return error.message.removeprefix(shown(path)).strip()
