"""What a settled drop is to what was delivered under its name, or under another one.

Owns the comparison of two contents and the rule's answer to it. Never reads a byte and never asks
the ledger: both are handed in. Called by the tests of an entry.

Law 1. Path, size and modification time decide where they are equal; nothing is read then
       (behaviour 6).
Law 2. Where only the time differs the content decides, and where nobody knows that of before a
       person does: nothing is sent twice by a guess.
Law 3. What was delivered is never sent again because something came beside it: late files go alone
       (behaviour 11).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from masv_watch.figures import counted
from masv_watch.model import (
    Decision,
    Dedupe,
    DeliveredFile,
    Drop,
    DropEvent,
    Finding,
    HoldReason,
    Identity,
    Late,
    Objection,
    Redrop,
    Rule,
)
from masv_watch.watch.settle import Seen, is_of, is_same_signature, signature

Placed = tuple[bytes, Identity]

#: how many times longer than usual late files must be quiet
LATE_FACTOR = 4
#: seconds between two looks at what became of a drop that another one waits for, and at content
#: that has to be read; what is read meanwhile is looked at sooner
ONGOING_S = 15.0


class Kind(StrEnum):
    """What a drop is to what was delivered under its name."""

    #: nothing was
    FIRST = "first"
    #: the content of some files has to be read before that can be said
    UNREAD = "unread"
    #: files have another time and the same size, and no hash of before was kept
    UNSURE = "unsure"
    #: nothing of it is new: other times, or fewer files
    SAME = "same"
    #: new or changed files beside delivered ones
    LATE = "late"
    #: no file of it was delivered
    ANEW = "anew"
    #: it was delivered under another name, which it has no more
    RENAMED = "renamed"
    #: its content was delivered under another name
    TWIN = "twin"
    #: its content is on its way under another name
    ONGOING = "ongoing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Decision):
    """A settled drop beside what was delivered under its name."""

    kind: Kind
    #: what is new: the files that would go
    new: Sequence[Placed] = ()
    #: files whose content has to be read first
    unread: tuple[Placed, ...] = ()
    #: why one of these cannot be read; "" where none was tried in vain
    stuck: str = ""
    #: whether it cannot because others have it in use
    is_in_use: bool = False
    #: files that were delivered as they are
    delivered: int = 0
    #: the earlier drop of another name that it is like, or may be
    twin: Drop | None = None
    #: a person was asked about it, and has not answered
    is_asked: bool = False
    #: a person was asked, and wants what is new of it
    is_wanted: bool = False
    #: nothing was delivered under its name: what is known of it was moved into it
    is_first: bool = False
    #: paths of the drops with which files of it were delivered before they were moved
    origins: tuple[bytes, ...] = ()
    #: nobody read some of them since: no source is taken away for that
    is_unread: bool = False
    #: by which chunks the content of a file has to be read that was perhaps moved
    chunk_sizes: Mapping[bytes, int] = field(default_factory=dict)


def compare(
    files: Sequence[Placed],
    delivered: Mapping[bytes, DeliveredFile],
    contents: Mapping[Placed, str],
    *,
    is_answered: bool = False,
    is_wanted: bool = False,
    grain_ns: int = 0,
) -> Compared:
    """Say what a drop's files are to those that were delivered under the same paths.

    `contents` are the hashes of files that were read since; `is_answered` says that a person wants
    it sent whatever it is, `is_wanted` that he wants what is new of it. Times that differ by less
    than `grain_ns` are the same (pain 19).
    """
    if not delivered or is_answered:
        detail = "a person said that it is to go" if is_answered else "nothing of it was delivered"
        return Compared(kind=Kind.FIRST, new=files, findings=(_finding(True, detail),))
    new: list[Placed] = []
    unread: list[Placed] = []
    unsure: list[Placed] = []
    for placed in files:
        before = delivered.get(placed[0])
        if before is None or before.size != placed[1].size:
            new.append(placed)
        elif abs(before.mtime_ns - placed[1].mtime_ns) < max(grain_ns, 1):
            continue
        elif not before.hash:
            unsure.append(placed)
        elif placed not in contents:
            unread.append(placed)
        elif contents[placed] != before.hash:
            new.append(placed)
    same = len(files) - len(new) - len(unread) - len(unsure)
    if not is_wanted or unread:
        return _compared(files, new, unread, unsure=unsure, same=same)
    # whose content nobody knows was asked about with the rest
    found = _compared(files, new + unsure, unread, unsure=[], same=same)
    kind = Kind.FIRST if found.kind is Kind.ANEW else found.kind
    return replace(found, kind=kind, is_wanted=True)


def _compared(
    files: Sequence[Placed],
    new: list[Placed],
    unread: list[Placed],
    *,
    unsure: list[Placed],
    same: int,
) -> Compared:
    if unread:
        detail = f"{_number(unread)} with another time and the same size to be read first"
        return Compared(kind=Kind.UNREAD, unread=tuple(unread), findings=(_finding(False, detail),))
    if unsure:
        detail = (
            f"{_number(unsure)} with another time and the same size, and no hash of what was"
            " delivered was kept"
        )
        return Compared(
            kind=Kind.UNSURE,
            new=(*new, *unsure) if same else files,
            delivered=same,
            findings=(_finding(False, detail),),
        )
    if not new:
        detail = "every file of it was delivered as it is"
        return Compared(kind=Kind.SAME, delivered=same, findings=(_finding(False, detail),))
    kind = Kind.LATE if same else Kind.ANEW
    detail = f"{_number(new)} new or changed, {same} delivered before"
    sent = tuple(new) if same else files
    return Compared(kind=kind, new=sent, delivered=same, findings=(_finding(True, detail),))


def recorded(
    files: Sequence[Placed], past: Drop, delivered: Mapping[bytes, DeliveredFile]
) -> Mapping[bytes, DeliveredFile] | None:
    """Give what is known of a folder of which a row holds number and signature, but no files.

    That is `delivered`, and all that was there when the row was made: without the newest files the
    rest has that row's signature. None where it has not: something of it changed or went.
    """
    fresh = [(path, each) for path, each in files if not _is_as_it_was(each, delivered.get(path))]
    for asked in (fresh, list(files)):
        oldest = sorted(asked, key=lambda placed: (placed[1].ctime_ns, placed[0]))
        kept = oldest[: past.file_count]
        if len(kept) == past.file_count and is_of(kept, past.signature):
            return {**delivered, **{path: _known(identity) for path, identity in kept}}
    return None


def mixed(files: Sequence[Placed], past: Drop) -> Compared:
    """Give a folder of which nobody knows what was recorded: a person is to decide."""
    size = sum(identity.size for _, identity in files)
    detail = (
        f"it holds {_number(files)}, {size} bytes; {past.file_count} with {past.size} bytes are"
        f" not to be sent ({past.note or past.state}), and they are not all as they were"
    )
    return Compared(kind=Kind.UNSURE, new=files, findings=(_finding(False, detail),))


def _is_as_it_was(now: Identity, before: DeliveredFile | None) -> bool:
    return before is not None and (before.size, before.mtime_ns) == (now.size, now.mtime_ns)


def _known(identity: Identity) -> DeliveredFile:
    return DeliveredFile(
        size=identity.size,
        mtime_ns=identity.mtime_ns,
        inode=identity.inode,
        hash="",
        chunk_size=0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a comparison is answered; monotonic, seconds."""

    now: float
    #: since when the drop has not changed
    since: float
    quiet_s: float


