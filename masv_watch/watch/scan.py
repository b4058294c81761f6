"""One look at everything in a hot folder: the truth that notifications only hurry.

Owns the walk from the entries that may be drops (`tops`) down to every file of theirs. Never
decides whether something is quiet, and remembers nothing between two sweeps. Called by intake.

Law 1. One entry that cannot be read never stops the rest: it is reported with its reason.
Law 2. The walk has a stack of its own and a budget, so that no tree exhausts the process.
Law 3. A root that cannot be listed raises: an empty answer would prove something false (fault 8).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from masv_watch.errors import SourceError, SourceForbidden, SourceVanished
from masv_watch.files import MARKER_NAME, Observation, Root, observed
from masv_watch.model import Identity
from masv_watch.names import shown
from masv_watch.watch.addresses import subfolder_of
from masv_watch.watch.columns import Growing, bytes_of
from masv_watch.watch.condensing import Ahead, Condensed, Run
from masv_watch.watch.fences import Numbers, all_joined, folded, joined, numbers_of, raw_of, told
from masv_watch.watch.ground import Ground
from masv_watch.watch.marks import Marks
from masv_watch.watch.rules import Fate, Matcher
from masv_watch.watch.settle import Entry, Seen, is_same_signature, signature
from masv_watch.watch.tops import (
    FAULTS,
    Alike,
    Kept,
    KnownBy,
    Same,
    Unlisted,
    leads_on,
    matched,
    reason_of,
    tops,
    unfollowed,
)

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
    #: of every identity that counts, those under temporary names included (`watch.fences`)
    fence: str = ""
    #: what would be sent, in the order of the walk
    files: Sequence[Placed] = ()
    #: every folder that was walked, the top included
    folders: tuple[Placed, ...] = ()
    skipped: tuple[LeftOut, ...] = ()
    #: as long as there is one, nothing of the tree is sent
    unreadable: tuple[LeftOut, ...] = ()
    #: files of it that others have in use and let nobody open, each with why
    busy: tuple[LeftOut, ...] = ()
    #: one file of it under a temporary name; empty where there is none
    unfinished: bytes = b""
    #: what it took of the budget
    cost: int = 0
    #: a fault of our own that ended the walk; nothing of the tree is sent then
    fault: Exception | None = None

    @property
    def is_drop(self) -> bool:
        """Say whether the top itself is kept: a file or a folder that no pattern leaves out."""
        left_out = bool(self.skipped) and self.skipped[0].path == self.top
        return self.kind in ("file", "folder") and not left_out

    @property
    def size(self) -> int:
        """Give the bytes that would be sent."""
        return bytes_of(self.files)

    def seen(self, before: Entry | None = None, *, grain_ns: int = 0) -> Seen:
        """Give what `settle.judge` needs of this look; `before` saves work if nothing changed.

        `grain_ns` is by how much the file system may show a time otherwise than it was.
        """
        known = before.signature if before and before.fence == self.fence else None
        return Seen(
            kind=self.kind,
            signature=known or signature(self.files, grain_ns=grain_ns),
            fence=self.fence,
            files=len(self.files),
            size=self.size,
            unreadable=tuple(str(entry) for entry in self.unreadable),
            unfinished=shown(self.unfinished),
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

    Of the folders in which drops lie come the entries instead, in their place.

    What is left out at the top comes too, with `is_drop` false. When `stop` answers true the sweep
    ends at once, so that what was not seen by then proves nothing.

    Raises: SourceUnreadable when the root itself cannot be listed or goes away.
    """
    for seen in changes(root, matcher, known=lambda _top: None, budget=budget, stop=stop):
        if isinstance(seen, Tree):
            yield seen


def changes(
    root: Root,
    matcher: Matcher,
    *,
    known: KnownBy,
    kept: Callable[[bytes], Kept | None] = lambda _top: None,
    marks: Marks | None = None,
    ground: Ground | None = None,
    budget: int = BUDGET,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Tree | Same | Alike | Unlisted]:
    """Sweep as `sweep`, making no list of what still has the fence that `known` gives for it.

    Nor of a folder that still has the signature which is `kept` of it; it comes with what was seen.
    Loose files whose `marks` are known come together, without a look at their names.

    Every folder that is walked is put on the `ground`. One on the way to drops that cannot be
    listed comes as a tree that is unreadable, or as unlisted when it went away.

    Raises: as `sweep`.
    """
    for top in tops(root, matcher, ground=ground, marks=marks):
        if stop():
            return
        if isinstance(top, Alike):
            yield top
            continue
        if isinstance(top, Unlisted):
            yield _unlisted(top) if top.why else top
            continue
        fence = known(top.path)
        if fence is not None:
            # a file with that very identity was kept by the same patterns
            now = _fence_of(top)
            if now is None:
                now = _Walk(root, matcher, budget=budget, stop=stop, ground=ground).glance(top)
            if now == fence:
                yield Same(top.path)
                continue
        elif top.kind == "folder" and (before := kept(top.path)) is not None:
            walk = _Walk(root, matcher, budget=budget, stop=stop, ground=ground)
            seen = walk.condense(top, grain_ns=before.grain_ns)
            if seen is not None and is_same_signature(before.signature, seen.signature):
                yield Same(top.path, seen)
                continue
        again = _Walk(root, matcher, budget=budget, stop=stop, ground=ground)
        tree = _fenced(root, again.look, top)
        if tree is None:
            return
        yield tree


