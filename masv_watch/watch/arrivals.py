"""Which files of a folder have settled while the rest of it still arrives.

Owns what is remembered of one drop's files between two samples. Never touches the disk or the
clock, and never decides what settled means: `settle.judge` does. Called by intake, once for each
sample of a drop that starts early.

Law 1. A file settles by its own identity and by the same rule as a whole; what moves beside it
       does not matter.
Law 2. Of a file one number is kept, and of all files that changed last at the same sample one
       entry together: a card of 100,000 files is judged in a few looks, not in 100,000.
Law 3. What the file system is found not to keep, or to keep again, is no change of any file; nor is
       another number of its device, by which it settles anew and nothing of it is given up.
Law 4. What settled is told at every sample until it is handed on: what a store refused, or a paused
       hot folder did not take, is not lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from masv_watch.model import (
    UNKEPT_CTIME_NS,
    UNKEPT_INODE,
    Decision,
    Finding,
    Identity,
    Settle,
)
from masv_watch.watch.settle import Entry, Seen, State, judge

Placed = tuple[bytes, Identity]

#: files that changed last at one sample look alike from then on: their identities are compared one
#: by one, and an empty file inside a folder waits no longer than others
_ALIKE = Seen(kind="folder", signature="", fence="", files=1, size=0)

# a mark is four numbers of so many bits, from the highest: size and modification time, device,
# inode, change time; 0 for one of the last two that the file system does not keep
_BITS = 30
_FIELD = (1 << _BITS) - 1
_INODE, _CTIME = _FIELD << _BITS, _FIELD
_DEVICE = _FIELD << 2 * _BITS
#: a prime that fits, so that times which are cut to a round number do not meet
_PRIME = 1_073_741_789


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Decision):
    """What one sample showed of a drop's files."""

    #: settled, and not handed on yet
    settled: tuple[Placed, ...]
    #: handed on before, and of another identity now
    changed: tuple[bytes, ...]
    #: handed on before, and not there any more
    gone: tuple[bytes, ...]
    #: files that have not settled yet
    unsettled: int


@dataclass(eq=False, slots=True)
class _Cohort:
    """The files whose identity was new at the same sample."""

    entry: Entry | None = None
    has_settled: bool = False


class Arrivals:
    """The files of one drop that still arrives; used by one thread."""

    def __init__(self) -> None:
        """Begin without a file."""
        #: what each file's identity comes to, of one that was handed on without what was not kept
        #: since; what is missed by a collision is found by the sender's and the whole drop's
        #: comparison of identities
        self._marks: dict[bytes, int] = {}
        #: files that were not handed on
        self._young: dict[bytes, _Cohort] = {}

    def look(self, files: Sequence[Placed], now: float, wants: Settle, *, quiet_s: float) -> Look:
        """Take in a sample of all files and say which of them settled, changed and went.

        `now` is monotonic, seconds.
        """
        changed = self._compare(files)
        gone = self._let_go(files)
        unsettled = self._judge(now, wants, quiet_s)
        settled = self._settled(files)
        finding = Finding(
            test="files",
            passed=unsettled == 0,
            detail=f"{len(files) - unsettled} of {len(files)} files settled",
        )
        return Look(
            settled=settled,
            changed=tuple(changed),
            gone=tuple(gone),
            unsettled=unsettled,
            findings=(finding,),
        )

    def hand_on(self, paths: Iterable[bytes]) -> None:
        """Note that these settled files are known to the ledger."""
        for path in paths:
            self._young.pop(path, None)

    def _compare(self, files: Sequence[Placed]) -> list[bytes]:
        marks, young, new = self._marks, self._young, _Cohort()
        changed = []
        for path, identity in files:
            mark = _mark_of(identity)
            known = marks.get(path)
            if known == mark:
                continue
            if known is not None:
                is_young, differing = path in young, _difference(known, mark)
                if not differing:
                    marks[path] = mark if is_young else _kept_by_both(known, mark)
                    continue
                if differing & ~_DEVICE and not is_young:
                    changed.append(path)
            marks[path] = mark
            young[path] = new
        return changed

    def _let_go(self, files: Sequence[Placed]) -> list[bytes]:
        if len(self._marks) == len(files):
            return []
        missing = self._marks.keys() - {path for path, _ in files}
        gone = [path for path in missing if path not in self._young]
        for path in missing:
            del self._marks[path]
            self._young.pop(path, None)
        return gone

    def _judge(self, now: float, wants: Settle, quiet_s: float) -> int:
        """Judge every cohort once; count the files that have not settled."""
        for cohort in set(self._young.values()):
            verdict = judge(cohort.entry, _ALIKE, now, wants, quiet_s=quiet_s)
            cohort.entry = verdict.entry
            cohort.has_settled = verdict.state is State.QUIET
        return sum(not cohort.has_settled for cohort in self._young.values())

    def _settled(self, files: Sequence[Placed]) -> tuple[Placed, ...]:
        ready = {path for path, cohort in self._young.items() if cohort.has_settled}
        return tuple(placed for placed in files if placed[0] in ready) if ready else ()


def _mark_of(identity: Identity) -> int:
    inode, ctime_ns = identity.inode, identity.ctime_ns
    mark = hash((identity.size, identity.mtime_ns)) & _FIELD
    mark = mark << _BITS | identity.device % _PRIME
    mark = mark << _BITS | (0 if inode == UNKEPT_INODE else 1 + inode % _PRIME)
    return mark << _BITS | (0 if ctime_ns == UNKEPT_CTIME_NS else 1 + ctime_ns % _PRIME)


def _difference(known: int, mark: int) -> int:
    """Give the bits in which two marks differ, of what both keep."""
    differing = known ^ mark
    for field in (_INODE, _CTIME):
        if not (known & field and mark & field):
            differing &= ~field
    return differing


def _kept_by_both(known: int, mark: int) -> int:
    for field in (_INODE, _CTIME):
        if not mark & field:
            known &= ~field
    return known
