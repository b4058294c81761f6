"""A process of its own for tests of locks and kills: `python child.py DOES FOLDER [NUMBER]`.

Owns what the other process does. Never asserts anything: it prints what was acknowledged, and the
test that started it judges. Started by the tests of the SQLite engine only.
"""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
import sys
import threading
from typing import Any

from masv_watch.errors import StoreError
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.store.sqlite import SqliteStore, open_store
from masv_watch.store.statements import load_statements

DOOR = threading.Lock()


def say(*words: object) -> None:
    """Print a line that the parent has for certain."""
    with DOOR:
        os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


def become(user: int) -> None:
    """Give up the rights of root, once everything that must be read was read."""
    load_statements()
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def hold(store: SqliteStore) -> None:
    """Hold the state until standard input ends."""
    say("open", os.getpid())
    sys.stdin.read()
    store.close()


def write(store: SqliteStore, worker: int) -> None:
    """Write drops for ever and print each one that was acknowledged."""
    number = 0
    while True:
        drop = store.see_drop("h", b"%d-%d-%d" % (os.getpid(), worker, number))
        say("drop", drop.id, drop.path.decode())
        number += 1


def pour(store: SqliteStore) -> None:
    """Write from four threads until killed."""
    threads = [threading.Thread(target=write, args=(store, one)) for one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Deadly(sqlite3.Connection):
    """A connection that kills its process before its Nth CREATE."""

    left = 0

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement, or die."""
        if sql.lstrip().startswith("CREATE"):
            Deadly.left -= 1
            if Deadly.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(sql, *values)


def main() -> None:
    """Do what the command line says."""
    does, folder = sys.argv[1:3]
    if does == "hold" and len(sys.argv) > 3:
        become(int(sys.argv[3]))
    if does == "migrate":
        Deadly.left = int(sys.argv[3])
        sqlite3.connect = functools.partial(sqlite3.connect, factory=Deadly)  # type: ignore[assignment]
    try:
        store = open_store(folder, clock=SystemClock(), metrics=Metrics())
    except StoreError as error:
        say("refused", type(error).__name__, error)
        return
    {"hold": hold, "pour": pour, "migrate": hold}[does](store)


if __name__ == "__main__":
    main()
