"""Drops that are taken while they still arrive: what joins, what waits, and how they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from masv_watch import lifecycle
from masv_watch.errors import FenceLost, IllegalTransition, NotFound, SourceVanished
from masv_watch.model import (
    UNKEPT_CTIME_NS,
    UNKEPT_INODE,
    Arrived,
    Drop,
    DropEvent,
    DropState,
    FileDraft,
    HoldReason,
    Sizes,
    SourceFile,
    Upload,
    UploadEvent,
    UploadState,
)
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench
from tests.integration.store.making import FOLDER, LEASE_S

A, B, C = (
    making.file_draft(name, inode=number) for number, name in enumerate((b"d/a", b"d/b", b"d/c"), 1)
)


def begin(
    store: Store, *files: FileDraft, path: bytes = b"d", batch: bool = False
) -> tuple[str, Drop]:
    """Take a drop by its first settled files."""
    drop = store.see_drop(FOLDER, path)
    draft = replace(making.drop_draft(drop, files or (A,)), signature="", is_whole=False)
    upload_id = store.create_upload(making.upload_draft(draft, batch=batch, idle_s=4.0 * batch))
    return upload_id, drop_now(store, drop)


def drop_now(store: Store, drop: Drop) -> Drop:
    """Give a drop as it stands."""
    found = store.drop(drop.id)
    assert found is not None
    return found


def upload_now(store: Store, upload_id: str) -> Upload:
    """Give an upload as it stands."""
    return making.must(store.upload(upload_id))


def paths(store: Store, upload_id: str) -> list[bytes]:
    """List what an upload holds."""
    return [file.path for file in store.files(upload_id)]


def file(store: Store, upload_id: str, path: bytes) -> SourceFile:
    """Give one file of an upload."""
    return next(each for each in store.files(upload_id) if each.path == path)


def whole(store: Store, drop: Drop, files: Sequence[FileDraft], *skipped: str) -> None:
    """Let a drop be quiet, with these files in it."""
    store.settle_again(making.drop_draft(drop, files, skipped=skipped))


def counters(bench: Bench, store: Store, upload_id: str) -> tuple[int, ...]:
    """Give size, sent, files and open files of an upload."""
    upload = upload_now(store, upload_id)
    return (upload.size, upload.sent, upload.file_count, *bench.column("uploads", "open_files"))


def test_drop_taken_by_its_first_file_is_sent_but_never_finalized(store: Store) -> None:
    """What settled goes up; nothing is idle, let alone finalized, before the whole has arrived."""
    upload_id, drop = begin(store)
    assert (drop.state, drop.whole, drop.upload_id) == (DropState.TAKEN, False, upload_id)
    assert lifecycle.is_arriving(drop)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    making.send_files(store, claimed)

    assert [each.closed for each in store.files(upload_id)] == [True]
    assert not store.advance_all_sent(upload_id, claimed.fence)
    with pytest.raises(IllegalTransition):
        store.advance_upload(upload_id, UploadEvent.FINALIZE)


def test_files_join_as_they_settle_and_the_upload_is_claimed_again_at_once(
    bench: Bench, store: Store
) -> None:
    """Each sample is one transaction, and an upload that had nothing to send is due with it."""
    upload_id, drop = begin(store)
    claimed = making.claim(store, upload_id)
    making.send_files(store, claimed)
    store.let_go(upload_id, claimed.fence, retry_at=store.now() + 60)
    moves = store.newest_move()
    store.note_arrived(Arrived(drop_id=drop.id, settled=(B, C)))

    assert paths(store, upload_id) == [b"d/a", b"d/b", b"d/c"]
    assert counters(bench, store, upload_id) == (30, 10, 3, 2)
    assert [each.path for each in store.next_files(upload_id, 9)] == [b"d/b", b"d/c"]
    assert making.claim(store, upload_id)
    assert [move.event for move in store.moves(moves, 9)] == ["files_added"]


def test_sample_that_says_nothing_new_writes_no_event(bench: Bench, store: Store) -> None:
    """After a restart every file is told again: what was acknowledged stays, and nothing moves."""
    upload_id, drop = begin(store, A, B)
    making.send_files(store, making.claim(store, upload_id))
    before = bench.rows()
    store.note_arrived(Arrived(drop_id=drop.id, settled=(A, B)))

    assert bench.rows() == before


def without(draft: FileDraft, **unkept: int) -> FileDraft:
    """Give a file as it is where the file system does not keep all of its identity."""
    return replace(draft, identity=replace(draft.identity, **unkept))


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole drop", "sample"])
@pytest.mark.parametrize(
    ("was", "now"),
    [
        (without(A, ctime_ns=UNKEPT_CTIME_NS), A),
        (A, without(A, ctime_ns=UNKEPT_CTIME_NS)),
        (without(A, inode=UNKEPT_INODE), without(A, ctime_ns=UNKEPT_CTIME_NS)),
    ],
    ids=["kept again", "kept no more", "other kept"],
)
def test_file_of_which_less_or_more_is_kept_by_now_is_not_sent_again(
    store: Store, was: FileDraft, now: FileDraft, is_whole: bool
) -> None:
    """It is the same as far as both looks can tell; what was read in doubt stays read twice."""
    upload_id, drop = begin(store, was)
    making.send_files(store, making.claim(store, upload_id))
    if is_whole:
        whole(store, drop, (now,))
    else:
        store.note_arrived(Arrived(drop_id=drop.id, settled=(now,)))
    (found,) = store.files(upload_id)

    assert found.closed
    assert found.identity == was.identity.kept_by(now.identity)
    assert not found.identity.is_whole


def test_file_that_changed_where_not_all_of_it_was_kept_is_sent_anew_though_all_is_by_now(
    store: Store,
) -> None:
    """What it lacked then may be what changed."""
    upload_id, drop = begin(store, without(A, ctime_ns=UNKEPT_CTIME_NS))
    making.send_files(store, making.claim(store, upload_id))
    store.note_arrived(Arrived(drop_id=drop.id, changed=(A.path,)))
    store.note_arrived(Arrived(drop_id=drop.id, settled=(A,)))
    (found,) = store.files(upload_id)

    assert (found.closed, found.stale) == (False, False)
    assert found.identity == A.identity


def test_whole_drop_takes_in_the_rest_and_is_finalized(store: Store) -> None:
    """What is quiet last joins with it, what was left out is noted, and all_sent may come."""
    upload_id, drop = begin(store)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    making.send_files(store, claimed)
    whole(store, drop, (A, B), "d/empty is an empty folder")
    now = drop_now(store, drop)
    assert (now.whole, now.size, now.file_count, now.generation) == (True, 20, 2, 1)
    assert now.settled_at is not None
    assert store.skipped(upload_id) == ["d/empty is an empty folder"]
    making.send_files(store, upload_now(store, upload_id))

    assert store.advance_all_sent(upload_id, claimed.fence)
    assert store.finalize_due() == [upload_id]


@pytest.mark.parametrize("was_sent", [True, False])
def test_file_that_changes_while_its_drop_arrives_waits_and_is_sent_anew(
    bench: Bench, store: Store, was_sent: bool
) -> None:
    """Stale at once and one generation on; settled anew it goes with its new content only."""
    upload_id, drop = begin(store, A, B)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    if was_sent:
        making.send_files(store, claimed)
    store.note_arrived(Arrived(drop_id=drop.id, changed=(b"d/a",)))
    changed = file(store, upload_id, b"d/a")
    assert changed.stale
    assert drop_now(store, drop).generation == 2
    assert b"d/a" not in [each.path for each in store.next_files(upload_id, 9)]
    again = making.file_draft(b"d/a", 25, version=2)
    store.note_arrived(Arrived(drop_id=drop.id, settled=(again,)))

    renewed = file(store, upload_id, b"d/a")
    assert (renewed.stale, renewed.closed, renewed.sent) == (False, False, 0)
    assert renewed.identity == again.identity
    assert len(store.leftovers(upload_id)) == was_sent
    assert counters(bench, store, upload_id) == (35, 10 * was_sent, 2, 2 - was_sent)
    assert drop_now(store, drop).generation == 2


def test_files_that_change_together_are_one_generation(store: Store) -> None:
    """Whoever sees it, sender or sweep, and in whatever order, until the first is settled anew."""
    upload_id, drop = begin(store, A, B, C)
    claimed = making.claim(store, upload_id)
    store.note_source_changed(file(store, upload_id, b"d/a"), claimed.fence, "d/a changed")
    store.note_arrived(Arrived(drop_id=drop.id, changed=(b"d/a", b"d/b")))
    store.note_source_changed(file(store, upload_id, b"d/c"), claimed.fence, "d/c changed")
    assert drop_now(store, drop).generation == 2
    again = [making.file_draft(path, 11, version=2) for path in paths(store, upload_id)]
    store.note_arrived(Arrived(drop_id=drop.id, settled=tuple(again)))
    store.note_arrived(Arrived(drop_id=drop.id, changed=(b"d/b",)))

    assert drop_now(store, drop).generation == 3


def test_gone_file_leaves_only_while_the_cloud_was_asked_for_nothing_of_it(
    bench: Bench, store: Store
) -> None:
    """What was never sent is left out; what the cloud may have fails the whole as ever."""
    upload_id, drop = begin(store, A, B)
    claimed = making.claim(store, upload_id)
    store.note_files_asked(upload_id, claimed.fence, [file(store, upload_id, b"d/a").id])
    store.note_arrived(Arrived(drop_id=drop.id, gone=(b"d/a", b"d/b", b"d/unknown")))

    assert paths(store, upload_id) == [b"d/a"]
    assert counters(bench, store, upload_id) == (10, 0, 1, 1)
    with pytest.raises(SourceVanished):
        whole(store, drop, (C,))


@pytest.mark.parametrize("is_known", [True, False])
def test_file_renamed_inside_its_drop_goes_under_its_new_name(
    bench: Bench, store: Store, is_known: bool
) -> None:
    """Tools that copy under another name than at last lose no delivery, and leave no twin behind.

    An add whose answer is out may have left a file that no row names: that fails as ever.
    """
    upload_id, drop = begin(store, A, B)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    if is_known:
        making.send_files(store, claimed)
    else:
        ids = [each.id for each in store.files(upload_id)]
        store.note_files_asked(upload_id, claimed.fence, ids)
    renamed = replace(A, path=b"d/final", name="final", identity=replace(A.identity, ctime_ns=99))
    if not is_known:
        with pytest.raises(SourceVanished):
            whole(store, drop, (B, renamed))
        return
    cloud_id = file(store, upload_id, b"d/a").cloud_id
    whole(store, drop, (B, renamed))

    assert paths(store, upload_id) == [b"d/b", b"d/final"]
    assert store.leftovers(upload_id) == [cloud_id]
    assert counters(bench, store, upload_id) == (20, 10, 2, 1)


@pytest.mark.parametrize("state", ["paused", "error"])
def test_files_join_a_stopped_upload_without_starting_it(store: Store, state: str) -> None:
    """A person stopped it: what settles meanwhile is there when he lets it go on."""
    upload_id, drop = begin(store)
    event = UploadEvent.PAUSE if state == "paused" else UploadEvent.FAIL
    store.advance_upload(upload_id, event, code=7, error="why")
    store.note_arrived(Arrived(drop_id=drop.id, settled=(B,)))

    now = upload_now(store, upload_id)
    assert (now.state, now.error_code, now.error) == (state, 7, "why")
    assert paths(store, upload_id) == [b"d/a", b"d/b"]


def test_upload_that_is_being_deleted_takes_nothing_in(bench: Bench, store: Store) -> None:
    """Nobody wants it any more, and nothing is said about it."""
    upload_id, drop = begin(store)
    making.open_package(store, making.claim(store, upload_id))
    store.delete_upload(upload_id, takes_package=False)
    before = bench.rows()
    store.note_arrived(Arrived(drop_id=drop.id, settled=(B,), changed=(b"d/a",)))

    assert bench.rows() == before


@pytest.mark.parametrize("state", list(DropState))
def test_files_join_no_drop_that_is_whole_or_was_not_taken(
    bench: Bench, store: Store, state: DropState
) -> None:
    """Only a taken drop that is not whole takes further files in."""
    drop = making.bring_drop(store, state)
    before = bench.rows()

    with pytest.raises(IllegalTransition):
        store.note_arrived(Arrived(drop_id=drop.id, settled=(B,)))
    assert bench.rows() == before


def test_batch_waits_from_the_last_settled_file_of_what_arrives(
    store: Store, clock: FakeClock
) -> None:
    """Its idle time begins when the last drop is whole, not when its first file settled."""
    upload_id, drop = begin(store, A, batch=True)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    making.send_files(store, claimed)
    clock.advance(20)
    whole(store, drop, (A,))
    assert store.advance_all_sent(upload_id, claimed.fence)
    at = upload_now(store, upload_id).finalize_at

    assert at is not None
    assert at - store.now() == pytest.approx(4.0)


def test_batch_waits_from_the_last_file_that_joined_a_drop_once_whole(
    store: Store, clock: FakeClock
) -> None:
    """A file that comes late to a whole drop begins the idle time anew."""
    upload_id, (drop,) = making.create(store, b"d", files=(A,), batch=True, idle_s=4.0)
    store.note_change(drop.id, "grew")
    clock.advance(20)
    store.note_arrived(Arrived(drop_id=drop.id, settled=(A, B)))

    assert upload_now(store, upload_id).joined_at == store.now()


def test_batch_is_not_idle_while_one_of_its_drops_arrives(store: Store) -> None:
    """A drop that is whole waits for the one beside it: they are one package."""
    upload_id, _ = making.create(store, b"whole", batch=True)
    drop = store.see_drop(FOLDER, b"d")
    draft = replace(making.drop_draft(drop, (A,)), signature="", is_whole=False)
    store.join_upload(upload_id, draft)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    making.send_files(store, claimed)

    assert not store.advance_all_sent(upload_id, claimed.fence)
    whole(store, drop, (A,))
    assert store.advance_all_sent(upload_id, claimed.fence)


STOPPING = sorted(set(HoldReason) - lifecycle.SENDS_ON)


@pytest.mark.parametrize("reason", STOPPING)
def test_hold_on_the_way_stops_sending_and_takes_the_claim(
    store: Store, reason: HoldReason
) -> None:
    """Whoever sends is refused from now on, and nobody is given a file of that drop again."""
    upload_id, drop = begin(store, A, B)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    held = store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason)
    assert (held.state, held.hold) == (DropState.TAKEN, reason)

    with pytest.raises(FenceLost):
        store.renew(upload_id, claimed.fence, LEASE_S)
    again = making.claim(store, upload_id)
    assert store.next_files(upload_id, 9) == []
    assert store.next_files(upload_id, 9, sizes=Sizes(most=99)) == []
    assert store.next_retry(upload_id) is None
    assert not store.advance_all_sent(upload_id, again.fence)
    assert [each.upload_id for each in store.held_drops()] == [upload_id]


@pytest.mark.parametrize("reason", sorted(lifecycle.SENDS_ON))
def test_hold_for_what_cannot_be_read_lets_settled_files_go(
    store: Store, reason: HoldReason
) -> None:
    """Nothing is finalized, but what settled is sent all the same."""
    upload_id, drop = begin(store, A, B)
    claimed = making.claim(store, upload_id)
    making.open_package(store, claimed)
    store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason)
    assert len(store.next_files(upload_id, 9)) == 2
    assert store.held_drops() == []
    making.send_files(store, claimed)

    assert not store.advance_all_sent(upload_id, claimed.fence)
    assert [each.upload_id for each in store.held_drops()] == [upload_id]


def test_hold_of_one_drop_of_a_batch_stops_only_its_files(store: Store) -> None:
    """The others of the package go on, and the package waits for all."""
    upload_id, (one, two) = making.create(store, b"a", b"b", batch=True)
    store.advance_drop(one.id, DropEvent.BLOCK, hold=HoldReason.LIMIT_EXCEEDED)

    assert [each.drop_id for each in store.next_files(upload_id, 9)] == [two.id]
    assert store.next_retry(upload_id) == 0.0


def test_release_waives_the_limit_for_this_drop_for_good(store: Store) -> None:
    """What a person let go is sent, and the drop remembers that it was asked about."""
    upload_id, drop = begin(store)
    store.advance_drop(
        drop.id, DropEvent.BLOCK, hold=HoldReason.LIMIT_EXCEEDED, note="too much", asked="all"
    )
    released = store.release_drop(drop.id)
    assert (released.state, released.hold, released.limit_waived) == ("taken", None, True)
    assert (released.asked, released.waived, released.note) == ("", "all", "released: too much")
    assert [each.path for each in store.next_files(upload_id, 9)] == [b"d/a"]
    whole(store, drop, (A,))

    assert drop_now(store, drop).limit_waived
    other = store.see_drop(FOLDER, b"other")
    assert not other.limit_waived


def test_release_waives_what_a_drop_lacks_for_this_drop_for_good(store: Store) -> None:
    """What a person let go as it is is not held for that again, and no limit is waived with it."""
    drop = store.see_drop(FOLDER, b"d")
    store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.INCOMPLETE, note="missing: a")
    released = store.release_drop(drop.id)

    assert (released.state, released.lack_waived, released.limit_waived) == (
        "settling", True, False,
    )  # fmt: skip
    assert not store.see_drop(FOLDER, b"other").lack_waived


@pytest.mark.parametrize("reason", [None, *sorted(set(HoldReason) - lifecycle.RELEASABLE)])
def test_release_of_what_asks_nobody_is_refused(
    bench: Bench, store: Store, reason: HoldReason | None
) -> None:
    """What ends by itself is not ended by a word."""
    drop = store.see_drop(FOLDER, b"d")
    if reason is not None:
        store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason)
    before = bench.rows()

    with pytest.raises(IllegalTransition):
        store.release_drop(drop.id)
    assert bench.rows() == before
    with pytest.raises(NotFound):
        store.release_drop(drop.id + 1)


def test_folder_wide_release_waives_the_limit_too(store: Store) -> None:
    """However it is released, it is not held for the same again."""
    drop = store.see_drop(FOLDER, b"d")
    store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.LIMIT_EXCEEDED)

    assert store.release(FOLDER, HoldReason.LIMIT_EXCEEDED) == 1
    assert drop_now(store, drop).limit_waived


@pytest.mark.parametrize("asked", [False, True])
def test_abandoned_drop_takes_its_upload_along_and_may_come_again(
    store: Store, asked: bool
) -> None:
    """As if it had never been taken, unless the cloud was asked for a file and that counts."""
    upload_id, drop = begin(store)
    claimed = making.claim(store, upload_id)
    if asked:
        store.note_files_asked(upload_id, claimed.fence, [store.files(upload_id)[0].id])
    assert store.abandon(drop.id, "it vanished", only_unsent=True) is not asked
    if asked:
        assert drop_now(store, drop) == drop
        assert store.abandon(drop.id, "its folder is gone")

    ended = drop_now(store, drop)
    assert (ended.state, ended.upload_id) == (DropState.CANCELLED, None)
    assert not lifecycle.is_given_up(ended)
    assert upload_now(store, upload_id).state is UploadState.DELETING


def test_abandoned_drop_of_a_batch_leaves_the_others(store: Store) -> None:
    """The package goes on without it, and without its files."""
    upload_id, (kept,) = making.create(store, b"whole", batch=True)
    drop = store.see_drop(FOLDER, b"d")
    draft = replace(making.drop_draft(drop, (A,)), signature="", is_whole=False)
    store.join_upload(upload_id, draft)
    assert store.abandon(drop.id, "it vanished")

    assert upload_now(store, upload_id).state is UploadState.TRANSFERRING
    assert [each.drop_id for each in store.files(upload_id)] == [kept.id]


@pytest.mark.parametrize("is_changed", [True, False])
def test_abandon_leaves_alone_what_was_whole(bench: Bench, store: Store, is_changed: bool) -> None:
    """A drop that settled once was promised: it is never ended in silence."""
    _, (drop,) = making.create(store)
    if is_changed:
        store.note_change(drop.id, "grew")
    before = bench.rows()

    assert not store.abandon(drop.id, "it vanished")
    assert bench.rows() == before


def test_drop_whose_upload_is_deleted_while_it_arrives_is_given_up(store: Store) -> None:
    """It is known as unwanted until it has come to its end; then only other content is new."""
    upload_id, drop = begin(store)
    store.delete_upload(upload_id, takes_package=False)
    assert [each.id for each in store.given_up(FOLDER)] == [drop.id]
    assert store.given_up("other") == []
    assert lifecycle.is_given_up(drop_now(store, drop))
    store.note_given_up(drop.id, "signature")

    assert store.given_up(FOLDER) == []
    assert drop_now(store, drop).signature == "signature"
    store.note_given_up(drop.id, "another")
    assert drop_now(store, drop).signature == "signature"


def test_word_of_what_a_drop_waits_for_stands_only_while_it_settles(store: Store) -> None:
    """What moved it meanwhile says why itself."""
    drop = making.bring_drop(store, DropState.SETTLING, b"d")
    store.note_awaited(drop.id, "it waits for another")
    assert drop_now(store, drop).note == "it waits for another"
    store.cancel_drop(drop.id, "cancelled")
    store.note_awaited(drop.id, "it waits for another")

    assert drop_now(store, drop).note == "cancelled"


def test_drop_that_is_sent_again_arrives_anew(store: Store) -> None:
    """A resent drop may start early too: what it was when it was whole does not count any more."""
    drop = making.bring_drop(store, DropState.DONE, b"d")
    store.advance_drop(drop.id, DropEvent.RESEND)
    upload_id, again = begin(store)

    assert again.id == drop.id
    assert lifecycle.is_arriving(again)
    assert (again.signature, again.upload_id) == ("", upload_id)


def test_files_up_counts_what_arrives_or_is_held(store: Store) -> None:
    """Of each such drop, the files of its present upload, and those that the cloud has whole."""
    upload_id, drop = begin(store, A, B)
    making.create(store, b"whole")
    claimed = making.claim(store, upload_id)
    one = file(store, upload_id, b"d/a")
    store.note_file_opened(one, claimed.fence, cloud_id="c", multipart_id="m", chunk_size=99)
    store.note_file_closed(file(store, upload_id, b"d/a"), claimed.fence)

    assert store.files_up() == {drop.id: (2, 1)}


def test_unsettled_names_an_arriving_upload_only_when_it_has_nothing_to_send(store: Store) -> None:
    """While files go up nobody waits for the writer; a changed drop is told at once."""
    upload_id, _ = begin(store)
    changed_id, (changed,) = making.create(store, b"changed")
    store.note_change(changed.id, "grew")
    assert store.unsettled() == {changed_id}
    making.send_files(store, making.claim(store, upload_id))

    assert store.unsettled() == {changed_id, upload_id}


def test_restart_keeps_what_arrived(store: Store, bench: Bench) -> None:
    """The rows are all that a kill leaves, and they say what it needs."""
    upload_id, drop = begin(store, A, B)
    making.send_files(store, making.claim(store, upload_id))
    store = bench.open()
    store.start_over()

    assert lifecycle.is_arriving(drop_now(store, drop))
    assert [each.closed for each in store.files(upload_id)] == [True, True]
    store.note_arrived(Arrived(drop_id=drop.id, settled=(A, B, C)))
    assert [each.closed for each in store.files(upload_id)] == [True, True, False]
