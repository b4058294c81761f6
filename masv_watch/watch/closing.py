"""The done marker of a batch: a file by which a person says that nothing more comes.

Owns when a batch is closed for its marker, and which drops belong to it. Never finalizes: the store
lets a closed batch go once all of it is sent. Called by intake after its looks; the assessor asks
which drops the marker speaks for.

Law 1. That a marker was seen is stored before anything follows from it, and closing a batch uses it
       up in one transaction: after a crash between any two steps the same follows once.
Law 2. What was known when the marker was seen belongs to its batch: it settles as with a marker of
       its own, and the batch is closed when none of it settles any more.
Law 3. A marker speaks once. Touched or made anew it is another one; one that nobody can look at for
       a while is not.
"""

from __future__ import annotations

import logging

from masv_watch import files
from masv_watch.lifecycle import OPEN
from masv_watch.model import BatchMark, Drop, DropState, HoldReason, Identity, Rule
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.markers import Marker
from masv_watch.watch.tops import unfollowed

log = logging.getLogger(__name__)

#: holds that end by themselves, or once the hot folder goes on; others wait for a person or for
#: another change of the drop, and so goes the batch without it
_AWAITED = {
    HoldReason.GROWING,
    HoldReason.OPEN_BY_WRITER,
    HoldReason.UNSTABLE_SOURCE,
    HoldReason.PAUSED,
    HoldReason.ROOT_UNAVAILABLE,
}
#: stands for a marker of which nobody can say whether it is there
UNTOLD = ""
#: stands for a marker that was seen, whatever became of it
_SEEN = Identity(size=0, mtime_ns=0, ctime_ns=0, inode=0, device=0)


class Closing:
    """The batch marker of one hot folder; used by one thread."""

    def __init__(self, rule: Rule, store: Store) -> None:
        """Begin with what is stored."""
        self._rule = rule
        self._store = store
        #: whether a person was told that the marker cannot be looked at
        self._is_told = False

    def sight(self, root: files.Root) -> str | None:
        """Give the marker that stands there before a sweep; None for none, `UNTOLD` if it is hid.

        The sweep then finds all that was there before it: one looked for afterwards would speak
        for what the sweep had passed by already.
        """
        if self._rule.batch_marker is None:
            return None
        path = self._rule.batch_marker.encode("utf-8", "surrogateescape")
        seen = root.observe(path)
        why = seen.detail if seen is not None and seen.kind == "unreadable" else ""
        if why and not self._is_told:
            log.warning(
                "a batch marker cannot be looked at; until it can be it closes no batch",
                extra={"hot_folder": self._rule.name, "marker": shown(path), "reason": why},
            )
        self._is_told = bool(why)
        return _mark_of(seen)

    def take_in(self, mark: str | None) -> bool:
        """Take in what was sighted before a sweep, after the whole of it; say whether it is new."""
        if self._rule.batch_marker is None:
            return False
        is_new = False
        known = self._store.batch_mark(self._rule.name)
        if mark == UNTOLD:
            # whether it is gone, or another one, nobody knows
            pass
        elif mark is None:
            if known is not None and known.is_used:
                self._store.forget_batch_mark(self._rule.name)
        elif known is None or not _is_same(known.text, mark, self._rule):
            self._store.note_batch_mark(self._rule.name, mark)
            is_new = True
            log.info(
                "a batch is done, says its marker",
                extra={"hot_folder": self._rule.name, "marker": self._rule.batch_marker},
            )
        self.close()
        return is_new

    def close(self) -> None:
        """Close the batch whose marker was seen, once all of it is there."""
        if self._rule.batch_marker is None:
            return
        mark = self._store.batch_mark(self._rule.name)
        if mark is None or mark.is_used:
            return
        living = self._store.drops(self._rule.name, living=True)
        if not any(self._awaits(drop, mark) for drop in living):
            self._store.close_batch(self._rule.name, mark.text)

    def _awaits(self, drop: Drop, mark: BatchMark) -> bool:
        """Say whether a drop of the batch settles or arrives still."""
        if drop.seen_at > mark.seen_at:
            return False
        if drop.state is DropState.HELD:
            return drop.hold in _AWAITED
        if drop.state is not DropState.TAKEN:
            return True
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        return not drop.whole and upload is not None and upload.state in OPEN


def marker_for(rule: Rule, store: Store, drop: Drop | None) -> Marker | None:
    """Give the marker of a batch as that of a drop which belongs to it; None for any other."""
    if rule.batch_marker is None or drop is None:
        return None
    mark = store.batch_mark(rule.name)
    if mark is None or mark.is_used or drop.seen_at > mark.seen_at:
        return None
    path = rule.batch_marker.encode("utf-8", "surrogateescape")
    return Marker(path=path, identity=_SEEN)


def used_marker(rule: Rule, store: Store) -> bytes | None:
    """Give the path of a batch's marker that has been used up and stands there still."""
    if rule.batch_marker is None:
        return None
    mark = store.batch_mark(rule.name)
    if mark is None or not mark.is_used:
        return None
    path = rule.batch_marker.encode("utf-8", "surrogateescape")
    with files.Root.open(rule.path) as root:
        return path if _is_same(mark.text, _mark_of(root.observe(path)), rule) else None


def _mark_of(seen: files.Observation | None) -> str | None:
    """Tell a marker from any other at its path; None where no file stands, `UNTOLD` if hid."""
    found = None if seen is None else unfollowed(seen)
    if found is not None and found.kind == "unreadable":
        return UNTOLD
    if found is None or found.kind != "file" or found.identity is None:
        return None
    return f"{found.identity.size}:{found.identity.mtime_ns}:{found.identity.inode}"


def _is_same(known: str, mark: str | None, rule: Rule) -> bool:
    """Say whether a marker is the one that was seen before."""
    if mark is None or known == mark:
        return known == mark
    # where no inode is kept it would be a new one after each remount
    is_alike = known.rpartition(":")[0] == mark.rpartition(":")[0]
    return is_alike and not files.keeps_inodes(rule.path)
