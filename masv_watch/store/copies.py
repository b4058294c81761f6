"""Where copies of a state lie: what we wrote there is our own, and never sent.

Owns the note of the places that copies were made at, and the marks of what lies there now. Never
reads a copy and never makes or removes one. Called by whoever makes a copy, and by `daemon` for
each look at what may be sent.

Law 1. What is marked was made by us: it was noted as a copy, or lies in a folder of copies under
the name of one. Whatever else lies in that folder is not ours.
Law 2. A disk of copies that does not answer holds up nothing: what was known of it goes on, and
nobody can read what lies there either.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from masv_watch.loops import Clock, start_thread

Mark = tuple[int, int]

#: of a state's folder, the file that names the places, each ended by a byte that no path has
NOTE = "copies"
_END = b"\0"
#: seconds that a look at the places may take before others go on without it
PATIENCE_S = 2.0
_SUFFIXES = (b"", b".key", b".part", b".key.part")
_DAILY = re.compile(rb"masv-watch-\d{8}T\d{6}\.db(\.key)?(\.part)?")


def note(folder: str, place: str) -> bool:
    """Note for a state's folder that copies are made at a place; say whether it is noted now.

    The place is the file of a copy, or a folder for copies of the day.
    """
    path, entry = os.path.join(folder, NOTE), os.fsencode(os.path.abspath(place))
    try:
        if entry in noted(folder):
            return True
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, entry + _END)
            owner = os.stat(folder)
            if os.geteuid() == 0:
                # root copies, the daemon's user reads
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def noted(folder: str) -> list[bytes]:
    """Give the places that were noted for a state's folder.

    Raises:
        OSError: the note is there and cannot be read.
    """
    try:
        with open(os.path.join(folder, NOTE), "rb") as file:
            return file.read().split(_END)[:-1]
    except FileNotFoundError:
        return []


class Copies:
    """The copies of one state as they lie now; any thread may ask."""

    def __init__(self, folder: str, to: Callable[[], str | None], *, clock: Clock) -> None:
        """Look at the places noted for this state's folder, and at the configured one."""
        self._folder, self._to, self._clock = folder, to, clock
        self._lock = threading.Lock()
        self._look: _Look | None = None
        self._known: frozenset[Mark] = frozenset()

    def marks(self) -> frozenset[Mark]:
        """Give the device and inode of each copy and of each key beside one."""
        places = self._places()
        if not places:
            return frozenset()
        with self._lock:
            look = self._look
            if look is None or look.over.is_set():
                look = self._look = _Look(places, until=self._clock.monotonic() + PATIENCE_S)
                start_thread("copies", look.run)
        look.over.wait(max(look.until - self._clock.monotonic(), 0.0))
        with self._lock:
            if look.over.is_set():
                self._known = look.found
            return self._known

    def _places(self) -> list[bytes]:
        found, to = [], self._to()
        with suppress(OSError):
            found = noted(self._folder)
        return found if to is None else [os.fsencode(to), *found]


class _Look:
    """One look at the places, in a thread of its own that a dead disk may keep."""

    def __init__(self, places: Iterable[bytes], *, until: float) -> None:
        self._places = places
        #: monotonic seconds until which others wait for it
        self.until = until
        self.over = threading.Event()
        self.found: frozenset[Mark] = frozenset()

    def run(self) -> None:
        try:
            self.found = frozenset(_marks(self._places))
        finally:
            self.over.set()


def _marks(places: Iterable[bytes]) -> Iterator[Mark]:
    for place in places:
        for path in _copies_at(place):
            with suppress(OSError):
                status = os.stat(path)
                yield status.st_dev, status.st_ino


def _copies_at(place: bytes) -> list[bytes]:
    try:
        names = os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return [place + suffix for suffix in _SUFFIXES]
    except OSError:
        return []
    return [os.path.join(place, name) for name in names if _DAILY.fullmatch(name)]
