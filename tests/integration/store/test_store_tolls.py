"""What failures cost an upload stands in its row: counted once, kept for ever, without secrets."""

from __future__ import annotations

import pytest

from masv_watch.errors import FenceLost
from masv_watch.model import Chunk, DropEvent, Selection, Toll, Upload, UploadEvent, UploadState
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench

FIRST = Toll(resent=500, retries=2, reason="the storage broke off")


def sending(store: Store) -> Upload:
    """Give a claimed upload whose only file, of 10 bytes, is open."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    making.open_package(store, upload)
    (file,) = store.files(upload_id)
    store.note_files_asked(upload_id, upload.fence, [file.id])
    store.note_file_opened(file, upload.fence, cloud_id="cloud", multipart_id="m", chunk_size=5)
    return making.must(store.upload(upload_id))


def cost(store: Store, upload_id: str) -> tuple[int, int, str]:
    """Give what an upload cost, which its row and the list say alike."""
    row = making.must(store.upload(upload_id))
    (line,) = [line for line in store.select_uploads(Selection()) if line.id == upload_id]
    assert (line.resent, line.retries, line.retry_reason) == (
        row.resent, row.retries, row.retry_reason,
    )  # fmt: skip
    return row.resent, row.retries, row.retry_reason


def test_upload_that_cost_nothing_says_so(store: Store) -> None:
    """A new row begins with nothing."""
    upload_id, _ = making.create(store)

    assert cost(store, upload_id) == (0, 0, "")


def test_toll_comes_with_a_files_retry_and_with_the_end_of_a_claim(store: Store) -> None:
    """Both add up; a toll without a reason leaves the one before it."""
    upload = sending(store)
    (file,) = store.files(upload.id)
    store.note_file_retry(
        file, upload.fence, attempts=1, retry_at=store.now() + 5, error="x", toll=FIRST
    )
    store.let_go(upload.id, upload.fence, toll=Toll(resent=30))

    assert cost(store, upload.id) == (530, 2, "the storage broke off")


def test_toll_comes_with_a_renewed_claim(store: Store) -> None:
    """What a long upload cost so far is stored while it goes on; the row that is given has it."""
    upload = sending(store)
    renewed = store.renew(upload.id, upload.fence, making.LEASE_S, toll=FIRST)

    assert (renewed.resent, renewed.retries) == (500, 2)
    assert cost(store, upload.id) == (500, 2, "the storage broke off")


def test_toll_outlives_everything_that_clears_a_retry(store: Store) -> None:
    """Resuming, sending and completing begin the attempts anew, never the cost."""
    upload = making.claim(store, making.create(store)[0])
    making.open_package(store, upload)
    store.let_go(upload.id, upload.fence, toll=FIRST)
    store.advance_upload(upload.id, UploadEvent.FAIL, code=1205, error="no")
    store.advance_upload(upload.id, UploadEvent.RESUME)
    again = making.claim(store, upload.id)
    making.send_files(store, again)
    store.advance_all_sent(upload.id, again.fence)

    assert cost(store, upload.id) == (500, 2, "the storage broke off")


def test_toll_outlives_a_restart(bench: Bench, store: Store) -> None:
    """It stands in the database, not in a process."""
    upload = sending(store)
    store.let_go(upload.id, upload.fence, toll=FIRST)
    bench.close()

    assert cost(bench.open(), upload.id) == (500, 2, "the storage broke off")


def test_toll_of_a_lost_claim_is_not_taken(store: Store, clock: FakeClock) -> None:
    """Only the claimer writes."""
    upload = sending(store)
    clock.advance(making.LEASE_S + 1)
    making.claim(store, upload.id)

    with pytest.raises(FenceLost):
        store.let_go(upload.id, upload.fence, toll=FIRST)
    with pytest.raises(FenceLost):
        store.renew(upload.id, upload.fence, making.LEASE_S, toll=FIRST)
    assert cost(store, upload.id) == (0, 0, "")


def test_reason_of_a_toll_is_stored_without_secrets(store: Store) -> None:
    """It quotes what the cloud said, URLs and all."""
    upload = sending(store)
    store.let_go(upload.id, upload.fence, toll=Toll(retries=1, reason="?X-Amz-Signature=0123abcd"))

    assert cost(store, upload.id)[2] == "?X-Amz-Signature=***"


def test_acknowledged_bytes_that_are_lost_again_count_as_resent(store: Store) -> None:
    """A file that begins anew is sent anew, down to the chunks that the cloud had."""
    upload = sending(store)
    (file,) = store.files(upload.id)
    store.note_etag(file, upload.fence, Chunk(number=1, size=5, etag="e", hash="h"), last=False)
    store.note_file_lost(file_again(store, upload.id), upload.fence)

    assert cost(store, upload.id) == (5, 0, "")
    assert making.must(store.upload(upload.id)).sent == 0


def changed(store: Store, size: int) -> Upload:
    """Let the only file change on its way, after 5 of its 10 bytes were acknowledged."""
    upload = sending(store)
    (file,) = store.files(upload.id)
    store.note_etag(file, upload.fence, Chunk(number=1, size=5, etag="e", hash="h"), last=False)
    (drop,) = store.drops_of(upload.id)
    store.note_change(drop.id, "changed")
    again = making.drop_draft(drop, [making.file_draft(drop.path, size, version=2)])
    store.settle_again(again)
    return making.must(store.upload(upload.id))


def test_chunk_that_a_change_may_have_left_alone_counts_only_once_other_bytes_go(
    store: Store,
) -> None:
    """What is kept costs nothing; what is not the same any more goes once more."""
    upload = changed(store, size=10)
    kept = cost(store, upload.id)
    store.forget_kept(file_again(store, upload.id), upload.fence, 1)
    store.forget_kept(file_again(store, upload.id), upload.fence, 1)

    assert kept == (0, 0, "")
    assert cost(store, upload.id) == (5, 0, "")


def test_chunk_that_does_not_fit_the_next_version_goes_once_more(store: Store) -> None:
    """A shorter file has another first chunk."""
    assert cost(store, changed(store, size=3).id) == (5, 0, "")


def test_acknowledged_bytes_of_a_drop_that_leaves_are_not_resent(store: Store) -> None:
    """Nobody sends them again."""
    upload_id, drops = making.create(store, b"a", b"b", batch=True)
    upload = making.claim(store, upload_id)
    making.open_package(store, upload)
    making.send_files(store, upload)
    store.advance_drop(drops[0].id, DropEvent.CANCEL)

    assert making.must(store.upload(upload_id)).sent == 10
    assert cost(store, upload_id) == (0, 0, "")


def file_again(store: Store, upload_id: str):
    """Give the only file as it stands."""
    (file,) = store.files(upload_id)
    return file


def test_unsent_bytes_are_those_of_uploads_that_are_to_be_sent(store: Store) -> None:
    """What waits for its turn counts; what a person paused, what failed and what is done do not."""
    assert store.unsent() == 0
    upload = sending(store)
    (file,) = store.files(upload.id)
    store.note_etag(file, upload.fence, Chunk(number=1, size=5, etag="e", hash="h"), last=False)
    making.create(store, b"waits")
    for number, state in enumerate((UploadState.PAUSED, UploadState.ERROR, UploadState.COMPLETE)):
        making.bring_upload(store, state, b"other%d" % number)

    assert store.unsent() == 5 + 10
