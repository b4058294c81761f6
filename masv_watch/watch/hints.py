"""Notifications of the operating system, as hints that a hot folder deserves a sweep.

Owns the one observer of the daemon and the knowledge of where it is blind. Never tells what
happened: losing every hint costs at most one sweep period. Called by intake, which arms its roots
on every sweep and listens for the ring.

Law 1. The handler rings and does nothing else; whatever it raises is counted, never passed on.
Law 2. Nothing here raises: where notifications cannot work, `mode` says so and why (fault 3).
Law 3. A watch belongs to one root: another identity at the path is armed anew (faults 6, 7).
Law 4. An overflow rings every bell, because nobody knows what was lost (fault 1).
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from watchdog.events import FileSystemEvent
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, EventEmitter, ObservedWatch

from masv_watch.files import Mount, filesystem_kind, resolved, watch_limit
from masv_watch.names import shown
from masv_watch.watch.budget import beyond, watches_line
from masv_watch.watch.observing import (
    WANTED,
    Handler,
    Overflows,
    begin,
    emitter_of,
    narrow,
    runs,
    set_apart,
    tops_of,
    watched_folders,
    why_deaf,
)
from masv_watch.watch.spared import NOTHING_MORE, Spared

log = logging.getLogger(__name__)

#: sweeps in a row that found folders unwatched: one may have come faster than its watch
_LACKING = 2
#: names that are remembered as announced until the next sweep
_MOST_NAMES = 100_000


class Sight(StrEnum):
    """How far notifications can be trusted for one hot folder."""

    #: they work: the sweep is the safety net
    EVENTS = "events"
    #: they cannot work there by rule: a network file system
    BLIND = "blind"
    #: they should work and do not
    DEGRADED = "degraded"
    #: not armed
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What notifications do for one hot folder."""

    sight: Sight
    #: one sentence for people with what helps; "" for `events`
    why: str = ""


@dataclass(slots=True, kw_only=True)
class _Armed:
    """One hot folder that somebody wants to hear of."""

    path: bytes
    identity: tuple[int | str, ...] | None
    mode: Mode
    watch: ObservedWatch | None = None
    #: what hears the watch: a word that comes late is of an earlier one
    handler: Handler | None = None
    emitter: EventEmitter | None = None
    #: its folders are being watched one by one
    is_beginning: bool = False
    #: the kernel refused a watch, of the root or of what lies below it
    is_at_limit: bool = False
    #: folders that the last whole sweep found, the root with them
    folders: int = 0
    #: those of them whose path is longer than the kernel takes
    too_deep: int = 0
    #: sweeps in a row that found more folders than are watched, and the limit as it was then
    lacking: int = 0
    limit: int | None = None
    #: why changes there cannot be believed to be announced; "" while they can
    doubt: str = ""
    #: folders of it that nobody has to hear of
    spared: Spared = NOTHING_MORE


