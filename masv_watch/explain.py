"""Why a path in a hot folder is sent or not: every test in its order, with its verdict.

Owns the order in which the answer is put together, and the sentence on top. Never makes a test of
its own and changes nothing: the deciders of `watch` say what they say to the intake. Called by
`roster`, which the API asks.

Law 1. It says that a path goes exactly when the intake's next look takes it.
Law 2. Nothing is said about what the caller may not read himself (P8).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from masv_watch import files
from masv_watch.errors import NotFound, SourceError, SourceForbidden, SourceUnreadable
from masv_watch.files import Root
from masv_watch.loops import Clock
from masv_watch.model import (
    Caller,
    Drop,
    DropState,
    Explanation,
    Finding,
    HoldReason,
    Prospect,
    Rule,
    Terms,
)
from masv_watch.names import quoted, shown
from masv_watch.store.contract import Store
from masv_watch.uploads import (
    Onward,
    Times,
    Uploads,
    became_of,
    cure_of,
    filled,
    onward_of,
    window,
)
from masv_watch.watch.addresses import above, layout_of, recipients_of
from masv_watch.watch.decision import Step
from masv_watch.watch.examined import Examined, delivered_of
from masv_watch.watch.generations import Relation
from masv_watch.watch.intake import Intake
from masv_watch.watch.markers import marker_of
from masv_watch.watch.particulars import particulars, writers_named
from masv_watch.watch.reaching import opened, reads_all, standing
from masv_watch.watch.rules import Fate, Matcher
from masv_watch.watch.scan import Tree, one
from masv_watch.watch.tops import FAULTS, matched, unfollowed
from masv_watch.watch.troubles import FAULT_CURE, fault_shown

#: the test of a path that leads through a symbolic link
LINK = "link"

_RELATED = {
    Relation.SAME: Prospect.KNOWN,
    Relation.ON_ITS_WAY: Prospect.ON_ITS_WAY,
    Relation.HELD: Prospect.HELD,
    Relation.ELSEWHERE: Prospect.HELD,
    Relation.UNWANTED: Prospect.KNOWN,
}
#: how a drop stands by its row alone
_OF_STATES = {
    DropState.SETTLING: Prospect.SETTLING,
    DropState.HELD: Prospect.HELD,
    DropState.QUEUED: Prospect.ON_ITS_WAY,
    DropState.TAKEN: Prospect.ON_ITS_WAY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question: a path of one hot folder, by one caller."""

    path: bytes
    #: below the root of the hot folder; empty for the root itself
    relative: bytes
    caller: Caller


def explain(
    asked: Asked, intake: Intake, *, store: Store, uploads: Uploads, clock: Clock
) -> Explanation:
    """Say why a path of a hot folder is sent or not.

    Raises:
        NotFound: the caller may not read it, or it is not there and never was.
    """
    rule = intake.rule
    top = layout_of(rule).drop_of(asked.relative)
    times = Times(at=clock.monotonic(), local=clock.local)
    answer = _Answer(asked=asked, rule=rule, top=top, times=times, store=store, uploads=uploads)
    hangs = intake.hangs(answer.at)
    away = "its folder does not answer" if hangs else intake.gate.why
    if away:
        gate = _finding("root", False, away)
        found = () if hangs else standing(asked.relative, asked.caller, intake)
        cure = answer.cure(HoldReason.ROOT_UNAVAILABLE)
        return answer.give(Prospect.NO_ROOT, away, gate, *found, cure=cure)
    if not top:
        return _of_no_drop(answer, intake)
    answer.drop = intake.ledger.latest_drop(rule.name, top)
    answer.terms = _frozen(answer.drop, store)
    try:
        with opened(asked.relative, asked.caller, intake) as root:
            return _look(answer, intake, root, is_paused=rule.name in store.paused_folders())
    except SourceForbidden as error:
        if not error.message.endswith("is a symbolic link"):
            return answer.give(Prospect.NO_ROOT, str(error), _finding("root", False, str(error)))
        why = f"{error}, and what lies behind one is not sent by that name"
        return answer.give(Prospect.LEFT_OUT, why, _finding(LINK, False, why))
    except SourceError as error:
        gate = Finding(test="root", passed=False, detail=str(error))
        return answer.give(Prospect.NO_ROOT, str(error), gate, cure=error.hint)


