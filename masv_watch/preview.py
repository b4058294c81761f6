"""What an edit of the configuration would change: who gets what, what stops, what goes anew.

Owns the comparison of two configurations over the ledger and the tree. Asks the deciders that
intake asks, with the same facts, so that it cannot differ from what happens. Never touches a disk,
the clock or the store. Called by `rehearsal` for the command `plan`.

Law 1. Both sides of a comparison see the same entries, rows and time: an edit that says the same
       has no effect.
Law 2. What is on its way keeps what it was taken with, but for what is live (behaviour 7).
Law 3. A comparison holds no list of files: a hot folder may have millions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import NamedTuple

from masv_watch.config.units import show_duration
from masv_watch.config.wording import NOTHING, key_of, said, said_at
from masv_watch.lifecycle import is_arriving
from masv_watch.model import (
    Draft,
    Drop,
    DropState,
    Effect,
    EffectKind,
    FolderChange,
    FolderPlan,
    HoldReason,
    Initial,
    KeyChange,
    Prospect,
    Rule,
    Secret,
)
from masv_watch.watch.adoption import asks_first
from masv_watch.watch.generations import Relation, relate
from masv_watch.watch.outlooks import Outlook
from masv_watch.watch.settle import is_same_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One top-level entry as both sides of an edit see it."""

    path: bytes
    #: None where that side does not watch the entry's folder
    before: Outlook | None
    after: Outlook | None
    #: the newest row of its path under the earlier and under the new name of the hot folder
    row_before: Drop | None
    row_after: Drop | None
    #: its upload was taken from another path than the new rule has
    is_elsewhere: bool = False
    #: its package was finalized: it only owes letters, or what becomes of its source
    is_delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One side of an edit for one entry; it holds no list of files, for there may be millions."""

    stand: Prospect
    why: str = ""
    #: what people are told of its upload; empty when there would be none
    told: Mapping[str, str] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    #: what a first start counts (`adoption`)
    is_unknown: bool = False
    #: on its way, and other files of it count than those that were taken
    is_changed: bool = False
    #: only what was not delivered with the rest of it before
    is_late: bool = False


class _Met(NamedTuple):
    """One entry with both its sides and its rows."""

    path: bytes
    before: _Side
    after: _Side
    rows: tuple[Drop | None, Drop | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an edit does to the entries of one hot folder."""

    effects: tuple[Effect, ...]
    #: drops on their way that keep what they were taken with
    frozen: int
    notes: tuple[str, ...]


def compare(new: Rule | None, looks: Iterable[Look], *, is_first: bool) -> Outcome:
    """Give what an edit does to the entries of one hot folder.

    `is_first` says that the new rule has never swept its path, so that its `initial` counts.
    """
    effects: list[Effect | None] = []
    waiting: list[_Met] = []
    frozen = 0
    for look in looks:
        met = _Met(look.path, _before(look), _after(look), (look.row_before, look.row_after))
        if is_first and met.after.is_unknown:
            waiting.append(met)
            continue
        effects.append(_effect(met))
        is_on_its_way = met.after.stand is Prospect.ON_ITS_WAY and not look.is_delivered
        frozen += effects[-1] is None and is_on_its_way
    initial = Initial.SEND
    notes: tuple[str, ...] = ()
    if new is not None and waiting:
        size = sum(met.after.size for met in waiting)
        if asks_first(new.initial, drops=len(waiting), size=size):
            initial = Initial.IGNORE if new.initial is Initial.IGNORE else Initial.ASK
            notes = (_first(initial, len(waiting), new.name),)
    effects += [_effect(met._replace(after=_at_first(met.after, initial))) for met in waiting]
    found = tuple(effect for effect in effects if effect is not None)
    return Outcome(effects=found, frozen=frozen, notes=notes)


def _first(initial: Initial, count: int, name: str) -> str:
    """Say what a first start does with what is there already."""
    is_one = count == 1
    there = "1 drop that is there already is" if is_one else (
        f"{count:,} drops that are there already are"
    )  # fmt: skip
    if initial is Initial.IGNORE:
        return f"{there} recorded as seen, not sent"
    return (
        f"{there} held until you release or seed {'it' if is_one else 'them'}:"
        f" masv-watch release --folder {name}, masv-watch ledger seed {name}"
    )


def _at_first(side: _Side, initial: Initial) -> _Side:
    """Give where an entry stands once a first start has answered for what it did not know."""
    if initial is Initial.SEND:
        return side
    stand = Prospect.KNOWN if initial is Initial.IGNORE else Prospect.HELD
    return replace(side, stand=stand, why=f"initial: {initial.value}")


def _before(look: Look) -> _Side:
    row = look.row_before
    if look.before is not None or row is None:
        return _side(look.before, row, is_elsewhere=False)
    # it cannot be looked at: the ledger alone tells
    if row.state is DropState.TAKEN:
        return _Side(stand=Prospect.ON_ITS_WAY)
    stands = {DropState.SETTLING: Prospect.GOES, DropState.HELD: Prospect.HELD}
    return _Side(
        stand=stands.get(row.state, Prospect.NOT_WATCHED),
        why=row.note,
        files=row.file_count,
        size=row.size,
    )


