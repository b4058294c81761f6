"""The verbs of uploads, files and chunks, one after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.errors import IllegalTransition, NotFound, SourceChanged, StoreError
from masv_watch.model import (
    After,
    Chunk,
    DropEvent,
    HoldReason,
    Secret,
    Terms,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench
from tests.integration.store.making import FOLDER, LEASE_S


def test_create_upload_takes_drops_and_notes_files(store: Store, clock: FakeClock) -> None:
    """One verb makes the upload, takes its drops whole and counts every file."""
    terms = Terms(
        type=UploadType.PORTAL,
        portal="p",
        sender="s@x",
        mail_to=("m@x",),
        template="t.html",
        after=After(delivered="move", move_to="{root}/sent"),
        idle_s=None,
    )
    drop = store.see_drop(FOLDER, b"a\xff")
    files = [making.file_draft(b"a\xff/2", 20), making.file_draft(b"a\xff/1", 10)]
    draft = making.drop_draft(drop, files, skipped=["fifo: not a file", "x: hidden"])
    upload_id = store.create_upload(replace(making.upload_draft(draft), terms=terms))
    upload = making.must(store.upload(upload_id))

    assert upload.terms == terms
    assert (upload.state, upload.package_id, upload.package_token) == ("transferring", None, None)
    assert (upload.root, upload.created_at, upload.joined_at) == (
        b"/srv/dailies",
        store.now(),
        store.now(),
    )
    assert (upload.size, upload.sent, upload.file_count) == (30, 0, 2)
    assert [file.path for file in store.files(upload_id)] == [b"a\xff/1", b"a\xff/2"]
    assert store.skipped(upload_id) == ["fifo: not a file", "x: hidden"]
    (taken,) = store.drops_of(upload_id)
    assert (taken.state, taken.whole, taken.size, taken.file_count) == ("taken", True, 30, 2)
    assert (taken.signature, taken.settled_at) == (draft.signature, store.now())
    assert store.file(store.files(upload_id)[0].id) == store.files(upload_id)[0]


def test_create_upload_of_a_taken_drop_changes_nothing(bench: Bench, store: Store) -> None:
    """A drop has one open upload: asked again, nothing comes of it, not even a part."""
    _, (drop,) = making.create(store, b"a")
    fresh = store.see_drop(FOLDER, b"b")
    before = bench.rows()

    with pytest.raises(IllegalTransition):
        store.create_upload(making.upload_draft(making.drop_draft(fresh), making.drop_draft(drop)))
    assert bench.rows() == before


def test_create_upload_with_one_path_twice_is_our_error(bench: Bench, store: Store) -> None:
    """What the schema refuses comes out as an error of the house and leaves no row."""
    drop = store.see_drop(FOLDER, b"a")
    twice = making.drop_draft(drop, [making.file_draft(b"a"), making.file_draft(b"a")])
    before = bench.rows()

    with pytest.raises(StoreError, match="does not take this row"):
        store.create_upload(making.upload_draft(twice))
    assert bench.rows() == before


def test_unknown_uploads_files_and_links_are_none(store: Store) -> None:
    """Reading what is not there gives nothing and no error."""
    assert store.upload("x") is None
    assert store.file(1) is None
    assert store.link("x") is None
    assert store.next_retry("x") is None
    assert store.open_batch("x") is None
    assert not store.package_is_ours("x")
    assert not store.uploads()
    assert not store.files("x")
    assert not store.chunks(1)
    assert not store.tasks("x")
    assert not store.open_tasks()
    assert not store.leftovers("x")
    assert not store.skipped("x")


def test_uploads_lists_oldest_first_without_hidden_ones(store: Store, clock: FakeClock) -> None:
    """The list has every upload that people may see, in the order they were made."""
    ids = []
    for number, state in enumerate(UploadState):
        ids.append(making.bring_upload(store, state, b"%d" % number).id)
        clock.advance(1)

    assert [upload.id for upload in store.uploads()] == ids[:6]


@pytest.mark.parametrize("state", list(UploadState))
def test_join_upload_only_while_it_is_open(bench: Bench, store: Store, state: UploadState) -> None:
    """A drop joins an open package, makes it transferring, and a second time changes nothing."""
    upload = making.bring_upload(store, state, b"a")
    late = making.drop_draft(store.see_drop(FOLDER, b"late"), [making.file_draft(b"late", 5)])
    before = bench.rows()
    if state in ("transferring", "paused", "idle"):
        store.join_upload(upload.id, late)
        joined = making.must(store.upload(upload.id))
        assert (joined.size, joined.file_count, joined.finalize_at) == (15, 2, None)
        assert joined.state == ("paused" if state == "paused" else "transferring")
        before = bench.rows()

    with pytest.raises(IllegalTransition):
        store.join_upload(upload.id, late)
    assert bench.rows() == before


def test_join_upload_that_is_not_there_is_not_found(bench: Bench, store: Store) -> None:
    """Joining nothing takes no drop."""
    drop = store.see_drop(FOLDER, b"a")
    before = bench.rows()

    with pytest.raises(NotFound):
        store.join_upload("x", making.drop_draft(drop))
    assert bench.rows() == before


def test_open_batch_gives_the_newest_open_one_of_the_folder(store: Store, clock: FakeClock) -> None:
    """Batch drops join the open package of their hot folder and of no other kind."""
    making.create(store, b"each")
    assert store.open_batch(FOLDER) is None
    first, _ = making.create(store, b"a", batch=True)
    assert store.open_batch(FOLDER) == first
    assert store.open_batch("other") is None
    store.advance_upload(first, UploadEvent.PAUSE)
    assert store.open_batch(FOLDER) == first
    store.advance_upload(first, UploadEvent.FAIL)

    assert store.open_batch(FOLDER) is None


def test_resume_clears_every_wait(store: Store) -> None:
    """Who resumes wants it tried now: no row of the upload waits any longer."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    at = store.now() + 999
    store.note_file_retry(file, upload.fence, attempts=4, retry_at=at, error="reset")
    store.let_go(upload_id, upload.fence, retry_at=at, attempts=5, error="slow")
    store.advance_upload(upload_id, UploadEvent.PAUSE)
    store.advance_upload(upload_id, UploadEvent.RESUME)

    resumed = making.must(store.upload(upload_id))
    assert (resumed.retry_at, resumed.attempts, resumed.error) == (0, 0, "")
    (file,) = store.next_files(upload_id, 9)
    assert (file.retry_at, file.attempts, file.error) == (0, 0, "")
    assert store.claim_uploads(9, LEASE_S)