def _of_no_drop(answer: _Answer, intake: Intake) -> Explanation:
    """Say what the hot folder itself is, or an address in it."""
    rule, relative = answer.rule, answer.asked.relative
    detail = f"{shown(rule.path)} is the hot folder {rule.name} itself"
    if relative:
        detail = f"{shown(relative)} is an address of to.by_subfolder, and no drop"
        drop = intake.ledger.latest_drop(rule.name, relative)
        if drop is not None and drop.hold is HoldReason.UNREADABLE:
            answer.drop, cure = drop, answer.row_cure(drop)
            finding = _finding("readable", False, drop.note)
            return answer.give(Prospect.HELD, drop.note, finding, cure=cure)
    return answer.give(Prospect.LEFT_OUT, detail, _finding("root", True, detail))


def _frozen(drop: Drop | None, store: Store) -> Terms | None:
    if drop is None or not drop.upload_id or drop.state in (DropState.SETTLING, DropState.HELD):
        # sent once more it goes as the rule has it now
        return None
    upload = store.upload(drop.upload_id)
    return None if upload is None else upload.terms


@dataclass(slots=True, kw_only=True)
class _Answer:
    """An explanation in the making."""

    asked: Asked
    rule: Rule
    top: bytes
    times: Times
    store: Store
    uploads: Uploads
    drop: Drop | None = None
    #: what its upload froze; None while it has none, and for what goes beside an earlier one
    terms: Terms | None = None
    #: the programs that write it; None where nobody looked, or who asks is not told
    writers: str | None = None

    @property
    def is_inside(self) -> bool:
        """Say whether the path lies below the top of its drop, so that the row is not its own."""
        return self.asked.relative != self.top

    @property
    def named(self) -> str:
        """Name the drop of the path as a sentence about the path begins with it."""
        return f"its drop {shown(self.top)}" if self.is_inside else shown(self.top)

    @property
    def at(self) -> float:
        """Give the monotonic second of the answer."""
        return self.times.at

    def onward(self) -> Onward:
        """Say what its upload waits for and what became of its source."""
        return onward_of(
            self.drop,
            store=self.store,
            uploads=self.uploads,
            times=self.times,
            is_owner=self.asked.caller.is_owner,
        )

    def window(self) -> Finding | None:
        """Give what says that the window of its hot folder is closed."""
        named = self.rule.name
        return window(named, store=self.store, uploads=self.uploads, times=self.times)

    def cure(self, hold: HoldReason, drop: Drop | None = None) -> str:
        """Give what ends a hold, with commands that can be pasted."""
        drop = drop or self.drop
        return filled(
            hold,
            hot_folder=self.rule.name,
            path=self.asked.path,
            drop="" if drop is None else str(drop.id),
            upload="" if drop is None else drop.upload_id or "",
            is_removable=self.rule.removable,
            is_explained=True,
        )

    def row_cure(self, drop: Drop) -> str:
        """Give what ends the hold of a row; nothing that only this answer could tell."""
        return cure_of(drop, self.rule.path, is_explained=True)

    def mark(self, kind: str) -> str:
        """Give the command that writes the done marker of its drop; empty where it has none."""
        template = self.rule.drop_marker
        if template is None:
            return ""
        path = self.rule.path.rstrip(b"/") + b"/" + marker_of(template, self.top, kind)
        return f"once all of it is there: touch {quoted(path)}"

    def give(
        self,
        prospect: Prospect,
        why: str,
        *findings: Finding,
        cure: str = "",
        ended: DropState | None = None,
    ) -> Explanation:
        """Give the explanation; `why` is its sentence, `ended` how the path itself ended."""
        root = _finding("root", True, f"{shown(self.rule.path)} is there and the root it was")
        told = findings if any(each.test == "root" for each in findings) else (root, *findings)
        portal, recipients = self._whom()
        return Explanation(
            path=self.asked.path,
            prospect=prospect,
            why=why,
            cure=cure,
            hot_folder=self.rule.name,
            top=self.top,
            at=self.at,
            drop=self.drop,
            to=(f"portal {portal}",) if portal is not None else recipients or ("nobody",),
            findings=told,
            ended=ended,
        )

    def _whom(self) -> tuple[str | None, tuple[str, ...] | None]:
        """Give the portal and the recipients: those of its upload once it has one."""
        if self.terms is not None:
            return self.terms.portal, self.terms.recipients
        return self.rule.to.portal, recipients_of(self.rule, self.top)