def _after(look: Look) -> _Side:
    row = look.row_after
    if look.after is None and row is not None and row.state is DropState.TAKEN:
        # its rule is gone: what was whole goes on, what still arrived can never become so
        why = "it was arriving where nobody watches any more"
        return _Side(stand=Prospect.NOT_WATCHED, why=why) if is_arriving(row) else _Side(
            stand=Prospect.ON_ITS_WAY
        )  # fmt: skip
    return _side(look.after, row, is_elsewhere=look.is_elsewhere)


def _side(found: Outlook | None, row: Drop | None, *, is_elsewhere: bool) -> _Side:
    if found is None:
        return _Side(stand=Prospect.NOT_WATCHED, why="no hot folder looks at it any more")
    draft, tree = found.draft, found.tree
    placed = () if draft is None else draft.drops[0].files
    side = _Side(
        stand=Prospect.LEFT_OUT,
        why=found.why,
        told={} if draft is None else _told(draft),
        files=len(placed),
        size=sum(file.identity.size for file in placed),
        is_late=draft is not None and draft.drops[0].is_late,
    )
    is_left_out = found.prospect is Prospect.LEFT_OUT
    if row is not None and row.state is DropState.TAKEN:
        if is_left_out and is_arriving(row):
            return side
        is_other = row.whole and not is_left_out and not is_elsewhere
        is_changed = is_other and not is_same_signature(row.signature, tree.seen().signature)
        return replace(side, stand=Prospect.ON_ITS_WAY, is_changed=is_changed)
    return side if is_left_out else _waiting_side(side, found, row)


def _waiting_side(side: _Side, found: Outlook, row: Drop | None) -> _Side:
    """Tell what is in no upload: new, settling, held, or ended."""
    is_loose = found.hold is HoldReason.LOOSE_FILE
    related = relate(row, found.tree.seen(), is_loose=is_loose)
    why = related.findings[-1].detail
    if related.relation in (Relation.SAME, Relation.UNWANTED):
        return replace(side, stand=Prospect.KNOWN, why=why)
    if related.relation is Relation.HELD:
        return replace(side, stand=Prospect.HELD, why=why)
    waits = _waits(found, row) if found.prospect is Prospect.GOES else ""
    stand = Prospect.HELD if waits else found.prospect
    return replace(side, stand=stand, why=waits or side.why, is_unknown=row is None)


def _waits(found: Outlook, row: Drop | None) -> str:
    """Say what that is no part of a drop still keeps it; "" when nothing does."""
    if found.unmarked:
        return found.unmarked
    is_open = row is not None and row.hold is HoldReason.OPEN_BY_WRITER
    return row.note if row is not None and is_open and found.asks_for_writers else ""


def _effect(met: _Met) -> Effect | None:
    before, after = met.before, met.after
    kind = _kind(met)
    changed = _told_changes(before, after)
    is_altered = changed and before.stand is after.stand is not Prospect.KNOWN
    if kind is None and (is_altered or (after.is_changed and not before.is_changed)):
        kind = EffectKind.ALTER
    if kind is None:
        return None
    row = met.rows[1] or met.rows[0]
    return Effect(
        kind=kind,
        path=met.path,
        why=_reason(kind, before, after),
        changes=changed if kind is EffectKind.ALTER else (),
        files=after.files or before.files,
        size=after.size or before.size,
        upload_id=None if row is None else row.upload_id,
        to="" if kind is EffectKind.STOP else _whom(after),
    )


def _whom(side: _Side) -> str:
    told = side.told.get("to", "")
    return "nobody" if told == NOTHING else told


def _kind(met: _Met) -> EffectKind | None:
    before, after = met.before, met.after
    if after.stand is before.stand:
        is_moved = after.stand is Prospect.HELD and after.why != before.why
        return EffectKind.HOLD if is_moved else None
    if after.stand is Prospect.GOES:
        was_delivered = any(row is not None and row.state is DropState.DONE for row in met.rows)
        is_anew = before.stand in (Prospect.KNOWN, Prospect.ON_ITS_WAY) or was_delivered
        return EffectKind.SEND_ANEW if is_anew and not after.is_late else EffectKind.SEND
    if after.stand is Prospect.HELD:
        return EffectKind.HOLD
    is_ended = before.stand in (Prospect.GOES, Prospect.ON_ITS_WAY, Prospect.HELD)
    return EffectKind.STOP if is_ended and after.stand is not Prospect.ON_ITS_WAY else None


def _reason(kind: EffectKind, before: _Side, after: _Side) -> str:
    if kind is EffectKind.ALTER:
        if after.stand is not Prospect.ON_ITS_WAY:
            return "not taken yet"
        other = "other files of it count now, so it settles and goes up anew"
        return other if after.is_changed and not before.is_changed else "on its way"
    if kind is EffectKind.SEND and after.is_late:
        return "only what was not delivered with the rest of it"
    if kind in (EffectKind.SEND, EffectKind.SEND_ANEW):
        was = {
            Prospect.NOT_WATCHED: "no hot folder looked at it",
            Prospect.KNOWN: before.why,
            Prospect.ON_ITS_WAY: "it is on its way already",
        }
        return was.get(before.stand, f"until now {before.stand.replace('_', ' ')}: {before.why}")
    return after.why or after.stand.value