def answer(found: Compared, rule: Rule, *, moment: Moment, added_of_late: int) -> Objection:
    """Say what the rule has against sending a drop that was compared.

    `added_of_late` counts the late packages of the same drop within the last day.
    """
    detail, findings = found.findings[-1].detail, found.findings
    if found.kind in (Kind.UNREAD, Kind.ONGOING):
        waits = _wait(found.stuck or detail, moment.now + ONGOING_S, findings)
        stuck = HoldReason.OPEN_BY_WRITER if found.is_in_use else HoldReason.UNREADABLE
        return replace(waits, hold=stuck) if found.stuck else waits
    if found.kind is Kind.SAME:
        return Objection(ends=DropEvent.SAME_CONTENT, note=detail, findings=findings)
    if found.kind in (Kind.RENAMED, Kind.TWIN):
        return _elsewhere(found, rule)
    if found.kind is Kind.UNSURE:
        return _ask(found)
    if found.kind in (Kind.LATE, Kind.ANEW) and not found.is_wanted:
        return _by_rule(found, rule, moment=moment, added_of_late=added_of_late)
    return Objection(findings=findings)


def _elsewhere(found: Compared, rule: Rule) -> Objection:
    """Answer for what was delivered under another name."""
    detail, findings = found.findings[-1].detail, found.findings
    if found.kind is Kind.RENAMED:
        note = f"renamed: {detail}"
        return Objection(ends=DropEvent.SAME_CONTENT, note=note, findings=findings)
    if rule.dedupe is Dedupe.SKIP:
        note = f"{detail}; the rule says dedupe: skip"
        return Objection(ends=DropEvent.SAME_CONTENT, note=note, findings=findings)
    said = "dedupe: relink: it gets a link on that package, unless the cloud has it no more"
    return Objection(findings=(*findings, _finding(True, said)))