def _look(answer: _Answer, intake: Intake, root: Root, *, is_paused: bool) -> Explanation:
    asked, matcher = answer.asked, intake.matcher
    try:
        seen = root.observe(asked.relative)
    except SourceUnreadable:
        # one of the root's is no matter of the drop
        root.observe(files.MARKER_NAME)
        return _judge(answer, intake, root, is_paused=is_paused)
    if seen is None:
        return _missing(answer)
    own = matched(matcher, unfollowed(seen) if asked.relative == answer.top else seen)
    if own.fate is Fate.SKIP:
        why = f"{shown(asked.relative)} is left out: it {own.reason}"
        return answer.give(Prospect.LEFT_OUT, why, *own.findings)
    on_the_way = _passed(answer, matcher, root, seen)
    if on_the_way is not None:
        return on_the_way
    if not asked.caller.is_owner and not reads_all(answer.top, asked.caller, intake):
        return _of_row(answer)
    return _judge(answer, intake, root, is_paused=is_paused)


def _judge(answer: _Answer, intake: Intake, root: Root, *, is_paused: bool) -> Explanation:
    tree = one(root, answer.top, intake.matcher)
    if tree is None:
        return _missing(answer)
    if not tree.unreadable and intake.unmet.hides(answer.top, root):
        why = (
            f"{shown(answer.top)} could not be read when its hot folder was met first: the next"
            " sweep does with it what initial says"
        )
        return answer.give(Prospect.SETTLING, why, _finding("initial", False, why))
    try:
        examined = intake.entries.examine(root, tree)
    except FAULTS as error:
        # the intake met it as well, and tells of it
        why = f"{shown(answer.top)} could not be judged: {fault_shown(error)}"
        return answer.give(Prospect.HELD, why, _finding("judged", False, why), cure=FAULT_CURE)
    outcome = None if examined.assessed is None else examined.assessed.outcome
    told = (*examined.findings, *particulars(tree, outcome))
    if (
        outcome is not None
        and outcome.hold is HoldReason.OPEN_BY_WRITER
        and answer.asked.caller.is_owner
    ):
        # on a share it may be another machine
        answer.writers = writers_named(root, tree) or (None if tree.busy else "")
    examined = replace(examined, findings=told)
    if _is_behind(answer, examined, tree):
        return _of_delivered(answer, examined)
    return _of_examined(answer, examined, tree, is_paused=is_paused)


def _passed(
    answer: _Answer, matcher: Matcher, root: Root, seen: files.Observation
) -> Explanation | None:
    """Say what the way to a file at any depth leaves out, and that a folder is only a way."""
    if not matcher.layout.is_deep:
        return None
    path = answer.asked.relative
    for folder in sorted(set(above(path)) - matcher.layout.addresses):
        found = matcher.match(folder, "folder")
        if found.fate is Fate.SKIP:
            why = f"{shown(path)} is left out: {shown(folder)} {found.reason}"
            return answer.give(Prospect.LEFT_OUT, why, *found.findings)
    if seen.kind != "folder" or one(root, path, matcher) is not None:
        return None
    why = f"{shown(path)} is a folder: each file below it is a drop of its own"
    return answer.give(Prospect.LEFT_OUT, why, _finding("drop", False, why))


def _of_row(answer: _Answer) -> Explanation:
    """Say how a drop stands, of which nothing is read: the caller may not read all of it."""
    why = f"only whoever may read all of {shown(answer.top)} is told why"
    drop, prospect = answer.drop, Prospect.SETTLING
    if drop is not None:
        prospect = _OF_STATES.get(drop.state, Prospect.KNOWN)
        # what was asked names what lists in it name
        note = why if drop.note else ""
        answer.drop = replace(drop, note=note, asked="", waived="", lack_shown="")
    cure = "" if drop is None else answer.row_cure(drop)
    return answer.give(prospect, why, _finding("readable", False, why), cure=cure)


