"""What one process remembers of the entries of a hot folder; a restart begins anew.

Owns the form of that memory, and when a look adds nothing to it. Never decides what a look leads
to: `entries` does, and fills it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from masv_watch import files
from masv_watch.model import Drop
from masv_watch.watch.addresses import subfolder_of
from masv_watch.watch.arrivals import Arrivals
from masv_watch.watch.fences import is_bare
from masv_watch.watch.marks import Marks
from masv_watch.watch.scan import Tree
from masv_watch.watch.settle import Entry, Seen, State, Verdict, is_same_signature


@dataclass(slots=True)
class Remembered:
    """What is kept of an entry between two samples."""

    #: 0 of what was only written down
    drop_id: int
    #: None before the first sample
    entry: Entry | None = None
    retry_at: float = 0.0
    #: whether only a change of its own can bring it further
    held: bool = False
    #: its files by their own; None where nothing of it goes before the whole
    arrivals: Arrivals | None = None
    #: store clock, seconds: since when it was looked at and not held; None before the first look
    open_since: float | None = None
    #: store clock, seconds: when a person was told that it still changes
    told_at: float = 0.0
    #: monotonic, seconds: since when it has waited for its sidecar; None while it does not
    bare_since: float | None = None
    #: whether a person was told that it has lacked something for long
    lack_told: bool = False
    #: for which other drop it waits, as the last look said it; "" for none
    awaits: str = ""
    #: (device, inode) of a file at the last look; None of a folder, and before the first
    place: tuple[int, int] | None = None
    #: whether the last look found it quiet
    is_quiet: bool = False
    #: of a file that was written down before any sample, that of its only look
    fence: str = ""

    @property
    def sight(self) -> str:
        """Tell what was seen last of a file, in a form that can be stored; "" of a folder."""
        if self.entry is None or self.place is None:
            return ""
        # no device: its number may change with a boot
        return json.dumps([self.place[1], self.is_quiet, self.entry.signature])

    def note(self, tree: Tree, verdict: Verdict) -> None:
        """Keep what a look showed, for the next one."""
        self.entry = verdict.entry
        self.is_quiet = verdict.state is State.QUIET
        if tree.kind != "unreadable":
            # what could not be looked at is the file that it was, not a folder
            self.place = place_of(tree)


@dataclass(slots=True)
class Memory:
    """What one process remembers of a hot folder; a restart begins anew."""

    growing: dict[bytes, Remembered] = field(default_factory=dict)
    #: fence of each entry about which nothing is to be done until it changes; of a loose file, the
    #: mark
    concluded: dict[bytes, str] = field(default_factory=dict)
    marks: Marks = field(default_factory=Marks)
    told: set[bytes] = field(default_factory=set)
    #: drops whose row must move first, as they stood: one of those held for each reason, and those
    #: that changed after their finalize
    awaited: dict[bytes, Drop] = field(default_factory=dict)

    def is_told(self, tree: Tree, now: float) -> bool:
        """Say whether a look brings nothing: the entry is concluded, or not due and as it was.

        `now` is monotonic, seconds.
        """
        if self.concluded.get(tree.top) == tree.fence:
            return True
        known = self.growing.get(tree.top)
        if known is None or known.held or known.entry is None or tree.kind != "file":
            return False
        return now < known.retry_at and known.entry.fence == tree.fence

    def resting(self, now: float, *, but: Collection[bytes]) -> Iterator[tuple[bytes, str]]:
        """Give the files that a sweep can pass over as long as they have this fence, without these.

        As `is_told` would say of each at a monotonic second; and what was written down is sampled
        first of all.
        """
        for top, known in self.growing.items():
            if known.entry is None:
                fence = known.fence
            else:
                is_due = known.held or known.place is None or known.retry_at <= now
                fence = "" if is_due else known.entry.fence
            if is_bare(fence) and top not in but:
                yield top, fence

    def write_down(self, tree: Tree) -> None:
        """Have a new file sampled as soon as nothing new is to be found."""
        self.growing[tree.top] = Remembered(0, fence=tree.fence)

    def due(self, now: float) -> list[bytes]:
        """List what is due at a monotonic second, what has waited longest first."""
        waiting = [(known.retry_at, top) for top, known in self.growing.items()]
        return [top for at, top in sorted(waiting, key=itemgetter(0)) if at <= now]

    def sight(self, drop: Drop) -> str:
        """Tell what was seen last of a drop that settles, as `Remembered.sight`; any thread."""
        known = self.growing.get(drop.path)
        return known.sight if known is not None and known.drop_id == drop.id else ""

    def due_at(self) -> float | None:
        """Give the monotonic second at which the next sample is of use; None without one."""
        return min((known.retry_at for known in self.growing.values()), default=None)

    def unsettled_for_long(self) -> int:
        """Count the entries of which `settle.warn_after` was told; any thread."""
        return sum(known.told_at > 0 for known in list(self.growing.values()))

    def hasten(self, now: float) -> None:
        """Have all that settles sampled by a monotonic second."""
        for known in self.growing.values():
            known.retry_at = min(known.retry_at, now)

    def put_off(self, top: bytes, until: float) -> None:
        """Take no sample of an entry before a monotonic second."""
        known = self.growing.get(top)
        if known is not None:
            known.retry_at = max(known.retry_at, until)

    @property
    def has_concluded(self) -> bool:
        """Say whether there is an entry about which nothing is to be done."""
        return bool(self.concluded or self.marks)

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is remembered of any entry."""
        return not (self.told or self.growing or self.awaited or self.has_concluded)

    def conclude(self, top: bytes, seen: Seen) -> None:
        """Note that nothing is to be done about an entry until it changes."""
        self.growing.pop(top, None)
        if seen.kind == "file" and seen.fence:
            self.marks.note(top, seen.fence)
        else:
            self.concluded[top] = seen.fence

    def doubt(self, top: bytes) -> None:
        """Have what is concluded looked at by the next sweep."""
        self.concluded.pop(top, None)
        self.marks.doubt(top)

    def lose(self, tops: set[bytes]) -> None:
        """Let go of these, which a whole sweep did not show."""
        for top in tops:
            self.growing.pop(top, None)
            self.concluded.pop(top, None)


def place_of(tree: Tree) -> tuple[int, int] | None:
    """Give the device and inode of a loose file; None of a folder."""
    if tree.kind != "file" or not tree.files:
        return None
    identity = tree.files[0][1]
    return identity.device, identity.inode


def is_other(tree: Tree, seen: Seen, drop: Drop, known: Remembered, *, root: bytes) -> bool:
    """Say whether a file is not what a person cancelled under its name, nor the rest of it.

    What was shown to him, or had settled, is known by its size and time; what was still arriving by
    its inode as well, where a file keeps that. Of a folder nothing is known until it was quiet.
    `root` is the path of the hot folder.
    """
    place = place_of(tree)
    if place is None or not drop.is_unwanted:
        return False
    shown = drop.signature
    if not shown and known.entry is not None and known.place is None:
        shown = known.entry.signature
    if shown:
        return not is_same_signature(shown, seen.signature)
    sight = known.sight or drop.cancelled_as
    if not sight:
        return False
    was_inode, was_quiet, signature = json.loads(sight)
    if is_same_signature(signature, seen.signature):
        return False
    if was_quiet:
        return True
    # where no number is kept it may be the same file, still growing
    folder = os.path.join(root, subfolder_of(tree.top))
    return bool(was_inode != place[1] and files.keeps_inodes(folder))
