"""Secrets at rest: sealed with the state's own key, refused with another, in no byte of a file."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files as package_files
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.errors import StoreFull, StoreUnusable
from masv_watch.logs import Redactor, RootHandler
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Draft,
    DropEvent,
    Link,
    Secret,
    TaskEvent,
    Terms,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.store import seal as seals
from masv_watch.store.seal import Seal
from masv_watch.store.sqlite import open_store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import SqliteBench
from tests.integration.store.making import FOLDER, LETTER, LINK, file_draft

CANARIES = {
    word: f"canary-{word}-9tR2wXk4Bq7m"
    for word in ("token", "fresh", "link", "password", "code", "session")
}
PLAIN_TOKEN, PLAIN_LINK = "plain-token-of-schema-1-Hk3", "plain-link-of-schema-1-Zw8"
KEY_FILE = "seal.key"


def raw(folder: Path) -> bytes:
    """Give every byte of the database's files, as a copy of the disk would have them."""
    found = [path for path in folder.iterdir() if path.name.startswith("masv-watch.db")]
    assert found
    return b"".join(path.read_bytes() for path in found)


def draft(**said) -> Draft:
    """Make a caller's upload of one file."""
    return Draft(
        hot_folder=None,
        root=b"/",
        name="called",
        message="",
        terms=Terms(type=UploadType.TEAM),
        files=(file_draft(b"srv/a"),),
        **said,
    )


def fill(store) -> None:
    """Store every kind of secret that there is."""
    sealed = {key: Secret(CANARIES[word]) for key, word in _CREATED.items()}
    store.create_upload(draft(**sealed))
    upload = making.bring_upload(store, UploadState.COMPLETE, tasks=(LINK, LETTER))
    store.note_package(upload.id, upload.fence, "p", Secret(CANARIES["token"]))
    store.note_package(upload.id, upload.fence, "p", Secret(CANARIES["fresh"]))
    task = store.claim_task(making.ALL_KINDS, 30.0)
    link = Link(upload_id=upload.id, id="l", secret=Secret(CANARIES["link"]))
    store.advance_task(task, TaskEvent.DONE, link=link)
    store.remember_session(json.dumps({"token": CANARIES["session"]}))


_CREATED = {"password": "password", "access_code": "code"}


def test_secrets_are_in_no_byte_of_the_database_and_come_back_as_they_were(
    sqlite_bench: SqliteBench,
) -> None:
    """Before the journal is put in and after; and after another start."""
    fill(sqlite_bench.open())
    running = raw(sqlite_bench.folder)
    store = sqlite_bench.open()
    created, complete = sorted(store.uploads(), key=lambda upload: upload.state, reverse=True)

    for canary in CANARIES.values():
        assert canary.encode() not in running + raw(sqlite_bench.folder)
    assert created.password == Secret(CANARIES["password"])
    assert created.access_code == Secret(CANARIES["code"])
    assert complete.package_token == Secret(CANARIES["fresh"])
    assert store.link(complete.id).secret == Secret(CANARIES["link"])
    assert json.loads(store.remembered_session() or "") == {"token": CANARIES["session"]}
    for shown in (repr(created), repr(complete), str(complete.package_token)):
        assert not any(canary in shown for canary in CANARIES.values())


def test_session_that_is_forgotten_is_gone(sqlite_bench: SqliteBench) -> None:
    """Signing out leaves nothing to sign in with."""
    store = sqlite_bench.open()
    store.remember_session("who")
    store.remember_session(None)

    assert store.remembered_session() is None
    assert sqlite_bench.open().remembered_session() is None


def test_key_and_database_are_their_owners_alone(
    sqlite_bench: SqliteBench,
) -> None:
    """Whatever the umask says, nobody else reads them."""
    before = os.umask(0)
    try:
        fill(sqlite_bench.open())
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in sqlite_bench.folder.iterdir()}
    assert {mode for name, mode in modes.items() if name != "daemon.lock"} == {0o600}
    # no draft of the key is left beside it
    assert [name for name in modes if name.startswith(KEY_FILE)] == [KEY_FILE]