def _by_rule(found: Compared, rule: Rule, *, moment: Moment, added_of_late: int) -> Objection:
    detail, findings = found.findings[0].detail, found.findings
    is_late = found.kind is Kind.LATE
    if is_late and found.is_first:
        # no delivered folder is added to: what is new in it is a drop like any other
        return Objection(findings=findings)
    word = rule.late if is_late else rule.redrop
    if word in (Redrop.SKIP, Late.IGNORE):
        note = f"{detail}; the rule says {'late' if is_late else 'redrop'}: {word}"
        return Objection(ends=DropEvent.IGNORE, note=note, findings=findings)
    if word in (Redrop.ASK, Late.ASK) or (is_late and (added_of_late or found.is_asked)):
        return _ask(found)
    if word is Redrop.REPLACE:
        said = "redrop: replace: the package of before goes once this one is delivered"
        findings = (*findings, _finding(True, said))
    late_at = moment.since + LATE_FACTOR * moment.quiet_s
    if is_late and moment.now < late_at:
        return _wait("late files wait four times as long", late_at, findings)
    return Objection(findings=findings)


def asked_for(files: Sequence[Placed], *, grain_ns: int = 0) -> str:
    """Give the form in which a hold keeps of which files a person was asked."""
    return json.dumps({"tree": signature(files, grain_ns=grain_ns)})


def is_other_than_asked(asked: str, seen: Seen) -> bool:
    """Say whether a look shows other files than the question that a hold keeps is about."""
    tree = json.loads(asked).get("tree") if asked else None
    return tree is not None and not is_same_signature(tree, seen.signature)


def is_answer(drop: Drop, files: Sequence[Placed]) -> bool:
    """Say whether a person wants what is new of a drop, and saw these very files when he said so.

    What came, went or changed since makes a new question; a time that is rounded since does not.
    """
    if not drop.is_wanted or not drop.answered_for:
        return drop.is_wanted
    return is_of(files, json.loads(drop.answered_for)["tree"])


def _wait(note: str, at: float, findings: tuple[Finding, ...]) -> Objection:
    found = Finding(test="delivered", passed=False, detail=note, retry_at=at)
    return Objection(hold=HoldReason.GROWING, note=note, retry_at=at, findings=(*findings, found))


def _ask(found: Compared) -> Objection:
    size = sum(identity.size for _, identity in found.new)
    which = "these alone, beside the first" if found.delivered else "all of it again"
    note = f"{found.findings[-1].detail}; release sends {which}: {_number(found.new)}, {size} bytes"
    return Objection(hold=HoldReason.REDROP_ASK, note=note, findings=found.findings)


def _finding(passed: bool, detail: str) -> Finding:
    return Finding(test="redrop", passed=passed, detail=detail)


def _number(files: Sequence[Placed]) -> str:
    return counted(len(files), "file")
