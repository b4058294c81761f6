"""What the SQLite engine promises beside the contract: batching, disks, locks, clock and kills."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from masv_watch.errors import FenceLost, StoreBusy, StoreError, StoreFull, StoreUnusable
from masv_watch.loops import in_transaction
from masv_watch.metrics import Metrics
from masv_watch.model import TaskKind, UploadState
from masv_watch.store import sqlite as engine_module
from masv_watch.store.sqlite import SqliteStore, open_store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import SqliteBench
from tests.integration.store.making import FOLDER, LEASE_S

CHILD = Path(__file__).with_name("child.py")
DAY_S = 86_400.0
#: what the laws of the engine lean on
ASKED = ("journal_mode", "synchronous", "foreign_keys")


@contextmanager
def child(project: Path, *words: object) -> Iterator[subprocess.Popen[str]]:
    """Start the other process; it is gone when the block ends."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def together(jobs: list[Callable[[], object]]) -> list[object]:
    """Run jobs on a thread each, all at once; give the result or the error of each."""
    results: list[object] = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = jobs[number]()
        except StoreError as error:
            results[number] = error

    threads = [
        threading.Thread(daemon=True, target=run, args=(number,)) for number in range(len(jobs))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_connections_wait_for_the_disk_before_they_answer(
    sqlite_bench: SqliteBench, synced: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered survives a power cut (law 4): a write-ahead log, synced at each commit."""
    monkeypatch.setattr(engine_module, "PRAGMAS", synced)
    folder, clock = sqlite_bench.folder, sqlite_bench.clock
    folder.mkdir()
    engine = engine_module.SqliteEngine(str(folder), clock=clock, metrics=Metrics())
    with closing(engine), engine._readers.one() as reader:
        found = [
            tuple(each.execute(f"PRAGMA {name}").fetchone()[0] for name in ASKED)
            for each in (engine._connection, reader)
        ]

    # 2 is FULL
    assert found == [("wal", 2, 1)] * 2


def test_batch_of_many_threads_has_every_row_and_no_half_one(sqlite_bench: SqliteBench) -> None:
    """Losers of a batch poison nobody: winners have every row, losers have none."""
    store = sqlite_bench.open()

    def job(number: int) -> Callable[[], object]:
        def lose(tx: Any) -> None:
            tx.run("adopt", hot_folder=f"half-{number}", path=b"/", now=tx.now)
            raise FenceLost("judged")

        def win() -> object:
            return store.see_drop(FOLDER, b"%d" % number).path

        return (lambda: store.engine.write(lose)) if number % 3 == 0 else win

    results = together([job(number) for number in range(60)])

    for number, result in enumerate(results):
        if number % 3 == 0:
            assert isinstance(result, FenceLost)
        else:
            assert result == b"%d" % number
    rows = sqlite_bench.rows()
    assert rows["roots"] == []
    assert len(rows["drops"]) == 40


def held_back(store: SqliteStore) -> tuple[threading.Event, threading.Thread]:
    """Keep the writer in a job until the event is set, so that what follows is one batch."""
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: object) -> None:
        inside.set()
        go_on.wait(60)

    thread = threading.Thread(daemon=True, target=lambda: store.engine.write(wait))
    thread.start()
    assert inside.wait(60)
    return go_on, thread


def test_result_is_handed_out_only_after_its_commit(sqlite_bench: SqliteBench) -> None:
    """Whoever has his answer finds his row with any other connection."""
    store = sqlite_bench.open()

    def see(number: int) -> Callable[[], object]:
        def run() -> bool:
            store.see_drop(FOLDER, b"%d" % number)
            outside = sqlite3.connect(sqlite_bench.file)
            try:
                found = outside.execute(
                    "SELECT count(*) FROM drops WHERE path = ?", (b"%d" % number,)
                )
                return bool(found.fetchone()[0] == 1)
            finally:
                outside.close()

        return run

    assert together([see(number) for number in range(24)]) == [True] * 24


def test_job_sees_the_flag_of_a_transaction(sqlite_bench: SqliteBench) -> None:
    """Inside a writing job the flag is set that keeps calls to the outside away."""
    store = sqlite_bench.open()

    assert store.engine.write(lambda tx: in_transaction.get())
    assert not in_transaction.get()


@pytest.mark.parametrize("error", [OverflowError, AssertionError, AttributeError, RuntimeError])
def test_crashing_job_tells_its_caller_and_the_writer_goes_on(
    sqlite_bench: SqliteBench, error: type[Exception]
) -> None:
    """A fault of our own code reaches the caller it belongs to and ends nothing."""
    store = sqlite_bench.open()

    def crash(tx: Any) -> None:
        tx.run("adopt", hot_folder="half", path=b"/", now=tx.now)
        raise error("a fault")

    with pytest.raises(error, match="a fault"):
        store.engine.write(crash)
    assert store.see_drop(FOLDER, b"a").id == 1
    assert not store.is_adopted("half", b"/")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_ended_writer_leaves_no_caller_waiting(sqlite_bench: SqliteBench) -> None:
    """Should the writer end after all, everybody who waits or asks later is told so."""
    store = sqlite_bench.open()
    go_on, first = held_back(store)
    answers: list[object] = []

    def end(_: object) -> None:
        raise MemoryError

    def ask(job: Callable[[Any], object]) -> None:
        try:
            answers.append(store.engine.write(job))
        except StoreUnusable as error:
            answers.append(error.message)

    threads = [
        threading.Thread(daemon=True, target=ask, args=(job,)) for job in (end, lambda tx: 1)
    ]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in (first, *threads, store.engine._writer):
        thread.join(60)
        assert not thread.is_alive()

    assert answers
    assert set(answers) <= {"the store's writer ended", "the store is closed"}
    with pytest.raises(StoreUnusable):
        store.see_drop(FOLDER, b"a")


def test_closed_store_refuses_every_verb(sqlite_bench: SqliteBench) -> None:
    """After close nothing reads, writes or hangs; closing twice is closing once."""
    store = sqlite_bench.open()
    store.see_drop(FOLDER, b"a")
    store.close()
    store.close()

    with pytest.raises(StoreUnusable, match="closed"):
        store.see_drop(FOLDER, b"b")
    with pytest.raises(StoreUnusable, match="closed"):
        store.drops()


def test_close_finishes_what_is_queued(sqlite_bench: SqliteBench) -> None:
    """Whoever was let in before the close has his answer and his row."""
    store = sqlite_bench.open()
    go_on, first = held_back(store)
    threads = [
        threading.Thread(daemon=True, target=store.see_drop, args=(FOLDER, b"%d" % number))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    closing = threading.Thread(daemon=True, target=store.engine.close)
    while store.engine._queue.qsize() < 8:
        threading.Event().wait(0.001)
    closing.start()
    go_on.set()
    for thread in (first, *threads, closing):
        thread.join(60)
        assert not thread.is_alive()

    assert len(sqlite_bench.rows()["drops"]) == 8


@pytest.mark.fault(38)
def test_full_disk_refuses_each_and_goes_on_after(sqlite_bench: SqliteBench) -> None:
    """Each caller of a batch hears that the disk is full, reads go on, and space heals it."""
    store = sqlite_bench.open()
    store.see_drop(FOLDER, b"before")
    connection = store.engine._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    go_on, first = held_back(store)
    results: list[object] = []

    def ask() -> None:
        results.extend(
            together(
                [lambda n=n: store.adopt(f"{n}", b"x" * 100_000) for n in range(6)]  # type: ignore[misc]
                + [lambda: store.is_adopted("0", b"")]
            )
        )

    asking = threading.Thread(daemon=True, target=ask)
    asking.start()
    go_on.set()
    asking.join(60)
    first.join(60)

    assert [type(result) for result in results] == [StoreFull] * 6 + [bool]
    assert "is full" in str(results[0])
    assert [drop.path for drop in store.drops()] == [b"before"]
    connection.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    store.adopt("0", b"x" * 100_000)
    assert store.is_adopted("0", b"x" * 100_000)


@pytest.mark.fault(38)
def test_full_disk_spares_the_small_job_beside_the_big_one(sqlite_bench: SqliteBench) -> None:
    """A batch that did not fit is tried job by job: what fits alone is stored."""
    store = sqlite_bench.open()
    connection = store.engine._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    go_on, first = held_back(store)
    results: list[object] = []
    jobs: list[Callable[[], object]] = [
        lambda: store.adopt("big", b"x" * 100_000),
        lambda: store.see_drop(FOLDER, b"small").id,
    ]
    asking = threading.Thread(daemon=True, target=lambda: results.extend(together(jobs)))
    asking.start()
    while store.engine._queue.qsize() < 2:
        threading.Event().wait(0.001)
    go_on.set()
    asking.join(60)
    first.join(60)

    assert isinstance(results[0], StoreFull)
    assert results[1] == 1


def test_busy_database_keeps_a_batch_waiting_once(
    sqlite_bench: SqliteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process blocks, a batch waits one time-out, not one for each of its jobs."""
    monkeypatch.setattr(engine_module, "BUSY_S", 0.5)
    store = sqlite_bench.open()
    outside = sqlite3.connect(sqlite_bench.file, isolation_level=None)
    outside.execute("BEGIN IMMEDIATE")
    clock_before = os.times().elapsed
    jobs = [lambda n=n: store.see_drop(FOLDER, b"%d" % n) for n in range(30)]  # type: ignore[misc]
    results = together(list(jobs))
    took_s = os.times().elapsed - clock_before
    outside.execute("ROLLBACK")
    outside.close()

    assert all(isinstance(result, StoreBusy) for result in results)
    # thirty of them would take fifteen
    assert took_s < 10
    assert store.see_drop(FOLDER, b"0").id == 1


def changes(bench: SqliteBench) -> int:
    """Give a number that differs once anybody wrote to the file."""
    assert bench._store is not None
    return bench._store.engine._connection.total_changes + os.stat(f"{bench.file}-wal").st_size


def test_idle_store_is_not_written(sqlite_bench: SqliteBench, clock: FakeClock) -> None:
    """A tick that finds nothing to do begins no writing transaction."""
    store = sqlite_bench.open()
    upload_id, _ = making.create(store, idle_s=None)
    upload = making.claim(store, upload_id)
    making.send_files(store, upload)
    store.advance_all_sent(upload_id, upload.fence)
    clock.advance(LEASE_S * 2)
    before = changes(sqlite_bench)
    seen: list[str] = []
    store.engine._connection.set_trace_callback(seen.append)
    for _ in range(3):
        assert store.claim_uploads(9, LEASE_S) == []
        assert store.finalize_due() == []
        assert store.claim_task(list(TaskKind), LEASE_S) is None
    store.engine._connection.set_trace_callback(None)

    assert seen == []
    assert changes(sqlite_bench) == before


def damage_header(file: Path) -> None:
    """Write over the first bytes."""
    file.write_bytes(b"this is no database" + file.read_bytes()[19:])


def damage_pages(file: Path) -> None:
    """Write over everything but the first page."""
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))


