"""Every test of one entry, made in its order: what intake acts on and `explain` prints.

Owns which facts the deciders get and where they come from: the look, the ledger, the kernel. Never
writes a row and remembers nothing of an entry. Built by `entries` for each rule; both its thread
and one that explains may use it, each with a root of its own.

Law 1. Whoever asks with the same facts gets the same answer: explaining can never differ from
       doing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from masv_watch import files
from masv_watch.loops import Clock
from masv_watch.model import Drop, DropEvent, DropState, Finding, HoldReason, Objection, Rule
from masv_watch.store.contract import Store
from masv_watch.uploads import FolderQuiet
from masv_watch.watch import drift
from masv_watch.watch.addresses import addressing
from masv_watch.watch.awaiting import Awaiting
from masv_watch.watch.closing import marker_for
from masv_watch.watch.decision import Outcome, Step, decide
from masv_watch.watch.filters import WENT_BACK_S, is_misjudged, too_old, too_young
from masv_watch.watch.gaps import Quiet, quiet_time
from masv_watch.watch.generations import PASSING, Related, Relation, as_before, may_be_known
from masv_watch.watch.grains import Grain
from masv_watch.watch.histories import Histories
from masv_watch.watch.inspection import Checked, Inspector, Siblings
from masv_watch.watch.lacks import covers
from masv_watch.watch.ledgered import Ledgered
from masv_watch.watch.limits import exceeds
from masv_watch.watch.markers import Marker, is_left_over, marker_of
from masv_watch.watch.questions import Question, frozen, question, question_of
from masv_watch.watch.redrops import Compared, Kind, Moment
from masv_watch.watch.restless import restless
from masv_watch.watch.scan import Placed, Tree
from masv_watch.watch.settle import Entry, Seen, State, Verdict, judge
from masv_watch.watch.sidecars import Beside, Sidecars, overridden
from masv_watch.watch.tops import seen_at, unfollowed
from masv_watch.watch.writing import WRITER_S, Writing, lies_fresh

#: what is noted of a folder in which nothing is left
CLEARED = "it is empty: what was in it was delivered, or recorded as seen"
#: holds that time alone does not end
_NOT_BY_TIME = PASSING - {HoldReason.UNSTABLE_SOURCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What all tests of one look at an entry say."""

    verdict: Verdict
    outcome: Outcome
    quiet: Quiet
    #: what counts for this drop: its rule with what its sidecar sets
    rule: Rule
    #: beside what was delivered before; None before it settled
    compared: Compared | None = None
    #: whether it holds what it must; None before it was quiet, and where nothing is asked of it
    checked: Checked | None = None

    @property
    def awaits(self) -> str:
        """Say in a clause for which other drop it waits, and for nothing else; "" for none."""
        if self.compared is None or self.compared.kind is not Kind.ONGOING:
            return ""
        why = self.compared.findings[-1].detail
        return why if self.outcome.note == why else ""

    @property
    def is_beyond_time(self) -> bool:
        """Say whether time alone does not end its hold."""
        hold, is_quiet = self.outcome.hold, self.verdict.state is State.QUIET
        # what a person is asked names all of it once it is quiet
        return hold in _NOT_BY_TIME and (is_quiet or hold is not HoldReason.LIMIT_EXCEEDED)


