"""What callers steer, as rows: selections, claims in order, deletion, repeats, pauses, moves."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from masv_watch.errors import FenceLost, IllegalTransition, NotFound, StoreError, Unprocessable
from masv_watch.model import (
    Draft,
    DropEvent,
    HoldReason,
    Repeat,
    Secret,
    Selection,
    TaskEvent,
    TaskState,
    Terms,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench
from tests.integration.store.making import DISPOSE, FOLDER, LEASE_S, LETTER, LINK, file_draft

DAY_S = 24 * 3600.0
KEY = Repeat(key="uid 1000: k", digest="d1")


def draft(name: str = "called", **said) -> Draft:
    """Make an upload of one file that a caller named."""
    said.setdefault("files", (file_draft(b"srv/a.mov"),))
    terms = said.pop("terms", Terms(type=UploadType.TEAM, idle_s=None))
    return Draft(hot_folder=None, root=b"/", name=name, message="", terms=terms, **said)


def claimed(store: Store, limit: int = 9) -> list[str]:
    """Claim what there is; give the names in order."""
    return [upload.name for upload in store.claim_uploads(limit, LEASE_S)]


def must(store: Store, upload_id: str):
    """Give an upload, which is there."""
    return making.must(store.upload(upload_id))


def test_claim_goes_by_priority_then_age_within_the_free_slots(
    store: Store, clock: FakeClock
) -> None:
    """Equal ones in the order in which they came; a changed priority counts at once."""
    ids = {}
    for name, priority in (("old", 0), ("urgent", 9), ("young", 0), ("late", 9), ("last", -1)):
        ids[name] = store.create_upload(draft(name, priority=priority))
        clock.advance(1)
    store.prioritize(ids["young"], 10)
    queued = [must(store, each).name for each in store.queued()]

    assert queued == ["young", "urgent", "late", "old", "last"]
    assert claimed(store, 2) == ["young", "urgent"]
    assert claimed(store, 0) == []
    assert claimed(store) == ["late", "old", "last"]


def test_claim_without_a_slot_takes_what_was_started_or_is_to_be_deleted(
    store: Store, clock: FakeClock
) -> None:
    """A person's word waits for no slot, and no slot waits for it."""
    started, plain = store.create_upload(draft("started")), store.create_upload(draft("plain"))
    unwanted = making.bring_upload(store, UploadState.IDLE)
    clock.advance(LEASE_S)
    store.start_upload(started)
    store.delete_upload(unwanted.id, takes_package=False)

    assert set(claimed(store, 0)) == {"started", "dailies"}
    assert must(store, started).is_started
    assert claimed(store, 1) == [must(store, plain).name]


def test_start_ends_every_wait_for_a_retry(store: Store, clock: FakeClock) -> None:
    """The upload and its files are due at once."""
    upload_id = store.create_upload(draft())
    upload = making.claim(store, upload_id)
    (file,) = store.files(upload_id)
    later = clock.wall() + 500
    store.note_file_retry(file, upload.fence, attempts=3, retry_at=later, error="down")
    store.let_go(upload_id, upload.fence, retry_at=later, attempts=3, error="down")
    before = (claimed(store), store.next_files(upload_id, 9))
    store.start_upload(upload_id)

    assert before == ([], [])
    assert [row.attempts for row in store.next_files(upload_id, 9)] == [0]
    assert claimed(store, 0) == ["called"]


def test_selection_filters_sorts_and_pages_without_gap_or_repeat(
    store: Store, clock: FakeClock
) -> None:
    """Every page goes on after the last one, also among equal values."""
    for number in range(11):
        store.create_upload(
            draft(
                f"n{number % 4}",
                priority=number % 3,
                files=(file_draft(b"srv/f", size=number % 2),),
            )
        )
        clock.advance(number % 2)
    keys = {
        "created_at": lambda line: line.created_at,
        "priority": lambda line: line.priority,
        "name": lambda line: line.name,
        "size": lambda line: line.size,
    }
    for sort, key in keys.items():
        for descending in (False, True):
            wanted = Selection(sort=sort, descending=descending, limit=3)
            found = page = store.select_uploads(wanted)
            while len(page) == 3:
                last = page[-1]
                page = store.select_uploads(replace(wanted, after=(key(last), last.id)))
                found = found + page
            values = [(key(line), line.id) for line in found]

            assert values == sorted(values, reverse=descending), sort
            assert len(set(values)) == len(values) == 11


