"""The connections that read: how many are used, and how much each keeps."""

from __future__ import annotations

import threading
import weakref

from masv_watch.store.sqlite import READER_CACHE
from tests.integration.store.benches import SqliteBench


def test_readers_of_a_rush_are_not_used_when_it_is_over(sqlite_bench: SqliteBench) -> None:
    """Who reads alone is served by one connection: those of a rush keep what they have, small."""
    engine = sqlite_bench.open().engine
    everybody = threading.Barrier(5)

    def together(_tx: object) -> None:
        everybody.wait(60)

    rush = [
        threading.Thread(daemon=True, target=engine.read, args=(together,)) for _ in range(5)
    ]  # fmt: skip
    for each in rush:
        each.start()
    for each in rush:
        each.join(60)

    used = set()
    for _ in range(10):
        with engine._reader() as connection:
            used.add(id(connection))
    assert engine._readers.qsize() == 5
    assert len(used) == 1


def test_reader_keeps_few_pages_in_memory_and_the_writer_its_own_share(
    sqlite_bench: SqliteBench,
) -> None:
    """Each of them would fill two MiB as the state grows, and a busy daemon has a dozen."""
    engine = sqlite_bench.open().engine

    with engine._reader() as connection:
        (reads,) = connection.execute("PRAGMA cache_size").fetchone()
    (writes,) = engine._connection.execute("PRAGMA cache_size").fetchone()

    assert reads == READER_CACHE
    assert -512 <= READER_CACHE < 0
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
