"""A state's files as a whole: copied while the daemon writes, examined, and put back.

Owns the online copy, the look for damage and the order in which a restore replaces what was there.
Never reads what the rows say of the world. Called by housekeeping, by `masv-watch state`, and by
the engine at its opening.

Law 1. A copy is whole or not there: it is written beside its name, flushed, then renamed.
Law 2. A copy and the key of its secrets are two files, each for its owner alone.
Law 3. A restore that was cut short is finished before any daemon starts: an empty or half state
would send everything again.
Law 4. What a restored state does not know is asked about before anything is sent (P3).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote

from masv_watch.errors import StoreUnusable
from masv_watch.store.migrating import migrate
from masv_watch.store.seal import Seal
from masv_watch.store.statements import load_statements

FILE, KEY = "masv-watch.db", "seal.key"
#: of a copy, the file that holds its key
KEY_SUFFIX = ".key"
#: bytes of a journal that is made small again
LARGE_JOURNAL = 64 << 20
_UNFINISHED = "restore.unfinished"
#: pages at a time, and seconds between two: a transfer's write never waits for more
_PAGES, _PAUSE_S = 256, 0.002
#: steps of the database between two questions whether to go on
_STEPS = 10_000
_FRIENDS = ("-wal", "-shm", "-journal")


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore found and did."""

    #: where the state of before lies; "" when there was none
    beside: str
    #: uploads that were on their way in the copy, and are paused now
    paused: int
    #: letters that were owed in the copy, and wait now for a person's word
    letters: int
    #: hot folders that the copy knows
    hot_folders: tuple[str, ...]


def back_up(
    folder: str, to: str, *, with_key: bool = True, stop: Callable[[], bool] = _never
) -> int:
    """Copy the state of a folder to a file, whoever has it open; give the bytes of the copy.

    An earlier file of that name is replaced. The key goes beside it, as `TO.key`. `stop` is asked
    after every piece.

    Raises:
        StoreUnusable: there is no state, it is damaged, or the copy cannot be written or was
            stopped; nothing of the name is left.
    """
    source = os.path.join(folder, FILE)
    draft = f"{to}.part"
    with _told(source, to):
        if not os.path.exists(source):
            raise StoreUnusable(f"there is no state in {folder}", hint="name the right `state:`")
        _make_private(draft)
        try:
            with closing(_reading(source)) as database, closing(sqlite3.connect(draft)) as copy:
                # one look for all of it: without it every write of the daemon begins it anew
                database.execute("BEGIN")
                database.execute("SELECT 1 FROM sqlite_master").fetchone()
                copy.execute("PRAGMA journal_mode=OFF")
                copy.execute("PRAGMA synchronous=OFF")
                database.backup(copy, pages=_PAGES, sleep=_PAUSE_S, progress=_ask(stop))
            _flush(draft)
            if with_key:
                _copy(os.path.join(folder, KEY), to + KEY_SUFFIX)
            os.replace(draft, to)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
        _flush_folder(to)
        return os.stat(to).st_size