#: what of a draft counts to people; of what is on its way only these are live
_LIVE = ("priority", "recall")


def _told_changes(before: _Side, after: _Side) -> tuple[KeyChange, ...]:
    keys = _LIVE if after.stand is Prospect.ON_ITS_WAY else tuple(after.told)
    return tuple(
        KeyChange(key=key, before=before.told[key], after=after.told[key])
        for key in keys
        if key in before.told and key in after.told and before.told[key] != after.told[key]
    )


def _told(draft: Draft) -> Mapping[str, str]:
    terms = draft.terms
    return {
        "to": said(terms.recipients) if terms.portal is None else f"portal {terms.portal}",
        "sender": said(terms.sender),
        "letters": said(terms.mail_to),
        "name": draft.name,
        "message": draft.message,
        "priority": str(draft.priority),
        "recall": show_duration(draft.recall_s),
        "files": str(len(draft.drops[0].files)),
        "replaces": said(terms.replaces),
        "access": _access(draft),
        "after": terms.after.delivered + (f" to {terms.after.move_to}" * bool(terms.after.move_to)),
    }


def _access(draft: Draft) -> str:
    """Say who can open a package for how long; the password itself is nobody's to read."""
    terms = draft.terms
    ends = "" if terms.expires_s is None else f"for {show_duration(terms.expires_s)}"
    count = "" if terms.downloads is None else f"{terms.downloads} downloads a link"
    clauses = ("with a password" if draft.password else "", ends, count)
    return ", ".join(clause for clause in clauses if clause) or "as the team has it"


def pairs(old: Sequence[Rule], new: Sequence[Rule]) -> Iterator[tuple[Rule | None, Rule | None]]:
    """Pair the rules of two configurations: by name, then, for what is left, by path."""
    before, after = {rule.name: rule for rule in old}, {rule.name: rule for rule in new}
    gone = {rule.path: rule for rule in old if rule.name not in after}
    for rule in new:
        yield (before.get(rule.name) or gone.pop(rule.path, None), rule)
    for rule in gone.values():
        yield (rule, None)


def folder_plan(
    pair: tuple[Rule | None, Rule | None],
    looks: Iterable[Look],
    *,
    is_first: bool,
    most: int = 10_000,
) -> FolderPlan | None:
    """Give what an edit does to one hot folder; None when it does nothing at all."""
    old, new = pair
    keys = () if old is None or new is None else changes(old, new)
    known = new or old
    if known is None or (old is not None and new is not None and not keys):
        return None
    notes: tuple[str, ...] = ()
    change = FolderChange.CHANGED
    if old is None or new is None:
        change = FolderChange.NEW if old is None else FolderChange.REMOVED
    elif old.name != new.name:
        change = FolderChange.RENAMED
        if new.was != old.name:
            told = f"the ledger stays under {old.name}: nothing of it is known as delivered"
            notes = (f"{told}; `was: {old.name}` keeps it",)
    found = compare(new, looks, is_first=is_first)
    return FolderPlan(
        name=known.name,
        change=change,
        was=old.name if old is not None and change is FolderChange.RENAMED else "",
        keys=keys,
        effects=found.effects[:most],
        more=max(len(found.effects) - most, 0),
        frozen=found.frozen,
        notes=(*notes, *found.notes),
    )


def turned(plan: FolderPlan, before: Set[str], after: Set[str]) -> FolderChange:
    """Give what an edit does to a hot folder, by the names of the disabled ones, too."""
    if plan.change is FolderChange.NEW and plan.name in before:
        return FolderChange.ENABLED
    is_kept = plan.change is FolderChange.REMOVED and plan.name in after
    return FolderChange.DISABLED if is_kept else plan.change


#: of a rule, what is no key of it; a rename is told by its own
_UNSAID = frozenset({"at", "was", "is_own"})


def changes(old: object, new: object, *, skip: frozenset[str] = _UNSAID) -> tuple[KeyChange, ...]:
    """Give every value in which two nouns of a configuration differ; secrets are not compared."""
    return tuple(_changes(old, new, "", skip))


def _changes(old: object, new: object, place: str, skip: frozenset[str]) -> Iterator[KeyChange]:
    is_pair = is_dataclass(old) and type(old) is type(new)
    if is_pair and not isinstance(old, type):
        for each in fields(old):  # type: ignore[arg-type]
            if each.name not in skip:
                name = f"{place}.{each.name}" if place else each.name
                yield from _changes(getattr(old, each.name), getattr(new, each.name), name, skip)
    elif old != new and not isinstance(old, Secret) and not isinstance(new, Secret):
        yield KeyChange(key=key_of(place), before=said_at(place, old), after=said_at(place, new))
