"""The engines that the conformance suite runs over.

Owns how an engine is opened and how its rows are seen from outside. Never part of a rule under
test. Used by the fixtures beside it; an engine more is a class more.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Protocol

from masv_watch.metrics import Metrics
from masv_watch.store.contract import Store
from masv_watch.store.sqlite import SqliteStore, open_store
from tests.doubles import FakeClock

Rows = dict[str, list[tuple[Any, ...]]]


class Bench(Protocol):
    """What the suite asks of an engine beside the contract."""

    clock: FakeClock

    def open(self) -> Store:
        """Open the state as the daemon does; the one opened before is closed."""
        ...

    def rows(self) -> Rows:
        """Give every row of every table, as another process sees them."""
        ...

    def column(self, table: str, name: str) -> list[Any]:
        """Give one column of a table, as another process sees it."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class SqliteBench:
    """A state folder with SQLite."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        """Work in a folder that need not exist."""
        self.folder = folder
        self.clock = clock
        self.metrics = Metrics()
        self.file = folder / "masv-watch.db"
        self._store: SqliteStore | None = None

    def open(self) -> SqliteStore:
        """Open the state as the daemon does; the one opened before is closed."""
        self.close()
        self._store = open_store(str(self.folder), clock=self.clock, metrics=self.metrics)
        return self._store

    def rows(self) -> Rows:
        """Give every row of every table, read by a connection of its own."""
        outside = sqlite3.connect(self.file)
        try:
            names = outside.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                name: sorted(outside.execute(f"SELECT * FROM {name}"), key=repr)
                for (name,) in names.fetchall()
            }
        finally:
            outside.close()

    def column(self, table: str, name: str) -> list[Any]:
        """Give one column of a table, read by a connection of its own."""
        outside = sqlite3.connect(self.file)
        try:
            return [row[0] for row in outside.execute(f"SELECT {name} FROM {table} ORDER BY 1")]
        finally:
            outside.close()

    def close(self) -> None:
        """Close what is open."""
        if self._store is not None:
            self._store.close()
            self._store = None