def test_claim_leases_what_is_due_oldest_first(store: Store, clock: FakeClock) -> None:
    """Claims go by age and limit; a lease keeps others away until it is over."""
    ids = []
    for number in range(3):
        ids.append(making.create(store, b"%d" % number)[0])
        clock.advance(1)
    first = store.claim_uploads(2, LEASE_S)
    assert [upload.id for upload in first] == ids[:2]
    assert [upload.fence for upload in first] == [1, 1]
    assert first[0].lease_until == store.now() + LEASE_S
    assert [upload.id for upload in store.claim_uploads(9, LEASE_S)] == ids[2:]
    assert store.claim_uploads(9, LEASE_S) == []
    clock.advance(LEASE_S)

    again = store.claim_uploads(9, LEASE_S)
    assert [(upload.id, upload.fence) for upload in again] == [(one, 2) for one in ids]


@pytest.mark.parametrize("state", list(UploadState))
def test_claim_takes_only_what_has_work(store: Store, clock: FakeClock, state: UploadState) -> None:
    """What is transferring, finalizing or deleting is claimed; the rest waits for somebody."""
    upload = making.bring_upload(store, state)
    clock.advance(LEASE_S)

    claimed = [one.id for one in store.claim_uploads(9, LEASE_S)]
    at_work = ("transferring", "finalizing", "deleting")
    assert claimed == ([upload.id] if state in at_work else [])