def cut(file: Path) -> None:
    """Lose the second half."""
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


@pytest.mark.fault(39)
@pytest.mark.parametrize("damage", [damage_header, damage_pages, cut])
def test_corrupt_file_is_refused_and_left_alone(
    sqlite_bench: SqliteBench, damage: Callable[[Path], None]
) -> None:
    """A damaged state is never used and never replaced by an empty one: that would send it all."""
    store = sqlite_bench.open()
    for number in range(200):
        store.see_drop(FOLDER, b"%d" % number)
    sqlite_bench.close()
    damage(sqlite_bench.file)
    damaged = sqlite_bench.file.read_bytes()

    with pytest.raises(StoreUnusable, match=r"cannot be used.*restore it from a backup"):
        sqlite_bench.open()
    assert sqlite_bench.file.read_bytes() == damaged


@pytest.mark.fault(39)
def test_damage_found_while_running_is_our_error(sqlite_bench: SqliteBench) -> None:
    """A page that went bad after the start is reported to whoever meets it, and only so."""
    store = sqlite_bench.open()
    making.create(store)
    root = store.engine._connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'roots'"
    ).fetchone()[0]
    sqlite_bench.close()
    with sqlite_bench.file.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)

    def use() -> None:
        sqlite_bench.open().adopt(FOLDER, b"/")

    with pytest.raises(StoreUnusable, match="cannot be used"):
        use()