def list_folder(folder: str) -> dict[str, float]:
    """Give the files of a folder of copies, made when absent, with their times (wall seconds)."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_mtime for entry in entries if entry.is_file()}


def remove_copy(path: str) -> None:
    """Remove a copy with its key; what is gone is gone."""
    for name in (path, path + KEY_SUFFIX):
        with suppress(FileNotFoundError):
            os.unlink(name)


def damage(path: str, *, stop: Callable[[], bool] = _never) -> str:
    """Look through a database for damage; "" when there is none, else what was found first.

    `stop` is asked on the way; a look that it ends has found nothing whole.
    """
    try:
        with closing(_reading(path)) as database:
            database.set_progress_handler(lambda: int(stop()), _STEPS)
            rows = database.execute("PRAGMA quick_check(3)").fetchall()
            broken = database.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        return f"it cannot be read: {error}"
    found = "; ".join(str(row[0]) for row in rows)
    if found != "ok":
        return found
    return "" if broken is None else f"a row of {broken[0]} belongs to none of {broken[2]}"


def shrink(path: str) -> None:
    """Take the journal of a database into it, and make it small again if it grew large.

    Waits for nobody: a reader or a write of this moment makes it another day's work.
    """
    with _told(path, path), closing(sqlite3.connect(path, timeout=0)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if os.path.getsize(f"{path}-wal") > LARGE_JOURNAL:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def demand_finished(folder: str) -> None:
    """Make sure that no restore was cut short.

    Raises:
        StoreUnusable: one was; nothing may start on what it left.
    """
    if os.path.exists(os.path.join(folder, _UNFINISHED)):
        raise StoreUnusable(
            f"a restore into {folder} did not end",
            hint="run masv-watch state restore FROM once more; the old state lies beside it",
        )


def examine(copy: str, folder: str, *, schema: int) -> None:
    """Make sure that a copy can become the state of a folder.

    Raises:
        StoreUnusable: it is no copy of a state, damaged, newer, or the key to it is missing.
    """
    found = damage(copy)
    if found:
        raise StoreUnusable(f"{copy} is damaged or no copy: {found}", hint="take another copy")
    try:
        with closing(_reading(copy)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            row = database.execute("SELECT value FROM meta WHERE key = 'seal'").fetchone()
    except sqlite3.Error as error:
        raise StoreUnusable(
            f"{copy} is no copy of a state: {error}", hint="take a file of masv-watch state backup"
        ) from error
    if version > schema:
        raise StoreUnusable(
            f"{copy} was written by a newer masv-watch (schema {version}, known {schema})",
            hint="install the newer version, then restore",
        )
    if row is not None:
        _key_of(copy, folder).demand(row[0])


def restore(copy: str, folder: str, *, stamp: str, schema: int) -> Restored:
    """Put a copy in the place of a folder's state, whose lock the caller holds.

    The state of before is kept beside it, in a folder with `stamp` in its name. `examine` comes
    first. A copy of an earlier version is brought up to `schema`.

    Raises:
        StoreUnusable: it cannot be written; run it again.
    """
    state = os.path.join(folder, FILE)
    draft = os.path.join(folder, f"{FILE}.restored")
    with _told(copy, folder):
        _copy(copy, draft)
        _bring_up_to_date(draft, schema)
        with closing(sqlite3.connect(draft, isolation_level=None)) as database:
            found = _ask_first(database)
        _flush(draft)
        _give(draft, folder)
        _touch(os.path.join(folder, _UNFINISHED))
        beside = _set_aside(folder, stamp)
        for friend in _FRIENDS:
            with suppress(FileNotFoundError):
                os.unlink(state + friend)
        if os.path.exists(copy + KEY_SUFFIX):
            _copy(copy + KEY_SUFFIX, os.path.join(folder, KEY))
            _give(os.path.join(folder, KEY), folder)
        os.replace(draft, state)
        _flush_folder(state)
        os.unlink(os.path.join(folder, _UNFINISHED))
        _flush_folder(state)
    paused, letters, folders = found
    return Restored(beside=beside, paused=paused, letters=letters, hot_folders=folders)


def _ask(stop: Callable[[], bool]) -> Callable[[int, int, int], None]:
    def go_on(_status: int, _left: int, _all: int) -> None:
        if stop():
            raise StoreUnusable("the copy was stopped", hint="it is made anew another time")

    return go_on


def _bring_up_to_date(draft: str, schema: int) -> None:
    """Let the statements of this version find their tables; the file that was named stays."""
    with closing(sqlite3.connect(draft, isolation_level=None)) as database:
        # as the engine has it when it does the same at a start
        database.execute("PRAGMA foreign_keys=ON")
        migrate(database, draft, known=schema)


def _ask_first(database: sqlite3.Connection) -> tuple[int, int, tuple[str, ...]]:
    """Have a person asked about all that may have gone since the copy was made."""
    statements = load_statements()
    database.execute("BEGIN IMMEDIATE")
    paused = database.execute(statements["advance_restored_uploads"]).rowcount
    letters = database.execute(statements["doubt_restored_letters"]).rowcount
    # one that was made since is found again, so that nobody gets a second
    database.execute(statements["ask_restored_links"])
    database.execute(statements["doubt_restored_uploads"])
    # seen anew by the first sweep, which holds them by what stands there now
    database.execute(statements["forget_restored_drops"])
    database.execute(statements["note_restored"])
    database.execute(statements["forget_asked"])
    # what was signed since the copy was made is a branch of its own
    database.execute(statements["forget_receipt_chain"])
    rows = database.execute(statements["known_folders"]).fetchall()
    database.execute("COMMIT")
    return paused, letters, tuple(str(row[0]) for row in rows)


def _set_aside(folder: str, stamp: str) -> str:
    """Keep the files of the state of before in a folder of their own; "" when there are none."""
    there = [name for name in (FILE, KEY, *(FILE + end for end in _FRIENDS))
             if os.path.exists(os.path.join(folder, name))]  # fmt: skip
    if FILE not in there:
        return ""
    beside = os.path.join(folder, f"before-restore-{stamp}")
    os.makedirs(beside, mode=0o700, exist_ok=True)
    for name in there:
        _copy(os.path.join(folder, name), os.path.join(beside, name))
    return beside


def _key_of(copy: str, folder: str) -> Seal:
    own = copy + KEY_SUFFIX
    path = own if os.path.exists(own) else os.path.join(folder, KEY)
    try:
        with open(path, "rb") as file:
            return Seal(file.read(256).strip())
    except (OSError, ValueError) as error:
        raise StoreUnusable(
            f"the key of the secrets in {copy} is missing",
            hint=f"put it there as {own}; state backup wrote it beside the copy",
        ) from error


def _reading(path: str) -> sqlite3.Connection:
    # what nobody has open is read as it lies: a reader would make files of its own beside it
    how = "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(path)}?{how}", uri=True, isolation_level=None)


def _copy(source: str, to: str) -> None:
    draft = f"{to}.part"
    _make_private(draft)
    with open(source, "rb") as old, open(draft, "r+b") as new:
        shutil.copyfileobj(old, new, 1 << 20)
        new.flush()
        os.fsync(new.fileno())
    os.replace(draft, to)
    _flush_folder(to)


def _make_private(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _give(path: str, folder: str) -> None:
    """Give a file to whom its folder belongs: root restores, the daemon's user reads."""
    owner = os.stat(folder)
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    _flush_folder(path)


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(path: str) -> None:
    _flush(os.path.dirname(os.path.abspath(path)))


@contextmanager
def _told(source: str, to: str) -> Iterator[None]:
    """Turn what a disk or a database refuses into our error."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(
            f"{source} cannot be copied to {to}: {error.strerror}",
            hint="check that both are there, that there is room, and the rights of this user",
        ) from error
    except sqlite3.Error as error:
        raise StoreUnusable(
            f"{source} cannot be copied to {to}: {error}", hint="run masv-watch state check"
        ) from error
