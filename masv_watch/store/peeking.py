"""What a state knows of hot folders, read by whoever does not run it.

Owns the one look at a database that another process may have open. Never writes, locks or makes a
file beside it. Called by `check`. Alone, because the engine opens a state to own it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote

_FILE = "masv-watch.db"


def known_roots(folder: str) -> Mapping[str, bytes]:
    """Give the path of each hot folder that a state has a ledger of; empty where none can be read.

    Of a removable one the name comes with its volume.
    """
    rows = _looked(folder, "SELECT hot_folder, path FROM roots")
    return {str(name): bytes(root) for name, root in rows}


def known_id(folder: str) -> str:
    """Give the id of a state, as its markers name it; "" where none can be read."""
    rows = _looked(folder, "SELECT value FROM meta WHERE key = 'state_id'")
    return str(rows[0][0]) if rows else ""


def file_of(folder: str) -> bytes:
    """Give the path of a state's file."""
    return os.fsencode(os.path.join(folder, _FILE))


def _looked(folder: str, query: str) -> list[tuple[Any, ...]]:
    path = os.path.join(folder, _FILE)
    # what nobody has open is read as it lies: a reader would make files of its own beside it
    how = "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?{how}", uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error:
        return []
