"""What one sample of an entry of a hot folder leads to.

Owns what is remembered of entries between two samples, and what each verdict does to the ledger.
Never decides when to look, never opens a root and never talks to the cloud. Built by intake, and
used on its thread only.

Law 1. What settled is either in the ledger as taken, or judged again at every sweep: there is no
number of tries after which it is forgotten (pains 10, 54).
Law 2. Only a whole sweep of a present root proves that something is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from itertools import chain

from masv_watch import files
from masv_watch.errors import SourceVanished
from masv_watch.lifecycle import is_given_up
from masv_watch.loops import Clock
from masv_watch.model import (
    Drop,
    DropEvent,
    DropMode,
    DropState,
    Finding,
    HoldReason,
    Rule,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.uploads import Uploads
from masv_watch.watch.arrivals import Arrivals, Look
from masv_watch.watch.assessing import Assessment, Assessor
from masv_watch.watch.clashes import Tops, as_findings, clashes_of
from masv_watch.watch.decision import Step
from masv_watch.watch.examined import Examined, delivered_of, is_urged, left_out, sent_of
from masv_watch.watch.foresight import Foresight
from masv_watch.watch.generations import Related, Relation, misjudged, relate
from masv_watch.watch.grains import Grain
from masv_watch.watch.handover import Ending, Going, Handover
from masv_watch.watch.markers import urged_by
from masv_watch.watch.marks import Marks
from masv_watch.watch.memory import Memory, Remembered, is_other
from masv_watch.watch.notices import (
    tell_clashes,
    tell_remarks,
    tell_skipped,
    tell_unwanted,
    warn_of_growth,
    warn_of_lack,
)
from masv_watch.watch.recognition import Recognition
from masv_watch.watch.redrops import Kind
from masv_watch.watch.roll import Roll
from masv_watch.watch.rules import Matcher, Standing, role, starts_early
from masv_watch.watch.scan import Tree
from masv_watch.watch.settle import Entry, Seen, State, Verdict
from masv_watch.watch.tops import Kept, Same, Unlisted
from masv_watch.watch.vanishing import let_go

#: seconds between two looks at what only a change of its own can bring further: it rings or is
#: found by a sweep, and to look more often would only warm the disk
_HELD_S = 15.0
#: holds under which nothing of a drop goes, not even what has settled
_KEEPS_ALL = (HoldReason.LIMIT_EXCEEDED, HoldReason.NO_RECIPIENT)
#: relations in which somebody else has to move first
_ELSEWHO = (Relation.HELD, Relation.ELSEWHERE)
#: relations in which nothing is to be done until what stands there changes
_KNOWN = (Relation.SAME, Relation.ON_ITS_WAY)
#: relations in which no further test is made
_SETTLED = (*_ELSEWHO, *_KNOWN)


class Entries:
    """The entries of one hot folder as its sweeps show them."""

    def __init__(
        self,
        rule: Rule,
        *,
        store: Store,
        uploads: Uploads,
        clock: Clock,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin with an empty memory; `stop` ends a long look."""
        self.rule = rule
        self._store = store
        self._clock = clock
        self._hand = Handover(rule, store=store, uploads=uploads, clock=clock)
        self.assessor = Assessor(rule, store=store, clock=clock, stop=stop)
        self._is_early = starts_early(rule).is_early
        self._memory, self._tops, self._grain = Memory(), Tops(), Grain(clock)
        self.hasten, self.put_off = self._memory.hasten, self._memory.put_off
        self.sight, self.due_at = self._memory.sight, self._memory.due_at
        self.unsettled_for_long = self._memory.unsettled_for_long
        self.foresight = Foresight(rule.name, store)
        #: gives what the ledger keeps of a folder that is known again by that (`begin`)
        self.kept: Callable[[bytes], Kept | None] = lambda _top: None
        #: something has to be looked for soon, in a sweep
        self._is_dirty = False

    def adopt(self, rule: Rule) -> None:
        """Take over a rule that says the same of what is watched."""
        self.rule = rule
        self._is_early = starts_early(rule).is_early
        self._hand.adopt(rule)
        self.assessor.adopt(rule)

    @property
    def is_at_rest(self) -> bool:
        """Say whether everything that was seen is taken, held or concluded."""
        return all(known.held for known in self._memory.growing.values())

    def is_settled(self) -> bool:
        """Say whether no drop of this hot folder settles, in memory or in the ledger."""
        return self.is_at_rest and all(
            drop.whole if drop.state is DropState.TAKEN else drop.state is DropState.HELD
            for drop in self._store.drops(self.rule.name, living=True)
        )

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is remembered of any entry."""
        return self._memory.is_empty

    def take_dirt(self) -> bool:
        """Say whether a sweep is needed soon, once for each reason."""
        was, self._is_dirty = self._is_dirty, False
        return was

    def due(self, now: float) -> list[bytes]:
        """List the entries of which a sample is due, for a look at them."""
        self.assessor.begin_samples(now)
        return self._memory.due(now)

    def lose_root(self) -> None:
        """Settle everything anew when the root is back; nothing of it is missing until then."""
        self._memory.growing.clear()

    def lose(self, top: bytes) -> None:
        """Forget an entry that a sample did not show: only a whole sweep proves what became of it.

        It is looked for again soon.
        """
        self._memory.growing.pop(top, None)
        self._is_dirty = True

    def begin(self, matcher: Matcher, *, odd: Collection[bytes] = ()) -> Roll:
        """Take in what the ledger says, and give whom a sweep should meet, the `odd` with them."""
        memory, store, name = self._memory, self._store, self.rule.name
        now = self._clock.monotonic()
        self.assessor.begin_look(now)
        memory.awaited.clear()
        memory.marks.begin(memory.resting(now, but=odd))
        ahead = self.assessor.judged_ahead()
        recognition = Recognition(
            self.rule,
            store=store,
            matcher=matcher,
            others=(memory.growing, odd, ahead),
            is_elsewhere=self._hand.is_elsewhere,
            grain_ns=self._grain.ns,
        )
        memory.marks.recognised, self.kept = recognition.places, recognition.kept
        if memory.has_concluded:
            # a person wants it again, or the sender missed it or saw it change, perhaps for a
            # moment only (fault 7)
            for path in chain(store.unsettled_paths(name), store.forgotten_paths(name), ahead):
                memory.doubt(path)
        recorded = chain(store.living_paths(name), (each.path for each in store.given_up(name)))
        read = chain(self.assessor.siblings.tops, self.assessor.histories.tops, self._tops.tops)
        return Roll(chain(recorded, read, memory.growing, memory.concluded), memory.told, odd)

    def end(self, root: files.Root, roll: Roll, hidden: set[bytes]) -> None:
        """Draw the consequence of a whole sweep that could not list these folders."""
        if roll.missing:
            let_go(
                roll.missing,
                self.rule,
                root,
                store=self._store,
                hand=self._hand,
                memory=self._memory,
            )
        self._memory.told -= roll.untold
        self._memory.lose(roll.missing)
        self._memory.marks.end(hidden)
        self.assessor.siblings.lose(roll.missing)
        self._tops.lose(roll.missing)
        self.assessor.histories.lose(roll.missing)

    @property
    def awaits(self) -> bool:
        """Say whether there is a row that a person, a command or another room has to move."""
        return bool(self._memory.awaited)

    def has_answer(self) -> bool:
        """Say whether a row moved that a person, a command or another room moves."""
        return any(
            self._store.latest_drop(self.rule.name, path) != drop
            for path, drop in self._memory.awaited.items()
        )

    @property
    def concluded(self) -> Callable[[bytes], str | None]:
        """Give what tells the fence of an entry as long as nothing is to be done about it."""
        return self._memory.concluded.get

    @property
    def marks(self) -> Marks:
        """Give the loose files about which nothing is to be done."""
        return self._memory.marks

    def foresee(self, looks: Iterable[Tree | Same | Unlisted | None]) -> None:
        """Fetch what several looks will need of the ledger, before the first of them."""
        needed = [
            tree.top
            for tree in looks
            if isinstance(tree, Tree)
            and not left_out(tree, role(tree.kind, self.rule.drop))
            and not self._memory.is_told(tree, self._clock.monotonic())
        ]
        if len(needed) > 1:
            self.foresight.look_ahead(needed)

    def look_at(self, root: files.Root, tree: Tree | Same | Unlisted) -> bool:
        """Draw the consequence of one sample of a top-level entry; say whether it is a drop."""
        if isinstance(tree, Same) and tree.seen is not None:
            self._know_again(tree.top, tree.seen)
        if not isinstance(tree, Tree):
            return isinstance(tree, Same)
        is_drop = self._follow(root, tree)
        if is_drop and self.rule.schedule.heeds_marks and is_urged(root, tree):
            self._hand.urge(tree.top)
        return is_drop

    def _know_again(self, top: bytes, seen: Seen) -> None:
        if self.relate(top, seen, is_loose=False).relation in _KNOWN:
            self._memory.conclude(top, seen)
        else:
            # its row moved while it was walked
            self._is_dirty = True

    def _follow(self, root: files.Root, tree: Tree) -> bool:
        standing = role(tree.kind, self.rule.drop)
        reason = left_out(tree, standing)
        if reason:
            named = urged_by(tree.top) if self.rule.schedule.heeds_marks else None
            if named is not None and tree.top not in self._memory.told:
                # what was looked at already is looked at with its new marker
                self._memory.doubt(named)
                self._is_dirty = True
            tell_skipped(self.rule, tree.top, reason, told=self._memory.told)
            return False
        if tree.kind == "file" and self.rule.whole.frames is not None:
            self.assessor.siblings.add(tree.top)
        if self.rule.drop is DropMode.BATCH:
            self._tops.add(tree.top)
        if self._memory.is_told(tree, self._clock.monotonic()):
            return True
        if tree.kind == "file" and tree.top in self.foresight.fresh:
            self._memory.write_down(tree)
            return True
        seen = self._seen(tree, self.remembered(tree.top))
        self._memory.concluded.pop(tree.top, None)
        is_loose = standing.standing is Standing.HELD
        row = self.foresight.take(tree.top)
        related = self.relate(tree.top, seen, is_loose=is_loose, row=row, tree=tree)
        if (old := self.assessor.too_old(tree, related)) is not None:
            self._leave_out(tree, seen, related.drop, old.detail)
            return True
        if related.relation is Relation.CHANGED and related.drop is not None:
            related = self._note_change(related.drop, seen)
        is_taken = related.relation is Relation.ON_ITS_WAY and related.drop is not None
        if related.relation is Relation.SAME or is_taken:
            self._memory.conclude(tree.top, seen)
        elif related.relation in _ELSEWHO and related.drop is not None:
            # what it waits for is moved by a person, a command or another room
            self._memory.growing.pop(tree.top, None)
            self._await(related.drop)
        elif related.relation is not Relation.ON_ITS_WAY:
            self._judge(root, tree, seen, related, loose=is_loose)
        return True

    def examine(self, root: files.Root, tree: Tree) -> Examined:
        """Make every test of a look without drawing a consequence; any thread, its own root."""
        standing = role(tree.kind, self.rule.drop)
        reason = left_out(tree, standing)
        if reason:
            return Examined(reason=reason, findings=standing.findings)
        seen = self._seen(tree)
        is_loose = standing.standing is Standing.HELD
        related = self.relate(tree.top, seen, is_loose=is_loose, tree=tree)
        if (old := self.assessor.too_old(tree, related)) is not None:
            return Examined(reason=old.detail, findings=(*standing.findings, old))
        findings = (*standing.findings, *related.findings)
        if self.rule.schedule.heeds_marks and is_urged(root, tree):
            said = "a SENDNOW file lets it go outside of the window"
            findings += (Finding(test="urgent", passed=True, detail=said, rule_at=self.rule.at),)
        goes_on = related.relation not in _SETTLED
        if is_loose or not goes_on:
            return Examined(related=related, is_loose=is_loose, findings=findings)
        found = self.assessor.assess(
            root, tree, seen, drop=related.drop, entry=self.remembered(tree.top)
        )
        findings += (*found.quiet.findings, *found.outcome.findings)
        findings += as_findings(self._clashes(tree))
        return Examined(related=related, assessed=found, findings=findings)

    def _seen(self, tree: Tree, before: Entry | None = None) -> Seen:
        return tree.seen(before, grain_ns=self._grain.ns(self.rule))

    def relate(
        self,
        top: bytes,
        seen: Seen,
        *,
        is_loose: bool,
        row: Drop | None = None,
        tree: Tree | None = None,
    ) -> Related:
        """Say what a look is to the ledger, or to its newest row where that is known."""
        latest = row or self._store.latest_drop(self.rule.name, top)
        if latest is not None and tree is not None and self.assessor.is_misjudged(tree, latest):
            return misjudged(latest)
        is_elsewhere = latest is not None and self._hand.is_elsewhere(latest)
        return relate(latest, seen, is_loose=is_loose, is_elsewhere=is_elsewhere)

    def _leave_out(self, tree: Tree, seen: Seen, drop: Drop | None, reason: str) -> None:
        """Record what came too old, so that only other content under its name is judged again."""
        drop = drop or self._store.see_drop(self.rule.name, tree.top)
        self._end(tree, seen, drop, Ending(note=reason, judged_at=self._clock.wall()))
        tell_skipped(self.rule, tree.top, reason, told=self._memory.told)

    def remembered(self, top: bytes) -> Entry | None:
        """Give what is remembered of an entry that has not settled."""
        known = self._memory.growing.get(top)
        return None if known is None else known.entry

    def _note_change(self, drop: Drop, seen: Seen) -> Related:
        """Note a change of what was taken, and say what the look is to the ledger now."""
        if self.rule.settle.is_learned and drop.settled_at is not None:
            # it was quiet for that long, and was not whole all the same
            paused_s = self._store.now() - drop.settled_at + self.assessor.quiet().seconds
            self.assessor.learn(paused_s)
        self._store.note_change(drop.id, "changed after it was taken")
        again = self.relate(drop.path, seen, is_loose=False)
        if again.relation is Relation.NEW:
            # delivered; what stands here now is a generation of its own
            self._is_dirty = True
            return replace(again, relation=Relation.ON_ITS_WAY)
        if again.relation is Relation.CHANGED:
            # it goes out as it was; what it is now is a drop of its own once that one is done
            return replace(again, relation=Relation.HELD)
        return again

    def _await(self, drop: Drop) -> None:
        """Sweep again once a row has moved that a person, a command or another room moves."""
        known = self._memory.awaited
        if drop.hold is None or all(each.hold is not drop.hold for each in known.values()):
            known[drop.path] = drop

    def _judge(
        self, root: files.Root, tree: Tree, seen: Seen, related: Related, *, loose: bool
    ) -> None:
        drop = related.drop or self._store.see_drop(self.rule.name, tree.top)
        if loose:
            # a sample tells nothing more, though one was asked for while it could not be read
            self._memory.growing.pop(tree.top, None)
            self._hand.hold(drop, HoldReason.LOOSE_FILE, shown(tree.top))
            return
        known = self._remembered(root, tree, drop)
        if is_given_up(drop) and is_other(tree, seen, drop, known, root=root.path):
            self._welcome(drop)
            return
        found = self.assessor.assess(root, tree, seen, drop=drop, entry=known.entry)
        outcome, now = found.outcome, self._clock.monotonic()
        known.note(tree, found.verdict)
        awaited, known.awaits = known.awaits, found.awaits
        look = self._look_inside(root, tree, known, found)
        known.held = found.is_beyond_time and not (look and look.unsettled)
        known.retry_at = max(outcome.retry_at, now + _HELD_S * known.held)
        if is_given_up(drop):
            self._see_out(tree.top, seen, drop, found.verdict)
        elif outcome.step is Step.GO:
            self.assessor.learn(found.verdict.entry.longest_gap)
            self._take(tree, seen, drop, found)
        elif outcome.step is Step.END and outcome.ends is not None:
            disposal = None
            if outcome.ends is DropEvent.SAME_CONTENT:
                disposal = self.assessor.histories.disposal(self.rule, tree, found.compared)
            ending = Ending(event=outcome.ends, note=outcome.note, disposal=disposal)
            self._end(tree, seen, drop, ending)
        else:
            at = self._store.now()
            warn_of_growth(self.rule, drop, known, now=at, quiet_s=found.quiet.seconds)
            warn_of_lack(self.rule, drop, known, found=found, now=now)
            if look is not None and known.arrivals is not None:
                drop = self._hand_on(tree, drop, known.arrivals, look)
            self._hand.wait(drop, outcome, found.awaits, before=awaited)
            if self.assessor.read_on(root, tree, found):
                known.retry_at = now

    def _look_inside(
        self, root: files.Root, tree: Tree, known: Remembered, found: Assessment
    ) -> Look | None:
        """Look at the files of a drop by their own, where they may go before the whole."""
        if known.arrivals is None or found.outcome.hold in _KEEPS_ALL:
            return None
        look = known.arrivals.look(
            tree.files,
            self._clock.monotonic(),
            self.rule.settle,
            quiet_s=found.quiet.seconds,
        )
        return replace(look, settled=self.assessor.not_written(root, tree, look.settled))

    def _remembered(self, root: files.Root, tree: Tree, drop: Drop) -> Remembered:
        known = self._memory.growing.get(tree.top)
        if known is None or known.drop_id != drop.id:
            # what comes into a delivered folder goes alone, once all of it is there
            is_begun = drop.state is DropState.TAKEN and not drop.is_late
            is_early = (
                self._is_early
                and tree.kind == "folder"
                and (is_begun or not self._has_past(root, tree))
            )
            known = Remembered(drop.id, arrivals=Arrivals() if is_early else None)
            self._memory.growing[tree.top] = known
        if not self._is_early and drop.state is not DropState.TAKEN:
            # by the new rule it is whole before any of it goes
            known.arrivals = None
        return known

    def _has_past(self, root: files.Root, tree: Tree) -> bool:
        histories = self.assessor.histories
        return histories.has_past(self.rule, tree.top) or histories.holds_moved(
            self.rule, root, tree
        )

    def _welcome(self, drop: Drop) -> None:
        """Let go of what was cancelled: the next look finds other content there, and judges it."""
        self._store.note_given_up(drop.id, drop.signature)
        self.lose(drop.path)

    def _see_out(self, top: bytes, seen: Seen, drop: Drop, verdict: Verdict) -> None:
        """Let what nobody wants come to its end: only other content under its name is sent."""
        if verdict.state is State.QUIET or verdict.hold is HoldReason.EMPTY:
            self._store.note_given_up(drop.id, seen.signature)
            if drop.is_unwanted:
                tell_unwanted(self.rule, drop)
            self._memory.conclude(top, seen)

    def _hand_on(self, tree: Tree, drop: Drop, arrivals: Arrivals, look: Look) -> Drop:
        """Let what settled go before the rest of its drop has arrived; give the drop as it is."""
        if self._hand.hand_on(tree, drop, look):
            arrivals.hand_on(path for path, _ in look.settled)
        return self._store.latest_drop(self.rule.name, tree.top) or drop

    def _end(self, tree: Tree, seen: Seen, drop: Drop, ending: Ending) -> None:
        """End a drop of which nothing is to be sent."""
        self._hand.end(drop, seen, ending)
        self._memory.conclude(tree.top, seen)
        self.assessor.histories.forget(tree.top)

    def _take(self, tree: Tree, seen: Seen, drop: Drop, found: Assessment) -> None:
        """Hand a quiet drop to the front desk; the ledger holds it from here on."""
        compared, sent = found.compared, sent_of(tree, found.compared)
        clashes = self._clashes(sent)
        remarks = () if found.checked is None else found.checked.completeness.remarks
        going = Going(
            rule=found.rule,
            is_late=compared is not None and compared.kind is Kind.LATE,
            delivered=delivered_of(tree, compared if drop.state is DropState.TAKEN else None),
            replaces=self.assessor.histories.replaced(self.rule, tree.top, compared),
            relinks=self.assessor.histories.relinked(self.rule, compared),
            remarks=(*remarks, *clashes),
        )
        try:
            if self._hand.take(sent, seen, drop, going):
                self._memory.conclude(tree.top, seen)
                tell_remarks(self.rule, tree.top, remarks)
                tell_clashes(self.rule, tree.top, clashes)
                self.assessor.histories.forget(tree.top)
        except SourceVanished as error:
            self._memory.growing.pop(tree.top, None)
            self._hand.fail(drop, error)

    def _clashes(self, tree: Tree) -> tuple[str, ...]:
        latest = partial(self._store.latest_drop, self.rule.name)
        return (*clashes_of(tree), *self._tops.beside(tree.top, latest))