def _missing(answer: _Answer) -> Explanation:
    path, drop = shown(answer.asked.path), answer.drop
    if drop is None and answer.rule.removable:
        drop = _elsewhere(answer)
        if drop is not None:
            return _of_another_volume(answer, drop)
    if drop is None:
        raise NotFound(f"{path} is not there, and the ledger does not know it")
    if answer.is_inside:
        inside = became_of(answer.asked.relative, drop, answer.store)
        why, ended = f"{path} is not there; {inside.why}", DropState.DONE
        missed = _finding("there", False, why)
        if not inside.is_delivered:
            return answer.give(Prospect.MISSING, why, missed)
    else:
        why = f"{path} is not there; the ledger has it as {drop.state}"
        ended, missed = drop.state, _finding("there", False, why)
    onward = answer.onward()
    cure = answer.row_cure(drop) or onward.cure
    told = "; ".join(filter(None, (why, onward.why)))
    return answer.give(
        Prospect.MISSING, told, missed, *onward.findings, cure=cure, ended=_end(ended)
    )


def _elsewhere(answer: _Answer) -> Drop | None:
    """Give what lives of the path on a volume that is not there; the newest of several."""
    living = answer.store.drops(living=True)
    named = (answer.rule.name, answer.top)
    return next((each for each in reversed(living) if (each.hot_folder, each.path) == named), None)


def _of_another_volume(answer: _Answer, drop: Drop) -> Explanation:
    answer.drop, answer.terms = drop, _frozen(drop, answer.store)
    why = (
        f"{shown(answer.asked.path)} is not on what is there now; drop {drop.id} came on volume"
        f" {drop.volume}"
    )
    cure = answer.row_cure(drop)
    return answer.give(Prospect.HELD, why, _finding("there", False, why), cure=cure)


def _end(state: DropState) -> DropState | None:
    """Give the state of a row that has come to its end; None for one that goes on."""
    return None if state in _OF_STATES else state


def _of_examined(answer: _Answer, found: Examined, tree: Tree, *, is_paused: bool) -> Explanation:
    top, rule = answer.named, answer.rule
    if found.reason:
        return answer.give(
            Prospect.LEFT_OUT, f"{top} is left out: it {found.reason}", *found.findings
        )
    related, assessed = found.related, found.assessed
    if found.is_loose and (related is None or related.relation is not Relation.SAME):
        cure = answer.cure(HoldReason.LOOSE_FILE)
        return answer.give(Prospect.HELD, f"{top} is a loose file", *found.findings, cure=cure)
    if related is None or assessed is None or related.relation is Relation.UNWANTED:
        return _of_ledger(answer, found, tree)
    outcome, findings = assessed.outcome, found.findings
    answer.rule = assessed.rule
    if related.drop is None:
        # other content than that of the newest row goes as the rule has it now
        answer.terms = None
    if outcome.step is Step.GO and is_paused and (related.drop is None or not related.drop.whole):
        paused = _finding("paused", False, f"the hot folder {rule.name} is paused")
        cure = answer.cure(HoldReason.PAUSED)
        is_taken = related.drop is not None and related.drop.state is DropState.TAKEN
        if not is_taken:
            return answer.give(Prospect.HELD, paused.detail, *findings, paused, cure=cure)
    if outcome.step is Step.GO:
        return _of_going(answer, found)
    waits = outcome.hold in (None, HoldReason.GROWING)
    prospect = Prospect.SETTLING if waits else Prospect.HELD
    cure = "" if outcome.hold is None else answer.cure(outcome.hold, related.drop)
    if outcome.hold is HoldReason.MARKER_MISSING:
        cure = answer.mark(tree.kind) or cure
    why = outcome.note if outcome.note.startswith(shown(answer.top)) else f"{top}: {outcome.note}"
    if outcome.hold is HoldReason.OPEN_BY_WRITER and answer.writers is not None:
        why = f"{why}, by {answer.writers or 'a program that the daemon may not see'}"
        cure += "" if answer.writers else f": lsof {quoted(answer.asked.path)} names it to root"
    onward = answer.onward() if related.drop is not None else Onward()
    if onward.is_held:
        # whatever it still waits for, its upload does not go
        prospect, why = Prospect.HELD, f"{why}; {onward.why}"
        findings, cure = (*findings, *onward.findings), onward.cure or cure
    return answer.give(prospect, why, *findings, cure=cure)


