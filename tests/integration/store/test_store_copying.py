"""A state as files: copied while it is written, examined, and put back whole or not at all."""

from __future__ import annotations

import math
import sqlite3
import threading
from contextlib import closing

import pytest

from masv_watch.errors import StoreUnusable
from masv_watch.metrics import Metrics
from masv_watch.model import Link, Secret, TaskEvent, TaskKind, UploadEvent, UploadState
from masv_watch.store import copying, locking
from masv_watch.store.migrating import migrate
from masv_watch.store.sqlite import SCHEMA, open_store
from tests.doubles import FakeClock
from tests.integration.store.making import (
    DISPOSE,
    FOLDER,
    LETTER,
    LINK,
    bring_upload,
    create,
    finalize,
)
from tests.waiting import eventually


def never() -> bool:
    return False


def paths_in(copy) -> list[bytes]:
    """Give the paths of all drops in a copy."""
    database = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
    try:
        return [row[0] for row in database.execute("SELECT path FROM drops ORDER BY id")]
    finally:
        database.close()


def a_link(upload_id: str) -> Link:
    return Link(upload_id=upload_id, id="1", secret=Secret("s"), expiry="")


def fill(store, drops: int = 3000) -> None:
    """Make a database of several megabytes."""
    long = b"x" * 1000
    for first in range(0, drops, 500):
        store.see_drops(FOLDER, [b"%d/%b" % (n, long) for n in range(first, first + 500)])


def test_copy_holds_up_no_write_and_shows_one_moment(sqlite_bench, tmp_path):
    """A transfer's writes end while the copy stands still in its middle (law 1 of housekeeping)."""
    store = sqlite_bench.open()
    fill(store)
    reached, go_on = threading.Event(), threading.Event()

    def stop() -> bool:
        reached.set()
        assert go_on.wait(60)
        return False

    copy = tmp_path / "copy.db"
    copying_ = threading.Thread(target=lambda: store.back_up(str(copy), with_key=True, stop=stop))
    copying_.start()
    assert reached.wait(60)
    for number in range(50):
        store.see_drop(FOLDER, b"while it stands %d" % number)
    written = len(store.drops())
    go_on.set()
    copying_.join(60)

    assert written == 3050
    assert len(paths_in(copy)) == 3000
    assert copying.damage(str(copy)) == ""
    assert {each.name for each in tmp_path.iterdir()} >= {"copy.db", "copy.db.key"}
    assert {each.stat().st_mode & 0o777 for each in tmp_path.glob("copy*")} == {0o600}


def test_look_for_damage_holds_up_no_write(sqlite_bench):
    """It reads one moment, whatever is written meanwhile."""
    store = sqlite_bench.open()
    fill(store)
    asked = []

    def stop() -> bool:
        if not asked:
            writer = threading.Thread(target=lambda: store.see_drop(FOLDER, b"meanwhile"))
            writer.start()
            writer.join(60)
            asked.append(writer.is_alive())
        return False

    assert store.damage(stop=stop) == ""
    assert asked == [False]


def test_copy_that_is_stopped_leaves_nothing_and_keeps_the_earlier_one(sqlite_bench, tmp_path):
    """A daemon that ends waits for no copy."""
    store = sqlite_bench.open()
    copy = tmp_path / "copy.db"
    store.back_up(str(copy), with_key=False, stop=never)
    before = copy.read_bytes()
    fill(store)
    with pytest.raises(StoreUnusable, match="stopped"):
        store.back_up(str(copy), with_key=True, stop=lambda: True)

    assert copy.read_bytes() == before
    assert [each.name for each in tmp_path.glob("copy*")] == ["copy.db"]


