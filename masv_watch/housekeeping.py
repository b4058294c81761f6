"""What is done by the clock and for nobody: forgetting, looking for damage, copies of the state.

Owns when each of it is due, and what of it failed. Never touches a row or a file itself: store and
roster do. Built, started and stopped by `daemon`, which shows what needs a person.

Law 1. Nothing here holds up a transfer: readers look, writes are small, and between two of them
others have their turn.
Law 2. What fails is shown until it went well, and tried again at its next time; it ends nothing.
Law 3. A machine that is switched off every night gets there, too: the first turn is soon after the
start.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler

from masv_watch.errors import MasvWatchError, StoreError, StoreUnusable
from masv_watch.loops import Bell, Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Backup, Need, Settings
from masv_watch.store.contract import Store
from masv_watch.store.copying import list_folder, remove_copy

log = logging.getLogger(__name__)

#: seconds after the start at which the first turn is
FIRST_S = 300.0
#: seconds between two parts of what is forgotten: others have the disk meanwhile
BREATH_S = 0.02
#: uploads that are found at one look
FOUND = 500
#: seconds after which another copy is due, so that the hour of the day stays about the same
BACKUP_S = 23.5 * 3600.0
#: what helps where the failure itself names nothing; it is tried again each day
_HISTORY_CURE = "free space on the disk of the state; if it comes again, masv-watch state check"
_PREFIX, _SUFFIX = "masv-watch-", ".db"


class Housekeeping:
    """The jobs of one daemon; `needs` is asked by any thread."""

    def __init__(
        self,
        store: Store,
        *,
        settings: Callable[[], Settings],
        tidy: Callable[[float], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Plan everything; nothing runs before `start`. `tidy` is told how long history is kept."""
        self._store, self._settings, self._tidy = store, settings, tidy
        self._clock, self._metrics = clock, metrics
        metrics.count("backup_failures", 0)
        self._stopping = False
        self._pause = Bell()
        #: what failed at its last time, by its key
        self._needs: dict[str, Need] = {}
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        # the library's default drops a job that is a second late (measured)
        self._scheduler = BackgroundScheduler(
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        first = clock.local(clock.wall() + FIRST_S)
        for chore, hours in (
            (self.tidy, 1),
            (self.back_up, 1),
            (self.forget, 24),
            (self.check, 24),
        ):
            self._scheduler.add_job(chore, "interval", hours=hours, next_run_time=first)

    def start(self) -> None:
        """Begin the clock."""
        self._scheduler.start()

    def stop(self) -> None:
        """End what runs at its next step, and wait for it."""
        self._stopping = True
        self._pause.ring()
        self._scheduler.shutdown(wait=True)

    def needs(self) -> Iterable[Need]:
        """Give what failed at its last time."""
        return tuple(self._needs.values())

    def tidy(self) -> None:
        """Have hot folders look at what is old and at what is missed."""
        self._tidy(self._settings().history.drops_s)

    def forget(self) -> None:
        """Remove what has been over for longer than history is kept, a little at a time."""
        history = self._settings().history
        try:
            events = self._store.forget_events(history.events_s)
            rows = self._forget_uploads(history.drops_s)
            while not self._stopping and (some := self._store.forget_drops()):
                rows += some
                self._pause.wait(BREATH_S)
            self._store.tend()
        except MasvWatchError as error:
            self._fail_history(error)
            return
        self._well("history")
        if events or rows:
            log.info("history was forgotten", extra={"events": events, "rows": rows})

    def _fail_history(self, error: MasvWatchError) -> None:
        """Tell of it: what is left is found again tomorrow, and the state grows until then."""
        cure = error.hint or _HISTORY_CURE
        said = {"code": error.code, "reason": error.message, "cure": cure}
        log.error("history was not forgotten", extra=said)
        text = f"history was not forgotten, so the state grows: {error.message}"
        self._needs["history"] = Need(key="history", text=text, cure=cure)

    def _forget_uploads(self, kept_s: float) -> int:
        removed, before = 0, -1
        while removed > before and not self._stopping:
            before = removed
            for upload_id in self._store.over_uploads(kept_s, limit=FOUND):
                while not self._stopping and (some := self._store.forget_upload(upload_id)):
                    removed += some
                    self._pause.wait(BREATH_S)
        return removed

    def check(self) -> None:
        """Look for damage in the state while it is used."""
        try:
            found = self._store.damage(stop=lambda: self._stopping)
        except MasvWatchError as error:
            found = str(error)
        if self._stopping:
            return
        self._metrics.gauge("state_damaged", bool(found))
        if not found:
            self._well("damage")
            return
        text = f"the state in {self._settings().state} is damaged: {found}"
        cure = "stop the daemon, then masv-watch state check, and masv-watch state restore FROM"
        said = {"code": StoreUnusable.code, "found": found, "cure": cure}
        log.error("the state is damaged", extra=said)
        self._needs["damage"] = Need(key="damage", text=text, cure=cure)

    def back_up(self) -> None:
        """Copy the state, if the configuration asks for it and a copy is due."""
        backup, wall = self._settings().backup, self._clock.wall()
        if backup is None:
            self._well("backup")
            return
        try:
            copies = {each: at for each, at in list_folder(backup.to).items() if is_copy(each)}
            self._show_newest(at for at in copies.values() if at <= wall)
            if not is_due(copies.values(), wall):
                return
            name = name_of(self._clock.local(wall))
            to = os.path.join(backup.to, name)
            size = self._store.back_up(to, with_key=backup.with_key, stop=lambda: self._stopping)
            for old in surplus(copies, name, keep=backup.keep):
                remove_copy(os.path.join(backup.to, old))
        except (MasvWatchError, OSError) as error:
            if not self._stopping:
                self._fail_backup(backup, error)
            return
        self._well("backup")
        self._show_newest([wall])
        log.info("the state was backed up", extra={"to": to, "bytes": size})

    def _show_newest(self, times: Iterable[float]) -> None:
        """Show when the last copy was made: after a restart the files alone know it."""
        newest = max(times, default=None)
        if newest is not None:
            self._metrics.gauge("backup_last_success_timestamp_seconds", newest)

    def _fail_backup(self, backup: Backup, error: Exception) -> None:
        self._metrics.count("backup_failures")
        text = f"the state cannot be backed up to {backup.to}: {error}"
        cure = "make room there, or set backup.to to a folder that the daemon's user can write"
        code = error.code if isinstance(error, MasvWatchError) else StoreError.code
        said = {"to": backup.to, "code": code, "reason": str(error), "cure": cure}
        log.error("the state was not backed up", extra=said)
        self._needs["backup"] = Need(key="backup", text=text, cure=cure)

    def _well(self, key: str) -> None:
        self._needs.pop(key, None)


def is_due(times: Iterable[float], wall: float) -> bool:
    """Say whether a copy is due, given the wall seconds of those that are there.

    One of the future, of a clock that was wrong, counts for nothing.
    """
    return all(at > wall or wall - at >= BACKUP_S for at in times)


def name_of(local: datetime) -> str:
    """Give the name of a copy that is made at a local time; names sort by their time."""
    return f"{_PREFIX}{local:%Y%m%dT%H%M%S}{_SUFFIX}"


def surplus(names: Iterable[str], made: str, *, keep: int) -> list[str]:
    """List the copies that go so that the one just made and the newest are kept.

    What has a name of the future, of a clock that was wrong, goes first; what is not ours is left
    alone.
    """
    ours = sorted(filter(is_copy, {*names, made}), key=lambda name: (name <= made, name))
    return ours[: max(len(ours) - keep, 0)]


def is_copy(name: str) -> bool:
    """Say whether a file's name is that of a copy made here."""
    stamp = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    is_ours = name == f"{_PREFIX}{stamp}{_SUFFIX}" and len(stamp) == len("20261128T040000")
    return is_ours and stamp.replace("T", "", 1).isdigit()