def _fenced(
    root: Root, look: Callable[[Observation], Tree | None], top: Observation
) -> Tree | None:
    """Look at an entry; a fault of our own there is that of the entry alone (Law 1)."""
    try:
        return look(top)
    except FAULTS as error:
        # one of the root's is no fault of the entry
        root.observe(MARKER_NAME)
        why = f"could not be looked at: {type(error).__name__}: {error}"
        fault = LeftOut(path=top.path, reason=why)
        return Tree(top=top.path, kind=top.kind, unreadable=(fault,), fault=error)


def _fence_of(top: Observation) -> str | None:
    """Give the fence of a loose file; None for all that has to be walked or judged."""
    if top.kind != "file" or top.identity is None:
        return None
    name = os.fsdecode(top.path.rpartition(b"/")[2])
    return told(joined(0, name, numbers_of(top.identity)))


def _unlisted(found: Unlisted) -> Tree:
    left_out = LeftOut(path=found.top, reason=found.why)
    return Tree(top=found.top, kind="unreadable", unreadable=(left_out,))


def is_seen(found: Tree | Same | Unlisted) -> bool:
    """Say whether a sweep saw what it gave: what it did not see hides all that lies below it."""
    return isinstance(found, Same) or (isinstance(found, Tree) and found.kind != "unreadable")


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

    With `is_last` no further look follows: a folder that goes away meanwhile is unreadable. So is
    a folder on the way to drops that cannot be passed or listed; any other of these is no drop.

    Raises: SourceUnreadable when the root is gone.
    """
    try:
        seen = root.observe(top)
    except SourceError as error:
        if not subfolder_of(top) or is_last:
            raise
        root.observe(MARKER_NAME)
        is_gone = isinstance(error, SourceForbidden)
        return None if is_gone else _unlisted(Unlisted(top, reason_of(error, top)))
    if seen is None:
        return None
    if leads_on(unfollowed(seen), matcher):
        return _unpassed(root, top)
    walk = _Walk(root, matcher, budget=budget, stop=stop, is_last=is_last)
    return _fenced(root, walk.look, unfollowed(seen))


def _unpassed(root: Root, folder: bytes) -> Tree | None:
    """Give a folder on the way to drops that cannot be listed; None for one that can."""
    try:
        for _ in root.stat_folder(folder):
            return None
    except SourceVanished:
        return None
    except SourceError as error:
        root.observe(MARKER_NAME)
        return _unlisted(Unlisted(folder, reason_of(error, folder)))
    return None


class _StoppedError(Exception):
    """Somebody asked the walk to end."""


class _FullError(Exception):
    """The walk found more than one drop may have."""


class _Walk:
    """One walk over a top-level entry; used once."""

    def __init__(
        self,
        root: Root,
        matcher: Matcher,
        *,
        budget: int,
        stop: Callable[[], bool],
        ground: Ground | None = None,
        is_last: bool = False,
    ) -> None:
        self._root = root
        self._matcher = matcher
        self._budget = budget
        self._stop = stop
        self._ground = ground
        self._is_last = is_last
        self._keeps = True
        self._cost = 0
        self._sum = 0
        self._files = Growing()
        self._folders: list[Placed] = []
        self._skipped: list[LeftOut] = []
        self._unreadable: list[LeftOut] = []
        self._busy: list[LeftOut] = []
        self._unfinished = b""
        self._ahead: list[Ahead | Run] = []
        self._condensed: Condensed | None = None

    def condense(self, top: Observation, *, grain_ns: int) -> Seen | None:
        """Give what `Tree.seen` would of a folder that holds a file; None as from a glance."""
        self._condensed = found = Condensed(grain_ns=grain_ns)
        fence = self.glance(top)
        if fence is None or not found.files:
            return None
        return Seen(
            kind=top.kind,
            signature=found.signature(),
            fence=fence,
            files=found.files,
            size=found.size,
            unfinished=shown(self._unfinished),
        )

    def glance(self, top: Observation) -> str | None:
        """Give the fence around an entry; None when it cannot be read in whole, or was stopped."""
        self._keeps = False
        try:
            self._over(top)
        except (_StoppedError, _FullError):
            return None
        except FAULTS:
            # the look that follows meets it again, and tells
            return None
        return None if self._unreadable else told(self._sum)

    def look(self, top: Observation) -> Tree | None:
        """Give an entry with everything below it; None when the walk was stopped."""
        try:
            self._over(top)
        except _StoppedError:
            return None
        except _FullError:
            reason = f"holds more than the {self._budget} entries that one drop may have"
            self._unreadable.append(LeftOut(path=top.path, reason=reason))
        return Tree(
            top=top.path,
            kind=top.kind,
            fence=told(self._sum),
            files=self._files.all(),
            folders=tuple(self._folders),
            skipped=tuple(self._skipped),
            unreadable=tuple(self._unreadable),
            busy=tuple(self._busy),
            unfinished=self._unfinished,
            cost=self._cost,
        )

    def _over(self, top: Observation) -> None:
        above = subfolder_of(top.path)
        self._sum = self._note(top, above, 0, is_plain=self._matcher.keeps_way(above))
        self._turn(above)
        while self._ahead:
            ahead = self._ahead.pop()
            if isinstance(ahead, Run):
                self._take(ahead)
                continue
            folder, numbers, is_plain = ahead
            inside = -1
            try:
                inside = self._inside(folder, is_plain=is_plain)
            except SourceError as error:
                # gone, or a link by now (fault 24): the next sample shows another fence
                if not isinstance(error, SourceVanished | SourceForbidden) or self._is_last:
                    # a root that went away is no fault of the entry; asked by listing none of it
                    self._root.observe(MARKER_NAME)
                    self._unreadable.append(LeftOut(path=folder, reason=reason_of(error, folder)))
            self._sum = folded(self._sum, folder, numbers, inside)
            self._turn(folder)

    def _turn(self, folder: bytes) -> None:
        """Go on in the order of paths where that counts."""
        if self._condensed is not None:
            self._ahead.extend(self._condensed.turn(folder))

    def _take(self, run: Run) -> None:
        if self._stop():
            raise _StoppedError
        if self._condensed is not None:
            self._condensed.take(run)

    def _inside(self, folder: bytes, *, is_plain: bool) -> int:
        """Take in what one folder holds and give its sum."""
        inside = 0
        for names, stats, others in self._root.stat_folder(folder):
            if self._stop():
                raise _StoppedError
            if self._keeps or not is_plain or not self._matcher.keeps_all(folder, names):
                for name, status in zip(names, stats, strict=True):
                    if self._stop():
                        raise _StoppedError
                    entry = observed(folder + b"/" + os.fsencode(name), status)
                    inside = self._note(
                        entry, folder, inside, is_plain=is_plain, numbers=raw_of(status)
                    )
            else:
                inside = all_joined(inside, names, stats)
                if self._condensed is not None:
                    self._weigh(len(names))
                    self._condensed.add_all(names, stats)
            for entry in others:
                if self._stop():
                    raise _StoppedError
                inside = self._note(entry, folder, inside, is_plain=is_plain)
        return inside

    def _note(
        self,
        entry: Observation,
        folder: bytes,
        inside: int,
        *,
        is_plain: bool,
        numbers: Numbers | None = None,
    ) -> int:
        """Put one entry where it belongs and give the sum of its folder with it.

        `is_plain` tells that of the folder; `numbers` are what a glance would join of it.
        """
        self._count(entry.path)
        name = os.fsdecode(entry.path.rpartition(b"/")[2])
        is_plain = (
            is_plain
            and entry.identity is not None
            and not entry.real
            and self._matcher.keeps_all(folder, (name,))
        )
        match = None
        if not is_plain:
            match = matched(self._matcher, entry)
        if match is not None and match.fate is Fate.SKIP:
            if self._keeps:
                at = match.findings[-1].rule_at
                self._skipped.append(LeftOut(path=entry.path, reason=match.reason, rule_at=at))
            if match.is_unfinished:
                self._unfinished = self._unfinished or entry.path
            if not match.temporary or entry.identity is None:
                return inside
        elif entry.identity is None:
            self._unreadable.append(LeftOut(path=entry.path, reason=entry.detail))
            return inside
        elif entry.kind == "folder":
            self._go_into(entry.path, entry.identity, is_plain=is_plain, is_led=bool(entry.real))
            return inside
        else:
            self._keep(entry.path, entry.identity)
            if entry.busy:
                self._busy.append(LeftOut(path=entry.path, reason=entry.busy))
        return joined(inside, name, numbers or numbers_of(entry.identity))

    def _keep(self, path: bytes, identity: Identity) -> None:
        if self._keeps:
            self._files.append((path, identity))
        elif self._condensed is not None:
            name = path.rpartition(b"/")[2]
            self._condensed.add(name, identity.size, identity.mtime_ns)

    def _go_into(self, path: bytes, identity: Identity, *, is_plain: bool, is_led: bool) -> None:
        numbers = numbers_of(identity)
        if self._keeps:
            self._folders.append((path, identity))
        if self._ground is not None:
            self._ground.add(path, numbers, is_led=is_led)
        if self._condensed is not None:
            self._condensed.lead((path, numbers, is_plain))
        else:
            self._ahead.append((path, numbers, is_plain))

    def _count(self, path: bytes) -> None:
        """Hold what is kept against the budget; a glance keeps nothing."""
        if self._keeps or self._condensed is not None:
            self._weigh(1 + len(path) // _PATH_UNIT)

    def _weigh(self, cost: int) -> None:
        self._cost += cost
        if self._cost > self._budget:
            raise _FullError
