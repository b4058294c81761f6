"""The connections that only read: as many as read at the same time, and few in quiet.

Owns how many there are. Never reads itself and knows no statement. Used by the SQLite engine.

Each takes a quarter of a MiB, and half a MiB more as it fills with what it was asked. A start, a
wave of sweeps or a page that many look at needs twenty of them for a moment; a daemon that rests
needs one.

Law 1. Nobody waits for a connection: where none is free, another is opened.
Law 2. The one used last goes first, so that those of a rush are left alone, and what was left alone
for long is closed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: pages in memory of each connection, in KiB as SQLite takes it; what it asks again and again are a
#: few upper pages of each index, and the system's own cache has the rest
CACHE = -256
#: prepared statements that each keeps, of some 6 KiB: what comes again within a moment. To prepare
#: one takes some 0.1 ms, and all of them would take a MiB of each connection
STATEMENTS = 24
#: seconds after which one that nobody used is closed
REST_S = 30.0


class Readers:
    """The reading connections of one database; any thread."""

    def __init__(
        self, connect: Callable[[int], sqlite3.Connection], *, monotonic: Callable[[], float]
    ) -> None:
        """Begin with none; `connect` opens one that may do all and keeps so many statements."""
        self._connect, self._monotonic = connect, monotonic
        self._lock = threading.Lock()
        #: those that nobody uses now, each with when it was put back; the oldest first
        self._free: deque[tuple[sqlite3.Connection, float]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """Count those that nobody uses now."""
        return len(self._free)

    @contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that nobody else uses meanwhile."""
        with self._lock:
            connection = self._free.pop()[0] if self._free else None
        if connection is None:
            connection = self._open()
        try:
            yield connection
        finally:
            for each in self._put_back(connection):
                each.close()

    def close(self) -> None:
        """Close those that nobody uses, and each other one once it is put back."""
        with self._lock:
            self._closed = True
            free = [self._free.popleft()[0] for _ in range(len(self._free))]
        for each in free:
            each.close()

    def _open(self) -> sqlite3.Connection:
        connection = self._connect(STATEMENTS)
        connection.execute("PRAGMA query_only=ON")
        connection.execute(f"PRAGMA cache_size={CACHE}")
        return connection

    def _put_back(self, connection: sqlite3.Connection) -> list[sqlite3.Connection]:
        """Take one back; give those that are to be closed."""
        now = self._monotonic()
        with self._lock:
            if self._closed:
                return [connection]
            rested = []
            while self._free and self._free[0][1] <= now - REST_S:
                rested.append(self._free.popleft()[0])
            self._free.append((connection, now))
            return rested