def test_let_go_waits_until_its_time(bench: Bench, store: Store, clock: FakeClock) -> None:
    """What was let go is claimed again at its time, not a moment before; twice is once."""
    upload_id, _ = making.create(store)
    fence = making.claim(store, upload_id).fence
    at = store.now() + 5
    store.let_go(upload_id, fence, retry_at=at, attempts=2, error="slow")
    before = bench.rows()
    store.let_go(upload_id, fence, retry_at=at, attempts=2, error="slow")
    assert bench.rows() == before
    assert store.claim_uploads(9, LEASE_S) == []
    clock.advance(5)
    (upload,) = store.claim_uploads(9, LEASE_S)

    assert (upload.attempts, upload.error) == (2, "slow")


def test_let_go_after_a_failure_keeps_its_reason(store: Store) -> None:
    """The reason of an error stays readable after the claimer ended its claim."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    store.advance_claimed(upload, UploadEvent.FAIL, code=1205, error="no such recipient")
    store.let_go(upload_id, upload.fence)

    failed = making.must(store.upload(upload_id))
    assert (failed.error_code, failed.error) == (1205, "no such recipient")
    assert failed.lease_until == 0


def test_renew_prolongs_and_shows_the_row_as_it_stands(store: Store, clock: FakeClock) -> None:
    """A renewed claim outlives its first lease and brings news such as a pause."""
    upload_id, _ = making.create(store)
    fence = making.claim(store, upload_id).fence
    clock.advance(LEASE_S - 1)
    store.advance_upload(upload_id, UploadEvent.PAUSE)
    renewed = store.renew(upload_id, fence, LEASE_S)
    store.advance_upload(upload_id, UploadEvent.RESUME)
    clock.advance(LEASE_S - 1)

    assert (renewed.state, renewed.fence) == ("paused", fence)
    assert renewed.lease_until == store.now() + 1
    assert store.claim_uploads(9, LEASE_S) == []


def test_package_is_noted_with_its_first_intent(
    bench: Bench, store: Store, clock: FakeClock
) -> None:
    """The first time the package was asked for stands; a fresh token replaces the old one."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    store.note_package_asked(upload_id, upload.fence)
    asked = store.now()
    clock.advance(3)
    store.note_package_asked(upload_id, upload.fence)
    store.note_package(upload_id, upload.fence, "p1", Secret("old"))
    before = store.upload(upload_id)
    store.note_package(upload_id, upload.fence, "p1", Secret("old"))
    assert store.upload(upload_id) == before
    store.note_package(upload_id, upload.fence, "p1", Secret("new"))

    noted = making.must(store.upload(upload_id))
    assert (noted.package_asked_at, noted.package_id) == (asked, "p1")
    assert noted.package_token == Secret("new")
    assert store.package_is_ours("p1")
    assert not store.package_is_ours("p2")


def test_one_package_belongs_to_one_upload(bench: Bench, store: Store) -> None:
    """A package that another upload has is refused."""
    (one, _), (two, _) = making.create(store, b"a"), making.create(store, b"b")
    fences = {upload.id: upload.fence for upload in store.claim_uploads(9, LEASE_S)}
    store.note_package(one, fences[one], "p", Secret("t"))
    before = bench.rows()

    with pytest.raises(StoreError):
        store.note_package(two, fences[two], "p", Secret("t"))
    assert bench.rows() == before


