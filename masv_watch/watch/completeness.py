"""Whether a settled drop holds everything that its rule says it must hold.

Owns the joining of the tests: camera cards, image sequences, lists, companions; what of it holds a
drop, and how what is missing is told. Never touches the disk or the clock: paths and the contents
of small control files are handed in. Called by intake once a drop is quiet, and by whoever explains
a decision.

Law 1. A false hold costs more than a warning: card profiles only warn until the rule says hold.
Law 2. What is missing is named, so many that a person sees where to look, and the rest counted.
Law 3. Two phases: `reads` names the control files, the caller reads them, `assess` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from masv_watch.lifecycle import LACKING_S
from masv_watch.model import Decision, Finding, HoldReason, Rule
from masv_watch.watch import bundles, manifests, sequences
from masv_watch.watch.controls import Content
from masv_watch.watch.lacks import asked_of_all, kept_of
from masv_watch.watch.listing import Lack, Listing, Shortage

#: control files of one drop that are read; a P2 card has an index for each of at most 1000 clips
MOST_READS = 20_000
#: names in a note, and characters beyond which no further name is added
_MOST_NAMED = 20
_LONGEST_NOTE = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness(Decision):
    """What a drop lacks, and what that leads to."""

    #: INCOMPLETE, or None when nothing is missing that its rule holds for
    hold: HoldReason | None = None
    #: what is missing and holds, escaped, the first ones
    missing: tuple[Lack, ...] = ()
    #: how many more are missing
    more: int = 0
    #: everything that is missing and holds, as a hold keeps it (`watch.lacks`)
    asked: str = ""
    #: what is missing and only told, one clause each, escaped, the first ones
    warnings: tuple[str, ...] = ()
    #: files of which a hash must be made before all is known, by the ways to make it
    unread: Mapping[bytes, frozenset[str]] = field(default_factory=dict)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Give everything that is not as it should be, one clause each, for a drop that goes."""
        more = f"{self.more} more files are missing, or not as they should be"
        return (*map(str, self.missing), *([more] if self.more else []), *self.warnings)

    @property
    def note(self) -> str:
        """Give one sentence that names what is missing; "" when nothing holds."""
        return _told(self.missing, self.more)


WHOLE = Completeness()


def reads(rule: Rule, listing: Listing) -> tuple[bytes, ...]:
    """Give the control files to read before `assess`: lists and indexes, each once."""
    if not _is_asked(rule, listing):
        return ()
    wanted: list[Iterable[bytes]] = []
    if rule.whole.manifests is not None:
        wanted.append(manifests.reads(rule.whole.manifests, listing))
    wanted.append(bundles.reads(rule.whole.cards, listing))
    each = dict.fromkeys(path for paths in wanted for path in paths)
    return tuple(islice(each, MOST_READS))


def assess(
    rule: Rule,
    listing: Listing,
    contents: Mapping[bytes, Content],
    digests: manifests.Digests | None = None,
) -> Completeness:
    """Say whether a drop is complete.

    `contents` holds what `reads` named: bytes, or the clause that says why there are none.
    `digests` are the hashes of its files, as far as they were made. Of loose files only sequences
    are asked about (`assess_loose`).
    """
    if not _is_asked(rule, listing):
        return WHOLE
    return _joined(rule, _tests(rule, listing, contents, digests or {}))


def lists(rule: Rule, listing: Listing) -> frozenset[bytes]:
    """Give what of `reads` is a list, which may be larger than an index."""
    wants = rule.whole.manifests
    return frozenset() if wants is None else frozenset(manifests.reads(wants, listing))


def _joined(rule: Rule, tests: Iterable[tuple[str, Shortage]]) -> Completeness:
    refusing = rule.whole.can_refuse
    missing: dict[bytes, Lack] = {}
    unread: dict[bytes, frozenset[str]] = {}
    warned: dict[bytes, Lack] = {}
    findings = []
    for key, shortage in tests:
        is_held = key in refusing
        (missing if is_held else warned).update(shortage.lacks)
        warned.update(shortage.advice)
        unread.update(shortage.unread)
        findings.append(_finding(key, shortage, is_held=is_held, rule=rule))
    named, more = _first(missing.values(), len(missing))
    return Completeness(
        hold=HoldReason.INCOMPLETE if missing else None,
        missing=named,
        more=more,
        asked=kept_of(missing.values()),
        warnings=_warnings([lack for path, lack in warned.items() if path not in missing]),
        unread=unread,
        findings=tuple(findings),
    )


def assess_loose(rule: Rule, loose: sequences.Loose | None) -> Completeness:
    """Say whether a loose file may go; None for one that is part of no sequence.

    As long as one frame lacks, the whole sequence waits, so that no package holds half of it, and a
    person's word about one of its files is one about all. Where the rule only warns, one file of
    the sequence tells.
    """
    if loose is None:
        return WHOLE
    found = _joined(rule, [("sequences", loose.shortage)])
    found = replace(found, asked=asked_of_all(found.asked))
    return found if loose.speaks else replace(found, warnings=())


def is_overdue(since: float, now: float) -> bool:
    """Say whether a drop has lacked something for so long that somebody should be told.

    Both in seconds of the same monotonic clock.
    """
    return now - since >= LACKING_S


def _is_asked(rule: Rule, listing: Listing) -> bool:
    return rule.whole.asks and listing.kind == "folder"


def _tests(
    rule: Rule,
    listing: Listing,
    contents: Mapping[bytes, Content],
    digests: manifests.Digests,
) -> Iterable[tuple[str, Shortage]]:
    wants = rule.whole
    if wants.manifests is not None:
        yield "manifest", manifests.judge(wants.manifests, listing, contents, digests)
    if wants.cards:
        yield "bundles", bundles.judge(wants.cards, listing, contents)
    if wants.frames is not None:
        yield "sequences", sequences.judge(wants.frames, listing)
    if wants.companions:
        yield "companions", bundles.judge_companions(wants.companions, listing)


def _finding(key: str, shortage: Shortage, *, is_held: bool, rule: Rule) -> Finding:
    lacks = _told(*_first(shortage.lacks.values(), len(shortage.lacks)))
    advice = _told(*_first(shortage.advice.values(), len(shortage.advice)))
    outcome = lacks or "nothing is missing"
    if lacks and not is_held:
        outcome += " (only a warning: the rule does not hold for it)"
    if advice:
        outcome += f"; never held for: {advice}"
    passed = not (shortage.lacks and is_held)
    return Finding(test=key, passed=passed, detail=f"{shortage.scope}: {outcome}", rule_at=rule.at)


def _first(lacks: Iterable[Lack], count: int) -> tuple[tuple[Lack, ...], int]:
    """Give the first ones, as many as a note bears, and how many are left."""
    named: list[Lack] = []
    length = 0
    for lack in islice(lacks, _MOST_NAMED):
        if named and length + len(lack.text) > _LONGEST_NOTE:
            break
        named.append(lack)
        length += len(lack.text)
    return tuple(named), count - len(named)


def _told(named: tuple[Lack, ...], more: int) -> str:
    names = ", ".join(lack.text for lack in named if not lack.is_fault)
    clauses = [lack.text for lack in named if lack.is_fault]
    told = "; ".join([f"missing: {names}", *clauses] if names else clauses)
    return f"{told} and {more} more" if more else told


def _warnings(lacks: list[Lack]) -> tuple[str, ...]:
    named, more = _first(lacks, len(lacks))
    told = tuple(map(str, named))
    return (*told, f"{more} more files are missing, or not as they should be") if more else told
