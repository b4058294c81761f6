"""The SQLite engine: one file, one writer thread, one daemon.

Owns opening, locking, the clock, batching and the translation of sqlite3's errors. Never knows what
a statement means. Opened by `daemon`, the one process that uses a state.

Law 1. All writes pass one thread that commits whatever has queued: natural batching, no timer.
Law 2. Every job has a savepoint, so that one loser does not poison the rest of its batch.
Law 3. A result is handed out only after COMMIT; a verdict of a batch that was never committed is
thrown away, and each of its jobs runs again alone.
Law 4. synchronous=FULL: what was answered survives a power cut.
Law 5. No caller waits for ever: should the writer end, it answers everybody that it did.
"""

from __future__ import annotations

import json
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar

from masv_watch.errors import MasvWatchError, StoreBusy, StoreError, StoreFull, StoreUnusable
from masv_watch.loops import Clock, start_thread, transaction_flag
from masv_watch.metrics import Metrics
from masv_watch.store.alarming import AlarmingVerbs
from masv_watch.store.announcing import announce_all, begin_counting
from masv_watch.store.archiving import ArchivingVerbs
from masv_watch.store.arriving import ArrivingVerbs
from masv_watch.store.bulletins import BulletinVerbs
from masv_watch.store.copying import FILE, demand_finished
from masv_watch.store.creation import CreationVerbs
from masv_watch.store.duplicates import DuplicateVerbs
from masv_watch.store.foreseeing import ForeseeingVerbs
from masv_watch.store.history import HistoryVerbs
from masv_watch.store.joining import JoiningVerbs
from masv_watch.store.leaps import Leap, ago, with_leap
from masv_watch.store.leaving import LeavingVerbs
from masv_watch.store.ledger import LedgerVerbs
from masv_watch.store.locking import take_lock
from masv_watch.store.meeting import MeetingVerbs
from masv_watch.store.migrating import migrate
from masv_watch.store.obligations import ObligationVerbs
from masv_watch.store.outages import OutageVerbs
from masv_watch.store.packaging import PackagingVerbs
from masv_watch.store.readers import Readers
from masv_watch.store.recalls import RecallVerbs
from masv_watch.store.receipts import ReceiptVerbs
from masv_watch.store.relinking import RelinkingVerbs
from masv_watch.store.retiring import RetiringVerbs
from masv_watch.store.rooting import RootingVerbs
from masv_watch.store.seal import Seal
from masv_watch.store.sealing import known_seal
from masv_watch.store.searching import SearchingVerbs
from masv_watch.store.shortages import ShortageVerbs
from masv_watch.store.sql import Moved, Row, Transaction
from masv_watch.store.statements import load_statements
from masv_watch.store.steering import SteeringVerbs
from masv_watch.store.undertakings import UndertakingVerbs
from masv_watch.store.upkeep import UpkeepVerbs
from masv_watch.store.versions import VersionVerbs
from masv_watch.store.watching import WatchingVerbs
from masv_watch.store.watermark import Watermark
from masv_watch.store.writes import Write

T = TypeVar("T")