class Hints:
    """The one observer, shared by all hot folders; every method may be called from any thread."""

    def __init__(
        self,
        ring: Callable[[str], None],
        *,
        kind_of: Callable[[bytes], str] = filesystem_kind,
        new_observer: Callable[[], BaseObserver] = Observer,
        limit: Callable[[], int | None] = watch_limit,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Start nothing yet; `ring` is called with a hot folder's name, from the observer's thread.

        The first three keywords let a test stand for a network file system or a machine at its
        limits.
        """
        self._limit = limit
        self._monotonic = monotonic
        #: names at the top of each hot folder that were announced since they were asked for
        self._announced: dict[str, set[bytes]] = {}
        #: hot folders of which announcements got lost
        self._lost: set[str] = set()
        self._last_event: dict[str, float] = {}
        self._canary: tuple[bytes, Callable[[], None]] | None = None
        #: whether the running observer was asked to show the canary
        self.hears_canary = False
        #: why no notification is believed; "" while they are
        self._distrust = ""
        self._ring = ring
        self._kind_of = kind_of
        self._new_observer = new_observer
        self._lock = threading.RLock()
        self._observer: BaseObserver | None = None
        self._armed: dict[str, _Armed] = {}
        #: hot folders whose root was deleted since it was armed
        self._removed: set[str] = set()
        #: rings that raised, and kernel queues that overflowed; for metrics
        self.failures = 0
        self.overflows = 0
        self._overflows = Overflows()
        # each text is unique, so that every one would be remembered for ever; as an error it would
        # end the shared reader thread and with it all sight
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.observers\.")

    def arm(
        self,
        hot_folder: str,
        path: bytes,
        *,
        identity: tuple[int | str, ...] | None = None,
        below: Sequence[Mount] = (),
        spared: Spared = NOTHING_MORE,
    ) -> Mode:
        """Listen to a root, and give how far that works; call it on every sweep.

        Nothing happens while the same root is armed and alive. Another identity at the path, a
        dead observer, other folders to spare, or a cause that may have gone: it is armed anew.
        """
        # asked without the lock: a dead server must keep nobody else waiting (fault 10)
        why = self._blindness(path, below)
        with self._lock:
            was = self._armed.get(hot_folder)
            is_same = was is not None and (was.path, was.identity) == (path, identity)
            if was and is_same and was.spared == spared and was.mode.why == why and self._sees(was):
                return self._mode_of(was)
            self.disarm(hot_folder)
            if why:
                armed = _Armed(path=path, identity=identity, mode=Mode(sight=Sight.BLIND, why=why))
            else:
                armed = self._schedule(hot_folder, path, identity)
            if was and was.path == path:
                armed.folders, armed.too_deep, armed.doubt = was.folders, was.too_deep, was.doubt
            armed.spared = spared
            narrow(armed.emitter, spared, partial(self._overflowed, hot_folder))
            self._armed[hot_folder] = armed
        self._begin(armed)
        return self._mode_of(armed)

    def _begin(self, armed: _Armed) -> None:
        """Watch every folder of a root, without the lock: a disk that hangs keeps nobody else."""
        if not armed.is_beginning:
            return
        try:
            begin(armed.emitter)
        except (OSError, RuntimeError) as error:
            with self._lock:
                self._unschedule(armed)
                armed.watch = armed.emitter = None
                armed.is_at_limit = isinstance(error, OSError) and error.errno == errno.ENOSPC
                armed.mode = Mode(sight=Sight.DEGRADED, why=why_deaf(armed.path, error))
        armed.is_beginning = False

    def _blindness(self, path: bytes, below: Sequence[Mount]) -> str:
        if self._kind_of(path) == "network":
            return f"{shown(path)} lies on a network file system: changes of others are unseen"
        if below:
            # listening walks through all that is mounted below, and that may hang
            point = shown(below[0].point)
            return f"{point} is on a network file system: changes of others there are unseen"
        return ""

    def disarm(self, hot_folder: str) -> None:
        """Stop listening to a hot folder, and forget its end; one that is not armed is fine."""
        with self._lock:
            armed = self._armed.pop(hot_folder, None)
            self._removed.discard(hot_folder)
            if armed:
                self._unschedule(armed)

    def _unschedule(self, armed: _Armed) -> None:
        if armed.watch and self._observer:
            try:
                self._observer.unschedule(armed.watch)
            except (KeyError, OSError, RuntimeError):
                # its emitter ended with its folder: nothing is left to unschedule
                log.debug("a watch was gone already", extra={"path": shown(armed.path)})

    def lose(self, hot_folder: str) -> None:
        """Believe nothing of a root that is away, but hear out what was said of it.

        The word that it was deleted may still be on its way, and decides what may come in its
        place (fault 6).
        """
        with self._lock:
            armed = self._armed.get(hot_folder)
            if armed is not None:
                self._armed[hot_folder] = _Armed(
                    path=armed.path,
                    identity=armed.identity,
                    mode=Mode(sight=Sight.OFF, why="its root is away"),
                    watch=armed.watch,
                    handler=armed.handler,
                )

    def was_removed(self, hot_folder: str) -> bool:
        """Say whether the root that was armed last was deleted: not moved, and not unmounted."""
        return hot_folder in self._removed

    def _hear_end(self, hot_folder: str, event: FileSystemEvent, heard_by: Handler) -> None:
        """Note that a root was deleted, if it is the one that is listened to now."""
        armed = self._armed.get(hot_folder)
        watch = armed.watch if armed is not None else None
        is_root = watch is not None and event.src_path == watch.path
        if event.event_type == "deleted" and is_root and armed and armed.handler is heard_by:
            self._removed.add(hot_folder)

    def _hear(self, hot_folder: str, event: FileSystemEvent) -> None:
        self._last_event[hot_folder] = self._monotonic()
        armed = self._armed.get(hot_folder)
        watch = armed.watch if armed is not None else None
        if watch is not None:
            names = self._announced.setdefault(hot_folder, set())
            names.update(tops_of(watch.path, event))
            if len(names) > _MOST_NAMES:
                names.clear()
                self._lost.add(hot_folder)
        self._ring(hot_folder)

    def mode(self, hot_folder: str) -> Mode:
        """Give how far notifications work for a hot folder; whoever hangs is not waited for."""
        armed = self._armed.get(hot_folder)
        if armed is None or armed.is_beginning:
            return Mode(sight=Sight.OFF, why="not armed" if armed is None else "not armed yet")
        if armed.mode.sight is Sight.EVENTS and not self._sees(armed):
            return Mode(sight=Sight.DEGRADED, why="the observer ended; the next sweep arms it")
        return self._mode_of(armed)

    def _mode_of(self, armed: _Armed) -> Mode:
        """Give how far what is armed can be believed now."""
        if armed.is_at_limit or armed.lacking >= _LACKING:
            return Mode(sight=Sight.DEGRADED, why=self._limit_reached(armed))
        why = self._distrust or armed.doubt or beyond(armed.too_deep)
        if armed.mode.sight is Sight.EVENTS and why:
            return Mode(sight=Sight.DEGRADED, why=why)
        return armed.mode

    def _limit_reached(self, armed: _Armed) -> str:
        """Name the exact number that suffices: all folders, what others hold, and a margin."""
        limit = self._limit() or 0
        every = tuple(self._armed.values())
        folders = sum(max(each.folders - each.too_deep, 1) for each in every) or 1
        if armed.folders == 0:
            # nothing was swept yet: whatever there is, it is more than what is allowed
            folders = max(folders, limit)
        watched = sum(watched_folders(each.emitter) or 0 for each in every)
        need = folders + max(limit - watched, 0) * (watched > 0)
        seen = f"{watched} of {folders} folders are watched" if armed.folders else "none is watched"
        return (
            f"the kernel's limit of notifications is reached, {seen}: raise it with"
            f" {watches_line(need)}"
        )

    def note_folders(self, hot_folder: str, folders: int, *, too_deep: int = 0) -> bool:
        """Take in how many folders a whole sweep found; say whether another one should check it.

        Where the kernel takes no further watch for a folder below a root, nobody is told (pain 32).
        Those that lie too deep to be named to it are never watched, whatever its limit.
        """
        with self._lock:
            armed = self._armed.get(hot_folder)
            if armed is None:
                return False
            armed.folders, armed.too_deep = folders, too_deep
            watched = watched_folders(armed.emitter)
            if watched is None or watched >= folders - too_deep:
                armed.lacking = 0
                return False
            armed.lacking += 1
            if armed.lacking > _LACKING and armed.limit != self._limit():
                # somebody raised it: everything is watched anew
                armed.emitter = None
            armed.limit = self._limit()
            return armed.lacking < _LACKING

    def take_announced(self, hot_folder: str) -> tuple[set[bytes], bool]:
        """Give the names at the top announced since the last call, and if some got lost."""
        names = self._announced.pop(hot_folder, set())
        has_lost = hot_folder in self._lost
        self._lost.discard(hot_folder)
        return names, has_lost

    def last_event(self, hot_folder: str) -> float | None:
        """Give the monotonic second of the last event of a hot folder; None before the first."""
        return self._last_event.get(hot_folder)

    def doubt(self, hot_folder: str, why: str) -> None:
        """Take notifications of a hot folder for unreliable, and listen anew; "" ends it."""
        with self._lock:
            armed = self._armed.get(hot_folder)
            if armed is None or armed.doubt == why:
                return
            armed.doubt = why
            if why:
                # the next sweep arms it
                armed.emitter = None
        self._ring(hot_folder)

    def listen_to(self, folder: bytes, hear: Callable[[], None]) -> None:
        """Have `hear` called for each change of a private folder, by whichever observer runs."""
        with self._lock:
            self._canary = (folder, hear)
            if self._observer is not None:
                self._show_canary(self._observer)

    def renew(self, why: str) -> None:
        """Make the observer anew, and believe none until `trust`; every hot folder is swept."""
        with self._lock:
            observer, self._observer = self._observer, None
            self._distrust, self.hears_canary = why, False
            for armed in self._armed.values():
                armed.watch = armed.emitter = None
        if observer is not None:
            observer.stop()
        self._ring_all()

    def trust(self) -> None:
        """Believe notifications again."""
        with self._lock:
            was, self._distrust = self._distrust, ""
        if was:
            self._ring_all()

    def revive(self) -> None:
        """Have every hot folder swept, and so armed, whose thread ended by itself (fault 4)."""
        with self._lock:
            dead = [
                name
                for name, armed in self._armed.items()
                if armed.mode.sight is Sight.EVENTS
                and not armed.is_beginning
                and not self._sees(armed)
            ]
        for name in dead:
            self._ring(name)

    def _show_canary(self, observer: BaseObserver) -> None:
        if self._canary is None:
            return
        folder, hear = self._canary
        handler = Handler("", lambda _name, _event: hear(), self._failed)
        try:
            watch = observer.schedule(handler, os.fsdecode(resolved(folder)))
            begin(emitter_of(observer, watch))
        except (OSError, RuntimeError) as error:
            log.warning("the canary is not heard", extra={"reason": str(error)})
            return
        self.hears_canary = True

    def _ring_all(self) -> None:
        for hot_folder in tuple(self._armed):
            self._ring(hot_folder)

    def healthy(self) -> bool:
        """Say whether every armed hot folder that can be seen is seen."""
        return all(self.mode(name).sight is not Sight.DEGRADED for name in tuple(self._armed))

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop listening to everything; may be called again."""
        with self._lock:
            self._armed.clear()
            observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join(timeout_s)

    def _schedule(
        self, hot_folder: str, path: bytes, identity: tuple[int | str, ...] | None
    ) -> _Armed:
        handler = Handler(hot_folder, self._hear, self._failed, hear_end=self._hear_end)
        try:
            observer = self._running()
            # the observer does not follow a link, and the root may be one
            watch = observer.schedule(
                handler, os.fsdecode(resolved(path)), recursive=True, event_filter=WANTED
            )
        except (OSError, RuntimeError) as error:
            at_limit = isinstance(error, OSError) and error.errno == errno.ENOSPC
            mode = Mode(sight=Sight.DEGRADED, why=why_deaf(path, error))
            return _Armed(path=path, identity=identity, mode=mode, is_at_limit=at_limit)
        return _Armed(
            path=path,
            identity=identity,
            mode=Mode(sight=Sight.EVENTS),
            watch=watch,
            handler=handler,
            emitter=emitter_of(observer, watch),
            is_beginning=True,
        )

    def _running(self) -> BaseObserver:
        if self._observer is not None:
            if runs(self._observer):
                return self._observer
            self._abandon(self._observer)
        observer = self._new_observer()
        set_apart(observer)
        observer.daemon = True
        observer.start()
        self._observer, self.hears_canary = observer, False
        self._show_canary(observer)
        return observer

    def _abandon(self, observer: BaseObserver) -> None:
        observer.stop()
        for armed in self._armed.values():
            armed.watch = armed.emitter = None

    def _sees(self, armed: _Armed) -> bool:
        if armed.mode.sight is Sight.BLIND:
            return True
        is_running = self._observer is not None and runs(self._observer)
        if not is_running or armed.emitter is None or not armed.emitter.is_alive():
            return False
        # an unmount takes every watch and nobody is told
        return armed.is_beginning or watched_folders(armed.emitter) != 0

    def _failed(self) -> None:
        self.failures += 1

    def _overflowed(self, hot_folder: str, is_over: bool) -> None:
        """Have everybody sweep at once, and each root again once all of it is watched again."""
        names: tuple[str, ...] = (hot_folder,)
        if not is_over:
            names = tuple(self._armed)
            if not self._overflows.is_new(hot_folder, names):
                return
            self.overflows += 1
        self._lost.update(names)
        for name in names:
            try:
                self._ring(name)
            except Exception:
                # the reader thread, which calls this, must outlive whatever rings
                self._failed()
                log.exception("a ring failed", extra=Handler.told(name))
