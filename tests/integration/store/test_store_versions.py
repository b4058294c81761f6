"""The versions of a file: what of an earlier one is kept, and the proof of the last one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from masv_watch.errors import FenceLost
from masv_watch.model import Chunk, DropEvent, SourceFile, Upload, UploadState
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench, SqliteBench

CHUNK = 10
PATH = b"a.mov"


def begun(
    store: Store, size: int, acknowledged: int, *, max_chunks: int = 10_000, hashed: bool = True
) -> tuple[Upload, SourceFile]:
    """Open a file of this size and acknowledge its first chunks; give it as a worker has it."""
    upload_id, _ = making.create(store, PATH, files=[making.file_draft(PATH, size)])
    upload = making.claim(store, upload_id)
    making.open_package(store, upload)
    (file,) = store.files(upload_id)
    store.note_files_asked(upload_id, upload.fence, [file.id])
    store.note_file_opened(
        file,
        upload.fence,
        cloud_id="c",
        multipart_id="m",
        chunk_size=CHUNK,
        max_chunks=max_chunks,
    )
    (file,) = store.files(upload_id)
    for number in range(1, acknowledged + 1):
        left = size - (number - 1) * CHUNK
        last = left <= CHUNK
        store.note_etag(file, upload.fence, chunk(number, min(left, CHUNK), hashed), last=last)
    (file,) = store.files(upload_id)
    return upload, file


def chunk(number: int, size: int = CHUNK, hashed: bool = True) -> Chunk:
    """Make a chunk."""
    digest = f"h{number}" if hashed else ""
    return Chunk(number=number, size=size, etag=f"e{number}", hash=digest)


def settle(store: Store, size: int, version: int = 2) -> None:
    """Let the drop settle with another version of its file."""
    drop = store.latest_drop(making.FOLDER, PATH)
    assert drop is not None
    store.note_change(drop.id, "changed")
    store.settle_again(making.drop_draft(drop, [making.file_draft(PATH, size, version)]))


def kept(store: Store, file: SourceFile) -> list[int]:
    """Give the numbers of the chunks that are kept of an earlier version."""
    return [number for number in range(1, 9) if store.kept_chunk(file, number) is not None]


def test_next_version_keeps_the_cloud_file_and_counts_nothing_as_sent(store: Store) -> None:
    """What is kept is neither acknowledged nor counted until it was compared."""
    upload, before = begun(store, 35, 4)
    settle(store, 35)
    (file,) = store.files(upload.id)

    assert (file.cloud_id, file.multipart_id, file.chunk_size) == ("c", "m", CHUNK)
    assert (file.version, file.sent, file.closed, file.stale) == (1, 0, False, False)
    assert store.chunks(file.id) == []
    assert [store.kept_chunk(file, number) for number in (1, 4)] == [chunk(1), chunk(4, 5)]
    assert making.must(store.upload(upload.id)).sent == 0
    assert store.leftovers(upload.id) == []
    assert before.close_asked
    # a close of the first version may have reached the cloud: that is not forgotten
    assert file.close_asked


@pytest.mark.parametrize(
    ("size", "stay"),
    [(35, [1, 2, 3, 4]), (45, [1, 2, 3]), (34, [1, 2, 3]), (30, [1, 2, 3]), (15, [1]), (10, [1])],
)
def test_chunks_that_do_not_lie_in_the_new_size_as_in_the_old_are_gone(
    store: Store, size: int, stay: list[int]
) -> None:
    """A last chunk of another size, and what lies beyond the end."""
    upload, _ = begun(store, 35, 4)
    settle(store, size)
    (file,) = store.files(upload.id)

    assert kept(store, file) == stay
    assert (file.cloud_id, making.must(store.upload(upload.id)).size) == ("c", size)


@pytest.mark.parametrize(
    ("acknowledged", "size", "max_chunks", "hashed"),
    [(0, 35, 10_000, True), (4, 35, 10_000, False), (4, 41, 4, True), (4, 9, 10_000, True)],
    ids=["nothing sent", "no hashes", "more chunks than it takes", "nothing fits"],
)
def test_version_of_which_nothing_can_be_kept_begins_anew(
    store: Store, acknowledged: int, size: int, max_chunks: int, hashed: bool
) -> None:
    """It gets a cloud file of its own, and the one before goes before the finalize."""
    upload, _ = begun(store, 35, acknowledged, max_chunks=max_chunks, hashed=hashed)
    settle(store, size)
    (file,) = store.files(upload.id)

    assert (file.cloud_id, file.chunk_size, file.version, file.sent) == (None, None, 0, 0)
    assert kept(store, replace(file, version=99)) == []
    assert store.leftovers(upload.id) == ["c"]


def test_version_after_a_close_begins_anew(store: Store) -> None:
    """The storage has put the parts together: none of them can be told again."""
    upload, file = begun(store, 35, 4)
    store.note_file_closed(file, upload.fence)
    settle(store, 35)
    (file,) = store.files(upload.id)

    assert (file.cloud_id, file.closed, file.hash, file.version) == (None, False, "", 0)
    assert store.leftovers(upload.id) == ["c"]
    assert len(store.next_files(upload.id, 9)) == 1


def test_file_that_the_cloud_lost_keeps_nothing_of_any_version(store: Store) -> None:
    """There is nothing at the storage that could be told again."""
    upload, _ = begun(store, 35, 4)
    settle(store, 35)
    (file,) = store.files(upload.id)
    store.note_etag(file, upload.fence, chunk(2), last=False)
    store.note_file_lost(file, upload.fence)
    (lost,) = store.files(upload.id)

    assert (lost.cloud_id, lost.version, lost.sent) == (None, 0, 0)
    assert kept(store, replace(lost, version=99)) == []
    assert making.must(store.upload(upload.id)).sent == 0


def test_chunk_taken_over_counts_once_and_is_kept_no_more(bench: Bench, store: Store) -> None:
    """Asked twice it is the same; another etag at its number takes its place alike."""
    upload, _ = begun(store, 35, 4)
    settle(store, 35)
    (file,) = store.files(upload.id)
    found = store.kept_chunk(file, 2)
    assert found is not None
    store.note_etag(file, upload.fence, found, last=False)
    before = bench.rows()
    store.note_etag(file, upload.fence, found, last=False)
    assert bench.rows() == before
    other = Chunk(number=3, size=CHUNK, etag="new", hash="new")
    store.note_etag(file, upload.fence, other, last=False)

    assert store.chunks(file.id) == [chunk(2), other]
    assert kept(store, file) == [1, 4]
    assert store.files(upload.id)[0].sent == making.must(store.upload(upload.id)).sent == 20


def test_forgotten_chunk_is_over_and_asked_twice_the_same(bench: Bench, store: Store) -> None:
    """Before other bytes go to its number nothing is said any more of what is there."""
    upload, _ = begun(store, 35, 4)
    settle(store, 35)
    (file,) = store.files(upload.id)
    store.note_etag(file, upload.fence, chunk(1), last=False)
    for number in (1, 2, 2, 9):
        store.forget_kept(file, upload.fence, number)

    assert kept(store, file) == [3, 4]
    assert store.chunks(file.id) == [chunk(1)]


LATE: dict[str, Callable[[Store, SourceFile, int], object]] = {
    "note_etag": lambda s, f, fence: s.note_etag(f, fence, chunk(1), last=True),
    "note_file_closed": lambda s, f, fence: s.note_file_closed(f, fence),
    "forget_kept": lambda s, f, fence: s.forget_kept(f, fence, 1),
    "note_reread": lambda s, f, fence: s.note_reread(f, fence, 1),
}


@pytest.mark.parametrize("verb", list(LATE))
@pytest.mark.parametrize("versions", [[2], [2, 1]], ids=["another", "as it once was"])
def test_late_answer_for_an_earlier_version_in_the_same_cloud_file_is_not_noted(
    bench: Bench, store: Store, verb: str, versions: list[int]
) -> None:
    """The cloud's id proves no version, and a source that looks as before is not the one before.

    What lies at a number may be the version's in between.
    """
    upload, old = begun(store, 35, 3)
    for version in versions:
        settle(store, 35, version)
    (file,) = store.files(upload.id)
    assert (file.cloud_id, file.identity == old.identity) == (old.cloud_id, len(versions) == 2)
    before = bench.rows()

    with pytest.raises(FenceLost, match="began anew"):
        LATE[verb](store, old, upload.fence)
    assert bench.rows() == before


def reread(store: Store, upload: Upload) -> int:
    """Give how many chunks of the only file were read again."""
    (file,) = store.files(upload.id)
    return file.reread


def test_chunks_that_were_read_again_are_known_after_a_restart(bench: Bench, store: Store) -> None:
    """Whoever reads on goes on behind them; asked twice it is the same."""
    upload, file = begun(store, 35, 4)
    store.note_reread(file, upload.fence, 1)
    store.note_reread(file, upload.fence, 2)
    before = bench.rows()
    store.note_reread(file, upload.fence, 2)
    assert bench.rows() == before

    assert reread(bench.open(), upload) == 2


def test_file_tells_when_a_chunk_of_it_was_acknowledged_last(
    store: Store, clock: FakeClock
) -> None:
    """The store's own time, so that no start and no jump of the clock moves it."""
    upload, file = begun(store, 35, 3)
    first = store.now()
    clock.advance(5.0)
    assert store.files(upload.id)[0].sent_at == first
    store.note_etag(file, upload.fence, chunk(4, 5), last=True)
    clock.advance(5.0)
    store.note_reread(file, upload.fence, 1)

    assert store.files(upload.id)[0].sent_at == first + 5.0
    store.note_file_lost(file, upload.fence)
    assert store.files(upload.id)[0].sent_at == 0.0


