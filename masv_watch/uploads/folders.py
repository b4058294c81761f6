"""The verbs on hot folders, and what waits in them.

Owns pausing, sweeping and answering for a whole hot folder, and the view of it. Never sweeps by
itself: it rings, and the folder's own loop looks. Called by the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition, NotFound
from masv_watch.model import Drop, DropMode, DropState, HoldReason, Rule
from masv_watch.store.contract import Store
from masv_watch.uploads.desk import Uploads
from masv_watch.uploads.places import root_of
from masv_watch.uploads.views import DropView, cure_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLook:
    """Which look a hot folder got last, and why."""

    #: store clock, seconds
    at: float
    #: at every file and not at the folders alone
    is_full: bool
    #: one clause for people
    why: str
    #: store clock, seconds: when everything was looked at; None before that
    full_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderQuiet:
    """How long what arrives in a hot folder must not change, as its own loop has it."""

    seconds: float
    #: one clause for people
    why: str
    #: why writers are not asked about, or were not seen at the last question; "" where they are
    writers: str = ""
    #: what of a file does not count as a change, and why, one clause; "" where all of it does
    told_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSight:
    """How a hot folder's own loop sees it."""

    rule: Rule
    #: why nothing is taken from it now, one sentence; empty when it is watched
    reason: str
    #: store clock, seconds; None before the first whole sweep
    last_sweep: float | None
    #: `on` where changes are announced, else why they are not
    notifications: str
    #: store clock, seconds; None before the first event
    last_event: float | None = None
    #: how changes are found, and why not by events where they are not
    mode: str = ""
    #: what tells its root from any other; empty before the first look
    known_by: str = ""
    #: store clock, seconds: since when its folder is away or hangs; None while it is there
    away_since: float | None = None
    #: what a person is asked about it, one sentence; empty when nothing is
    question: str = ""
    #: whether the last look was at everything or at the folders alone, and the tests that decided
    #: it; None before the first
    look: FolderLook | None = None
    #: None before the first look at everything
    quiet: FolderQuiet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderView:
    """A hot folder as people see it."""

    sight: FolderSight
    #: `watching`, `paused`, `waiting` while its folder is away, or `disabled`
    state: str
    #: store clock, seconds; None while it is not paused
    paused_at: float | None
    #: drops that arrive or settle, and drops that are held
    settling: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """What the finalize of a hot folder's batch delivers now."""

    #: the open one; where none is open, those that ended and can still be taken back
    uploads: tuple[str, ...] = ()
    is_open: bool = False


