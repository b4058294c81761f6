"""Law 3: a zombie, whose claim is not the newest, is refused by every verb of a claimer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from masv_watch.errors import FenceLost
from masv_watch.model import (
    Chunk,
    Secret,
    SourceFile,
    Task,
    TaskEvent,
    TaskKind,
    Upload,
    UploadEvent,
    UploadState,
)
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench
from tests.integration.store.making import LEASE_S

CHUNK = Chunk(number=2, size=10, etag="zombie", hash="h")

ON_UPLOADS: dict[str, Callable[[Store, Upload, SourceFile], object]] = {
    "renew": lambda s, u, f: s.renew(u.id, u.fence, LEASE_S),
    "let_go": lambda s, u, f: s.let_go(u.id, u.fence, retry_at=9e9, attempts=9, error="z"),
    "note_package_asked": lambda s, u, f: s.note_package_asked(u.id, u.fence),
    "note_package": lambda s, u, f: s.note_package(u.id, u.fence, "z", Secret("z")),
    "note_files_asked": lambda s, u, f: s.note_files_asked(u.id, u.fence, [f.id]),
    "note_file_opened": lambda s, u, f: s.note_file_opened(
        f, u.fence, cloud_id="z", multipart_id="z", chunk_size=1
    ),
    "note_file_lost": lambda s, u, f: s.note_file_lost(f, u.fence),
    "note_etag": lambda s, u, f: s.note_etag(f, u.fence, CHUNK, last=True),
    "forget_kept": lambda s, u, f: s.forget_kept(f, u.fence, 1),
    "note_reread": lambda s, u, f: s.note_reread(f, u.fence, 1),
    "note_file_closed": lambda s, u, f: s.note_file_closed(f, u.fence),
    "note_file_retry": lambda s, u, f: s.note_file_retry(
        f, u.fence, attempts=9, retry_at=9e9, error="z"
    ),
    "note_source_changed": lambda s, u, f: s.note_source_changed(f, u.fence, "z"),
    "note_leftover_gone": lambda s, u, f: s.note_leftover_gone(u.id, u.fence, "left"),
    "advance_all_sent": lambda s, u, f: s.advance_all_sent(u.id, u.fence),
    "note_finalize_asked": lambda s, u, f: s.note_finalize_asked(u.id, u.fence),
    "note_finalize_unasked": lambda s, u, f: s.note_finalize_unasked(u.id, u.fence),
    "advance_claimed": lambda s, u, f: s.advance_claimed(
        u, UploadEvent.FAIL, code=1, error="z", tasks=[making.LINK]
    ),
}
ON_TASKS: dict[str, Callable[[Store, Task], object]] = {
    "note_task_asked": lambda s, t: s.note_task_asked(t),
    "retry_task": lambda s, t: s.retry_task(t, retry_at=9e9, attempts=9, note="z"),
    "add_receipt_piece": lambda s, t: s.add_receipt_piece(t, 0, b"z"),
    "advance_task": lambda s, t: s.advance_task(t, TaskEvent.DONE, note="z"),
}


@pytest.mark.fault(37)
@pytest.mark.parametrize("state", ["transferring", "finalizing"])
@pytest.mark.parametrize("verb", list(ON_UPLOADS))
def test_zombie_of_an_upload_loses_its_fence(
    bench: Bench, store: Store, clock: FakeClock, verb: str, state: str
) -> None:
    """Whoever slept through his lease changes nothing of what the next claimer does."""
    upload = making.bring_upload(store, UploadState(state))
    if state == "transferring":
        upload = making.claim(store, upload.id)
        making.open_package(store, upload)
        making.send_files(store, upload)
    clock.advance(LEASE_S)
    assert making.claim(store, upload.id).fence > upload.fence
    (file,) = store.files(upload.id)
    before = bench.rows()

    with pytest.raises(FenceLost):
        ON_UPLOADS[verb](store, upload, file)
    assert bench.rows() == before


def test_rebind_of_an_upload_in_hand_keeps_its_claimer_from_asking_by_the_earlier_terms(
    store: Store,
) -> None:
    """What he has in hand still names the first recipients, who are to get nothing any more."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    store.rebind_upload(upload_id, replace(upload.terms, recipients=("other@example.com",)))

    with pytest.raises(FenceLost):
        store.note_package_asked(upload.id, upload.fence)
    (next_one,) = store.claim_uploads(1, LEASE_S)
    assert next_one.terms.recipients == ("other@example.com",)


@pytest.mark.parametrize("verb", list(ON_UPLOADS))
def test_restart_makes_every_earlier_claimer_a_zombie(
    bench: Bench, store: Store, verb: str
) -> None:
    """A start ends every claim, also one whose lease had not run out."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    store.start_over()
    (file,) = store.files(upload_id)
    before = bench.rows()

    with pytest.raises(FenceLost):
        ON_UPLOADS[verb](store, upload, file)
    assert bench.rows() == before


@pytest.mark.parametrize("verb", list(ON_TASKS))
def test_zombie_of_a_task_loses_its_fence(
    bench: Bench, store: Store, clock: FakeClock, verb: str
) -> None:
    """A letter whose claim went on to another is neither noted nor ended by the first."""
    task = making.bring_task(store, making.TaskState.DUE)
    clock.advance(LEASE_S)
    newer = store.claim_task([TaskKind.DISPOSE], LEASE_S)
    assert newer is not None
    assert newer.fence == task.fence + 1
    before = bench.rows()

    with pytest.raises(FenceLost):
        ON_TASKS[verb](store, task)
    assert bench.rows() == before


@pytest.mark.parametrize("verb", ["note_file_opened", "note_etag", "note_file_closed"])
@pytest.mark.parametrize("cause", ["settled anew", "lost"])
def test_answer_for_an_earlier_version_of_a_file_is_not_noted(
    bench: Bench, store: Store, verb: str, cause: str
) -> None:
    """A late answer for old bytes never counts for the new ones, though the claim is the same."""
    upload_id, (drop,) = making.create(store)
    upload = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    store.note_file_opened(file, upload.fence, cloud_id="c", multipart_id="m", chunk_size=10)
    old = replace(file, cloud_id="c", multipart_id="m", chunk_size=10)
    if cause == "lost":
        store.note_file_lost(old, upload.fence)
        if verb == "note_file_opened":
            return
    else:
        store.note_change(drop.id, "grew")
        again = [making.file_draft(b"a.mov", 20, version=2)]
        store.settle_again(making.drop_draft(drop, again))
    before = bench.rows()

    with pytest.raises(FenceLost, match="began anew"):
        ON_UPLOADS[verb](store, upload, old)
    assert bench.rows() == before
