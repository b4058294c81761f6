"""The schema of a database, brought up to date when it is opened.

Owns the order of the numbered files and their one transaction. Never knows a table. Called by
`store.sqlite`.

It stands alone because a database is also looked at without being opened for work.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from importlib.resources import files as package_files

from masv_watch.errors import StoreUnusable

log = logging.getLogger(__name__)


def migrate(connection: sqlite3.Connection, path: str, *, known: int) -> None:
    """Bring the schema up to date, one numbered file after the other, in one transaction.

    Raises:
        StoreUnusable: it is newer than the newest migration `known`; nothing was changed.
    """
    connection.execute("BEGIN IMMEDIATE")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > known:
        connection.execute("ROLLBACK")
        raise StoreUnusable(
            f"{path} was written by a newer masv-watch (schema {version}, known {known})",
            hint="install the newer version again; nothing was changed",
        )
    for number in range(version + 1, known + 1):
        script = package_files("masv_watch.store").joinpath(f"migrations/{number:04}.sql")
        for statement in _statements_of(script.read_text(encoding="utf-8")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")
    if version == 0:
        log.info("a new state was made", extra={"path": path, "schema": known})


def _statements_of(script: str) -> Iterator[str]:
    # executescript would commit the open transaction (measured)
    pending = ""
    for line in script.splitlines():
        if line.startswith("--"):
            continue
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
