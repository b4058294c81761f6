"""The loop of one hot folder: when it is swept, when it is sampled, and through which gate.

Owns when a look is due and what its root must be for it. Never judges an entry: `entries` does.
Never talks to the cloud and never changes a source. Built by `roster`, one for each rule.

Law 1. The sweep is the truth; a hint only makes it come sooner (faults 1 to 4).
Law 2. A look that broke off proves nothing; it is begun again.
Law 3. A period is over with a look at the folders alone only where `cycles` says so.
Law 4. A fault of ours at one entry costs its neighbours nothing; what is wrong with the root or the
       store is everybody's.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from masv_watch import files
from masv_watch.errors import SourceError, StoreError
from masv_watch.loops import Bell, Clock
from masv_watch.metrics import Metrics
from masv_watch.model import DropState, HoldReason, Initial, Rule
from masv_watch.store.contract import Store
from masv_watch.uploads import Uploads
from masv_watch.watch import submounts
from masv_watch.watch.absence import Absence
from masv_watch.watch.absentees import Absentees
from masv_watch.watch.adoption import adopt, came_since
from masv_watch.watch.closing import Closing
from masv_watch.watch.cycles import LEAST_PAUSE_S, Cycle, Standing, choose, rest_s
from masv_watch.watch.discovery import Discovery
from masv_watch.watch.entries import Entries
from masv_watch.watch.foresight import in_groups
from masv_watch.watch.gate import Gate
from masv_watch.watch.gauges import Gauges
from masv_watch.watch.ground import Ground, Known
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.ledgers import ledger_name, ledger_of, volume_name
from masv_watch.watch.roll import one_by_one
from masv_watch.watch.rules import Matcher
from masv_watch.watch.sameness import RootState
from masv_watch.watch.scan import Tree, changes, is_seen, one, sweep
from masv_watch.watch.spared import spared_of
from masv_watch.watch.tops import FAULTS, Same, Unlisted
from masv_watch.watch.troubles import Troubles
from masv_watch.watch.turnstile import Turnstile
from masv_watch.watch.unmet import Unmet

log = logging.getLogger(__name__)

#: seconds between two sweeps while notifications work, while they do not, on a network file system
PERIOD_S = {Sight.EVENTS: 300.0, Sight.DEGRADED: 15.0, Sight.OFF: 15.0, Sight.BLIND: 30.0}
#: seconds between two looks at a root that is not there
REPROBE_S = 15.0
#: seconds of samples after which what was announced meanwhile is looked for
SLICE_S = 0.5
#: seconds between two questions whether a row that somebody else moves has moved
ANSWER_S = 1.0
#: seconds after which a root that does not answer counts as unreachable
PATIENCE_S = 5.0


class Intake:
    """One hot folder; `tick` is called by its loop, the rest by any thread."""

    #: whether the last sweep left notifications behind that are believed
    _was_heard = False
    #: names that the last whole sweep met
    _names = 0

    def __init__(
        self,
        rule: Rule,
        *,
        store: Store,
        uploads: Uploads,
        hints: Hints,
        clock: Clock,
        metrics: Metrics,
        bell: Bell,
        stop: Callable[[], bool],
        denied: Callable[[], frozenset[tuple[int, int]]] = frozenset,
        turnstile: Turnstile | None = None,
    ) -> None:
        """Begin with an empty memory; `stop` is asked often during a sweep.

        `denied` is what `files.never_sent` gives: the daemon's own files. The `turnstile` is shared
        with other hot folders.
        """
        self.rule, self.bell, self._matcher = rule, bell, Matcher(rule)
        self.gate, self.absence = Gate(rule, denied, store=store), Absence(rule, store)
        #: the store, or of a removable rule the part of it that knows the volume at hand
        self._store, self.ledger, self._volume = store, store, ""
        self._new_entries = partial(Entries, uploads=uploads, clock=clock, stop=stop)
        self.entries = self._new_entries(rule, store=store)
        self._hints, self._denied, self._absentees = hints, denied, Absentees(stop=stop)
        self._turnstile = turnstile or Turnstile(monotonic=clock.monotonic)
        self.troubles, self._closing = Troubles(rule, metrics), Closing(rule, store)
        self._discovery = Discovery(rule, hints=hints, metrics=metrics)
        self._clock, self._stop, self._known = clock, stop, Known()
        self.gauges = Gauges(rule.name, metrics)
        self.unmet = Unmet(rule, self._matcher, ledger=store, clock=clock, stop=stop)
        self._dirty, self._sweep_at, self._not_before = True, 0.0, 0.0
        #: monotonic seconds since which the root is asked; None while it is not
        self.asking_since: float | None = None
        #: (device, inode) of the root that was met last, by `initial` or as the one that is known
        self._met: tuple[int, int] | None = None
        #: why the last look at the root broke off; "" after a whole sweep. Whether a sweep ended
        #: since the start, or the root is not there
        self._trouble, self.looked = "", False
        #: monotonic seconds of the last whole sweep; None before the first
        self.last_sweep: float | None = None
        #: why the last look was a whole one, or not; monotonic s of it, and of the last whole one
        self.cycle: Cycle | None = None
        self.looked_at, self.full_at, self._began_at = 0.0, -math.inf, clock.monotonic()

    def hurry(self) -> None:
        """Ask for a sweep soon: something may have changed."""
        self._dirty = True
        self.bell.ring()

    def tidy(self, kept_s: float) -> None:
        """Have old trash emptied, and what is missed noted, after the next whole sweep.

        A trash does not wait for the sweep's own time; what is missed does.
        """
        self._absentees.kept_s = kept_s
        if any(after.delivered == "delete" for after in self.rule.afters):
            self.hurry()

    def adopt(self, rule: Rule) -> None:
        """Take over a rule that says the same of what is watched."""
        has_other_limits = rule.limits != self.rule.limits
        self.rule = self.unmet.rule = rule
        self.entries.adopt(rule)
        if has_other_limits:
            # what is held may go now
            self.hurry()

    @property
    def is_at_rest(self) -> bool:
        """Say whether everything that was seen is taken, held or concluded."""
        return self.looked and not self._dirty and self.entries.is_at_rest

    def tick(self) -> float:
        """Sweep if one is due, else sample what is growing; give the seconds to the next."""
        now = self._clock.monotonic()
        is_asked = self.entries.has_answer() or self.troubles.is_due(now)
        if is_asked or self._stands_elsewhere():
            self._dirty = True
        if (self._dirty or now >= self._sweep_at) and now >= self._not_before:
            self._sweep(now)
        else:
            self._sample(now)
        self._dirty = self.entries.take_dirt() or self._dirty
        return self._pause()

    def _stands_elsewhere(self) -> bool:
        """Say whether another folder stands at the path: no notification tells of an unmount."""
        # where no notification is believed the next sweep is near
        if not self._was_heard or self.gate.root_state is not RootState.PRESENT:
            return False
        if self._hints.mode(self.rule.name).sight is not Sight.EVENTS:
            return True
        self.asking_since = self._clock.monotonic()
        try:
            return files.place_of(self.rule.path) != self._met
        finally:
            self.asking_since = None

    def _pause(self) -> float:
        now = self._clock.monotonic()
        due = [max(self._sweep_at, self._not_before)]
        sample_at = self.entries.due_at()
        if sample_at is not None:
            due.append(sample_at)
        if (again_at := self.troubles.due_at()) is not None:
            due.append(max(again_at, self._not_before))
        if self._dirty:
            due.append(self._not_before)
        if self.entries.awaits:
            due.append(now + ANSWER_S)
        return max(min(due) - now, 0.01)

    def _sweep(self, began: float) -> None:
        is_asked, self._dirty = self._dirty, False
        try:
            self._look_from(began, is_asked=is_asked)
        except BaseException:
            # what a store that failed did not take in is looked at again, not at the next period
            self._dirty = True
            raise

    def _look_from(self, began: float, *, is_asked: bool) -> None:
        root = self._open_root()
        if root is None:
            self._lose_root(began)
            return
        with root:
            self.absence.end()
            # listened to first, listed second: nothing falls between (pain 25)
            heard = self._hints.mode(self.rule.name)
            mode = self._hints.arm(
                self.rule.name,
                self.rule.path,
                identity=self._place(root),
                below=self.gate.below,
                spared=spared_of(self.rule),
            )
            is_heard = heard.sight is mode.sight is Sight.EVENTS and self._met == root.identity
            if not self._is_idle(root, began, is_asked=is_asked, is_heard=is_heard):
                with self._turn(is_awaited=is_asked and self.looked) as waited_s:
                    is_whole = self._try_to(lambda: self._look_at_all(root))
                # the next one may come as soon as if this one had begun with its turn
                began += waited_s
                if not is_whole:
                    self._known.forget()
            else:
                is_whole, self.last_sweep = True, self._clock.monotonic()
            if self._absentees.kept_s is not None and is_whole:
                self._clear_away(root)
            mode = self._hints.mode(self.rule.name)
        self._was_heard = mode.sight is Sight.EVENTS
        ended = self._clock.monotonic()
        self._sweep_at = ended + (PERIOD_S[mode.sight] if is_whole else REPROBE_S)
        made, self.entries.foresight.made = self.entries.foresight.made, 0
        self._not_before = ended + rest_s(ended - began, names=self._names, new=made)
        self.gauges.tell(mode.sight, sweep_s=ended - began)

    def _turn(self, *, is_awaited: bool) -> AbstractContextManager[float]:
        """Give the turn to look at everything: where nothing new is to be found, one among few."""
        return nullcontext(0.0) if is_awaited else self._turnstile.through(self._stop)

    def _clear_away(self, root: files.Root) -> None:
        if any(after.delivered == "delete" for after in self.rule.afters):
            watched_s = self._clock.monotonic() - self._began_at
            files.empty_trash(root, self.rule.trash_for_s, self._clock.wall(), watched_s=watched_s)
        self._absentees.look(root, self.ledger, self.rule.name)

    def _is_idle(self, root: files.Root, now: float, *, is_asked: bool, is_heard: bool) -> bool:
        """Say whether a look at the folders is enough, and found each as it was."""
        self.cycle = choose(
            Standing(
                is_asked=is_asked,
                is_heard=is_heard,
                is_at_rest=self.entries.is_settled(),
                is_known=self._known.is_sure,
                full_ago_s=self._known.full_ago_s(now),
            )
        )
        is_enough = not self.cycle.is_full and self._known.stands(root)
        self.looked_at = now
        if not is_enough:
            self.full_at = now
        return is_enough

    def _lose_root(self, now: float) -> None:
        self._known.forget()
        self._hints.lose(self.rule.name)
        self._was_heard = False
        self.entries.lose_root()
        self.looked = True
        self._sweep_at = now + REPROBE_S
        self._not_before = now + LEAST_PAUSE_S
        self.absence.note(now, self.gate.why)

    def _try_to(self, look: Callable[[], None]) -> bool:
        """Say whether a look at an open root went through; a root that fails is told of once."""
        try:
            look()
        except SourceError as error:
            if str(error) != self._trouble:
                log.warning(
                    "a sweep broke off",
                    extra={"hot_folder": self.rule.name, "reason": str(error)},
                )
            self._trouble = str(error)
            # readiness waits for no folder that cannot be listed
            self.looked = True
            return False
        return True

    def _look_at_all(self, root: files.Root) -> None:
        self._meet(root)
        self.entries.assessor.unkept = root.unkept
        roll = self.entries.begin(self._matcher, odd=self.troubles.tops)
        hidden: set[bytes] = set()
        ground = Ground(root)
        mark = self._closing.sight(root)
        found = changes(
            root,
            self._matcher,
            known=self.entries.concluded,
            kept=self.entries.kept,
            marks=self.entries.marks,
            ground=ground,
            stop=self._stop,
        )
        for group in in_groups(one_by_one(found, roll)):
            self.entries.foresee(tree for _, tree in group)
            for top, tree in group:
                roll.meet(top, is_drop=self._look_at(root, tree))
            hidden.update(top for top, tree in group if not is_seen(tree))
        if self._stop():
            return
        self._names = roll.names
        self._mark(root, found=roll.has_drop, is_empty=not (roll.has_drop or roll.has_name))
        # what lies in a folder that could not be listed is not missing
        roll.spare(hidden)
        self.entries.end(root, roll, hidden)
        submounts.note(ground.points.keys() - hidden, self.rule, self._store)
        self.troubles.lose(roll.unjudged)
        if self._closing.take_in(mark):
            # what settles waits no longer than its marker asks
            self.entries.hasten(self._clock.monotonic())
        if self._hints.note_folders(self.rule.name, ground.folders, too_deep=ground.too_deep):
            self._dirty = True
        self._decide()
        self.looked, self._trouble = True, ""
        self.last_sweep = self._clock.monotonic()
        self._known.note(ground, self.last_sweep)

    def _place(self, root: files.Root) -> tuple[int | str, ...]:
        # a new file system can show the numbers of the one before
        volume = self.gate.volume
        return (*root.identity, volume.uuid if volume is not None else "")

    def _mark(self, root: files.Root, *, found: bool, is_empty: bool) -> None:
        """Know the root from now on, once anything arrived in it or a person vouched for it."""
        is_adopted = self.ledger.is_adopted(self.rule.name, self.rule.path)
        if not is_adopted and (found or self.gate.is_accepted) and not self.gate.question:
            self.ledger.adopt(self.rule.name, self.rule.path)
            is_adopted = True
        if is_adopted:
            is_empty = is_empty and not self.gate.is_accepted
            self.gate.mark(root, self._clock.monotonic(), is_empty=is_empty)

    def _meet(self, root: files.Root) -> None:
        """Apply `initial` to a root that was never swept, or to another file system at its path."""
        met = self._met
        is_asked = bool(self.gate.question)
        is_restored = self.ledger.asks_anew(self.rule.name) and not self._came_since(root)
        is_known = not (is_asked or is_restored or self.gate.is_accepted) and (
            self.ledger.is_adopted(self.rule.name, self.rule.path)
            if met is None
            else met[0] == root.identity[0] or self.gate.proves(root)
        )
        if not is_known:
            trees = sweep(root, self._matcher, stop=self._stop)
            asks = is_asked or is_restored
            rule = replace(self.rule, initial=Initial.ASK) if asks else self.rule
            if rule.removable and rule.initial is Initial.AUTO:
                # a card that is inserted is what arrives, not what was there first
                rule = replace(rule, initial=Initial.SEND)
            adopt(
                rule,
                trees,
                store=self.ledger,
                clock=self._clock,
                stop=self._stop,
                root=root,
                anew=is_restored,
            )
            if is_restored and not self._stop():
                self.ledger.note_asked(self.rule.name)
        if self._stop():
            return
        if not is_known:
            self.unmet.turn_to(self.ledger)
        self._met = root.identity
        self.unmet.look(root)

    def _came_since(self, root: files.Root) -> bool:
        """Say whether no earlier life of a restored state can have sent what stands in a root."""
        moment = self.ledger.restored_at(self.rule.name)
        if moment is None or self._stop():
            return False
        found = came_since(sweep(root, self._matcher, stop=self._stop), moment)
        if found and not self._stop():
            self.ledger.note_asked(self.rule.name)
        return found

    def _sample(self, now: float) -> None:
        due = self.entries.due(now)
        if not due:
            return
        before = self.entries
        root = self._open_root()
        if root is None:
            self._lose_root(now)
            return
        with root:
            if self.entries is not before:
                self._dirty = True
            elif not self._try_to(lambda: self._look_at_some(root, due)):
                self._lose_root(now)

    def _look_at_some(self, root: files.Root, tops: list[bytes]) -> None:
        began = self._clock.monotonic()
        looks = ((top, one(root, top, self._matcher, stop=self._stop)) for top in tops)
        for group in in_groups(looks):
            self.entries.foresee(tree for _, tree in group)
            for top, tree in group:
                is_drop = tree is not None and self._look_at(root, tree)
                if not is_drop and not self._stop():
                    self.entries.lose(top)
            if self._dirty and self._clock.monotonic() - began > SLICE_S:
                # the rest is due still
                break
        self._closing.close()
        self._decide()

    def _look_at(self, root: files.Root, tree: Tree | Same | Unlisted) -> bool:
        """Judge one entry and say whether it is a drop; a fault there is its own (Law 4)."""
        now, fence = self._clock.monotonic(), tree.fence if isinstance(tree, Tree) else ""
        if isinstance(tree, Tree) and not tree.unreadable and self.unmet.hides(tree.top, root):
            # it can be read since the sweep began: the next one applies `initial` to it first
            self._dirty = True
            return True
        if (again_at := self.troubles.waits(tree.top, fence, now)) is not None:
            self.entries.put_off(tree.top, again_at)
            return True
        try:
            is_drop = self.entries.look_at(root, tree)
        except (*FAULTS, SourceError, StoreError) as error:
            if isinstance(error, StoreError) and type(error) is not StoreError:
                raise
            # one of the root's is no fault of the entry
            root.observe(files.MARKER_NAME)
            self.troubles.note(tree.top, error, now, fence=fence)
            return True
        if isinstance(tree, Tree) and tree.fault is not None:
            self.troubles.note(tree.top, tree.fault, now)
        else:
            self.troubles.end(tree.top)
        return is_drop

    def _decide(self) -> None:
        now = self._clock.monotonic()
        self._discovery.decide(self.ledger, now, is_heard=self._was_heard)

    def hangs(self, now: float) -> bool:
        """Say whether the root has not answered for so long that nobody waits for it (fault 10)."""
        return self.asking_since is not None and now - self.asking_since > PATIENCE_S

    def _open_root(self) -> files.Root | None:
        now = self.asking_since = self._clock.monotonic()
        try:
            root = self.gate.open(
                now,
                expects=self._expects_drops,
                was_removed=self._hints.was_removed(self.rule.name),
            )
        finally:
            self.asking_since = None
        if root is not None and self.rule.removable and self.gate.volume is not None:
            self._turn_to(self.gate.volume)
        if root is not None:
            submounts.withhold(root, self.rule, self._store)
        return root

    def _turn_to(self, found: files.Volume) -> None:
        """Go on with the ledger of the volume that is there."""
        volume = volume_name(found)
        if volume == self._volume:
            return
        ledger = ledger_of(self._store, volume)
        name = ledger_name(self.rule.name, volume)
        self.absence.turn_to(ledger, name, uuid=found.uuid)
        self.entries = self._new_entries(self.rule, store=ledger)
        self.ledger, self._volume, self._met = ledger, volume, None
        self.unmet.turn_to(ledger)

    def denied(self) -> frozenset[tuple[int, int]]:
        """Give what is the daemon's own and never sent."""
        return self._denied()

    @property
    def matcher(self) -> Matcher:
        """Give the rule's compiled patterns."""
        return self._matcher

    def _expects_drops(self) -> bool:
        living = self._store.drops(self.rule.name, living=True)
        # what only waits for the root tells nothing about what it should hold
        return any(
            drop.state is DropState.TAKEN
            or (drop.state is DropState.HELD and drop.hold is not HoldReason.ROOT_UNAVAILABLE)
            for drop in living
        )
