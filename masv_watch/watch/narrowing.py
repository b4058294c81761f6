"""Keep the observer's library from watching folders that hold nothing of ours to find.

Owns what is taken out of its watches: the folders that are spared, and a folder that was moved out
of the root, which the library goes on watching for as long as it exists anywhere; and the library's
word that the kernel dropped events. Never tells of a change. Used by observing, for inotify alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from watchdog.observers.api import EventEmitter
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyEvent, WatchDescriptor
from watchdog.observers.inotify_move_event_grouper import GroupedInotifyEvent, PathedInotifyEvent

from masv_watch.files import folders_below
from masv_watch.watch.spared import NOTHING_MORE, Spared

#: folders that left and whose arrival elsewhere may still be told of; more are the oldest's end
_MOST_LEAVING = 1000


def _nobody_told(_is_over: bool) -> None:
    return None


@dataclass
class Group(InotifyWatchGroup):
    """The watches of one root."""

    spared: Spared = NOTHING_MORE
    #: told by the reader's thread that the kernel dropped events, as `Narrow.lost` is
    lost: Callable[[bool], None] = _nobody_told

    def __post_init__(self) -> None:
        """Begin without a folder that leaves."""
        self._top = len(self.path.rstrip(b"/")) + 1
        #: the watches of each folder that left, by its path; one that is met again is taken out
        self._leaving: dict[bytes, set[WatchDescriptor]] = {}
        super().__post_init__()

    def on_event(self, event: InotifyEvent) -> None:
        """Take in one event, on the reader's thread."""
        if event.is_moved_from and event.is_directory:
            with self._lock:
                path = self._build_event_source_path(event)
                if path is not None:
                    self._leaving.pop(path, None)
                    self._leaving[path] = set(self._below(path))
                while len(self._leaving) > _MOST_LEAVING:
                    del self._leaving[next(iter(self._leaving))]
        super().on_event(event)
        if event.is_moved_to and event.is_directory:
            with self._lock:
                path = self._build_event_source_path(event)
                if path is not None and self._is_spared(path):
                    # it was watched under its name before
                    self._remove_callbacks(list(self._below(path)))

    def on_queue_overflow(self) -> None:
        """Watch every folder anew after the kernel dropped events, and tell of it."""
        self.lost(False)
        super().on_queue_overflow()
        # what came to a folder while it was not watched was announced by nobody, either
        self.lost(True)

    def left(self, path: bytes) -> None:
        """Watch a folder no more that is known to be nowhere below the root."""
        with self._lock:
            gone = self._leaving.pop(path, set())
            if self.is_active:
                self._remove_callbacks([wd for wd in self._below(path) if wd in gone])

    def _below(self, path: bytes) -> Iterator[WatchDescriptor]:
        inside = path + b"/"
        return (
            wd
            for wd, at in list(self._active_callbacks_by_watch.items())
            if at == path or at.startswith(inside)
        )

    def _is_spared(self, path: bytes) -> bool:
        return self.spared.has(path[self._top :])

    def _add_all_callbacks(self, path: bytes) -> None:
        """Watch a folder and all in it; what is spared is not even walked through."""
        if self._is_spared(path):
            return
        self._add_callback(path)
        for folder in folders_below(path, spares=self._is_spared) if self.is_recursive else ():
            self._add_callback(folder)

    def _recursive_simulate(self, src_path: bytes) -> list[InotifyEvent]:
        return [] if self._is_spared(src_path) else super()._recursive_simulate(src_path)

    def _add_callback(self, path: bytes) -> None:
        if self._is_spared(path):
            return
        super()._add_callback(path)
        wd = self._active_callbacks_by_path.get(path)
        for gone in self._leaving.values():
            if wd is not None:
                # it is back, under whatever name
                gone.discard(wd)

    def _remove_watch_internally(self, wd: WatchDescriptor) -> None:
        if wd in self._active_callbacks_by_watch:
            super()._remove_watch_internally(wd)


class Narrow(InotifyEmitter):
    """The library's emitter with a group of ours."""

    spared: Spared = NOTHING_MORE
    #: what is told of a loss: with False at once, with True when all is watched again
    lost: Callable[[bool], None] = staticmethod(_nobody_told)

    def on_thread_start(self) -> None:
        """Watch the root."""
        self._inotify = Group(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=self.watch.is_recursive,
            event_mask=self.get_event_mask_from_filter(),
            follow_symlink=self.watch.follow_symlink,
            spared=self.spared,
            lost=self.lost,
        )

    def build_and_queue_event(
        self, event: GroupedInotifyEvent, *, full_events: bool = False
    ) -> None:
        """Tell of an event, and let a folder go that went away and came nowhere."""
        super().build_and_queue_event(event, full_events=full_events)
        if (
            isinstance(event, PathedInotifyEvent)
            and event.ev.is_moved_from
            and event.ev.is_directory
            and isinstance(group := self._inotify, Group)
        ):
            group.left(event.path)


#: what stands for the library's emitter
NARROWED: dict[type[EventEmitter], type[EventEmitter]] = {InotifyEmitter: Narrow}
