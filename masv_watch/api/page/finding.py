"""The search in uploads, as the page asks for it again and again.

Owns how long an answer about the names of files counts. Never looks by itself: the front desk does.
Used by the first view.

It stands alone because it is all that one look remembers for the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from masv_watch.model import FilesNamed

#: seconds in which the same search is not made again: the page asks anew every few of them, and a
#: search can take half a second
FRESH_S = 30.0
#: searches that are remembered
_MOST = 8

NOTHING = FilesNamed(names={})


class Finder:
    """What was found by the names of files a moment ago; any thread."""

    def __init__(self, look: Callable[[str], FilesNamed], now: Callable[[], float]) -> None:
        """Remember nothing yet; `look` makes a search, `now` is the store's clock."""
        self._look = look
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, FilesNamed]] = {}

    def files(self, needle: str) -> FilesNamed:
        """Give the uploads with a file whose name holds a text; none for the empty text."""
        if not needle:
            return NOTHING
        with self._lock:
            at, found = self._known.get(needle, (None, NOTHING))
        if at is not None and 0 <= self._now() - at < FRESH_S:
            return found
        found = self._look(needle)
        with self._lock:
            self._known.pop(needle, None)
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[needle] = (self._now(), found)
        return found
