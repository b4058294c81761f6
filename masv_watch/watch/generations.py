"""How what stands in a hot folder relates to what the ledger knows of its path.

Owns the comparison of one look with one row. Never touches a disk, the clock or the store. Called
by intake for every entry, and by whoever explains.

Law 1. The ledger compares path, size and modification time alone: another owner, mode, inode or
       device never makes a new generation (behaviour 6).
Law 2. What is known is never sent again by itself, and what is new is never passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from masv_watch.figures import counted
from masv_watch.lifecycle import is_given_up
from masv_watch.model import (
    Decision,
    Drop,
    DropEvent,
    DropState,
    Finding,
    HoldReason,
    Objection,
)
from masv_watch.names import shown
from masv_watch.watch.amounts import human_size
from masv_watch.watch.redrops import is_other_than_asked
from masv_watch.watch.settle import Seen, is_same_signature

_ENDED = {
    DropState.DONE,
    DropState.CANCELLED,
    DropState.SUPERSEDED,
    DropState.DUPLICATE,
    DropState.IGNORED,
}

#: holds that end by themselves when the drop itself changes for the better
PASSING = frozenset(
    {
        HoldReason.EMPTY,
        HoldReason.UNREADABLE,
        HoldReason.LOOSE_FILE,
        HoldReason.LIMIT_EXCEEDED,
        HoldReason.MARKER_MISSING,
        HoldReason.OPEN_BY_WRITER,
        HoldReason.UNSTABLE_SOURCE,
        HoldReason.INCOMPLETE,
        HoldReason.SIDECAR_MISSING,
        HoldReason.SIDECAR_INVALID,
        HoldReason.NO_RECIPIENT,
    }
)


class Relation(StrEnum):
    """What one look at an entry is to the ledger."""

    #: nothing of this content is known
    NEW = "new"
    #: what the ledger ended with: delivered, recorded, cancelled
    SAME = "same"
    #: a row of its own waits for it to settle
    SETTLING = "settling"
    #: held for an answer or a move of somebody else
    HELD = "held"
    #: in an upload, and as it was when it was taken
    ON_ITS_WAY = "on_its_way"
    #: in an upload, and no longer as it was
    CHANGED = "changed"
    #: in an upload, from another path that the rule had
    ELSEWHERE = "elsewhere"
    #: what somebody cancelled, or the rest of what he deleted while it arrived
    UNWANTED = "unwanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Related(Decision):
    """The relation, and the row that it is to."""

    relation: Relation
    #: the row that goes on; None where a new one is to be made
    drop: Drop | None


def relate(
    latest: Drop | None, seen: Seen, *, is_loose: bool = False, is_elsewhere: bool = False
) -> Related:
    """Say what a look is to the newest row of its path.

    `is_loose` is a file where folders are sent; `is_elsewhere` says that the row's upload took it
    from another path than the rule has now.
    """
    relation, detail = _relation(latest, seen, is_loose=is_loose, is_elsewhere=is_elsewhere)
    goes_on = relation not in {Relation.NEW, Relation.SAME}
    passed = relation in {Relation.NEW, Relation.SETTLING, Relation.CHANGED}
    return Related(
        relation=relation,
        drop=latest if goes_on else None,
        findings=(Finding(test="ledger", passed=passed, detail=detail),),
    )


def kept_signature(latest: Drop | None, *, is_elsewhere: bool = False) -> str:
    """Give the signature with which a folder is the newest row of its path and brings nothing.

    "" where whatever stands there has to be looked at; `is_elsewhere` is that of `relate`.
    """
    if latest is None or never_sent(latest):
        return ""
    is_on_its_way = latest.state is DropState.TAKEN and latest.whole and not is_elsewhere
    return latest.signature if is_on_its_way or latest.state in _ENDED else ""


def misjudged(latest: Drop) -> Related:
    """Say that what was found too old is new again, as the clock was wrong then."""
    detail = f"drop {latest.id} was too old by a clock that ran ahead; it is judged again"
    finding = Finding(test="ledger", passed=True, detail=detail)
    return Related(relation=Relation.NEW, drop=None, findings=(finding,))


def never_sent(drop: Drop) -> bool:
    """Say whether a drop ended because it vanished before it was sent: it may come again."""
    return drop.state is DropState.CANCELLED and drop.settled_at is None


def may_be_known(drop: Drop) -> bool:
    """Say whether a drop that never settled may be what the generation before it ended with."""
    if drop.generation == 1 or drop.state is DropState.TAKEN:
        return False
    return drop.settled_at is None and not (drop.is_answered or drop.is_wanted)


def as_before(before: Drop | None, seen: Seen) -> Objection:
    """Say that a settled drop is what was not to be sent, and only could not be read for a while.

    `before` is the generation that ended before it.
    """
    if before is None or before.state not in (DropState.CANCELLED, DropState.IGNORED):
        return Objection()
    if never_sent(before) and not before.is_unwanted:
        # it went before anybody decided about it
        return Objection()
    if not is_same_signature(before.signature, seen.signature):
        return Objection()
    row = f"drop {before.id}, generation {before.generation}"
    detail = f"{row} ended as {before.state} with this content, which could not be read since"
    # a recorded one stays known as that
    note = before.note if before.state is DropState.IGNORED else detail
    finding = Finding(test="ledger", passed=False, detail=detail)
    return Objection(ends=DropEvent.IGNORE, note=note, findings=(finding,))


def _relation(
    latest: Drop | None, seen: Seen, *, is_loose: bool, is_elsewhere: bool
) -> tuple[Relation, str]:
    if latest is None:
        return Relation.NEW, "nothing of this name is known"
    row = f"drop {latest.id}, generation {latest.generation}"
    if is_given_up(latest) and (latest.is_unwanted or not is_loose):
        # of a loose file nothing settles
        relation = Relation.SAME if is_loose else Relation.UNWANTED
        how = "cancelled" if latest.is_unwanted else "deleted while it arrived"
        return relation, f"{row} was {how}; only other content goes"
    if latest.state in _ENDED:
        return _ended(latest, seen, row)
    if latest.state is DropState.TAKEN and (is_elsewhere or latest.whole):
        return _taken(latest, seen, row, is_elsewhere=is_elsewhere)
    if latest.hold is not None and latest.hold not in PASSING and not _is_stale(latest, seen):
        return Relation.HELD, f"{row} is held: {latest.hold}, {latest.note or _amount(latest)}"
    return Relation.SETTLING, f"{row} has not been whole yet"


def _is_stale(latest: Drop, seen: Seen) -> bool:
    """Say whether a drop waits for an answer about files that are not the ones which are there."""
    return latest.hold is HoldReason.REDROP_ASK and is_other_than_asked(latest.asked, seen)


def _amount(drop: Drop) -> str:
    return f"{counted(drop.file_count, 'file')}, {human_size(drop.size)}"


def _taken(latest: Drop, seen: Seen, row: str, *, is_elsewhere: bool) -> tuple[Relation, str]:
    if is_elsewhere:
        return Relation.ELSEWHERE, f"{row} is on its way from another path of this hot folder"
    if is_same_signature(latest.signature, seen.signature):
        return Relation.ON_ITS_WAY, f"{row} is in upload {latest.upload_id}"
    return Relation.CHANGED, f"{row} changed after it was taken"


def _ended(latest: Drop, seen: Seen, row: str) -> tuple[Relation, str]:
    if never_sent(latest) or not is_same_signature(latest.signature, seen.signature):
        return Relation.NEW, f"{row} ended as {latest.state}; this is other content"
    note = f" ({shown(latest.note.encode())})" if latest.note else ""
    return Relation.SAME, f"{row} has this content already and ended as {latest.state}{note}"