def test_state_with_the_key_of_another_is_refused_and_left_as_it_is(
    sqlite_bench: SqliteBench,
) -> None:
    """A wrong key would lose every secret that it closes: the start says what to do instead."""
    fill(sqlite_bench.open())
    sqlite_bench.close()
    rows, key = sqlite_bench.rows(), sqlite_bench.folder / KEY_FILE
    right = key.read_bytes()
    key.write_bytes(Fernet.generate_key())
    with pytest.raises(StoreUnusable, match="sealed with another key") as refused:
        sqlite_bench.open()
    after = sqlite_bench.rows()
    key.write_bytes(right)

    assert refused.value.hint == "restore seal.key together with the database"
    assert after == rows
    assert sqlite_bench.open().remembered_session()


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"", "it is no key"), (b"x" * 44, "it is no key"),
     (b"\xff\xfe" * 22, "it is no key")],
)  # fmt: skip
def test_state_without_its_key_is_refused_and_no_key_is_made_in_its_place(
    sqlite_bench: SqliteBench, content: bytes | None, why: str
) -> None:
    """A key made anew would hide that the old one is lost; each start says so again."""
    fill(sqlite_bench.open())
    sqlite_bench.close()
    key = sqlite_bench.folder / KEY_FILE
    key.unlink()
    if content is not None:
        key.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StoreUnusable, match=why) as refused:
            sqlite_bench.open()

    assert str(key) in refused.value.message
    assert (key.read_bytes() if key.exists() else None) == content


def test_proof_of_an_earlier_version_is_believed_once_and_then_written_anew(
    sqlite_bench: SqliteBench,
) -> None:
    """It was a sealed word; a start that needs no cipher has one that can be read without."""
    fill(sqlite_bench.open())
    sqlite_bench.close()
    key = (sqlite_bench.folder / KEY_FILE).read_bytes().strip()
    database = sqlite_bench.folder / "masv-watch.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        sealed = Seal(key).close(Secret("masv-watch"))
        connection.execute("UPDATE meta SET value = ? WHERE key = 'seal'", (sealed,))

    store = sqlite_bench.open()

    assert json.loads(store.remembered_session() or "") == {"token": CANARIES["session"]}
    with closing(sqlite3.connect(database)) as connection:
        ((proof,),) = connection.execute("SELECT value FROM meta WHERE key = 'seal'")
    assert proof == Seal(key).proof()
    assert key.decode() not in proof
    with pytest.raises(StoreUnusable, match="another key"):
        Seal(Fernet.generate_key()).demand(proof)


def test_lock_of_a_refused_state_is_free_again(sqlite_bench: SqliteBench) -> None:
    """Whoever restores the key starts at once."""
    sqlite_bench.open()
    sqlite_bench.close()
    key = sqlite_bench.folder / KEY_FILE
    right = key.read_bytes()
    key.unlink()
    with pytest.raises(StoreUnusable):
        sqlite_bench.open()
    key.write_bytes(right)

    assert sqlite_bench.open().uploads() == []