def test_selection_hides_what_is_deleted_unless_it_is_asked_for(store: Store) -> None:
    """By state, type and hot folder; a filter that fits nothing gives nothing."""
    mine = store.create_upload(draft())
    portal = store.create_upload(
        draft(terms=Terms(type=UploadType.PORTAL, portal="vault", sender="a@b.example"))
    )
    dropped, _ = making.create(store)
    unwanted = making.bring_upload(store, UploadState.DELETING, b"unwanted")

    def ids(**said) -> set[str]:
        return {line.id for line in store.select_uploads(Selection(**said))}

    assert ids() == {mine, portal, dropped}
    assert ids(type=UploadType.PORTAL) == {portal}
    assert ids(hot_folder=FOLDER) == {dropped}
    assert ids(states=(UploadState.DELETING, UploadState.GONE)) == {unwanted.id}
    assert ids(states=(UploadState.COMPLETE,)) == set()


@pytest.mark.parametrize("state", [each for each in UploadState if each is not UploadState.GONE])
@pytest.mark.parametrize("takes_package", [False, True])
def test_delete_ends_at_once_only_what_owes_the_cloud_nothing(
    store: Store, clock: FakeClock, state: UploadState, takes_package: bool
) -> None:
    """What has a package that must go is claimed for it; the rest is gone in one step."""
    upload = making.bring_upload(store, state)
    clock.advance(LEASE_S)
    at_once = upload.package_id is None or (state is UploadState.COMPLETE and not takes_package)
    after = store.delete_upload(upload.id, takes_package=takes_package)

    assert after == ("gone" if at_once else "deleting")
    if not at_once:
        (mine,) = store.claim_uploads(0, LEASE_S)
        assert mine.takes_package is takes_package
        store.note_deleted(mine, was_finalized=False)
    gone = must(store, upload.id)
    assert (gone.state, gone.package_token) == ("gone", None)
    assert [drop.state for drop in store.drops_of(upload.id)] == [
        "done" if state is UploadState.COMPLETE else "cancelled"
    ]
    with pytest.raises(IllegalTransition):
        store.delete_upload(upload.id, takes_package=False)


def test_delete_of_a_claimed_upload_waits_for_its_claimer_and_fences_the_old_one(
    store: Store, clock: FakeClock
) -> None:
    """Until it lets go what it makes is noted; after the deletion nothing of it is."""
    upload_id = store.create_upload(draft())
    upload = making.claim(store, upload_id)
    after = store.delete_upload(upload_id, takes_package=False)
    store.note_package(upload_id, upload.fence, "p1", Secret("t"))
    early = store.claim_uploads(9, LEASE_S)
    store.let_go(upload_id, upload.fence)
    (mine,) = store.claim_uploads(0, LEASE_S)
    store.note_deleted(mine, was_finalized=False)

    assert (after, early, mine.package_id) == ("deleting", [], "p1")
    for fence in (upload.fence, mine.fence):
        with pytest.raises(FenceLost):
            store.note_package(upload_id, fence, "p2", Secret("t"))


def test_delete_fences_a_claim_whose_lease_ran_out(store: Store, clock: FakeClock) -> None:
    """Who slept through his lease makes no package for what is gone."""
    upload_id = store.create_upload(draft())
    upload = making.claim(store, upload_id)
    clock.advance(LEASE_S)
    after = store.delete_upload(upload_id, takes_package=False)

    assert after == "gone"
    with pytest.raises(FenceLost):
        store.note_package_asked(upload_id, upload.fence)


def test_delete_withdraws_what_is_owed_and_whoever_does_it_stores_no_outcome(
    store: Store, clock: FakeClock
) -> None:
    """A task in hand loses its fence: it neither begins its effect nor ends with a result."""
    upload = making.bring_upload(store, UploadState.COMPLETE, tasks=(LINK, LETTER, DISPOSE))
    task = store.claim_task(making.ALL_KINDS, LEASE_S)
    store.delete_upload(upload.id, takes_package=False)

    assert {one.state for one in store.tasks(upload.id)} == {TaskState.WITHDRAWN}
    assert {one.note for one in store.tasks(upload.id)} == {"its upload was deleted"}
    assert store.claim_task(making.ALL_KINDS, LEASE_S) is None
    with pytest.raises(FenceLost):
        store.note_task_asked(task)
    with pytest.raises(FenceLost):
        store.advance_task(task, TaskEvent.DONE)
    with pytest.raises(FenceLost):
        store.retry_task(task, retry_at=0.0, attempts=1, note="")