def test_next_files_are_due_open_and_sound(store: Store, clock: FakeClock) -> None:
    """Files are handed out oldest first; closed, waiting and changed ones are not."""
    files = [making.file_draft(b"d/%d" % number) for number in range(5)]
    upload_id, _ = making.create(store, b"d", files=files)
    upload = making.claim(store, upload_id)
    rows = store.next_files(upload_id, 9)
    assert [file.path for file in rows] == [file.path for file in files]
    assert len(store.next_files(upload_id, 2)) == 2
    assert store.next_retry(upload_id) == 0
    store.note_file_closed(rows[0], upload.fence)
    store.note_source_changed(rows[1], upload.fence, "grew")
    now = store.now()
    for file, at in ((rows[2], now + 9), (rows[3], now + 5), (rows[4], now + 7)):
        store.note_file_retry(file, upload.fence, attempts=1, retry_at=at, error="reset")
    assert store.next_files(upload_id, 9) == []
    assert store.next_retry(upload_id) == now + 5
    clock.advance(7)

    assert [file.path for file in store.next_files(upload_id, 9)] == [b"d/3", b"d/4"]


def test_file_verbs_asked_twice_give_the_same_rows(bench: Bench, store: Store) -> None:
    """No answer means perhaps done: every note of a file may be repeated."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    chunk = Chunk(number=1, size=10, etag="e", hash="h")
    opened = {"cloud_id": "c", "multipart_id": "m", "chunk_size": 10}
    steps = (
        lambda: store.note_files_asked(upload_id, upload.fence, [file.id]),
        lambda: store.note_file_opened(file, upload.fence, **opened),
        lambda: store.note_etag(file, upload.fence, chunk, last=True),
        lambda: store.note_file_retry(
            file, upload.fence, attempts=1, retry_at=store.now(), error="reset"
        ),
        lambda: store.note_file_closed(file, upload.fence),
        lambda: store.note_source_changed(file, upload.fence, "grew"),
        lambda: store.note_file_lost(file, upload.fence),
        lambda: store.note_leftover_gone(upload_id, upload.fence, "c"),
    )
    for step in steps:
        step()
        before = bench.rows()
        step()
        assert bench.rows() == before


def test_etags_count_each_chunk_once(store: Store) -> None:
    """Bytes sent are the bytes of the chunks that the cloud has, each counted once."""
    upload_id, _ = making.create(store, files=[making.file_draft(b"a.mov", 25)])
    upload = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    store.note_file_opened(file, upload.fence, cloud_id="c", multipart_id="m", chunk_size=10)
    for number, size in ((2, 10), (1, 10), (2, 10)):
        chunk = Chunk(number=number, size=size, etag=f"e{number}", hash="")
        store.note_etag(file, upload.fence, chunk, last=False)
    assert not store.files(upload_id)[0].close_asked
    store.note_etag(file, upload.fence, Chunk(number=3, size=5, etag="e3", hash=""), last=True)

    (file,) = store.files(upload_id)
    assert (file.sent, file.close_asked, file.closed) == (25, True, False)
    assert making.must(store.upload(upload_id)).sent == 25
    assert [chunk.etag for chunk in store.chunks(file.id)] == ["e1", "e2", "e3"]


def test_file_lost_is_added_afresh(store: Store) -> None:
    """What the cloud lost is forgotten whole; the old cloud file goes before the finalize."""
    upload = making.bring_upload(store, UploadState.IDLE)
    (file,) = store.files(upload.id)
    store.note_file_lost(file, upload.fence)

    (lost,) = store.files(upload.id)
    assert (lost.cloud_id, lost.sent, lost.closed, lost.close_asked) == (None, 0, False, False)
    assert not lost.open_asked
    assert store.chunks(file.id) == []
    assert making.must(store.upload(upload.id)).sent == 0
    assert store.leftovers(upload.id) == [file.cloud_id]
    store.note_leftover_gone(upload.id, upload.fence, str(file.cloud_id))
    assert store.leftovers(upload.id) == []


def test_source_changed_stops_one_file_and_unsettles_its_drop(store: Store) -> None:
    """The changed file stops, the others go on, and nothing is finalized until it is quiet."""
    files = [making.file_draft(b"d/a"), making.file_draft(b"d/b")]
    upload_id, _ = making.create(store, b"d", files=files)
    upload = making.claim(store, upload_id)
    store.note_source_changed(store.files(upload_id)[0], upload.fence, "a grew")

    one, two = store.files(upload_id)
    assert (one.stale, one.error, two.stale) == (True, "a grew", False)
    assert [file.id for file in store.next_files(upload_id, 9)] == [two.id]
    (drop,) = store.drops_of(upload_id)
    assert (drop.whole, drop.generation, drop.note) == (False, 2, "a grew")


def test_finalize_due_waits_for_its_time(bench: Bench, store: Store, clock: FakeClock) -> None:
    """An idle upload finalizes after its idle time; one that waits for the call never by itself."""
    for path, idle_s in ((b"a", 60.0), (b"b", None)):
        upload_id, _ = making.create(store, path, idle_s=idle_s)
        upload = making.claim(store, upload_id)
        making.send_files(store, upload)
        assert store.advance_all_sent(upload_id, upload.fence)
        store.let_go(upload_id, upload.fence)
        clock.advance(1)
    first, second = store.uploads()
    assert (first.finalize_at, second.finalize_at) == (store.now() + 58, None)
    clock.advance(57.9)
    assert store.finalize_due() == []
    clock.advance(0.2)
    assert store.finalize_due() == [first.id]
    before = bench.rows()
    assert store.finalize_due() == []

    assert bench.rows() == before
    assert [upload.state for upload in store.uploads()] == ["finalizing", "idle"]


def test_batch_idle_time_counts_from_the_last_drop_that_joined(
    store: Store, clock: FakeClock
) -> None:
    """A batch waits from its last settled file, not from its last byte; never into the past."""
    upload_id, _ = making.create(store, b"a", batch=True, idle_s=300.0)
    clock.advance(100)
    store.join_upload(upload_id, making.drop_draft(store.see_drop(FOLDER, b"b")))
    joined = store.now()
    clock.advance(50)
    upload = making.claim(store, upload_id)
    making.send_files(store, upload)
    store.advance_all_sent(upload_id, upload.fence)
    assert making.must(store.upload(upload_id)).finalize_at == joined + 300
    store.join_upload(upload_id, making.drop_draft(store.see_drop(FOLDER, b"c")))
    clock.advance(1000)
    upload = making.claim(store, upload_id)
    making.send_files(store, upload)
    store.advance_all_sent(upload_id, upload.fence)

    assert making.must(store.upload(upload_id)).finalize_at == store.now()


@pytest.mark.parametrize("obstacle", ["open file", "not whole", "hold", "not transferring"])
def test_all_sent_only_if_everything_is_in_and_sent(
    bench: Bench, store: Store, obstacle: str
) -> None:
    """An upload is idle only once every drop is whole, without hold, and every file closed."""
    upload_id, (drop, _) = making.create(store, b"a", b"b")
    upload = making.claim(store, upload_id)
    making.send_files(store, upload)
    if obstacle == "open file":
        store.note_file_lost(store.files(upload_id)[0], upload.fence)
    elif obstacle == "not whole":
        store.note_change(drop.id, "grew")
    elif obstacle == "hold":
        store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.UNREADABLE)
    else:
        store.advance_upload(upload_id, UploadEvent.PAUSE)
    before = bench.rows()
    assert not store.advance_all_sent(upload_id, upload.fence)
    assert bench.rows() == before

    if obstacle == "open file":
        making.send_files(store, upload)
    elif obstacle == "not whole":
        store.settle_again(making.drop_draft(drop))
    elif obstacle == "hold":
        store.advance_drop(drop.id, DropEvent.RELEASE)
    else:
        store.advance_upload(upload_id, UploadEvent.RESUME)
    assert store.advance_all_sent(upload_id, upload.fence)


@pytest.mark.parametrize("obstacle", ["open file", "not whole", "hold", "not finalizing"])
def test_finalize_goes_out_only_if_everything_is_still_ready(
    bench: Bench, store: Store, obstacle: str
) -> None:
    """Read again just before the POST: what is not ready is not finalized, nothing is stored."""
    upload = making.bring_upload(store, UploadState.FINALIZING)
    (drop,) = store.drops_of(upload.id)
    if obstacle == "open file":
        store.note_file_lost(store.files(upload.id)[0], upload.fence)
    elif obstacle == "not whole":
        store.note_source_changed(store.files(upload.id)[0], upload.fence, "grew")
    elif obstacle == "hold":
        store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.OPERATOR)
    else:
        store.advance_upload(upload.id, UploadEvent.FAIL)
    before = bench.rows()

    with pytest.raises(SourceChanged):
        store.note_finalize_asked(upload.id, upload.fence)
    assert bench.rows() == before


def test_change_after_the_finalize_went_out_changes_nothing(bench: Bench, store: Store) -> None:
    """A change seen after the POST belongs to a later row of the ledger (probes row 3)."""
    upload = making.bring_upload(store, UploadState.FINALIZING)
    (drop,) = store.drops_of(upload.id)
    (file,) = store.files(upload.id)
    store.note_finalize_asked(upload.id, upload.fence)
    before = bench.rows()
    store.note_finalize_asked(upload.id, upload.fence)
    store.note_change(drop.id, "late")
    store.note_source_changed(file, upload.fence, "late")
    assert bench.rows() == before
    store.note_finalize_unasked(upload.id, upload.fence)
    store.note_source_changed(file, upload.fence, "late")

    assert making.must(store.upload(upload.id)).state is UploadState.TRANSFERRING
    assert not store.drops_of(upload.id)[0].whole


def test_refused_finalize_lets_a_later_change_count(store: Store) -> None:
    """After the cloud refused a finalize, a change before the next one is seen again."""
    upload = making.bring_upload(store, UploadState.FINALIZING)
    store.note_finalize_asked(upload.id, upload.fence)
    store.advance_claimed(upload, UploadEvent.REFUSED, error="not all files")
    assert store.advance_all_sent(upload.id, upload.fence)
    store.finalize_due()
    (drop,) = store.drops_of(upload.id)
    store.note_change(drop.id, "grew")

    assert making.must(store.upload(upload.id)).state is UploadState.TRANSFERRING
    assert not store.drops_of(upload.id)[0].whole


def test_finalized_hangs_its_tasks_in_the_same_step(store: Store) -> None:
    """Delivered and what is owed after it are one fact."""
    upload = making.bring_upload(
        store, UploadState.COMPLETE, tasks=[making.LINK, making.LETTER, making.LINK]
    )

    assert upload.finalized_at == store.now()
    assert [task.kind for task in store.tasks(upload.id)] == ["link", "letter"]
    assert store.open_tasks() == {upload.id: 2}
    assert store.drops_of(upload.id)[0].state == "taken"


def test_finalized_without_tasks_finishes_the_drops(store: Store) -> None:
    """Where nothing is owed, delivered is done."""
    upload = making.bring_upload(store, UploadState.COMPLETE)

    assert store.drops_of(upload.id)[0].state == "done"


def test_start_over_ends_leases_and_waits(store: Store) -> None:
    """At a start nothing waits for a process that is gone."""
    upload_id, _ = making.create(store)
    upload = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    store.note_file_retry(file, upload.fence, attempts=3, retry_at=9e9, error="slow")
    other = making.bring_upload(store, UploadState.COMPLETE, b"b", tasks=[making.LINK])
    task = store.claim_task([making.LINK.kind], 9e9)
    assert task is not None
    store.start_over()

    assert making.claim(store, upload_id).fence == upload.fence + 2
    assert len(store.next_files(upload_id, 9)) == 1
    again = store.claim_task([making.LINK.kind], 9)
    assert again is not None
    assert (again.id, again.fence) == (task.id, task.fence + 2)
    assert making.must(store.upload(other.id)).fence == other.fence