ANEW: dict[str, Callable[[Store, Upload, SourceFile], object]] = {
    "acknowledged": lambda s, u, f: s.note_etag(f, u.fence, chunk(4, 5), last=True),
    "next version": lambda s, u, f: settle(s, 35),
    "next version of nothing": lambda s, u, f: settle(s, 3),
    "lost": lambda s, u, f: s.note_file_lost(f, u.fence),
}


@pytest.mark.parametrize("why", list(ANEW))
def test_chunks_that_were_read_again_are_none_once_other_bytes_may_be_there(
    store: Store, why: str
) -> None:
    """A second read counts only behind the last acknowledgement of its own version (P2)."""
    upload, file = begun(store, 35, 4)
    store.note_reread(file, upload.fence, 3)
    ANEW[why](store, upload, file)

    assert reread(store, upload) == 0


def test_etag_that_comes_before_the_change_settles_is_kept_for_the_next_version(
    store: Store,
) -> None:
    """It is about the version that the row still holds, and tells what the storage has."""
    upload, file = begun(store, 35, 2)
    store.note_source_changed(file, upload.fence, "grew")
    store.note_etag(file, upload.fence, chunk(3), last=False)
    sent = making.must(store.upload(upload.id)).sent
    settle(store, 45)
    (file,) = store.files(upload.id)

    assert sent == 30
    assert (kept(store, file), file.sent) == ([1, 2, 3], 0)