def test_delete_after_a_lost_finalize_ends_as_the_cloud_says(store: Store) -> None:
    """What took effect is a delivery, with its time; its drops are done."""
    upload = making.bring_upload(store, UploadState.FINALIZING)
    store.note_finalize_asked(upload.id, upload.fence)
    store.delete_upload(upload.id, takes_package=False)
    store.note_deleted(upload, was_finalized=True)

    assert must(store, upload.id).finalized_at == store.now()
    assert [drop.state for drop in store.drops_of(upload.id)] == ["done"]


@pytest.mark.parametrize("state", [UploadState.FINALIZING, UploadState.ERROR, UploadState.COMPLETE])
def test_delete_of_what_nobody_got_leaves_what_may_be_delivered(
    bench: Bench, store: Store, state: UploadState
) -> None:
    """Once the finalize went out; the list says so too. Before that it goes."""
    upload = making.bring_upload(store, UploadState.FINALIZING, b"asked.mov")
    before = making.bring_upload(store, UploadState.FINALIZING, b"unasked.mov")
    if state is UploadState.COMPLETE:
        # as one does that an earlier package serves: no finalize of it was asked for
        store.advance_claimed(upload, UploadEvent.FINALIZED)
    else:
        store.note_finalize_asked(upload.id, upload.fence)
    if state is UploadState.ERROR:
        store.advance_upload(upload.id, UploadEvent.FAIL, code=1, error="given up")
    rows = bench.rows()

    with pytest.raises(IllegalTransition, match="may be delivered already"):
        store.delete_upload(upload.id, takes_package=False, if_unasked=True)

    assert bench.rows() == rows
    asked = {line.id: line.is_finalize_asked for line in store.select_uploads(Selection())}
    assert not asked[before.id]
    assert asked[upload.id] is (state is not UploadState.COMPLETE)
    assert store.delete_upload(before.id, takes_package=False, if_unasked=True) == "deleting"


def test_delete_keeps_the_signature_of_its_drops(store: Store) -> None:
    """By it intake knows what it must not send again."""
    upload_id, (drop,) = making.create(store)
    store.delete_upload(upload_id, takes_package=False)
    (after,) = store.drops_of(upload_id)

    assert (after.state, after.signature) == ("cancelled", drop.signature)


def test_delete_of_what_is_not_there_changes_nothing(bench: Bench, store: Store) -> None:
    """The refusal says so."""
    making.create(store)
    before = bench.rows()
    with pytest.raises(NotFound, match="no-such"):
        store.delete_upload("no-such", takes_package=True)

    assert bench.rows() == before


def test_hurry_ends_the_wait_of_a_deletion_too(store: Store, clock: FakeClock) -> None:
    """A reload that mended the key is not waited out by what nobody sees."""
    upload = making.bring_upload(store, UploadState.IDLE)
    clock.advance(LEASE_S)
    store.delete_upload(upload.id, takes_package=False)
    (mine,) = store.claim_uploads(0, LEASE_S)
    store.let_go(mine.id, mine.fence, retry_at=store.now() + 3600, attempts=4, error="no session")
    before = claimed(store)
    store.hurry()

    assert (before, claimed(store)) == ([], ["dailies"])


def test_start_over_takes_up_a_deletion_at_once(store: Store) -> None:
    """A kill in the middle of a deletion is no wait for a lease or a back-off."""
    upload = making.bring_upload(store, UploadState.IDLE)
    store.delete_upload(upload.id, takes_package=True)
    store.start_over()

    (mine,) = store.claim_uploads(0, LEASE_S)
    assert (mine.id, mine.takes_package) == (upload.id, True)


def test_create_with_a_key_is_made_once(bench: Bench, store: Store) -> None:
    """The same call under the same key gives the first upload; another call is refused."""
    first = store.create_upload(draft(repeat=KEY))
    before = bench.rows()

    assert store.repeated(KEY) == first
    assert store.create_upload(draft(repeat=KEY)) == first
    for verb in (store.repeated, lambda other: store.create_upload(draft(repeat=other))):
        with pytest.raises(Unprocessable, match="Idempotency-Key"):
            verb(replace(KEY, digest="d2"))
    assert bench.rows() == before
    assert store.repeated(replace(KEY, key="uid 1001: k")) is None
    assert store.create_upload(draft(repeat=replace(KEY, key="uid 1001: k"))) != first


