"""The connections that read: how many are used, and how much each keeps."""

from __future__ import annotations

import sqlite3
import threading
import weakref

from masv_watch.store.readers import CACHE, REST_S
from masv_watch.store.sqlite import SqliteEngine
from tests.integration.store.benches import SqliteBench


def rush(engine: SqliteEngine, number: int) -> None:
    """Have so many threads read at the same time."""
    everybody = threading.Barrier(number)

    def together(_tx: object) -> None:
        everybody.wait(60)

    threads = [
        threading.Thread(daemon=True, target=engine.read, args=(together,)) for _ in range(number)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)


def is_open(connection: sqlite3.Connection) -> bool:
    """Say whether a connection can still be asked."""
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


def test_readers_of_a_rush_are_not_used_when_it_is_over(sqlite_bench: SqliteBench) -> None:
    """Who reads alone is served by one connection: those of a rush keep what they have, small."""
    engine = sqlite_bench.open().engine
    rush(engine, 5)

    used = set()
    for _ in range(10):
        with engine._readers.one() as connection:
            used.add(id(connection))
    assert len(engine._readers) == 5
    assert len(used) == 1


def test_readers_of_a_rush_are_closed_when_it_is_over_for_a_while(
    sqlite_bench: SqliteBench,
) -> None:
    """Each keeps statements and pages: a daemon that rests has one that reads."""
    engine = sqlite_bench.open().engine
    rush(engine, 20)
    readers = [each for each, _ in engine._readers._free]
    assert len(readers) == 20

    sqlite_bench.clock.advance(REST_S - 1)
    rush(engine, 3)
    assert len(engine._readers) == 20
    sqlite_bench.clock.advance(1)
    rush(engine, 1)

    assert sum(map(is_open, readers)) == len(engine._readers) == 3
    sqlite_bench.clock.advance(REST_S - 1)
    rush(engine, 1)
    assert sum(map(is_open, readers)) == len(engine._readers) == 1


def test_reader_that_outlives_the_engine_is_closed_by_whoever_used_it(
    sqlite_bench: SqliteBench,
) -> None:
    """A call that reads while the daemon stops leaves no connection behind."""
    engine = sqlite_bench.open().engine

    with engine._readers.one() as connection:
        sqlite_bench.close()
        assert is_open(connection)

    assert not is_open(connection)


def test_reader_keeps_few_pages_in_memory_and_the_writer_its_own_share(
    sqlite_bench: SqliteBench,
) -> None:
    """Each of them would fill two MiB as the state grows, and a busy daemon has a dozen."""
    engine = sqlite_bench.open().engine

    with engine._readers.one() as connection:
        (reads,) = connection.execute("PRAGMA cache_size").fetchone()
    (writes,) = engine._connection.execute("PRAGMA cache_size").fetchone()

    assert reads == CACHE
    assert -512 <= CACHE < 0
    assert writes == -2000


def test_writer_lets_go_of_what_it_stored(sqlite_bench: SqliteBench) -> None:
    """A drop of a million files is not held until the next write comes, which may take a day."""
    engine = sqlite_bench.open().engine

    class Load:
        """Stands for a draft."""

    load = Load()
    gone = threading.Event()
    weakref.finalize(load, gone.set)
    engine.write(lambda _tx, load=load: load and None)
    del load

    assert gone.wait(60)
