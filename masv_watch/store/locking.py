"""Who may use a state: one daemon, or one command, never two.

Owns the lock of a state's folder and the sentence that names its holder. Never reads the state.
Called by `store.sqlite` and by the commands that replace a state.

It stands alone because a state is also held by who does not open it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from masv_watch.errors import StoreUnusable

_LOCK = "daemon.lock"


@contextmanager
def held(folder: str) -> Iterator[None]:
    """Hold the lock of a state that no daemon runs.

    Raises:
        StoreUnusable: a daemon runs it (its process id is named), or the folder cannot be written.
    """
    lock = take_lock(folder)
    try:
        yield
    finally:
        os.close(lock)


def take_lock(folder: str) -> int:
    """Give the descriptor that holds the lock of a state's folder.

    Raises:
        StoreUnusable: another process holds it and is named, or the folder cannot be written.
    """
    path = os.path.join(folder, _LOCK)
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnusable(
            f"the state folder {folder} cannot be written: {error.strerror}",
            hint="give it to the daemon's user",
        ) from error
    if os.geteuid() == 0:
        # root restores or looks, and the daemon's user takes it next
        owner = os.stat(folder)
        os.fchown(lock, owner.st_uid, owner.st_gid)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StoreUnusable(
            f"the state in {folder} is held by another masv-watch, process {holder}",
            hint="stop that one first, or give this one a `state:` of its own",
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