def named_file(store: Store, size: int) -> tuple[Upload, SourceFile]:
    """Give a caller's file of four chunks that are all acknowledged."""
    draft = replace(making.upload_draft(), files=(making.file_draft(PATH, size),))
    upload_id = store.create_upload(draft)
    upload = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    opened = {"cloud_id": "c", "multipart_id": "m", "chunk_size": CHUNK}
    store.note_file_opened(file, upload.fence, **opened)
    (file,) = store.files(upload_id)
    for number in range(1, 5):
        store.note_etag(file, upload.fence, chunk(number), last=number == 4)
    (file,) = store.files(upload_id)
    return upload, file


def test_callers_file_keeps_its_chunks_while_it_settles(store: Store) -> None:
    """Nothing of it counts meanwhile; a late etag is about a version that ended."""
    upload, file = named_file(store, 40)
    store.note_source_changed(file, upload.fence, "changed")
    store.note_source_changed(file, upload.fence, "changed again")
    (waits,) = store.files(upload.id)
    with pytest.raises(FenceLost):
        store.note_etag(file, upload.fence, chunk(1), last=False)
    assert (waits.stale, waits.cloud_id, waits.sent, waits.version) == (True, "c", 0, 1)
    store.settle_file(waits, upload.fence, making.file_draft(PATH, 25, 2).identity)
    (file,) = store.files(upload.id)

    assert (file.stale, file.cloud_id, file.version) == (False, "c", 2)
    assert kept(store, file) == [1, 2]
    assert making.must(store.upload(upload.id)).size == 25