#: jobs of one batch; more wait for the next, so that no caller waits for a whole queue
BATCH = 256
#: seconds that another process (a backup) may keep the database from us
BUSY_S = 10.0
#: prepared statements that the writing connection keeps: about all that it has
STATEMENTS = 256
#: what every connection begins with; temp_store 2 is the memory, whatever ails /tmp
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=2")
#: what a job may raise without harm to its neighbours; its caller gets it
JOB_ERRORS = (
    sqlite3.Error,
    MasvWatchError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
#: by what moved, the statement that gives the names which people know it by
_NAMED = {"upload": "named_upload", "drop": "named_drop", "task": "named_task"}
#: of `meta`: the leaps of the clock, as a list of pairs
_LEAPS = "leaps"
#: the newest migration that this version knows
SCHEMA = 6


class SqliteEngine:
    """A database file with its writer thread."""

    def __init__(self, folder: str, *, clock: Clock, metrics: Metrics) -> None:
        """Open or create the database in a folder that exists.

        Raises:
            StoreUnusable: corrupt, newer than this version, or not readable and writable.
        """
        self._path = os.path.join(folder, FILE)
        self._clock = clock
        self._metrics = metrics
        begin_counting(metrics)
        self._statements = load_statements()
        #: what kept the last batch from being stored; "" when it was stored
        self.trouble = ""
        self._rings: list[Callable[[], None]] = []
        self._queue: queue.SimpleQueue[Write[Any] | None] = queue.SimpleQueue()
        self._readers = Readers(self._connect, monotonic=clock.monotonic)
        self._door = threading.Lock()
        self._closed = False
        with _translated(self._path):
            _make_private(self._path)
            self._connection = self._connect()
            try:
                migrate(self._connection, self._path, known=SCHEMA)
                self._offset = self._find_offset()
            except BaseException:
                self._connection.close()
                raise
        self._writer = start_thread("store", self._serve)

    def now(self) -> float:
        """Give seconds that follow the boot clock from the newest time that was ever stored."""
        return self._clock.boottime() + self._offset

    def ago(self, seconds: float) -> float:
        """Give the store time since which so much time passed, without what the clock leapt."""
        return ago(self.now(), seconds, self._leaps)

    def listen(self, ring: Callable[[], None]) -> None:
        """Have `ring` called after every commit that moved a state."""
        self._rings.append(ring)

    def write(self, job: Callable[[Transaction], T]) -> T:
        """Run a job on the writer thread and give its result once it is durable.

        Raises:
            StoreError: the database could not take it; nothing of it is stored.
            MasvWatchError: the job's own verdict; nothing of it is stored.
        """
        waiting = Write(job)
        with self._door:
            self._refuse_if_closed()
            self._queue.put(waiting)
        waiting.wait()
        if waiting.error is not None:
            raise waiting.error
        return waiting.result  # type: ignore[return-value] # set whenever error is not

    def read(self, job: Callable[[Transaction], T]) -> T:
        """Run a reading job on a connection of its own.

        Raises:
            StoreError: the database could not be read.
        """
        self._refuse_if_closed()
        with _translated(self._path), self._readers.one() as connection:
            connection.execute("BEGIN")
            try:
                return job(Transaction(_executor(connection), self._statements, self.now()))
            finally:
                connection.execute("ROLLBACK")

    def scrub(self) -> None:
        """Leave nothing of overwritten values behind in the files of the database."""
        with _translated(self._path), closing(self._connect()) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Commit what is queued, end the writer and close."""
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._readers.close()
        self._connection.close()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreUnusable("the store is closed", hint="see the log for why it ended")

    def _connect(self, statements: int = STATEMENTS) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False,
            cached_statements=statements,
        )  # fmt: skip
        connection.row_factory = sqlite3.Row
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _find_offset(self) -> float:
        newest = float(self._run("newest_time")["at"])
        opened = max(self._clock.wall(), newest)
        known = self._known_leaps()
        self._leaps = with_leap(known, newest, opened)
        if self._leaps != known:
            self._run("set_meta", key=_LEAPS, value=json.dumps(self._leaps))
        return opened - self._clock.boottime()

    def _known_leaps(self) -> tuple[Leap, ...]:
        row = self._run("meta", key=_LEAPS)
        found = [] if row is None else json.loads(row["value"])
        return tuple((float(before), float(after)) for before, after in found)

    def _run(self, statement: str, **values: Any) -> Any:
        return self._connection.execute(self._statements[statement], values).fetchone()

    def _serve(self) -> None:
        jobs: list[Write[Any]] = []
        try:
            while (first := self._queue.get()) is not None:
                jobs[:] = [first, *self._queued()]
                # what a job was handed is not held until the next one comes
                del first
                self._carry_out(jobs)
                jobs.clear()
        finally:
            self._answer_all(jobs)

    def _carry_out(self, jobs: list[Write[Any]]) -> None:
        if not self._commit(jobs) and len(jobs) > 1:
            for job in jobs:
                self._commit([job])
        for job in jobs:
            job.end()

    def _queued(self) -> Iterator[Write[Any]]:
        for _ in range(BATCH - 1):
            if self._queue.empty():
                return
            job = self._queue.get()
            if job is None:
                self._queue.put(None)
                return
            yield job

    def _answer_all(self, jobs: list[Write[Any]]) -> None:
        with self._door:
            self._closed = True
        self.trouble = "the store's writer ended - restart the daemon"
        left = [job for job in jobs if not job.has_ended]
        while not self._queue.empty():
            job = self._queue.get()
            if job is not None:
                left.append(job)
        for job in left:
            job.error = StoreUnusable("the store's writer ended", hint="restart the daemon")
            job.end()

    def _commit(self, jobs: list[Write[Any]]) -> bool:
        """Run jobs in one transaction; say whether all of them have their verdict (law 3)."""
        try:
            with _translated(self._path), transaction_flag():
                self._connection.execute("BEGIN IMMEDIATE")
                for job in jobs:
                    self._attempt(job)
                self._connection.execute("COMMIT")
        except StoreError as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self.trouble = str(error)
            for job in jobs:
                job.error, job.moved = error, []
            # whoever keeps the database busy does so for each job alone as well
            return isinstance(error, StoreBusy)
        self.trouble = ""
        self._announce(jobs)
        return True

    def _attempt(self, job: Write[Any]) -> None:
        job.error, job.moved = None, []
        tx = Transaction(_executor(self._connection), self._statements, self.now())
        self._connection.execute("SAVEPOINT job")
        try:
            with _refusals(self._path):
                job.result = job.run(tx)
        except JOB_ERRORS as error:
            if isinstance(error, sqlite3.Error) or not self._connection.in_transaction:
                raise
            self._connection.execute("ROLLBACK TO job")
            job.error = error
        else:
            job.moved, job.rings = tx.moved, tx.rings
        self._connection.execute("RELEASE job")

    def _announce(self, jobs: list[Write[Any]]) -> None:
        moves = [move for job in jobs if job.error is None for move in job.moved]
        announce_all(moves, self._metrics, known_as=self._known_as)
        if moves or any(job.rings for job in jobs if job.error is None):
            for ring in self._rings:
                ring()

    def _known_as(self, moved: Moved) -> Row | None:
        # what is stored is announced, whatever became of the disk since
        with suppress(sqlite3.Error):
            statement = self._statements[_NAMED[moved.noun]]
            return next(iter(self._connection.execute(statement, {"id": moved.noun_id})), None)
        return None


class SqliteStore(
    LedgerVerbs,
    ArrivingVerbs,
    CreationVerbs,
    UndertakingVerbs,
    PackagingVerbs,
    LeavingVerbs,
    OutageVerbs,
    ShortageVerbs,
    VersionVerbs,
    SearchingVerbs,
    SteeringVerbs,
    ObligationVerbs,
    ArchivingVerbs,
    JoiningVerbs,
    DuplicateVerbs,
    ReceiptVerbs,
    RelinkingVerbs,
    RecallVerbs,
    RetiringVerbs,
    WatchingVerbs,
    RootingVerbs,
    ForeseeingVerbs,
    MeetingVerbs,
    AlarmingVerbs,
    BulletinVerbs,
    HistoryVerbs,
    UpkeepVerbs,
):
    """The whole contract over one SQLite file."""

    def start_over(self) -> None:
        """End every lease of an earlier process; after a boot forget the numbers of devices."""
        super().start_over()
        boot = _boot_id()

        def forget(tx: Transaction) -> None:
            row = tx.one("meta", key="boot")
            if row is not None and row["value"] != boot:
                tx.run("forget_devices")
            tx.run("set_meta", key="boot", value=boot)

        self.engine.write(forget)

    def __init__(
        self, engine: SqliteEngine, seal: Seal, lock: int, *, folder: str, disk: Watermark
    ) -> None:
        """Join the verbs with their engine; `lock` is the held descriptor of the state's lock."""
        self.folder = folder
        self.engine = engine
        self.seal = seal
        self.disk = disk
        self._lock: int | None = lock

    def now(self) -> float:
        """Give the store clock's seconds."""
        return self.engine.now()

    def ago(self, seconds: float) -> float:
        """Give the store time since which so much time passed."""
        return self.engine.ago(seconds)

    def trouble(self) -> str:
        """Give what kept the last write from being stored; "" when it was stored."""
        return self.engine.trouble

    def listen(self, ring: Callable[[], None]) -> None:
        """Have `ring` called after every commit that moved a state."""
        self.engine.listen(ring)

    def close(self) -> None:
        """Finish what is queued, close, and let another daemon have the state."""
        if self._lock is not None:
            # after a quiet day no row tells how late it is; a full disk may keep this one out
            with suppress(StoreError):
                self.engine.write(lambda tx: tx.run("set_meta", key="closed_at", value=tx.now))
        self.engine.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def open_store(folder: str, *, clock: Clock, metrics: Metrics) -> SqliteStore:
    """Open the state for the one daemon: make the folder, take its lock, open the database.

    Raises:
        StoreUnusable: another daemon holds it (its process id is named), or it cannot be used.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreUnusable(
            f"the state folder {folder} cannot be made: {error.strerror}",
            hint="create it for the daemon's user, or set `state:` to another folder",
        ) from error
    lock = take_lock(folder)
    try:
        demand_finished(folder)
        return _joined(folder, clock, metrics, lock)
    except MasvWatchError:
        os.close(lock)
        raise


def _joined(folder: str, clock: Clock, metrics: Metrics, lock: int) -> SqliteStore:
    engine = SqliteEngine(folder, clock=clock, metrics=metrics)
    try:
        disk = Watermark(folder, clock=clock, metrics=metrics)
        return SqliteStore(engine, known_seal(folder, engine), lock, folder=folder, disk=disk)
    except MasvWatchError:
        engine.close()
        raise


def _boot_id() -> str:
    """Name this boot of the machine; "" where the kernel does not (macOS)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _make_private(path: str) -> None:
    """Make the file before SQLite does: its journal takes over the mode, and both hold secrets."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # never opened here: closing it would drop the locks that SQLite holds in this process
        if not os.access(path, os.R_OK | os.W_OK):
            # SQLite would open it all the same and fail at the first write
            raise StoreUnusable(
                f"{path} cannot be read and written", hint="give it to the daemon's user"
            ) from None
    except OSError as error:
        raise StoreUnusable(
            f"{path} cannot be made: {error.strerror}", hint="give the folder to the daemon's user"
        ) from error


def _executor(
    connection: sqlite3.Connection,
) -> Callable[[str, Mapping[str, object]], tuple[int, list[Row]]]:
    def execute(statement: str, values: Mapping[str, object]) -> tuple[int, list[Row]]:
        cursor = connection.execute(statement, values)
        rows = cursor.fetchall()
        return cursor.rowcount, rows

    return execute


@contextmanager
def _refusals(path: str) -> Iterator[None]:
    """Turn what the schema refuses into our error: the job is wrong, the database is well."""
    try:
        yield
    except (
        sqlite3.DataError,
        sqlite3.IntegrityError,
        sqlite3.InterfaceError,
        sqlite3.ProgrammingError,
    ) as error:
        raise StoreError(f"{path} does not take this row: {error}") from error


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn sqlite3's errors into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        # the second: the memory that readers and writer share has no room
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")):
            raise StoreFull(
                f"the disk of {path} is full", hint="free space; it goes on by itself"
            ) from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StoreBusy(f"{path} is busy with another process") from error
        raise StoreUnusable(
            f"{path} cannot be used: {error}", hint="restore it from a backup; see the runbook"
        ) from error
