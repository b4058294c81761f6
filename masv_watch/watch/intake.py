"""The loop of one hot folder: sweep, judge, and hand quiet drops to the front desk.

Owns when a sweep is due, what is remembered between two samples, and what each verdict does to the
ledger. Never talks to the cloud and never changes a source. Built by `daemon`, one for each rule.

Law 1. The sweep is the truth; a hint only makes it come sooner (faults 1 to 4).
Law 2. Only a whole sweep of a present root proves that something is gone.
Law 3. What settled is either in the ledger as taken, or judged again at every sweep: there is no
number of tries after which it is forgotten (pains 10, 54).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from masv_watch import files
from masv_watch.errors import IllegalTransition, SourceError, SourceVanished
from masv_watch.loops import Bell, Clock
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Drop,
    DropEvent,
    DropState,
    HoldReason,
    Rule,
    UploadEvent,
    UploadState,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.uploads import Uploads
from masv_watch.watch.adoption import adopt
from masv_watch.watch.drafts import draft_of, drop_draft
from masv_watch.watch.gate import Gate
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.rules import Matcher, Role, Standing, role
from masv_watch.watch.scan import Tree, one, sweep
from masv_watch.watch.settle import Entry, State, Verdict, judge, quiet_for

log = logging.getLogger(__name__)

#: seconds between two sweeps while notifications work, while they do not, on a network file system
PERIOD_S = {Sight.EVENTS: 300.0, Sight.DEGRADED: 15.0, Sight.OFF: 15.0, Sight.BLIND: 30.0}
#: seconds between two looks at a root that is not there
REPROBE_S = 15.0
#: seconds; hints never make sweeps come faster, nor a sweep take more than a fifth of the time
LEAST_PAUSE_S = 0.5
_BREATH = 4.0
#: seconds after which a root that does not answer counts as unreachable
PATIENCE_S = 5.0

_ENDED = {
    DropState.DONE,
    DropState.CANCELLED,
    DropState.SUPERSEDED,
    DropState.DUPLICATE,
    DropState.IGNORED,
}
#: holds that end by themselves when the drop itself changes for the better
_OURS = {HoldReason.EMPTY, HoldReason.UNREADABLE, HoldReason.LOOSE_FILE}


@dataclass(slots=True)
class _Remembered:
    """What is kept of an entry between two samples."""

    entry: Entry
    retry_at: float
    drop_id: int
    #: whether only a change of its own can bring it further
    held: bool


@dataclass(slots=True)
class _Memory:
    """What one process remembers of a hot folder; a restart begins anew."""

    growing: dict[bytes, _Remembered] = field(default_factory=dict)
    #: fence of each entry about which nothing is to be done until it changes
    concluded: dict[bytes, str] = field(default_factory=dict)
    told: set[bytes] = field(default_factory=set)
    #: drops whose row must move first, as they stood: one of those held for each reason, and those
    #: that changed after their finalize
    awaited: dict[bytes, Drop] = field(default_factory=dict)


class Intake:
    """One hot folder; `tick` is called by its loop, the rest by any thread."""

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
    ) -> None:
        """Begin with an empty memory; `stop` is asked often during a sweep.

        `denied` is what `files.never_sent` gives: the daemon's own files.
        """
        self.rule = rule
        self.bell = bell
        self.gate = Gate(rule, denied)
        self._store = store
        self._uploads = uploads
        self._hints = hints
        self._clock = clock
        self._metrics = metrics
        self._stop = stop
        self._matcher = Matcher(rule)
        self._memory = _Memory()
        self._dirty = True
        self._sweep_at = 0.0
        self._not_before = 0.0
        self._asking_since: float | None = None
        #: (device, inode) of the root that `initial` was applied to
        self._met: tuple[int, int] | None = None
        #: why the last look at the root broke off; "" after a whole sweep
        self._trouble = ""
        #: whether a sweep ended since the start, or the root is not there
        self.looked = False
        #: monotonic seconds of the last whole sweep; None before the first
        self.last_sweep: float | None = None

    def hurry(self) -> None:
        """Ask for a sweep soon: something may have changed."""
        self._dirty = True
        self.bell.ring()

    @property
    def is_at_rest(self) -> bool:
        """Say whether everything that was seen is taken, held or concluded."""
        moving = any(not known.held for known in self._memory.growing.values())
        return self.looked and not self._dirty and not moving

    def tick(self) -> float:
        """Sweep if one is due, else sample what is growing; give the seconds to the next."""
        now = self._clock.monotonic()
        if self._has_answer():
            self._dirty = True
        if (self._dirty or now >= self._sweep_at) and now >= self._not_before:
            self._sweep(now)
        else:
            self._sample(now)
        return self._pause()

    def _pause(self) -> float:
        now = self._clock.monotonic()
        due = [known.retry_at for known in self._memory.growing.values()]
        due.append(max(self._sweep_at, self._not_before))
        if self._dirty:
            due.append(self._not_before)
        return max(min(due) - now, 0.01)

    def _sweep(self, began: float) -> None:
        self._dirty = False
        try:
            self._look_from(began)
        except BaseException:
            # what a store that failed did not take in is looked at again, not at the next period
            self._dirty = True
            raise

    def _look_from(self, began: float) -> None:
        root = self._open_root()
        if root is None:
            self._lose_root(began)
            return
        with root:
            # listened to first, listed second: nothing falls between (pain 25)
            mode = self._hints.arm(self.rule.name, self.rule.path, identity=root.identity)
            is_whole = self._try_to(lambda: self._look_at_all(root))
        ended = self._clock.monotonic()
        self._sweep_at = ended + (PERIOD_S[mode.sight] if is_whole else REPROBE_S)
        self._not_before = ended + max(LEAST_PAUSE_S, _BREATH * (ended - began))
        self._metrics.gauge("sweep_seconds", ended - began, hot_folder=self.rule.name)

    def _lose_root(self, now: float) -> None:
        """Settle everything anew when the root is back; nothing of it is missing until then."""
        self._hints.disarm(self.rule.name)
        self._memory.growing.clear()
        self.looked = True
        self._sweep_at = now + REPROBE_S
        self._not_before = now + LEAST_PAUSE_S

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
        self._memory.awaited.clear()
        for drop in self._store.drops(self.rule.name, living=True):
            if drop.state is DropState.TAKEN and not drop.whole:
                # the sender missed it or saw it change, perhaps for a moment only (fault 7)
                self._memory.concluded.pop(drop.path, None)
        names: set[bytes] = set()
        drops: set[bytes] = set()
        for tree in sweep(root, self._matcher, stop=self._stop):
            names.add(tree.top)
            if self._look_at(tree):
                drops.add(tree.top)
        if self._stop():
            return
        if drops and not self._store.is_adopted(self.rule.name, self.rule.path):
            self._store.adopt(self.rule.name, self.rule.path)
        self._notice_missing(drops)
        self._memory.told &= names
        self.looked, self._trouble = True, ""
        self.last_sweep = self._clock.monotonic()

    def _meet(self, root: files.Root) -> None:
        """Apply `initial` to a root that was never swept, or to another file system at its path."""
        met = self._met
        is_known = (
            self._store.is_adopted(self.rule.name, self.rule.path)
            if met is None
            else met[0] == root.identity[0]
        )
        if not is_known:
            trees = sweep(root, self._matcher, stop=self._stop)
            adopt(self.rule, trees, store=self._store, clock=self._clock, stop=self._stop)
        if not self._stop():
            self._met = root.identity

    def _sample(self, now: float) -> None:
        due = [top for top, known in self._memory.growing.items() if known.retry_at <= now]
        if not due:
            return
        root = self._open_root()
        if root is None:
            self._lose_root(now)
            return
        with root:
            if not self._try_to(lambda: self._look_at_some(root, due)):
                self._lose_root(now)

    def _look_at_some(self, root: files.Root, tops: list[bytes]) -> None:
        for top in tops:
            tree = one(root, top, self._matcher, stop=self._stop)
            is_drop = tree is not None and self._look_at(tree)
            if not is_drop and not self._stop():
                # only a whole sweep proves what became of it
                self._memory.growing.pop(top, None)
                self._dirty = True

    def hangs(self, now: float) -> bool:
        """Say whether the root has not answered for so long that nobody waits for it (fault 10)."""
        return self._asking_since is not None and now - self._asking_since > PATIENCE_S

    def _open_root(self) -> files.Root | None:
        self._asking_since = self._clock.monotonic()
        try:
            return self.gate.open(expects=self._expects_drops)
        finally:
            self._asking_since = None

    def _expects_drops(self) -> bool:
        living = self._store.drops(self.rule.name, living=True)
        return any(drop.state in (DropState.TAKEN, DropState.HELD) for drop in living)

    def _look_at(self, tree: Tree) -> bool:
        """Draw the consequence of one sample of a top-level entry; say whether it is a drop."""
        standing = role(tree.kind, self.rule.drop)
        reason = _left_out(tree, standing)
        if reason:
            self._tell_skipped(tree.top, reason)
            return False
        fence = tree.seen().fence
        if self._memory.concluded.get(tree.top) == fence:
            return True
        self._memory.concluded.pop(tree.top, None)
        latest = self._store.latest_drop(self.rule.name, tree.top)
        if latest is not None and latest.state in _ENDED:
            if latest.signature == tree.seen().signature and not _never_sent(latest):
                self._conclude(tree)
                return True
            latest = None
        taken = latest is not None and latest.state is DropState.TAKEN
        if latest is not None and taken and self._is_elsewhere(latest):
            # the rule's path changed while it is on its way: what stands here has to wait
            self._await(latest)
            return True
        if latest is None or not taken or self._changed(latest, tree):
            self._judge(tree, latest, loose=standing.standing is Standing.HELD)
        return True

    def _is_elsewhere(self, drop: Drop) -> bool:
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        return upload is not None and upload.root != self.rule.path

    def _conclude(self, tree: Tree) -> None:
        self._memory.growing.pop(tree.top, None)
        self._memory.concluded[tree.top] = tree.seen().fence

    def _changed(self, drop: Drop, tree: Tree) -> bool:
        """Say whether a taken drop has to be judged again, noting a change that is new."""
        if drop.whole and drop.signature == tree.seen().signature:
            return False
        if drop.whole:
            self._store.note_change(drop.id, "changed after it was taken")
            again = self._store.latest_drop(self.rule.name, drop.path)
            if again is not None and again.state in _ENDED:
                # delivered; what stands here now is a generation of its own
                self._dirty = True
                return False
            if again is not None and again.whole:
                # it goes out as it was; what it is now is a drop of its own once that one is done
                self._await(again)
                return False
        return True

    def _await(self, drop: Drop) -> None:
        """Sweep again once a row has moved that a person, a command or another room moves."""
        known = self._memory.awaited
        if drop.hold is None or all(each.hold is not drop.hold for each in known.values()):
            known[drop.path] = drop

    def _has_answer(self) -> bool:
        return any(
            self._store.latest_drop(self.rule.name, path) != drop
            for path, drop in self._memory.awaited.items()
        )

    def _judge(self, tree: Tree, latest: Drop | None, *, loose: bool) -> None:
        if latest is not None and latest.hold is not None and latest.hold not in _OURS:
            self._memory.growing.pop(tree.top, None)
            self._await(latest)
            return
        drop = latest or self._store.see_drop(self.rule.name, tree.top)
        if loose:
            self._hold(drop, HoldReason.LOOSE_FILE, shown(tree.top))
            return
        known = self._memory.growing.get(tree.top)
        verdict = judge(
            known.entry if known and known.drop_id == drop.id else None,
            tree.seen(),
            self._clock.monotonic(),
            self.rule.settle,
            quiet_s=quiet_for(self.rule.settle, files.filesystem_kind(self.rule.path)),
        )
        self._remember(tree.top, drop, verdict)
        if verdict.state is State.QUIET:
            self._take(tree, drop)
        elif verdict.hold in _OURS:
            detail = next((f.detail for f in verdict.findings if not f.passed), "")
            self._hold(drop, verdict.hold, detail)
        elif drop.hold is not None:
            self._store.advance_drop(drop.id, DropEvent.RELEASE)

    def _remember(self, top: bytes, drop: Drop, verdict: Verdict) -> None:
        held = verdict.hold in _OURS
        # a change rings or is found by a sweep; to look more often would only warm the disk
        retry_at = max(verdict.retry_at, self._clock.monotonic() + REPROBE_S * held)
        self._memory.growing[top] = _Remembered(verdict.entry, retry_at, drop.id, held)

    def _hold(self, drop: Drop, reason: HoldReason | None, note: str) -> None:
        if reason is None or (drop.hold, drop.note) == (reason, note):
            return
        if drop.state is DropState.HELD:
            drop = self._store.advance_drop(drop.id, DropEvent.RELEASE)
        self._store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason, note=note)

    def _take(self, tree: Tree, drop: Drop) -> None:
        """Hand a quiet drop to the front desk; the ledger holds it from here on."""
        if drop.state is not DropState.TAKEN and self.rule.name in self._store.paused_folders():
            self._hold(drop, HoldReason.PAUSED, "the hot folder is paused")
            if self.rule.name not in self._store.paused_folders():
                # resumed meanwhile: that released what was held before this hold
                self._store.release(self.rule.name, HoldReason.PAUSED)
            return
        if drop.state is DropState.HELD:
            drop = self._store.advance_drop(drop.id, DropEvent.RELEASE)
        draft = drop_draft(drop.id, tree)
        try:
            if drop.state is DropState.TAKEN:
                self._store.settle_again(draft)
            else:
                earlier = self._store.delivered_before(self.rule.name, tree.top)
                local = self._clock.local(self._clock.wall())
                self._uploads.create(draft_of(self.rule, tree, draft, local=local, earlier=earlier))
        except IllegalTransition as error:
            # a person or another thread was faster; the next sweep sees what became of it
            log.info("a drop was not taken", extra={"drop": drop.id, "reason": str(error)})
            return
        except SourceVanished as error:
            self._fail_vanished(drop, error)
            return
        self._conclude(tree)

    def _fail_vanished(self, drop: Drop, error: SourceVanished) -> None:
        self._memory.growing.pop(drop.path, None)
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        if upload is None or upload.state not in _STOPPABLE or self._is_elsewhere(drop):
            return
        self._store.advance_upload(upload.id, UploadEvent.FAIL, code=error.code, error=str(error))
        log.error(
            "an upload failed: a source vanished while it was sent",
            extra={"upload": upload.id, "drop": shown(drop.path), "cure": error.hint},
        )

    def _notice_missing(self, seen: set[bytes]) -> None:
        """Let go of what a whole sweep of a present root did not show any more."""
        for drop in self._store.drops(self.rule.name, living=True):
            if drop.path in seen:
                continue
            if drop.state is not DropState.TAKEN:
                self._store.advance_drop(
                    drop.id, DropEvent.CANCEL, note="it vanished before it was sent"
                )
            elif not drop.whole:
                self._fail_vanished(
                    drop,
                    SourceVanished(
                        f"{shown(drop.path)} vanished while it was sent",
                        hint=f"put it back, then masv-watch resume {drop.upload_id}",
                    ),
                )
        for top in list(self._memory.growing.keys() - seen):
            del self._memory.growing[top]
        for top in list(self._memory.concluded.keys() - seen):
            del self._memory.concluded[top]

    def _tell_skipped(self, top: bytes, reason: str) -> None:
        if top in self._memory.told:
            return
        self._memory.told.add(top)
        log.info(
            "an entry is left out",
            extra={"hot_folder": self.rule.name, "entry": shown(top), "reason": reason},
        )


def _left_out(tree: Tree, standing: Role) -> str:
    """Give why a top-level entry is no drop; "" when it is one."""
    if tree.kind == "unreadable" and tree.unreadable:
        # nothing is known but that it is there: held until it can be read
        return ""
    if not tree.is_drop and tree.skipped:
        return tree.skipped[0].reason
    return standing.findings[-1].detail if standing.standing is Standing.SKIPPED else ""


def _never_sent(drop: Drop) -> bool:
    """Say whether a drop ended because it vanished before it was taken: it may come again."""
    return drop.state is DropState.CANCELLED and drop.settled_at is None


_STOPPABLE = {
    UploadState.TRANSFERRING,
    UploadState.PAUSED,
    UploadState.IDLE,
}