def test_callers_file_of_which_nothing_fits_begins_anew_once_it_settled(store: Store) -> None:
    """How large it became is known only then."""
    upload, file = named_file(store, 40)
    store.note_source_changed(file, upload.fence, "changed")
    (waits,) = store.files(upload.id)
    store.settle_file(waits, upload.fence, making.file_draft(PATH, 3, 2).identity)
    (file,) = store.files(upload.id)

    assert (file.cloud_id, file.version) == (None, 0)
    assert store.leftovers(upload.id) == ["c"]


def test_drop_that_leaves_takes_its_kept_chunks_along(bench: Bench, store: Store) -> None:
    """Nothing is kept of what nobody sends."""
    upload, _ = begun(store, 35, 4)
    store.join_upload(upload.id, making.drop_draft(store.see_drop(making.FOLDER, b"other")))
    settle(store, 35)
    drop = store.latest_drop(making.FOLDER, PATH)
    assert drop is not None
    assert len(bench.rows()["chunks"]) == 4
    store.advance_drop(drop.id, DropEvent.CANCEL)

    assert bench.rows()["chunks"] == []
    assert store.leftovers(upload.id) == ["c"]
    assert [file.path for file in store.files(upload.id)] == [b"other"]


def test_closed_file_has_the_hash_of_its_chunks(bench: Bench, store: Store) -> None:
    """Stored with the close, and asked twice the same."""
    upload, file = begun(store, 35, 4)
    store.note_file_closed(file, upload.fence)
    before = bench.rows()
    store.note_file_closed(file, upload.fence)
    (closed,) = store.files(upload.id)

    assert bench.rows() == before
    assert closed.hash.startswith(f"xxh3-128/{CHUNK}:")
    assert file.hash == ""


def test_proof_of_a_complete_upload_has_no_doubt(store: Store) -> None:
    """Every file is shown under one identity with all its chunks."""
    upload = making.bring_upload(store, UploadState.COMPLETE, b"a", b"b")
    proofs = store.prove(upload.id)

    assert [(proof.path, proof.doubt) for proof in proofs] == [(b"a", ""), (b"b", "")]
    files = store.files(upload.id)
    assert [proof.identity for proof in proofs] == [file.identity for file in files]
    assert [proof.hash for proof in proofs] == ["xxh3-128:h", "xxh3-128:h"]
    assert [proof.chunks for proof in proofs] == [tuple(store.chunks(f.id)) for f in files]
    assert store.prove("unknown") == []


DOUBTS = {
    "DELETE FROM chunks WHERE number = 2": "chunk 2 is missing",
    "DELETE FROM chunks WHERE number = 4": "its last chunks are missing",
    "DELETE FROM chunks": "its last chunks are missing",
    "UPDATE chunks SET size = 9 WHERE number = 3": "chunk 3 is missing or of another size",
    "UPDATE chunks SET version = 1 WHERE number = 3": "more than one version",
    "INSERT INTO chunks SELECT file_id, 5, 10, etag, hash, version FROM chunks WHERE number = 1": (
        "chunk 5 is missing or of another size"
    ),
    "UPDATE chunks SET hash = 'other' WHERE number = 3": "its hash is not that of its chunks",
    "UPDATE files SET closed = 0": "not put it together",
    "UPDATE files SET stale = 1": "its source changed since",
    "UPDATE files SET size = 36": "chunk 4 is missing or of another size",
}


@pytest.mark.parametrize("damage", list(DOUBTS))
def test_proof_of_rows_that_are_not_one_whole_version_says_why(
    sqlite_bench: SqliteBench, damage: str
) -> None:
    """Whatever is wrong with the rows of one file is named, and nothing else is taken for it."""
    store = sqlite_bench.open()
    upload, file = begun(store, 35, 4)
    store.note_file_closed(file, upload.fence)
    assert store.prove(upload.id)[0].doubt == ""
    outside = sqlite3.connect(sqlite_bench.file)
    outside.execute(damage)
    outside.commit()
    outside.close()

    assert DOUBTS[damage] in store.prove(upload.id)[0].doubt


def test_proof_of_a_file_sent_without_hashes_rests_on_its_identity(store: Store) -> None:
    """With `verify: size` there is none to show, and the chunks are of one version all the same."""
    upload, file = begun(store, 35, 4, hashed=False)
    store.note_file_closed(file, upload.fence)
    (proof,) = store.prove(upload.id)

    assert (proof.hash, proof.doubt) == ("", "")