def test_create_that_is_refused_keeps_its_key_free(store: Store) -> None:
    """Nothing of a failed create is remembered: the corrected one goes through."""
    same = (file_draft(b"srv/a"), file_draft(b"mnt/a"))
    with pytest.raises(Unprocessable, match="'a'"):
        store.create_upload(draft(files=same, repeat=KEY))

    assert store.repeated(KEY) is None
    assert store.uploads() == []


def test_keys_outlive_their_upload_and_are_forgotten_with_the_moves(
    store: Store, clock: FakeClock
) -> None:
    """A repeat makes nothing anew that was deleted; after its time the key is free."""
    first = store.create_upload(draft(repeat=KEY))
    store.delete_upload(first, takes_package=False)
    again, last = store.create_upload(draft(repeat=KEY)), store.newest_move()
    clock.advance(30 * DAY_S - 1)
    store.forget_events(30 * DAY_S)
    kept = store.repeated(KEY)
    clock.advance(1)
    store.forget_events(30 * DAY_S)

    assert (again, kept, store.repeated(KEY)) == (first, first, None)
    # the newest stays known, so that the numbers never begin anew
    assert store.newest_move() == store.oldest_move() == last > 0


def test_files_added_keep_what_is_known_and_reopen_an_idle_upload(
    bench: Bench, store: Store
) -> None:
    """Only new ones join, each with the user who named it; counters follow."""
    upload_id = store.create_upload(draft(reader=1000))
    upload = making.claim(store, upload_id)
    making.open_package(store, upload)
    making.send_files(store, upload)
    assert store.advance_all_sent(upload_id, upload.fence)
    added = (file_draft(b"srv/a.mov", size=99), file_draft(b"srv/b.mov", size=5))
    after = store.add_files(upload_id, added, ["a link"], reader=1001)
    store.add_files(upload_id, added, ["a link"], reader=1002)
    files = {file.path: file for file in store.files(upload_id)}

    assert after == "transferring"
    assert {path: file.reader for path, file in files.items()} == {
        b"srv/a.mov": 1000,
        b"srv/b.mov": 1001,
    }
    assert files[b"srv/a.mov"].closed
    found = must(store, upload_id)
    assert (found.size, found.sent, found.file_count) == (15, 10, 2)
    assert store.skipped(upload_id) == ["a link"]


@pytest.mark.parametrize(
    "state", [UploadState.FINALIZING, UploadState.COMPLETE, UploadState.DELETING, UploadState.GONE]
)
def test_files_are_refused_once_they_come_too_late(
    bench: Bench, store: Store, state: UploadState
) -> None:
    """Nothing joins what is finalized or deleted; the refusal changes nothing."""
    upload = making.bring_upload(store, state)
    before = bench.rows()
    with pytest.raises(IllegalTransition):
        store.add_files(upload.id, (file_draft(b"srv/b"),), ["x"], reader=None)

    assert bench.rows() == before


def _changed(store: Store):
    upload_id = store.create_upload(draft(files=(file_draft(b"srv/a"), file_draft(b"srv/b"))))
    upload = making.claim(store, upload_id)
    making.open_package(store, upload)
    making.send_files(store, upload)
    assert store.advance_all_sent(upload_id, upload.fence)
    (file, _) = store.files(upload_id)
    store.note_source_changed(file, upload.fence, "changed")
    return upload, store.file(file.id)


def test_changed_file_of_a_caller_is_open_again_until_it_settled(
    store: Store, clock: FakeClock
) -> None:
    """Its cloud file is a leftover, its bytes count no more, and nothing is idle meanwhile."""
    upload, file = _changed(store)
    moved = must(store, upload.id)
    store.note_source_changed(file, upload.fence, "changed again")
    waiting = (store.next_files(upload.id, 9), store.advance_all_sent(upload.id, upload.fence))
    store.delay_file(file, upload.fence, store.now() + 4)
    delayed = (store.files_to_settle(upload.id, 9), store.next_retry(upload.id))
    clock.advance(4)
    due = store.files_to_settle(upload.id, 9)
    store.settle_file(due[0], upload.fence, replace(file.identity, size=77))

    assert (moved.state, moved.size, moved.sent) == ("transferring", 20, 10)
    assert waiting == ([], False)
    assert delayed == ([], store.now())
    assert [one.id for one in due] == [file.id]
    assert len(store.leftovers(upload.id)) == 1
    (again,) = store.next_files(upload.id, 9)
    assert (again.id, again.identity.size, again.sent) == (file.id, 77, 0)
    assert (must(store, upload.id).size, store.unsettled()) == (87, set())