def test_key_that_cannot_be_written_leaves_no_half_of_it(
    sqlite_bench: SqliteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash or a full disk at the first start is no end of the state: the next one makes it."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(seals.os, "fsync", full)
        with pytest.raises(StoreUnusable, match="No space left"):
            sqlite_bench.open()
    names = [path.name for path in sqlite_bench.folder.iterdir()]
    store = sqlite_bench.open()
    fill(store)

    assert [name for name in names if name.startswith(KEY_FILE)] == []
    assert store.remembered_session()


def test_starts_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    """Whoever comes second takes the key of the first, whole."""
    begin, found, errors = threading.Barrier(8), [], []

    def start() -> None:
        begin.wait()
        try:
            found.append(Seal.of(str(tmp_path), may_make=True).close(Secret("x")))
        except StoreUnusable as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = Seal.of(str(tmp_path), may_make=False)

    assert errors == []
    assert {last.open(sealed).reveal() for sealed in found} == {"x"}
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_seal_serves_many_threads_at_once(sqlite_bench: SqliteBench) -> None:
    """Every thread gets its own secret back."""
    store = sqlite_bench.open()
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(10):
            secret = Secret(f"{number}-{turn}")
            upload = store.upload(store.create_upload(draft(password=secret)))
            if upload is None or upload.password != secret:
                wrong.append(secret.reveal())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(store.uploads()) == 60


KEYS = [Seal(Fernet.generate_key()) for _ in range(2)]


@given(st.text())
def test_seal_gives_back_what_it_closed_and_shows_none_of_it(text: str) -> None:
    """Any text, also one that looks sealed; twice the same is not told from two others."""
    seal = KEYS[0]
    closed, again = seal.close(Secret(text)), seal.close(Secret(text))

    assert seal.open(closed).reveal() == text
    assert seal.open(closed) == Secret(text) == seal.open(again)
    assert hash(seal.open(closed)) == hash(Secret(text))
    assert closed != again
    assert len(text) < 4 or text not in closed.removeprefix("sealed:")
    assert repr(seal.open(closed)) == "Secret(***)"


@given(st.text(min_size=1), st.integers(min_value=0), st.integers(0, 7))
def test_seal_opens_nothing_that_was_changed_or_closed_by_another(
    text: str, place: int, bit: int
) -> None:
    """One bit, or another key, and the state is said to be unusable."""
    closed = KEYS[0].close(Secret(text))
    head, body = closed[:7], bytearray(closed[7:], "ascii")
    place %= len(body)
    body[place] ^= 1 << bit
    changed = head + body.decode("latin-1")
    with pytest.raises(StoreUnusable, match="another key"):
        KEYS[1].open(closed).reveal()
    try:
        after = KEYS[0].open(changed).reveal()
    except StoreUnusable:
        return

    # unused bits at the end of the base64, or a character that it leaves out
    assert after == text


@given(st.binary(), st.binary())
def test_digest_tells_contents_apart_and_says_nothing_without_the_key(
    one: bytes, other: bytes
) -> None:
    """The same content gives the same digest, under this key alone."""
    assert (KEYS[0].digest(one) == KEYS[0].digest(other)) == (one == other)
    assert KEYS[0].digest(one) != KEYS[1].digest(one)


def test_plain_value_of_an_older_state_is_read_as_it_stands() -> None:
    """What was stored before there was a seal is not lost."""
    assert KEYS[0].open("pkg-token").reveal() == "pkg-token"


def _older_state(folder: Path) -> None:
    """Write a state as schema 1 left it, with plain secrets in rows, journal and free pages."""
    folder.mkdir(mode=0o700)
    database = sqlite3.connect(folder / "masv-watch.db")
    for pragma in ("journal_mode=WAL", "secure_delete=OFF", "wal_autocheckpoint=0"):
        database.execute(f"PRAGMA {pragma}")
    script = package_files("masv_watch.store").joinpath("migrations/0001.sql")
    database.executescript(script.read_text(encoding="utf-8"))
    terms = {
        "type": "portal", "recipients": [], "portal": "vault", "sender": "a@b.example",
        "mail_to": ["c@d.example"], "template": None, "idle_s": 5.0, "batch": False,
        "after": {"delivered": "keep", "move_to": None},
    }  # fmt: skip
    upload = {
        "id": "u1", "hot_folder": "out", "root": b"/srv/out", "name": "Day 1", "message": "",
        "terms": json.dumps(terms), "state": "complete", "package_id": "p1", "fence": 3,
        "package_token": PLAIN_TOKEN, "created_at": 5.0, "joined_at": 5.0, "finalized_at": 9.0,
        "size": 10, "sent": 10, "file_count": 1,
    }  # fmt: skip
    _insert(database, "uploads", upload)
    _insert(database, "uploads", upload | {"id": "u2", "package_id": None, "package_token": None})
    drop = {
        "id": 7, "hot_folder": "out", "path": b"d", "generation": 1, "state": "done",
        "upload_id": "u1", "seen_at": 5.0, "signature": "s",
    }  # fmt: skip
    _insert(database, "drops", drop)
    _insert(database, "skipped", {"upload_id": "u1", "drop_id": 7, "reason": "x is a link"})
    _insert(database, "links", {"upload_id": "u1", "id": "l1", "secret": PLAIN_LINK, "expiry": ""})
    file = {
        "upload_id": "u1", "drop_id": 7, "path": b"d/f", "package_path": "d", "name": "f",
        "size": 10, "mtime_ns": 1, "ctime_ns": 1, "inode": 1, "device": 1, "closed": 1,
    }  # fmt: skip
    _insert(database, "files", file)
    # tokens that were renewed, as free pages remember them
    database.execute("CREATE TABLE worn (text TEXT)")
    worn = [(f"{PLAIN_TOKEN}-worn-{number}" * 40,) for number in range(200)]
    database.executemany("INSERT INTO worn VALUES (?)", worn)
    database.execute("DROP TABLE worn")
    database.execute("PRAGMA user_version = 1")
    database.commit()
    # the journal stays beside it, as after a kill
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    database.close()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _insert(database: sqlite3.Connection, table: str, values: dict) -> None:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()])