@pytest.mark.fault(39)
def test_newer_schema_is_refused_and_unchanged(sqlite_bench: SqliteBench) -> None:
    """An older program keeps its hands off a newer state, and says what helps."""
    sqlite_bench.open().see_drop(FOLDER, b"a")
    sqlite_bench.close()
    newer = engine_module.SCHEMA + 1
    outside = sqlite3.connect(sqlite_bench.file)
    outside.execute(f"PRAGMA user_version = {newer}")
    outside.close()
    before = sqlite_bench.rows()

    with pytest.raises(StoreUnusable, match=rf"newer masv-watch .schema {newer}, known.*install"):
        sqlite_bench.open()
    assert sqlite_bench.rows() == before


@pytest.mark.fault(39)
@pytest.mark.parametrize("locked", ["folder", "file"])
def test_read_only_state_is_refused(project: Path, locked: str) -> None:
    """A state that cannot be written is refused with a sentence, by whoever may not write it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        os.chmod(parent, 0o755)
        folder = Path(parent) / "state"
        store = open_store(str(folder), clock=FakeClock(), metrics=Metrics())
        store.see_drop(FOLDER, b"a")
        store.close()
        if locked == "folder":
            (folder / "daemon.lock").unlink()
            folder.chmod(0o555)
        else:
            folder.chmod(0o777)
            (folder / "daemon.lock").chmod(0o666)
            (folder / "masv-watch.db").chmod(0o444)
        # root may write everything, so the child becomes somebody else
        nobody = ["65534"] if os.geteuid() == 0 else []
        with child(project, "hold", folder, *nobody) as process:
            said, _ = process.communicate("", timeout=60)
        folder.chmod(0o755)

    assert said.startswith("refused StoreUnusable")
    assert "cannot be" in said


@pytest.mark.parametrize("obstacle", ["state", "state/daemon.lock", "state/masv-watch.db"])
def test_obstacle_in_the_place_of_the_state_is_refused(tmp_path: Path, obstacle: str) -> None:
    """Something else where the state belongs is named, not removed."""
    place = tmp_path / obstacle
    if obstacle == "state":
        place.write_text("a file")
    else:
        place.mkdir(parents=True)

    with pytest.raises(StoreUnusable, match="cannot be"):
        open_store(str(tmp_path / "state"), clock=FakeClock(), metrics=Metrics())
    assert place.exists()


@pytest.mark.parametrize("opened_before", [False, True])
def test_state_is_readable_by_its_owner_only(tmp_path: Path, *, opened_before: bool) -> None:
    """Tokens and link secrets are in the journal too: every file is private from its first byte."""
    folder = tmp_path / "state"
    if opened_before:
        folder.mkdir(mode=0o755)
    store = open_store(str(folder), clock=FakeClock(), metrics=Metrics())
    making.bring_upload(store, UploadState.COMPLETE)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    store.close()

    assert "masv-watch.db-wal" in modes
    assert set(modes.values()) == {0o600}
    assert opened_before or stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.fault(41)
def test_second_daemon_is_refused_naming_the_first(
    project: Path, sqlite_bench: SqliteBench
) -> None:
    """One state has one daemon; the second learns the process id of the first, in any order."""
    sqlite_bench.folder.mkdir()
    with child(project, "hold", sqlite_bench.folder) as process:
        assert process.stdout is not None
        pid = process.stdout.readline().split()[1]

        with pytest.raises(StoreUnusable, match=f"another masv-watch, process {pid}"):
            sqlite_bench.open()
    sqlite_bench.open()
    with child(project, "hold", sqlite_bench.folder) as process:
        said, _ = process.communicate("", timeout=60)
        assert f"process {os.getpid()}" in said


def test_readers_are_as_many_as_read_at_once(sqlite_bench: SqliteBench) -> None:
    """Threads that came and went leave no connection behind."""
    store = sqlite_bench.open()
    for _ in range(50):
        thread = threading.Thread(daemon=True, target=store.drops)
        thread.start()
        thread.join()

    assert len(store.engine._readers) == 1


def test_clock_follows_boot_time_and_ignores_wall_jumps(
    sqlite_bench: SqliteBench, clock: FakeClock
) -> None:
    """While the store is open, a jump of the wall clock moves nothing; a sleep counts."""
    store = sqlite_bench.open()
    start = store.now()
    clock.jump_wall(-DAY_S)
    assert store.now() == start
    clock.jump_wall(30 * DAY_S)
    assert store.now() == start
    clock.sleep_machine(60)

    assert store.now() == start + 60


@pytest.mark.parametrize("last_act", ["nothing", "a row", "an adoption", "a package"])
@pytest.mark.parametrize("booted", [False, True])
def test_clock_never_goes_back_over_a_reopening(
    sqlite_bench: SqliteBench, clock: FakeClock, last_act: str, *, booted: bool
) -> None:
    """Reopened with the wall clock a day back, after a reboot or not, time only goes on."""
    store = sqlite_bench.open()
    upload_id, _ = making.create(store)
    fence = making.claim(store, upload_id).fence
    clock.advance(3600)
    if last_act == "a row":
        store.see_drop(FOLDER, b"late")
    elif last_act == "an adoption":
        store.adopt(FOLDER, b"/")
    elif last_act == "a package":
        store.note_package_asked(upload_id, fence)
    last = store.now()
    if last_act == "nothing":
        sqlite_bench.close()
    else:
        # as a kill leaves it: without the note that a proper end writes
        store.engine.close()
        os.close(store._lock or -1)
        sqlite_bench._store = None
    clock.jump_wall(-DAY_S)
    if booted:
        clock.reboot()
    again = sqlite_bench.open()

    assert again.now() >= last
    clock.advance(5)
    assert again.now() >= last + 5


def test_clock_after_a_true_pause_is_the_wall_clock(
    sqlite_bench: SqliteBench, clock: FakeClock
) -> None:
    """A day without the daemon is a day."""
    start = sqlite_bench.open().now()
    sqlite_bench.close()
    clock.reboot(after_s=DAY_S)

    assert sqlite_bench.open().now() == start + DAY_S


def test_empty_database_reaches_the_newest_schema(sqlite_bench: SqliteBench) -> None:
    """A file without tables is a state of version 0 and is brought up to date."""
    sqlite_bench.folder.mkdir()
    sqlite3.connect(sqlite_bench.file).close()
    sqlite_bench.file.touch()
    store = sqlite_bench.open()

    version = store.engine._connection.execute("PRAGMA user_version").fetchone()[0]
    assert version == engine_module.SCHEMA
    assert store.see_drop(FOLDER, b"a").id == 1


@pytest.mark.parametrize("after", [0, 1, 9, 18])
def test_killed_migration_leaves_version_0(
    project: Path, sqlite_bench: SqliteBench, after: int
) -> None:
    """A migration is one transaction: killed anywhere, it has not begun, and the next one runs."""
    sqlite_bench.folder.mkdir()
    with child(project, "migrate", sqlite_bench.folder, after) as process:
        assert process.wait(60) == -9
    outside = sqlite3.connect(sqlite_bench.file)
    assert outside.execute("PRAGMA user_version").fetchone()[0] == 0
    assert outside.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    outside.close()

    assert sqlite_bench.open().see_drop(FOLDER, b"a").id == 1


@pytest.mark.fault(34)
def test_killed_writer_loses_nothing_acknowledged(
    project: Path, sqlite_bench: SqliteBench, tmp_path: Path
) -> None:
    """Ten seeded kills in full run: every acknowledged row is there, and the file is sound."""
    sqlite_bench.folder.mkdir()
    seeded = random.Random(20)
    acknowledged: dict[int, bytes] = {}
    for _ in range(10):
        with child(project, "pour", sqlite_bench.folder) as process:
            assert process.stdout is not None
            # not a time but a number of rows: the kill falls anywhere between two of them
            for _ in range(seeded.randrange(1, 400)):
                _, number, path = process.stdout.readline().split()
                acknowledged[int(number)] = path.encode()
            process.kill()
            rest = process.stdout.read()
        for line in rest.splitlines(keepends=True):
            if line.endswith("\n"):
                _, number, path = line.split()
                acknowledged[int(number)] = path.encode()
    outside = sqlite3.connect(sqlite_bench.file)
    assert outside.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    outside.close()
    kept = {drop.id: drop.path for drop in sqlite_bench.open().drops()}

    assert len(acknowledged) > 500
    assert acknowledged.items() <= kept.items()


def test_start_over_in_another_boot_forgets_device_numbers_of_open_uploads(
    sqlite_bench: SqliteBench,
) -> None:
    """Device numbers hold within one boot: afterwards they must not cost acknowledged chunks."""
    store = sqlite_bench.open()
    store.start_over()
    upload_id, _ = making.create(store)
    store.start_over()
    same_boot = store.files(upload_id)[0].identity.device
    store.engine.write(lambda tx: tx.run("set_meta", key="boot", value="an earlier boot"))
    store.start_over()
    file = store.files(upload_id)[0]

    assert same_boot >= 0
    assert file.identity.device == -1


def test_trouble_names_what_the_disk_refused_until_it_takes_again(
    sqlite_bench: SqliteBench,
) -> None:
    """A full disk shows in the daemon's concerns, not only as a traceback (promise P6)."""
    store = sqlite_bench.open()
    assert store.trouble() == ""
    limit = store.engine._connection.execute("PRAGMA page_count").fetchone()[0]
    store.engine._connection.execute(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(StoreFull):
        store.adopt("big", b"x" * 200_000)
    assert "full" in store.trouble()
    store.engine._connection.execute("PRAGMA max_page_count = 1000000")
    store.adopt("small", b"x")

    assert store.trouble() == ""