def test_settling_of_a_version_that_is_not_in_hand_any_more_is_refused(store: Store) -> None:
    """A worker of an older claim, or of an older version, settles nothing."""
    upload, file = _changed(store)
    with pytest.raises(FenceLost):
        store.settle_file(file, upload.fence + 1, file.identity)
    with pytest.raises(FenceLost):
        store.delay_file(file, upload.fence + 1, 0.0)
    other = replace(file, identity=replace(file.identity, size=1))
    with pytest.raises(FenceLost):
        store.settle_file(other, upload.fence, file.identity)

    assert store.unsettled() == {upload.id}


def test_wait_of_a_changed_file_outlives_a_restart(store: Store) -> None:
    """Only what was in flight is hurried; a file that settles is looked at in its time."""
    upload, file = _changed(store)
    at = store.now() + 4
    store.delay_file(file, upload.fence, at)
    store.start_over()

    assert store.next_retry(upload.id) == at


def test_all_of_one_state_move_together(store: Store) -> None:
    """Pause and resume of everything touch what they fit and end its waits."""
    ids = [store.create_upload(draft(str(number))) for number in range(3)]
    upload = making.claim(store, ids[0])
    store.let_go(ids[0], upload.fence, retry_at=store.now() + 99, attempts=2, error="down")
    idle = making.bring_upload(store, UploadState.IDLE)
    paused = store.advance_uploads(UploadState.TRANSFERRING, UploadEvent.PAUSE)
    resumed = store.advance_uploads(UploadState.PAUSED, UploadEvent.RESUME)

    assert sorted(paused) == sorted(resumed) == sorted(ids)
    assert must(store, idle.id).state == "idle"
    assert (must(store, ids[0]).retry_at, must(store, ids[0]).attempts) == (0.0, 0)


def test_pause_of_a_hot_folder_is_kept_over_a_restart(bench: Bench, store: Store) -> None:
    """Its first moment counts however often it is asked; a resume releases what it held, once."""
    store.pause_folder("out")
    drops = [store.see_drop("out", path) for path in (b"a", b"b")]
    for drop, hold in zip(drops, (HoldReason.PAUSED, HoldReason.EMPTY), strict=True):
        store.advance_drop(drop.id, DropEvent.BLOCK, hold=hold)
    at = store.now()
    bench.clock.advance(5)
    store.pause_folder("out")
    again = bench.open()
    before = again.paused_folders()
    again.resume_folder("out")
    again.resume_folder("out")

    assert (before, again.paused_folders()) == ({"out": at}, {})
    assert [(drop.state, drop.hold) for drop in again.drops("out")] == [
        ("settling", None),
        ("held", "empty"),
    ]


def test_moves_are_numbered_without_a_gap_and_read_on_from_any(store: Store) -> None:
    """A reader that fell off goes on after the last that he saw, in the order of events."""
    for number in range(3):
        upload_id = store.create_upload(draft(str(number)))
        store.advance_upload(upload_id, UploadEvent.PAUSE)
        store.delete_upload(upload_id, takes_package=False)
    moves = store.moves(0, 100)
    read, after = [], 0
    while page := store.moves(after, 2):
        read += page
        after = page[-1].id

    assert read == moves
    assert [(move.before, move.event, move.after) for move in moves[:4]] == [
        ("", "create", "transferring"),
        ("transferring", "pause", "paused"),
        ("paused", "delete", "deleting"),
        ("deleting", "deleted", "gone"),
    ]
    assert all(later.id == earlier.id + 1 for earlier, later in pairwise(moves))
    assert (store.oldest_move(), store.newest_move()) == (moves[0].id, moves[-1].id)


def test_upload_with_a_wrong_row_is_refused_whole(bench: Bench, store: Store) -> None:
    """One file that cannot be stored stores none of the upload."""
    before = bench.rows()
    with pytest.raises(StoreError):
        store.create_upload(
            draft(files=(file_draft(b"srv/a"), replace(file_draft(b"srv/b"), name=None)))
        )

    assert bench.rows() == before
