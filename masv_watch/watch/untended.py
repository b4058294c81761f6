"""The roots of what is on its way from where no hot folder is watched any more.

Owns the look at them: whether they are there and the ones that they were, what waits for that, and
when somebody is told. Never looks for anything new. Built by `roster`; `tick` is called by a loop
of its own, the rest by any thread.

Law 1. A bare mount point proves nothing here either: nothing fails for it (fault 8).
Law 2. Nothing follows from a look for what is watched again by then: its own watcher decides.
Law 3. What stands there as it settled goes on; what does not can never settle again, as nobody
       watches it: its upload fails and says what helps (P3, P6).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from masv_watch import files
from masv_watch.errors import IllegalTransition, SourceError, SourceUnreadable
from masv_watch.lifecycle import OPEN
from masv_watch.loops import Bell, Clock, Loop
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Drop,
    DropDraft,
    DropState,
    FileDraft,
    HoldReason,
    Identity,
    Need,
    SourceFile,
    Upload,
    UploadState,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch import orphans
from masv_watch.watch.absence import ALARM_S
from masv_watch.watch.homes import why_not_home
from masv_watch.watch.ledgers import volume_name
from masv_watch.watch.needs import UNANSWERED

log = logging.getLogger(__name__)

#: seconds between two looks
PERIOD_S = 15.0
#: seconds between two turns while nothing is to be looked at
IDLE_S = 3600.0
#: seconds after which a root that does not answer is told of
PATIENCE_S = 5.0
#: files of a drop by which its root is known again
_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Place:
    """One root; of a removable one, each volume that stood there is another."""

    hot_folder: str
    path: bytes
    #: "" where it is not removable
    volume: str

    @property
    def key(self) -> str:
        """Name it among all that needs a person."""
        return f"untended {self.hot_folder} {shown(self.path)} {self.volume}".rstrip()


@dataclass(slots=True)
class _Away:
    """One root that is away."""

    #: monotonic, seconds
    since: float
    why: str
    #: of what waits for it, one, and how many there are
    drop: Drop
    number: int
    is_told: bool = False


class Untended:
    """What is on its way from roots that nobody watches."""

    def __init__(self, store: Store, *, clock: Clock, metrics: Metrics) -> None:
        """Begin with nothing on its way; whoever builds it starts and ends the loop."""
        self._store = store
        self._clock = clock
        # a dead network folder hangs this loop only, and restarts nothing (fault 10)
        self.loop = Loop(
            "untended",
            self.tick,
            bell=Bell(),
            clock=clock,
            metrics=metrics,
            at_most_s=IDLE_S,
            vital=False,
        )
        # held by whatever follows from a look, and by whoever says what is looked at
        self._lock = threading.Lock()
        #: numbers of drops, each with some of its files as they settled, once they were asked for
        self._drops: dict[int, Mapping[bytes, Identity] | None] = {}
        self._away: dict[Place, _Away] = {}
        #: the root that is asked, and since which monotonic second; None while none is
        self._asking: tuple[Place, float] | None = None

    def tend(self, drops: Iterable[Drop]) -> None:
        """Look after these drops from now on, and after no other."""
        with self._lock:
            known = self._drops
            self._drops = {drop.id: known.get(drop.id) for drop in drops}
        self.loop.bell.ring()

    def hurry(self, drop: Drop) -> None:
        """Look at the root of a drop soon."""
        with self._lock:
            self._drops.setdefault(drop.id, None)
        self.loop.bell.ring()

    def needs(self) -> list[Need]:
        """Say which roots a person should look at, one sentence each."""
        now, found = self._clock.monotonic(), []
        # read once: the loop ends its question meanwhile
        asking = self._asking
        if asking is not None and now - asking[1] >= PATIENCE_S:
            place, _ = asking
            text = (
                f"hot folder {place.hot_folder}: {shown(place.path)}, which nobody watches any"
                " more, does not answer; look at the mount"
            )
            cure = f"{UNANSWERED}; masv-watch uploads shows what waits for it"
            found.append(Need(key=place.key, text=text, cure=cure))
        for place, away in tuple(self._away.items()):
            if now - away.since >= ALARM_S:
                text = f"hot folder {place.hot_folder}: {_sentence(place.path, away)}"
                found.append(Need(key=place.key, text=text, cure=_cure(away)))
        return found

    def tick(self) -> float | None:
        """Look at every root; give the seconds to the next look, None while nothing needs one."""
        places = self._places()
        for place in self._away.keys() - places.keys():
            del self._away[place]
        for place, found in places.items():
            self._asking = place, self._clock.monotonic()
            try:
                why = self._why_away(place, found)
            finally:
                self._asking = None
            if why:
                self._wait(place, found, why)
            else:
                self._go_on(place, found)
        return PERIOD_S if places else None

    def _places(self) -> dict[Place, list[tuple[Drop, Upload]]]:
        """Give what is on its way by its root, and let go of the rest."""
        found: dict[Place, list[tuple[Drop, Upload]]] = {}
        for drop_id in tuple(self._drops):
            drop = self._store.drop(drop_id)
            upload = self._store.upload(drop.upload_id or "") if drop is not None else None
            if drop is None or upload is None or drop.state is not DropState.TAKEN:
                self._drops.pop(drop_id, None)
            elif upload.state in OPEN:
                place = Place(drop.hot_folder, upload.root, drop.volume)
                found.setdefault(place, []).append((drop, upload))
            elif upload.state is not UploadState.ERROR:
                self._drops.pop(drop_id, None)
        return found

    def _why_away(self, place: Place, found: Sequence[tuple[Drop, Upload]]) -> str:
        try:
            with files.Root.open(place.path) as root:
                if place.volume and volume_name(files.volume_of(root)) != place.volume:
                    return "is not the volume that it came on"
                sample = self._sample(found[0][0])
                return why_not_home(self._store, root, place.hot_folder, sample)
        except SourceError as error:
            said = error.message.removeprefix("the folder ")
            return said.removeprefix(shown(place.path)).strip()

    def _sample(self, drop: Drop) -> Mapping[bytes, Identity]:
        known = self._drops.get(drop.id)
        if known is None:
            known = {row.path: row.identity for row in islice(self._files(drop), _SAMPLE)}
            with self._lock:
                if drop.id in self._drops:
                    self._drops[drop.id] = known
        return known

    def _files(self, drop: Drop) -> Iterator[SourceFile]:
        return (row for row in self._store.files(drop.upload_id or "") if row.drop_id == drop.id)

    def _wait(self, place: Place, found: Sequence[tuple[Drop, Upload]], why: str) -> None:
        with self._lock:
            waiting = [drop for drop, _ in found if drop.id in self._drops]
            ids = [drop.id for drop in waiting if drop.hold is None]
            if ids:
                said = f"{shown(place.path)} {why}"
                self._store.close_root(place.hot_folder, place.path, said, only=ids)
        if not waiting:
            return
        now, first = self._clock.monotonic(), waiting[0]
        away = self._away.get(place)
        if away is None:
            away = self._away[place] = _Away(since=now, why=why, drop=first, number=len(waiting))
        away.why, away.drop, away.number = why, first, len(waiting)
        if now - away.since >= ALARM_S and not away.is_told:
            away.is_told = True
            log.error(
                "a folder that nobody watches is away",
                extra={
                    "hot_folder": place.hot_folder,
                    "code": SourceUnreadable.code,
                    "reason": _sentence(place.path, away),
                    "cure": _cure(away),
                },
            )

    def _go_on(self, place: Place, found: Sequence[tuple[Drop, Upload]]) -> None:
        self._away.pop(place, None)
        with self._lock:
            tended = [drop for drop, _ in found if drop.id in self._drops]
            ids = [drop.id for drop in tended if drop.hold is HoldReason.ROOT_UNAVAILABLE]
            if ids:
                self._store.open_root(place.hot_folder, only=ids)
        for drop, upload in found:
            if orphans.is_stuck(drop):
                self._settle(drop, upload)

    def _settle(self, drop: Drop, upload: Upload) -> None:
        """Take a drop that changed for what it was where it stands so again."""
        rows = {row.path: row for row in self._files(drop)}
        try:
            with files.Root.open(upload.root, fresh=True, follow=upload.terms.follow) as root:
                for path, found in files.identify_all(root, rows):
                    if isinstance(found, SourceUnreadable):
                        # it may be read at the next look
                        return
                    if isinstance(found, SourceError) or not files.is_same(
                        found, rows[path].identity
                    ):
                        self._act(drop, orphans.fail)
                        return
        except SourceError:
            return
        draft = DropDraft(
            drop_id=drop.id,
            signature=drop.signature,
            files=tuple(
                FileDraft(
                    path=row.path,
                    package_path=row.package_path,
                    name=row.name,
                    identity=row.identity,
                )
                for row in rows.values()
            ),
            # nobody looked for anything new: what was left out of it is what it was
            skipped=tuple(self._store.skipped(upload.id, drop_id=drop.id)),
            is_late=drop.is_late,
        )
        self._act(drop, lambda _, store: _take_again(draft, store))

    def _act(self, drop: Drop, act: Callable[[Drop, Store], None]) -> None:
        """Do what follows from a look at a drop, unless somebody else looked after it meanwhile."""
        with self._lock:
            known = self._store.drop(drop.id)
            if known is None or drop.id not in self._drops or not orphans.is_stuck(known):
                return
            act(known, self._store)


def _take_again(draft: DropDraft, store: Store) -> None:
    try:
        store.settle_again(draft)
    except IllegalTransition as error:
        log.info("a drop was not taken", extra={"drop": draft.drop_id, "reason": str(error)})


def _sentence(path: bytes, away: _Away) -> str:
    others = "" if away.number == 1 else f" and {away.number - 1:,} more"
    return (
        f"{shown(path)}, which nobody watches any more, {away.why}, and {shown(away.drop.path)}"
        f"{others} of it is on its way"
    )


def _cure(away: _Away) -> str:
    return f"mount what was there, and it goes on; or masv-watch cancel {away.drop.id} ends it"
