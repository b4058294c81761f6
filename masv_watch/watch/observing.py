"""What the observer's library does not say by itself: its losses, its death and what it watches.

Owns the knowledge of the library's inside. Never decides what follows: `hints` does. Used by hints.

Law 1. What a handler raises is counted and logged, never passed on: it would end the one dispatcher
       of every hot folder.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, EventEmitter, ObservedWatch

from masv_watch.errors import OUR_FAULT
from masv_watch.names import shown
from masv_watch.watch.budget import instances_line
from masv_watch.watch.spared import Spared

if sys.platform == "linux":
    from masv_watch.watch.narrowing import NARROWED as _NARROWED
else:
    _NARROWED: dict[type[EventEmitter], type[EventEmitter]] = {}

log = logging.getLogger(__name__)

#: what Linux is asked to tell of. A write is told of once its file is closed: of every write, a
#: recorder would ring all day, and every file of a burst five times; what is written and not closed
#: is seen by the samples of what settles and by the sweep of the hour (`watch.cycles`)
WANTED: list[type[FileSystemEvent]] | None = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
if sys.platform != "linux":
    # other systems tell of no close
    WANTED = None
#: events that no read causes: our own sweeps must not ring for themselves
_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed", "attrib"})


#: seconds that an emitter gets to end
_ENDING_S = 1.0


class Handler(FileSystemEventHandler):
    """Rings for one hot folder."""

    def __init__(
        self,
        hot_folder: str,
        hear: Callable[[str, FileSystemEvent], None],
        failed: Callable[[], None],
        *,
        hear_end: Callable[[str, FileSystemEvent, Handler], None] | None = None,
    ) -> None:
        self._hot_folder = hot_folder
        self._hear = hear
        self._failed = failed
        self._hear_end = hear_end

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Ring for a change; an exception here would end the dispatcher for every hot folder."""
        try:
            if event.event_type == "deleted" and self._hear_end is not None:
                self._hear_end(self._hot_folder, event, self)
            if event.event_type in _CHANGES:
                self._hear(self._hot_folder, event)
        except Exception:
            self._failed()
            log.exception("a ring failed", extra=self.told(self._hot_folder))

    @staticmethod
    def told(hot_folder: str) -> dict[str, object]:
        """Give what the log says beside a ring that failed, which loses no file."""
        cure = "nothing for the files, sweeps find what is new; masv-watch doctor, and report it"
        return {"hot_folder": hot_folder, **OUR_FAULT, "cure": cure}


class Overflows:
    """The times at which the kernel's queue overflowed, of which each root is told by itself."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def is_new(self, hot_folder: str, armed: Collection[str]) -> bool:
        """Say whether a root is told of an overflow that none of those which are armed met yet."""
        self._told.intersection_update(armed)
        is_new = not self._told or hot_folder in self._told
        if is_new:
            self._told.clear()
        self._told.add(hot_folder)
        return is_new


def why_deaf(path: bytes, error: OSError | RuntimeError) -> str:
    """Say why an observer cannot listen to a path, and what helps."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EMFILE:
        return f"the kernel's limit of notifications is reached: raise it with {instances_line()}"
    if number == errno.ENOENT:
        return f"{shown(path)} is not there"
    return f"notifications cannot be started for {shown(path)}: {error}"


def set_apart(observer: BaseObserver) -> None:
    """Have an observer take a root without walking it, which `begin` does; call it once.

    The library walks while it holds the lock that every event of every root passes: one disk that
    hangs would keep all others unheard (fault 10).
    """
    kind = getattr(observer, "_emitter_class", None)
    if kind is not None:
        kind = _NARROWED.get(kind, kind)
        vars(observer)["_emitter_class"] = type("Apart", (_Apart, kind), {})


class _Apart:
    """What an emitter is made of whose walk nobody else waits for."""

    def start(self) -> None:
        """Begin nothing: the observer's lock is held."""

    def begin(self) -> None:
        """Walk the root and start; raises what the library raises."""
        super().start()  # type: ignore[misc]
        if not self.should_keep_running():  # type: ignore[attr-defined]
            # it was taken back while the disk kept us
            self.stop()  # type: ignore[attr-defined]

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, and not for a disk that hangs."""
        super().join(_ENDING_S if timeout is None else timeout)  # type: ignore[misc]


def begin(emitter: EventEmitter | None) -> None:
    """Walk a root and watch its folders; no lock may be held, for it can take as long as a disk.

    Raises:
        OSError: the kernel refuses it, or the folder is not there.
    """
    begins = getattr(emitter, "begin", None)
    if begins is not None:
        begins()


def narrow(emitter: EventEmitter | None, spared: Spared, lost: Callable[[bool], None]) -> None:
    """Have an emitter watch no folder that is spared, and tell what it lost; before it begins.

    Where it knows how: `narrowing.Narrow` says what `lost` is called with.
    """
    if emitter is not None:
        vars(emitter).update(spared=spared, lost=lost)


def runs(observer: BaseObserver) -> bool:
    """Say whether every thread of an observer that others depend on is alive."""
    # the dispatcher and the emitters look alive without the one thread that reads (fault 4); the
    # library shows it nowhere, and other systems than Linux have none
    reader = getattr(observer, "_inotify_fd", None)
    reads = reader is None or bool(reader.is_alive())
    return observer.is_alive() and reads


def watched_folders(emitter: EventEmitter | None) -> int | None:
    """Count the folders that an emitter watches; None where the library does not show it."""
    group = getattr(emitter, "_inotify", None)
    paths = getattr(group, "_active_callbacks_by_path", None)
    return len(paths) if paths is not None else None


def tops_of(root: str | bytes, event: FileSystemEvent) -> Iterator[bytes]:
    """Give the names at the top of a root that an event is about."""
    above = os.fsencode(root).rstrip(b"/") + b"/"
    for path in (event.src_path, event.dest_path):
        below = os.fsencode(path)
        if path and below.startswith(above):
            yield below[len(above) :].partition(b"/")[0]


def emitter_of(observer: BaseObserver, watch: ObservedWatch) -> EventEmitter | None:
    """Give what reads one watch of an observer; None where it has ended."""
    return next((each for each in observer.emitters if each.watch == watch), None)