class HotFolders:
    """The hot folders of the running configuration."""

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        *,
        sights: Callable[[], Sequence[FolderSight]],
        hurry: Callable[[str], None],
    ) -> None:
        """Work on these; `hurry` asks a hot folder by name to sweep soon."""
        self._store = store
        self._uploads = uploads
        self._sights = sights
        self._hurry = hurry

    def list(self) -> list[FolderView]:
        """List the hot folders in the order of the configuration."""
        paused, living = self._store.paused_folders(), self._store.drops(living=True)
        return [_view(sight, paused.get(sight.rule.name), living) for sight in self._sights()]

    def view(self, name: str) -> FolderView:
        """Give one hot folder.

        Raises:
            NotFound: the configuration has none of that name.
        """
        for view in self.list():
            if view.sight.rule.name == name:
                return view
        known = ", ".join(sight.rule.name for sight in self._sights()) or "none"
        raise NotFound(f"there is no hot folder {name[:64]!r}", hint=f"known: {known}")

    def drops(self, hot_folder: str | None = None) -> tuple[DropView, ...]:
        """List what arrives, settles or is held, oldest first."""
        counts = self._store.files_up()
        roots = {sight.rule.name: sight.rule.path for sight in self._sights()}
        return tuple(
            drop_view(drop, counts.get(drop.id, (0, 0)), root=roots.get(drop.hot_folder))
            for drop in self._store.drops(living=True)
            if hot_folder in (None, drop.hot_folder)
            and (drop.state is not DropState.TAKEN or drop.hold is not None or not drop.whole)
        )

    def release_drop(self, drop_id: int) -> DropView:
        """Send what is held and only waits for a person's word.

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: it is not held, or another answer is needed than that word.
        """
        known = self._store.drop(drop_id)
        try:
            drop = self._store.release_drop(drop_id)
        except IllegalTransition as error:
            cure = "" if known is None else cure_of(known, root_of(self._store, known))
            raise IllegalTransition(
                error.message,
                hint=cure or "masv-watch status lists what is held and why",
                state=known.state if known is not None else None,
                allowed=[],
            ) from error
        self._hurry(drop.hot_folder)
        counts = self._store.files_up().get(drop.id, (0, 0))
        return drop_view(drop, counts, root=root_of(self._store, drop))

    def hold_drop(self, drop_id: int) -> DropView:
        """Hold a drop that is not on its way until a person releases it.

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: it is on its way, or ended.
        """
        drop = self._store.hold_drop(drop_id)
        self._hurry(drop.hot_folder)
        return drop_view(drop, root=root_of(self._store, drop))

    def scan(self, name: str) -> None:
        """Have a hot folder swept soon.

        Raises:
            NotFound: no such hot folder.
            IllegalTransition: it is disabled.
        """
        self._demand_watched(name, "swept")
        self._hurry(name)

    def pause(self, name: str) -> None:
        """Take nothing new from a hot folder until a person resumes it; its uploads go on.

        Raises:
            NotFound: no such hot folder.
        """
        self.view(name)
        self._store.pause_folder(name)

    def resume(self, name: str) -> None:
        """Take from a hot folder again, what was held meanwhile first.

        Raises:
            NotFound: no such hot folder.
        """
        self.view(name)
        self._store.resume_folder(name)
        self._hurry(name)

    def release(self, name: str) -> int:
        """Send what the first start held in a hot folder; give how many drops.

        Raises:
            NotFound: no such hot folder, or nothing is held there.
        """
        self.view(name)
        return self._answered(name, self._store.release(name, HoldReason.INITIAL_ASK))

    def seed(self, name: str) -> int:
        """Record what the first start held in a hot folder as seen; give how many drops.

        One that is not configured any more may be asked about, too: that is how its questions end.

        Raises:
            NotFound: no such hot folder, or nothing is held there.
        """
        drops = self._store.seed(name)
        if not drops:
            self.view(name)
        return self._answered(name, drops)

    def adopt(self, name: str) -> None:
        """Take whatever stands at a hot folder's path for its root; its ledger stays.

        What the ledger does not know there is treated as at a first start.

        Raises:
            NotFound: no such hot folder.
            IllegalTransition: it is removable, and takes every volume as it is.
        """
        view = self.view(name)
        if view.sight.rule.removable:
            raise IllegalTransition(
                f"hot folder {name!r} is removable: any volume is welcome there, none is adopted",
                hint=f"what left with a volume waits for it: {lifecycle.REINSERT}",
                state=view.state,
                allowed=["scan", "resume" if view.state == "paused" else "pause"],
            )
        self._store.accept_root(name)
        self._hurry(name)

    def adopt_archive(self, name: str) -> None:
        """Take whatever stands where a hot folder's sources are moved to for its archive.

        Raises:
            NotFound: no such hot folder.
        """
        self.view(name)
        self._store.adopt_archives(name)

    def finalize(self, name: str) -> str:
        """Ask for the finalize of a hot folder's open batch; give its upload.

        Where none is open, those that ended and can still be taken back are finalized.

        Raises:
            NotFound: no such hot folder.
            IllegalTransition: it has no open batch, or not all of it is sent.
        """
        view = self.view(name)
        batches = self._batches(name, self._store.recallable_batches()).uploads
        if not batches:
            raise IllegalTransition(
                f"hot folder {name!r} has no open batch",
                hint="a rule with `drop: batch` opens one with its first drop",
                state=view.state,
                allowed=["scan", "resume" if view.state == "paused" else "pause"],
            )
        for each in batches:
            self._uploads.finalize(each)
        return batches[0]

    def batches(self) -> Mapping[str, Batches]:
        """Say what the finalize of each hot folder's batch delivers now."""
        rules = [sight.rule for sight in self._sights() if sight.rule.drop is DropMode.BATCH]
        ended = self._store.recallable_batches() if rules else {}
        return {rule.name: self._batches(rule.name, ended) for rule in rules}

    def _batches(self, name: str, ended: Mapping[str, Sequence[str]]) -> Batches:
        upload_id = self._store.open_batch(name)
        if upload_id is not None:
            return Batches(uploads=(upload_id,), is_open=True)
        return Batches(uploads=tuple(ended.get(name, ())))

    def _demand_watched(self, name: str, what: str) -> None:
        view = self.view(name)
        if view.state == "disabled":
            raise IllegalTransition(
                f"hot folder {name!r} is disabled, and is not {what}",
                hint="set `enabled: true` for it, then masv-watch reload",
                state=view.state,
                allowed=[],
            )

    def _answered(self, name: str, drops: int) -> int:
        if not drops:
            raise NotFound(
                f"hot folder {name!r} holds nothing from its first start",
                hint="masv-watch status lists what is held and why",
            )
        self._hurry(name)
        return drops


def drop_view(
    drop: Drop, counts: tuple[int, int] = (0, 0), *, root: bytes | None = None
) -> DropView:
    """Give a drop as people see it; `counts` are its files in an upload, and those sent.

    `root` is the path of its hot folder, where that is known.
    """
    return DropView(drop=drop, cure=cure_of(drop, root), files=counts[0], files_up=counts[1])


def _view(sight: FolderSight, paused_at: float | None, living: Sequence[Drop]) -> FolderView:
    own = [drop for drop in living if drop.hot_folder == sight.rule.name]
    states = [drop.state for drop in own]
    arriving = sum(1 for drop in own if lifecycle.is_arriving(drop))
    state = "waiting" if sight.reason else "watching"
    if not sight.rule.is_enabled:
        state = "disabled"
    elif paused_at is not None:
        state = "paused"
    return FolderView(
        sight=sight,
        state=state,
        paused_at=paused_at,
        settling=states.count(DropState.SETTLING) + states.count(DropState.QUEUED) + arriving,
        held=states.count(DropState.HELD),
    )
