"""What the store forgets: only what is over, and only once its source was missed long enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.model import DropEvent, TaskDraft, TaskKind, UploadEvent
from masv_watch.store.history import BATCH
from tests.integration.store.making import (
    FOLDER,
    claim,
    create,
    drop_draft,
    file_draft,
    finalize,
    open_package,
    send_files,
    upload_draft,
)

DAY_S = 24 * 3600.0
KEPT_S = 400 * DAY_S


def miss(store, path: bytes) -> None:
    """Note that nothing stands at a path, and that this is long enough."""
    ids = [one.id for one in store.ended_drops(FOLDER, after=0, limit=1000) if one.path == path]
    store.note_missed(gone=ids, over=ids)


def prune(store, older_than_s: float = KEPT_S) -> int:
    """Remove all that may go; give how many rows."""
    removed = 0
    for upload_id in store.over_uploads(older_than_s, limit=100):
        while some := store.forget_upload(upload_id):
            removed += some
    while some := store.forget_drops():
        removed += some
    return removed


def deliver(store, upload_id: str, tasks=()) -> None:
    """Walk an upload to complete."""
    claimed = claim(store, upload_id)
    open_package(store, claimed)
    send_files(store, claimed)
    assert store.advance_all_sent(upload_id, claimed.fence)
    store.advance_upload(upload_id, UploadEvent.FINALIZE)
    finalize(store, upload_id, tasks)


def test_history_of_a_source_that_stands_is_kept_however_old_it_is(store, clock):
    """By these rows it is known: without them it would be sent again (pain 38)."""
    upload_id, _ = create(store, b"a.mov")
    deliver(store, upload_id)
    clock.advance(10 * KEPT_S)

    assert prune(store) == 0
    assert store.delivered_files(FOLDER, b"a.mov")


def test_history_goes_whole_once_its_source_was_missed_for_so_long(sqlite_bench, clock):
    """Chunks, files, tasks, drops and the upload itself, and not a second earlier."""
    store = sqlite_bench.open()
    upload_id, _ = create(store, b"card", files=[file_draft(b"card/%d" % n) for n in range(5)])
    deliver(store, upload_id)
    store.note_link_by_hand(store.upload(upload_id), "a link")
    before = {table: len(found) for table, found in sqlite_bench.rows().items()}
    clock.advance(KEPT_S - 1)
    miss(store, b"card")
    early = prune(store)
    clock.advance(1)

    assert early == 0
    assert before["chunks"] == 5
    assert prune(store) == 13
    left = {table for table, found in sqlite_bench.rows().items() if found}
    assert left <= {"meta", "events", "roots"}
    assert store.upload(upload_id) is None


def test_history_of_a_source_that_is_back_stays_and_what_was_only_missed_too(store, clock):
    """What was moved away for a year and came back is still the delivered one."""
    upload_id, (drop,) = create(store, b"a.mov")
    deliver(store, upload_id)
    other, (missed,) = create(store, b"b.mov")
    deliver(store, other)
    miss(store, b"a.mov")
    store.note_missed(back=[drop.id])
    store.note_missed(over=[drop.id])
    store.note_missed(gone=[missed.id])
    noted = clock.boottime()
    clock.advance(2 * KEPT_S)

    assert prune(store) == 0
    ended = store.ended_drops(FOLDER, after=0, limit=9)
    assert [(one.id, one.is_over) for one in ended] == [(drop.id, False), (missed.id, False)]
    assert ended[0].gone_at is None
    assert ended[1].gone_at == store.now() - (clock.boottime() - noted)


def test_history_of_calls_goes_by_the_time_of_their_delivery(store, clock):
    """What a caller sent has no hot folder in which it could be found again."""
    upload_id = store.create_upload(replace(upload_draft(), hot_folder=None))
    clock.advance(2 * KEPT_S)
    store.advance_upload(upload_id, UploadEvent.FAIL)
    failed = store.over_uploads(KEPT_S, limit=9)
    store.advance_upload(upload_id, UploadEvent.DELETE)
    store.advance_upload(upload_id, UploadEvent.DELETED)

    assert failed == []
    assert store.over_uploads(3 * KEPT_S, limit=9) == []
    assert prune(store) == 1
    assert store.upload(upload_id) is None


def test_history_of_what_owes_anything_or_is_not_over_is_kept(store, clock):
    """A task that is due, a drop that still stands in the same package, an upload in error."""
    owing, _ = create(store, b"owing.mov")
    deliver(store, owing, tasks=[TaskDraft(kind=TaskKind.LETTER, key="a@example.com")])
    shared, _ = create(store, b"one.mov", b"two.mov")
    deliver(store, shared)
    failed, _ = create(store, b"failed.mov")
    store.advance_upload(failed, UploadEvent.FAIL)
    for path in (b"owing.mov", b"one.mov", b"failed.mov"):
        miss(store, path)
    clock.advance(2 * KEPT_S)

    assert prune(store) == 0
    assert {upload.id for upload in store.uploads()} == {owing, shared, failed}


def test_history_of_a_package_that_serves_a_later_upload_is_kept(store, clock):
    """A relinked upload lives by the package of the earlier one."""
    first, _ = create(store, b"a.mov")
    deliver(store, first)
    drop = store.see_drop(FOLDER, b"b.mov")
    store.create_upload(replace(upload_draft(drop_draft(drop)), relinks=first))
    miss(store, b"a.mov")
    clock.advance(2 * KEPT_S)

    assert prune(store) == 0


def test_history_of_drops_that_were_never_sent_goes_alike(store, clock):
    """A drop that vanished before it settled leaves no row for ever."""
    drop = store.see_drop(FOLDER, b"passing.mov")
    store.advance_drop(drop.id, DropEvent.CANCEL)
    standing = store.see_drop(FOLDER, b"standing.mov")
    store.advance_drop(standing.id, DropEvent.IGNORE)
    miss(store, b"passing.mov")
    clock.advance(KEPT_S)

    assert prune(store) == 1
    assert store.latest_drop(FOLDER, b"passing.mov") is None
    assert store.latest_drop(FOLDER, b"standing.mov") is not None


def test_history_goes_in_parts_that_hold_up_no_other_write(store, clock):
    """A million files are not one transaction."""
    files = [file_draft(b"card/%d" % n) for n in range(BATCH + 10)]
    upload_id, _ = create(store, b"card", files=files)
    deliver(store, upload_id)
    miss(store, b"card")
    clock.advance(KEPT_S)
    parts = []
    while some := store.forget_upload(upload_id):
        parts.append(some)

    assert max(parts) <= BATCH
    assert parts == [BATCH, 10, BATCH, 10, 2]


@pytest.mark.parametrize("count", [2500])
def test_notes_of_moves_go_in_parts(store, clock, count):
    """Thirty days of a busy folder are a million notes."""
    for number in range(count // 5):
        drop = store.see_drop(FOLDER, b"%d" % number)
        for event in (DropEvent.QUIET, DropEvent.CHANGE, DropEvent.QUIET, DropEvent.CANCEL):
            store.advance_drop(drop.id, event)
    clock.advance(DAY_S)

    assert store.forget_events(DAY_S) >= count - 1 - count // 5
    assert store.forget_events(DAY_S) == 0