def _of_going(answer: _Answer, found: Examined) -> Explanation:
    """Say that a drop is taken at the next look, and what its bytes wait for then."""
    why, findings, shut = f"{answer.named} goes at the next look", found.findings, None
    if not any(each.test == "urgent" for each in findings):
        shut = answer.window()
    if shut is None:
        return answer.give(Prospect.GOES, why, *findings)
    return answer.give(Prospect.GOES, f"{why}, and {shut.detail}", *findings, shut)


def _of_ledger(answer: _Answer, found: Examined, tree: Tree) -> Explanation:
    related = found.related
    relation = related.relation if related is not None else Relation.ON_ITS_WAY
    said = next((each for each in found.findings if each.test == "ledger"), found.findings[-1])
    why = f"{answer.named}: {said.detail}"
    cure = "" if answer.drop is None else answer.row_cure(answer.drop)
    ended = None
    if relation in (Relation.SAME, Relation.UNWANTED) and answer.drop is not None:
        cure = f"masv-watch resend {answer.drop.id} sends it all the same"
        ended = _ended(answer, answer.drop, tree)
    onward, prospect = answer.onward(), _RELATED[relation]
    if relation is Relation.ON_ITS_WAY:
        is_held = onward.is_held or (answer.drop is not None and answer.drop.hold is not None)
        prospect = Prospect.HELD if is_held else prospect
        if onward.is_delivered:
            prospect, ended = Prospect.KNOWN, DropState.DONE
    told = "; ".join(filter(None, (why, onward.why)))
    findings = (*found.findings, *onward.findings)
    return answer.give(prospect, told, *findings, cure=onward.cure or cure, ended=ended)


def _ended(answer: _Answer, drop: Drop, tree: Tree) -> DropState | None:
    """Say how a path ended whose drop ended with the content that stands there."""
    if not answer.is_inside or drop.state is DropState.DONE:
        return drop.state
    if _is_as_delivered(answer, drop, tree):
        return DropState.DONE
    is_file = any(path == answer.asked.relative for path, _ in tree.files)
    # of a folder some may have been delivered
    return drop.state if is_file else None


def _is_as_delivered(answer: _Answer, drop: Drop, tree: Tree) -> bool:
    """Say whether the path is a file that stands there as it was delivered."""
    path = answer.asked.relative
    now = next((each for placed, each in tree.files if placed == path), None)
    before = answer.store.delivered_files(drop.hot_folder, drop.path).get(path)
    if now is None or before is None:
        return False
    return (before.size, before.mtime_ns) == (now.size, now.mtime_ns)


def _is_behind(answer: _Answer, found: Examined, tree: Tree) -> bool:
    """Say whether the path was delivered with an earlier upload of its drop, and goes no more.

    What its drop waits for concerns only what came to it since.
    """
    path, drop = answer.asked.relative, answer.drop
    if not answer.is_inside or drop is None or drop.state not in _OF_STATES:
        return False
    if found.assessed is not None:
        return path in delivered_of(tree, found.assessed.compared)
    if answer.onward().is_delivered or not _is_as_delivered(answer, drop, tree):
        return False
    return became_of(path, drop, answer.store).is_delivered


def _of_delivered(answer: _Answer, found: Examined) -> Explanation:
    why = (
        f"{shown(answer.asked.relative)} was delivered; of {answer.named} only what came since goes"
    )
    return answer.give(Prospect.KNOWN, why, *found.findings, ended=DropState.DONE)


def _finding(test: str, passed: bool, detail: str) -> Finding:
    return Finding(test=test, passed=passed, detail=detail)