@pytest.mark.fault(39)
def test_damage_is_found_in_a_database_that_opens(sqlite_bench):
    """A page of another content, and a row without the one that it belongs to."""
    store = sqlite_bench.open()
    create(store, b"a.mov")
    sqlite_bench.close()
    whole = copying.damage(str(sqlite_bench.file))
    database = sqlite3.connect(sqlite_bench.file)
    database.execute("DELETE FROM uploads")
    database.commit()
    database.close()
    orphaned = copying.damage(str(sqlite_bench.file))
    content = bytearray(sqlite_bench.file.read_bytes())
    content[4096:] = b"\xff" * len(content[4096:])
    sqlite_bench.file.write_bytes(content)

    assert whole == ""
    assert "belongs to none of uploads" in orphaned
    assert copying.damage(str(sqlite_bench.file))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("damaged", "is damaged"),
        ("newer", "newer masv-watch"),
        ("no key", "the key of the secrets"),
        ("other key", "another key"),
        ("no copy", "is damaged or no copy"),
        ("empty", "is no copy of a state"),
        ("absent", "is damaged or no copy"),
    ],
)
def test_copy_that_cannot_become_the_state_is_refused_with_what_helps(
    sqlite_bench, tmp_path, kind, words
):
    """Before anything is replaced (fault 39)."""
    copy, key = tmp_path / "copy.db", tmp_path / "copy.db.key"
    sqlite_bench.open().back_up(str(copy), with_key=True, stop=never)
    sqlite_bench.close()
    if kind == "damaged":
        copy.write_bytes(copy.read_bytes()[:8192] + b"\xff" * 8192)
    elif kind == "newer":
        database = sqlite3.connect(copy)
        database.execute("PRAGMA user_version = 999")
        database.close()
    elif kind == "no key":
        key.unlink()
        (sqlite_bench.folder / "seal.key").unlink()
    elif kind == "other key":
        key.write_bytes(b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n")
    elif kind == "no copy":
        copy.write_bytes(b"no database, but long enough to be one of them")
    elif kind == "empty":
        copy.write_bytes(b"")
    else:
        copy.unlink()

    with pytest.raises(StoreUnusable, match=words) as refused:
        copying.examine(str(copy), str(sqlite_bench.folder), schema=SCHEMA)
    assert refused.value.hint


def test_restore_keeps_the_state_of_before_and_one_that_was_cut_short_starts_nothing(
    sqlite_bench, tmp_path, monkeypatch
):
    """Between the old state and the new one no daemon starts on anything (law 3)."""
    copy, folder = tmp_path / "copy.db", str(sqlite_bench.folder)
    store = sqlite_bench.open()
    store.see_drop(FOLDER, b"first")
    store.back_up(str(copy), with_key=True, stop=never)
    create(store, b"second")
    sqlite_bench.close()
    with locking.held(folder):
        with monkeypatch.context() as patch:
            patch.setattr(copying.os, "replace", _failing_for(copying.FILE, copying.os.replace))
            with pytest.raises(StoreUnusable):
                copying.restore(str(copy), folder, stamp="1", schema=SCHEMA)
        held = pytest.raises(StoreUnusable, match="held by another")
        with held:
            open_store(folder, clock=FakeClock(), metrics=Metrics())
    with pytest.raises(StoreUnusable, match="did not end"):
        open_store(folder, clock=FakeClock(), metrics=Metrics())
    with locking.held(folder):
        done = copying.restore(str(copy), folder, stamp="2", schema=SCHEMA)
    store = sqlite_bench.open()

    assert [drop.path for drop in store.drops()] == []
    assert store.asks_anew(FOLDER)
    store.note_asked(FOLDER)
    assert not store.asks_anew(FOLDER)
    assert paths_in(f"{done.beside}/masv-watch.db") == [b"first", b"second"]


def _failing_for(name: str, real):
    def replace(source, to):
        if str(to).endswith("/" + name) and "before-restore" not in str(to):
            raise OSError(5, "Input/output error")
        real(source, to)

    return replace


@pytest.mark.parametrize("state", [UploadState.IDLE, UploadState.FINALIZING])
def test_letter_of_what_was_being_delivered_in_a_copy_waits_for_a_person(
    sqlite_bench, tmp_path, state
):
    """It may have left since; the link is looked for first, and the source is dealt with."""
    copy, folder = tmp_path / "copy.db", str(sqlite_bench.folder)
    store = sqlite_bench.open()
    upload_id = bring_upload(store, state).id
    store.back_up(str(copy), with_key=True, stop=never)
    sqlite_bench.close()
    copying.restore(str(copy), folder, stamp="1", schema=SCHEMA)
    store = sqlite_bench.open()
    store.start_over()
    if state is UploadState.IDLE:
        store.advance_upload(upload_id, UploadEvent.FINALIZE)
    store.claim_uploads(100, 600.0)
    finalize(store, upload_id, tasks=(LINK, LETTER, DISPOSE))
    link = store.claim_task([TaskKind.LINK], 600.0)
    store.advance_task(link, TaskEvent.DONE, link=a_link(upload_id))
    letter, disposal = (store.claim_task([kind], 600.0) for kind in (LETTER.kind, DISPOSE.kind))
    at = store.next_task_at([TaskKind.LETTER])
    until = store.gathering_letters()[upload_id]
    store.start_upload(upload_id)

    assert link.asked
    assert (letter, at, until) == (None, None, math.inf)
    assert not disposal.asked
    assert store.claim_task([TaskKind.LETTER], 600.0).asked


@pytest.mark.parametrize("version", range(1, SCHEMA))
def test_copy_of_an_earlier_version_is_restored_and_asked_about(tmp_path, version):
    """What `examine` lets through becomes the state, and the copy itself stays as it was."""
    copy, state = tmp_path / "copy.db", tmp_path / "state"
    state.mkdir(0o700)
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        migrate(database, str(copy), known=version)
    before = copy.read_bytes()
    copying.examine(str(copy), str(state), schema=SCHEMA)
    done = copying.restore(str(copy), str(state), stamp="now", schema=SCHEMA)
    store = open_store(str(state), clock=FakeClock(), metrics=Metrics())

    assert done.paused == 0
    assert store.asks_anew(FOLDER)
    assert copy.read_bytes() == before
    store.close()


def test_journal_that_grew_large_is_made_small_and_nobody_waits(sqlite_bench, monkeypatch):
    """The disk gets back what a long reader had it take."""
    monkeypatch.setattr(copying, "LARGE_JOURNAL", 100_000)
    store = sqlite_bench.open()
    fill(store)
    journal = sqlite_bench.folder / "masv-watch.db-wal"
    before = journal.stat().st_size
    store.tend()

    assert before > 100_000
    assert eventually(lambda: journal.stat().st_size == 0)