def test_state_of_schema_1_is_sealed_and_keeps_everything(tmp_path: Path) -> None:
    """Its tokens and links open as before, nothing of them is left to read, no row is lost."""
    folder = tmp_path / "state"
    _older_state(folder)
    before = raw(folder)
    store = open_store(str(folder), clock=FakeClock(), metrics=Metrics())
    running = raw(folder)
    upload, other = making.must(store.upload("u1")), making.must(store.upload("u2"))
    link, skipped, files = store.link("u1"), store.skipped("u1"), store.files("u1")
    drops = store.drops_of("u1")
    store.close()

    for plain in (PLAIN_TOKEN.encode(), PLAIN_LINK.encode()):
        assert plain in before
        assert plain not in running + raw(folder)
    assert (upload.package_token, other.package_token) == (Secret(PLAIN_TOKEN), None)
    assert (upload.terms.portal, upload.terms.team, upload.state) == ("vault", None, "complete")
    assert (upload.priority, upload.is_started, upload.takes_package) == (0, False, False)
    assert (link.id, link.secret) == ("l1", Secret(PLAIN_LINK))
    assert skipped == ["x is a link"]
    assert [(file.path, file.closed, file.reader) for file in files] == [(b"d/f", True, None)]
    assert [(drop.id, drop.signature) for drop in drops] == [(7, "s")]


def test_sealing_that_a_crash_broke_off_is_done_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two of its steps the plain values are found again, and go."""
    folder = tmp_path / "state"
    _older_state(folder)

    def full(_seal: Seal) -> str:
        raise StoreFull("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(Seal, "proof", full)
        with pytest.raises(StoreFull):
            open_store(str(folder), clock=FakeClock(), metrics=Metrics())
    store = open_store(str(folder), clock=FakeClock(), metrics=Metrics())
    token = making.must(store.upload("u1")).package_token
    store.close()

    assert token == Secret(PLAIN_TOKEN)
    assert PLAIN_TOKEN.encode() not in raw(folder)


@pytest.fixture
def canary() -> Iterator[str]:
    """Give a secret that the log knows for the time of a test."""
    handler = RootHandler(io.StringIO(), Redactor([Secret(CANARIES["token"])]))
    logging.getLogger().addHandler(handler)
    yield CANARIES["token"]
    logging.getLogger().removeHandler(handler)


def test_free_text_is_stored_without_the_secrets_that_the_log_knows(
    sqlite_bench: SqliteBench, canary: str
) -> None:
    """What a cloud or a mail server quotes is masked in every row and every move."""
    store, words = sqlite_bench.open(), f"no {canary} here"
    upload = making.bring_upload(store, UploadState.COMPLETE, tasks=(LINK, LETTER))
    task = store.claim_task(making.ALL_KINDS, 30.0)
    store.retry_task(task, retry_at=0.0, attempts=1, note=words)
    task = store.claim_task(making.ALL_KINDS, 30.0)
    store.advance_task(task, TaskEvent.REFUSED, note=words)
    upload_id = store.create_upload(draft(skipped=(words,)))
    other = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    store.note_file_retry(file, other.fence, attempts=1, retry_at=0.0, error=words)
    store.advance_claimed(other, UploadEvent.FAIL, code=1, error=words)
    drop = store.see_drop(FOLDER, b"b.mov")
    store.advance_drop(drop.id, DropEvent.CANCEL, note=words)

    assert canary not in repr(sqlite_bench.rows())
    assert making.must(store.upload(upload_id)).error == "no *** here"
    assert store.skipped(upload_id) == ["no *** here"]
    assert {one.note for one in store.tasks(upload.id)} == {"no *** here"}
    assert store.latest_drop(FOLDER, b"b.mov").note == "no *** here"
    assert store.file(file.id).error == "no *** here"
    assert words not in [move.detail for move in store.moves(0, 99)]


def test_derived_key_is_that_of_hkdf_for_its_purpose_and_no_other():
    """Whoever holds `seal.key` can make it anew without us, and one tells nothing of another."""
    raw = base64.urlsafe_b64decode(Fernet.generate_key())
    seal = Seal(base64.urlsafe_b64encode(raw))
    by_the_book = HKDF(hashes.SHA256(), length=32, salt=None, info=b"receipts").derive(raw)

    assert seal.derive("receipts").reveal() == by_the_book.hex()
    assert seal.derive("letters") != seal.derive("receipts")