class Assessor:
    """The tests of one rule."""

    def __init__(
        self,
        rule: Rule,
        *,
        store: Store,
        clock: Clock,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Test by these; `stop` ends a long question to the kernel."""
        self._rule = rule
        self._store = store
        self._clock = clock
        self._ledgered = Ledgered(store, clock)
        self._stop = stop
        self._gaps: list[float] | None = None
        #: of the root's file system, and the monotonic second at which it was asked for
        self._kind: tuple[str, float] | None = None
        #: the hot folder's quiet time at the last look at everything
        self.shown: FolderQuiet | None = None
        self._writing = Writing(clock, stop=stop)
        #: what the root's file system did not keep at the last look
        self.unkept: files.Fields = frozenset()
        self.histories = Histories(store, stop=stop, grain_ns=Grain(clock).ns)
        self._awaiting = Awaiting(store, self.histories.compare)
        self._inspector = Inspector()
        self._sidecars = Sidecars()
        #: loose files, as `entries` sees them
        self.siblings = Siblings()

    def adopt(self, rule: Rule) -> None:
        """Take over a rule that says the same of what is watched."""
        self._rule = rule

    def begin_look(self, now: float) -> None:
        """Begin a look at everything; `now` is monotonic."""
        self.begin_samples(now)
        self._show()

    def begin_samples(self, now: float) -> None:
        """Begin a look at some; `now` is monotonic."""
        self.histories.begin_look(now)
        self._awaiting.begin_look(now)

    def _show(self) -> None:
        quiet = self.quiet()
        writers = self._writing.told(self._rule, is_local=self._filesystem() == "local")
        self.shown = FolderQuiet(
            seconds=quiet.seconds, why=quiet.why, writers=writers, told_by=drift.said(self.unkept)
        )

    def assess(
        self, root: files.Root, tree: Tree, seen: Seen, *, drop: Drop | None, entry: Entry | None
    ) -> Assessment:
        """Make every test of one look; `drop` is its row, `entry` what is remembered of it."""
        now = self._clock.monotonic()
        quiet = self.quiet(drop, on_network=lies_fresh(root, chain(tree.files, tree.folders)))
        beside = self._sidecars.look(self._rule, root, tree)
        fenced = seen if beside is None else replace(seen, fence=beside.fenced(seen.fence))
        marker = self._marker(root, tree, drop)
        verdict = judge(entry, fenced, now, self._rule.settle, quiet_s=quiet.seconds, marker=marker)
        checked = self._checked(root, tree, seen, verdict)
        compared = self._compared(root, tree, drop, verdict=verdict)
        rule, sidecar = self._overridden(root, beside, verdict, drop)
        past = self._past(tree, seen, drop, compared=compared, verdict=verdict, quiet=quiet)
        objections = (
            *_untold(root),
            *self._cleared(tree, verdict, drop),
            # of what is not sent nobody has to be asked how much it is
            *(each for each in past if each.ends is not None),
            *sidecar,
            self._excess(rule, tree, seen, drop, is_quiet=verdict.state is State.QUIET),
            *self._restless(quiet, verdict),
            *_lacking(checked, drop, now),
            *(each for each in past if each.ends is None),
            *self._age(tree, verdict.entry, now),
            *addressing(rule, tree.top),
        )
        outcome = decide(verdict, objections)
        if outcome.step is Step.ASK:
            outcome = decide(verdict, objections, writers=self._writers(root, tree))
        return Assessment(
            verdict=verdict,
            outcome=outcome,
            quiet=quiet,
            rule=rule,
            compared=compared,
            checked=checked,
        )

    def fence(self, root: files.Root, tree: Tree) -> str:
        """Give the fence around an entry and all that settles with it but a done marker."""
        beside = self._sidecars.look(self._rule, root, tree)
        return tree.fence if beside is None else beside.fenced(tree.fence)

    def read_on(self, root: files.Root, tree: Tree, found: Assessment) -> bool:
        """Read what the next look needs to decide, and say whether that look is of use soon.

        On the intake's own thread.
        """
        was_read = False
        if found.compared is not None and found.compared.kind is Kind.UNREAD:
            was_read = self.histories.read(self._rule, root, tree, found.compared)
        if found.checked is not None and found.checked.comparing:
            was_read |= self._inspector.read_on(
                self._rule,
                root,
                tree,
                fence=found.checked.fence,
                now=self._clock.monotonic(),
                stop=self._stop,
            )
        return was_read

    def _overridden(
        self, root: files.Root, beside: Beside | None, verdict: Verdict, drop: Drop | None
    ) -> tuple[Rule, tuple[Objection, ...]]:
        if beside is None or verdict.state is not State.QUIET:
            return self._rule, ()
        said, objection = self._sidecars.read(self._rule, root, beside)
        # its upload froze what it said when the drop was taken
        is_taken = drop is not None and drop.state is DropState.TAKEN
        return overridden(self._rule, said), () if is_taken else (objection,)

    def _compared(
        self, root: files.Root, tree: Tree, drop: Drop | None, *, verdict: Verdict
    ) -> Compared | None:
        if verdict.state is not State.QUIET:
            return None
        return self._awaiting.compare(self._rule, root, tree, drop)

    def _past(
        self,
        tree: Tree,
        seen: Seen,
        drop: Drop | None,
        *,
        compared: Compared | None,
        verdict: Verdict,
        quiet: Quiet,
    ) -> tuple[Objection, ...]:
        if compared is None:
            return ()
        moment = Moment(
            now=self._clock.monotonic(), since=verdict.entry.since, quiet_s=quiet.seconds
        )
        found = self.histories.objection(self._rule, tree, found=compared, moment=moment)
        if drop is None or not may_be_known(drop):
            return (found,)
        before = self._store.ended_before(drop)
        if before is not None and self.is_misjudged(tree, before):
            return (found,)
        return (as_before(before, seen), found)

    def quiet(self, drop: Drop | None = None, *, on_network: bool = False) -> Quiet:
        """Give the quiet time of the hot folder, or of a drop of it that changed too often.

        `on_network` says that something of the drop lies on a network file system below the root.
        """
        kind = "network" if on_network else self._filesystem()
        quiet = quiet_time(self._rule.settle, kind, self.gaps())
        if drop is None or drop.state is not DropState.TAKEN:
            return quiet
        return restless(quiet, self._store.changes_of(drop.id))

    def gaps(self) -> list[float]:
        """Give the longest pauses of earlier drops of a hot folder that learns; seconds."""
        if not self._rule.settle.is_learned:
            return []
        if self._gaps is None:
            self._gaps = list(self._store.gaps(self._rule.name))
        return self._gaps

    def learn(self, gap: float) -> None:
        """Remember the longest pause of a drop that settled, or one that came too early."""
        if self._rule.settle.is_learned:
            self._store.note_gap(self._rule.name, gap)
            self._gaps = None
            self._show()

    def not_written(
        self, root: files.Root, tree: Tree, settled: Iterable[Placed]
    ) -> tuple[Placed, ...]:
        """Leave out of files of a tree that settled those which somebody still writes."""
        is_local = self._filesystem() == "local"
        return self._writing.not_written(self._rule, root, tree, settled, is_local=is_local)

    def _excess(
        self, rule: Rule, tree: Tree, seen: Seen, drop: Drop | None, *, is_quiet: bool
    ) -> Objection:
        taken = drop.upload_id if drop is not None and drop.state is DropState.TAKEN else None
        upload = None if taken is None else self._store.upload(taken)
        rule = rule if upload is None else frozen(rule, upload.terms)
        past = self._ledgered.past(rule, tree.top, drop)
        excess = exceeds(seen, rule.limits, past, at=rule.at)
        if excess.hold is None:
            # nobody is asked anything, at any of the looks at a drop that grows
            return Objection(is_early=True, findings=excess.findings)
        now = question(rule, tree.top, seen)
        let_go = None if drop is None else question_of(drop.waived)
        note, kept = f"{excess.detail}: {now.text}", now.kept
        if drop is not None and not is_quiet and _still_asks(drop, excess.detail, now):
            # what goes on growing is not told anew at every look
            note, kept = drop.note, drop.asked
        return Objection(
            hold=None if let_go is not None and let_go.covers(now) else excess.hold,
            note=note,
            is_early=True,
            retry_at=excess.retry_at,
            findings=excess.findings,
            asked=kept,
        )

    def too_old(self, tree: Tree, related: Related) -> Finding | None:
        """Give what says that a drop which nobody has taken came too old; None when it did not."""
        drop = related.drop
        is_open = related.relation in {Relation.NEW, Relation.SETTLING}
        is_taken = drop is not None and drop.state is DropState.TAKEN
        if self._rule.age.max_s is None or is_taken or not is_open:
            return None
        arrived_at = self._clock.wall() if drop is None else self._arrived_at(drop)
        identities = (identity for _, identity in tree.files)
        found = too_old(identities, self._rule.age, arrived_at=arrived_at, at=self._rule.at)
        return None if found.passed else found

    def judged_ahead(self) -> Sequence[bytes]:
        """List the paths of what was found too old by a clock that went back since."""
        if self._rule.age.max_s is None:
            return ()
        return self._store.judged_ahead(self._rule.name, self._clock.wall() + WENT_BACK_S)

    def is_misjudged(self, tree: Tree, latest: Drop) -> bool:
        """Say whether a drop ended as too old by a clock that went back since."""
        if latest.state is not DropState.IGNORED or latest.judged_at is None:
            return False
        return is_misjudged(
            (identity for _, identity in tree.files),
            self._rule.age,
            judged_at=latest.judged_at,
            arrived_at=self._arrived_at(latest),
            wall=self._clock.wall(),
        )

    def _arrived_at(self, drop: Drop) -> float:
        return drop.seen_at + self._clock.wall() - self._store.now()

    def _cleared(self, tree: Tree, verdict: Verdict, drop: Drop | None) -> tuple[Objection, ...]:
        """End an empty folder whose content was delivered: there is nothing to ask anybody."""
        is_open = drop is None or not (drop.state is DropState.TAKEN or drop.is_answered)
        if verdict.hold is not HoldReason.EMPTY or not is_open:
            return ()
        if not self.histories.has_past(self._rule, tree.top):
            return ()
        finding = Finding(test="delivered", passed=False, detail=CLEARED)
        ends = DropEvent.IGNORE
        return (Objection(ends=ends, note=CLEARED, is_early=True, findings=(finding,)),)

    def _age(self, tree: Tree, entry: Entry, now: float) -> tuple[Objection, ...]:
        if not self._rule.age.min_s:
            return ()
        found = too_young(
            (identity for _, identity in tree.files),
            self._rule.age,
            wall=self._clock.wall(),
            unchanged_s=now - entry.since,
            at=self._rule.at,
        )
        again = None if found.retry_at is None else now + found.retry_at
        return (replace(found, retry_at=again),)

    @staticmethod
    def _restless(quiet: Quiet, verdict: Verdict) -> tuple[Objection, ...]:
        if not quiet.is_restless or verdict.state is State.QUIET:
            return ()
        return (
            Objection(
                hold=HoldReason.UNSTABLE_SOURCE,
                note=quiet.why,
                is_early=True,
                findings=tuple(replace(each, passed=False) for each in quiet.findings),
            ),
        )

    def _checked(
        self, root: files.Root, tree: Tree, seen: Seen, verdict: Verdict
    ) -> Checked | None:
        if verdict.state is not State.QUIET or not self._rule.whole.asks:
            return None
        if tree.kind == "file":
            return self.siblings.inspect(self._rule, tree.top, fence=seen.fence)
        now = self._clock.monotonic()
        return self._inspector.inspect(self._rule, root, tree, fence=seen.fence, now=now)

    def _marker(self, root: files.Root, tree: Tree, drop: Drop | None) -> Marker | None:
        template = self._rule.drop_marker
        if template is None:
            return marker_for(self._rule, self._store, drop)
        return self.marker(root, tree, template)

    def marker(self, root: files.Root, tree: Tree, template: str) -> Marker:
        """Look at the done marker that a drop has by a template."""
        path = marker_of(template, tree.top, tree.kind)
        seen = seen_at(root, path)
        if seen is None:
            return Marker(path=path, identity=None)
        found = unfollowed(seen)
        if found.kind != "file" or seen.identity is None:
            said = f"is {found.detail or 'a folder'}, and a done marker is a file"
            why = found.detail if found.kind == "unreadable" else said
            return Marker(path=path, identity=None, why=why)
        delivered = self._store.delivered_files(self._rule.name, tree.top)
        is_stale = is_left_over(seen.identity, tree.files, delivered)
        return Marker(path=path, identity=seen.identity, is_stale=is_stale)

    def _filesystem(self) -> str:
        """Name the kind of the root's file system; asked once a second, not for each file."""
        now = self._clock.monotonic()
        if self._kind is None or now - self._kind[1] >= 1.0:
            self._kind = files.filesystem_kind(self._rule.path), now
        return self._kind[0]

    def _writers(self, root: files.Root, tree: Tree) -> Objection:
        is_local = self._filesystem() == "local"
        found = self._writing.objection(self._rule, root, tree, is_local=is_local)
        if found.hold is None:
            self._show()
        return found


def _untold(root: files.Root) -> tuple[Objection, ...]:
    if not root.unkept:
        return ()
    finding = Finding(test="identity", passed=True, detail=drift.said(root.unkept))
    return (Objection(findings=(finding,)),)


def _still_asks(drop: Drop, detail: str, now: Question) -> bool:
    """Say whether a drop is held for this already, apart from how much it holds by now."""
    asked = question_of(drop.asked)
    is_held = drop.hold is HoldReason.LIMIT_EXCEEDED and drop.note.startswith(f"{detail}: ")
    return is_held and asked is not None and asked.to == now.to


def _lacking(checked: Checked | None, drop: Drop | None, now: float) -> tuple[Objection, ...]:
    if checked is None:
        return ()
    found = checked.completeness
    waived = drop is not None and drop.lack_waived and covers(drop.lack_shown, found.asked)
    if checked.comparing and not waived:
        again = now + WRITER_S if checked.is_stuck else now
        finding = Finding(test="hashes", passed=False, detail=checked.comparing, retry_at=again)
        return (
            Objection(
                hold=HoldReason.GROWING,
                note=checked.comparing,
                retry_at=again,
                findings=(*found.findings, finding),
            ),
        )
    hold = None if waived else found.hold
    return (Objection(hold=hold, note=found.note, findings=found.findings, asked=found.asked),)
