"""The verbs of the ledger, one after the other."""

from __future__ import annotations

import pytest

from masv_watch.errors import IllegalTransition, SourceVanished
from masv_watch.model import (
    Chunk,
    DropEvent,
    DropState,
    HoldReason,
    Identity,
    UploadEvent,
    UploadState,
)
from masv_watch.store import ledger
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench
from tests.integration.store.making import FOLDER

_ASKED = HoldReason.INITIAL_ASK


def test_adopt_names_one_path_per_hot_folder(bench: Bench, store: Store) -> None:
    """A hot folder is adopted at one path; a new path is a new root, and asking twice is once."""
    assert not store.is_adopted(FOLDER, b"/a")
    store.adopt(FOLDER, b"/a")
    before = bench.rows()
    store.adopt(FOLDER, b"/a")
    assert bench.rows() == before
    assert store.is_adopted(FOLDER, b"/a")

    store.adopt(FOLDER, b"/b\xff")
    assert not store.is_adopted(FOLDER, b"/a")
    assert store.is_adopted(FOLDER, b"/b\xff")


def test_see_drop_asked_twice_is_one_living_drop(
    bench: Bench, store: Store, clock: FakeClock
) -> None:
    """A path has one living drop, however often it is seen (pains 5, 34)."""
    first = store.see_drop(FOLDER, b"a\n\x1b\xff")
    before = bench.rows()
    clock.advance(5)
    second = store.see_drop(FOLDER, b"a\n\x1b\xff")

    assert second == first
    assert bench.rows() == before
    assert (first.state, first.generation, first.whole) == (DropState.SETTLING, 1, False)


@pytest.mark.parametrize(
    "ended", [state for state in DropState if state not in ("settling", "held", "queued", "taken")]
)
def test_see_drop_after_an_ended_one_is_a_new_generation(store: Store, ended: DropState) -> None:
    """What came to an end leaves its row; the same path begins a generation after it."""
    old = making.bring_drop(store, ended)
    new = store.see_drop(FOLDER, old.path)

    assert new.id != old.id
    assert (new.generation, new.state) == (old.generation + 1, DropState.SETTLING)
    assert store.latest_drop(FOLDER, old.path) == new
    assert [drop.id for drop in store.drops(FOLDER)] == [old.id, new.id]
    assert [drop.id for drop in store.drops(FOLDER, living=True)] == [new.id]


def test_see_drops_gives_what_seeing_each_alone_would(bench: Bench, store: Store) -> None:
    """Many paths at once are seen as one after the other: known, ended and new ones."""
    ended = making.bring_drop(store, DropState.CANCELLED)
    known = store.see_drop(FOLDER, b"known")
    elsewhere = store.see_drop("other", b"new")
    paths = [b"known", ended.path, b"new", b"new"]
    found = store.see_drops(FOLDER, paths)
    before = bench.rows()
    again = store.see_drops(FOLDER, paths)

    assert [drop.path for drop in found] == paths
    assert found[0] == known
    assert (found[1].generation, found[1].state) == (ended.generation + 1, DropState.SETTLING)
    assert found[2] == found[3] != elsewhere
    assert (again, bench.rows()) == (found, before)


#: names that SQL, JSON or a terminal could take for something else
ODD = [b"a'b", b'a"b', b"a\\nb", b"a\nb", b"\x01\x1f\x7f", "\u00e9".encode(), "e\u0301".encode(),
       "\U0001f3ac/clip".encode(), b"null", b"1", b"[]", b"%s:paths"]  # fmt: skip


def test_see_firsts_makes_what_seeing_each_would_whatever_the_names_hold(store: Store) -> None:
    """One statement takes the paths apart again, byte for byte."""
    assert store.see_firsts(FOLDER, ODD)

    made = store.drops(FOLDER)
    assert [drop.path for drop in made] == ODD
    assert made == store.latest_drops(FOLDER, ODD) == store.see_drops(FOLDER, ODD)
    assert {(drop.generation, drop.state) for drop in made} == {(1, DropState.SETTLING)}
    assert store.latest_drops("other", ODD) == []


def test_see_firsts_says_that_one_of_them_was_known_and_touches_no_row_of_it(store: Store) -> None:
    """Whoever asked sees each of them then: what ended gets another generation there."""
    ended = making.bring_drop(store, DropState.CANCELLED)
    known = store.see_drop(FOLDER, b"known")

    assert not store.see_firsts(FOLDER, [b"known", ended.path, b"new"])
    assert store.drops(FOLDER)[:2] == [ended, known]
    assert [drop.path for drop in store.drops(FOLDER)[2:]] == [b"new"]


@pytest.mark.parametrize("paths", [[b"new", b"new"], [b"new", b"\xff"]], ids=["twice", "no text"])
def test_see_firsts_leaves_to_others_what_it_cannot_write_down(
    store: Store, paths: list[bytes]
) -> None:
    """A name that a file system listed twice, and one that is no UTF-8."""
    assert not store.see_firsts(FOLDER, paths)
    store.see_drops(FOLDER, paths)

    assert {drop.path for drop in store.drops(FOLDER)} == set(paths)
    assert [drop.path for drop in store.latest_drops(FOLDER, paths)] in (paths, paths[:1])


def test_latest_drops_are_the_newest_generations_of_names_that_are_text_and_of_others(
    store: Store,
) -> None:
    """Those that are no text are asked one by one."""
    old = making.bring_drop(store, DropState.CANCELLED)
    new = store.see_drop(FOLDER, old.path)
    odd = store.see_drop(FOLDER, b"\xff")

    assert store.latest_drops(FOLDER, [old.path, b"unknown"]) == [new]
    assert store.latest_drops(FOLDER, [old.path, b"\xff"]) == [new, odd]


def test_living_paths_are_those_of_the_drops_that_live(store: Store) -> None:
    """A sweep learns what is missing without a row of each: names that are no text included."""
    gone = store.see_drop(FOLDER, b"gone")
    store.advance_drop(gone.id, DropEvent.CANCEL)
    store.see_drops(FOLDER, [b"a", b"\xff"])
    store.see_drop("other", b"b")

    assert sorted(store.living_paths(FOLDER)) == [b"a", b"\xff"]


def test_unsettled_paths_are_those_of_living_drops_that_are_not_taken_whole(store: Store) -> None:
    """A sweep asks about those alone of which it had drawn its conclusion."""
    gone = store.see_drop(FOLDER, b"gone")
    store.advance_drop(gone.id, DropEvent.CANCEL)
    store.see_drops(FOLDER, [b"settling", b"\xff"])
    making.bring_drop(store, DropState.TAKEN, b"taken")

    assert sorted(store.unsettled_paths(FOLDER)) == [b"settling", b"\xff"]


def test_ended_signatures_are_those_of_the_newest_rows_that_ended_with_content(
    store: Store,
) -> None:
    """Nothing is said of what lives, was cancelled or forgotten, nor by an older row."""
    ended = (b"a", b"b/\xff", b"forgotten", b"again", b"cancelled")
    for number, path in enumerate(ended):
        drop = store.see_drop(FOLDER, path)
        store.conclude_drop(
            drop.id, DropEvent.IGNORE, signature=f"s{number}", size=1, files=1, note=""
        )
    store.forget_path(FOLDER, b"forgotten")
    store.see_drop(FOLDER, b"again")
    cancelled = store.see_drop(FOLDER, b"cancelled")
    store.advance_drop(cancelled.id, DropEvent.CANCEL)

    making.bring_drop(store, DropState.TAKEN, b"taken")

    found = store.ended_signatures(FOLDER, [*ended, b"unknown", b"a/b", b"taken"])

    assert found == {b"a": "s0", b"b/\xff": "s1"}
    assert store.ended_signatures("other", ended) == {}
    assert store.ended_signatures(FOLDER, []) == {}


def test_latest_drops_gives_the_newest_of_each_path_that_has_one(store: Store) -> None:
    """What was never seen is left out; hot folders are kept apart."""
    ended = making.bring_drop(store, DropState.CANCELLED)
    newer = store.see_drop(FOLDER, ended.path)
    store.see_drop("other", b"b")

    assert store.latest_drops(FOLDER, [b"b", ended.path, b"c"]) == [newer]


def test_drops_lists_by_hot_folder_and_of_an_upload(store: Store) -> None:
    """Lists keep hot folders apart, and uploads too."""
    upload_id, drops = making.create(store, b"a", b"b")
    other = store.see_drop("other", b"a")

    assert store.drops_of(upload_id) == drops
    assert store.drops("other") == [other]
    assert store.drops() == [*drops, other]
    assert store.drops("nobody") == []
    assert store.latest_drop("nobody", b"a") is None


def test_hold_new_holds_what_was_never_seen_and_repeats_harmlessly(
    bench: Bench, store: Store
) -> None:
    """The first sweep holds all that is new; what the ledger knows is left alone."""
    known = store.see_drop(FOLDER, b"known")
    found = [(b"known", "s", 1, 1), (b"new", "sig", 42, 3)]
    store.hold_new(FOLDER, found, HoldReason.INITIAL_ASK)
    before = bench.rows()
    store.hold_new(FOLDER, found, HoldReason.INITIAL_ASK)

    assert bench.rows() == before
    kept, held = store.drops(FOLDER)
    assert kept == known
    assert (held.state, held.hold) == (DropState.HELD, HoldReason.INITIAL_ASK)
    assert (held.signature, held.size, held.file_count) == ("sig", 42, 3)


def test_release_lets_go_of_one_reason_in_one_folder(bench: Bench, store: Store) -> None:
    """A release names a folder and a reason; a taken drop keeps its state and loses its hold."""
    store.hold_new(FOLDER, [(b"a", "", 1, 1)], HoldReason.INITIAL_ASK)
    store.hold_new("other", [(b"a", "", 1, 1)], HoldReason.INITIAL_ASK)
    store.hold_new(FOLDER, [(b"b", "", 1, 1)], HoldReason.EMPTY)
    taken = making.bring_drop(store, DropState.TAKEN, b"c")
    store.advance_drop(taken.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK)

    assert store.release(FOLDER, HoldReason.INITIAL_ASK) == 2
    states = {(drop.hot_folder, drop.path): (drop.state, drop.hold) for drop in store.drops()}
    assert states == {
        (FOLDER, b"a"): ("settling", None),
        ("other", b"a"): ("held", "initial_ask"),
        (FOLDER, b"b"): ("held", "empty"),
        (FOLDER, b"c"): ("taken", None),
    }
    before = bench.rows()
    assert store.release(FOLDER, HoldReason.INITIAL_ASK) == 0
    assert bench.rows() == before


def test_seed_records_as_seen_only_what_the_first_start_held(bench: Bench, store: Store) -> None:
    """Seeding ends the initial holds as ignored and touches nothing that an upload has."""
    store.hold_new(FOLDER, [(b"a", "", 1, 1), (b"b", "", 1, 1)], HoldReason.INITIAL_ASK)
    taken = making.bring_drop(store, DropState.TAKEN, b"c")
    store.advance_drop(taken.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK)

    assert store.seed(FOLDER) == 2
    assert [drop.state for drop in store.drops(FOLDER)] == ["ignored", "ignored", "taken"]
    before = bench.rows()
    assert store.seed(FOLDER) == 0
    assert bench.rows() == before


@pytest.mark.parametrize("verb", ["seed", "release"])
def test_word_about_thousands_of_drops_lets_others_write_in_between(
    store: Store, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a transaction of a million drops; all of them have it in the end."""
    monkeypatch.setattr(ledger, "SOME", 10)
    store.hold_new(FOLDER, [(b"%d" % number, "", 1, 1) for number in range(25)], _ASKED)
    commits: list[None] = []
    store.listen(lambda: commits.append(None))
    count = store.seed(FOLDER) if verb == "seed" else store.release(FOLDER, _ASKED)

    assert (count, len(commits)) == (25, 3)
    assert {drop.state for drop in store.drops(FOLDER)} == {
        DropState.IGNORED if verb == "seed" else DropState.SETTLING
    }


def test_resend_of_an_older_generation_is_refused(bench: Bench, store: Store) -> None:
    """Only the newest generation of a path can be sent again: the bytes of others are gone."""
    old = making.bring_drop(store, DropState.CANCELLED)
    for ending in (None, DropEvent.IGNORE):
        new = store.see_drop(FOLDER, old.path)
        if ending is not None:
            store.advance_drop(new.id, ending)
        before = bench.rows()

        with pytest.raises(IllegalTransition, match=f"resend drop {new.id}"):
            store.advance_drop(old.id, DropEvent.RESEND)
        assert bench.rows() == before


def test_resend_leaves_the_earlier_delivery_as_it_was(store: Store) -> None:
    """Sending again makes an upload beside the first; its files and notes stay untouched."""
    drop = store.see_drop(FOLDER, b"a")
    first = store.create_upload(making.upload_draft(making.drop_draft(drop, skipped=["x: a pipe"])))
    upload = making.claim(store, first)
    making.send_files(store, upload)
    store.advance_all_sent(first, upload.fence)
    store.finalize_due()
    making.finalize(store, first)
    files = store.files(first)
    store.advance_drop(drop.id, DropEvent.RESEND)
    second = store.create_upload(making.upload_draft(making.drop_draft(drop)))
    store.note_change(drop.id, "grew")
    grown = making.drop_draft(drop, [making.file_draft(b"a", 99, version=2)])
    store.settle_again(grown)

    assert store.files(first) == files
    assert store.skipped(first) == ["x: a pipe"]
    assert making.must(store.upload(first)).size == 10
    assert making.must(store.upload(second)).size == 99
    assert store.delivered_before(FOLDER, b"a") == 1


def test_resend_waits_neither_for_letters_nor_for_the_receipt_of_a_delivery(store: Store) -> None:
    """A letter may wait for its digest for hours, and a receipt for ever."""
    owed = [making.LETTER, making.RECEIPT]
    upload = making.bring_upload(store, UploadState.COMPLETE, tasks=owed)
    (drop,) = store.drops_of(upload.id)

    again = store.resend_drop(drop.id)

    assert (drop.state, again.state) == (DropState.TAKEN, DropState.SETTLING)
    assert [task.state for task in store.tasks(upload.id)] == ["due", "due"]


@pytest.mark.parametrize("state", ["transferring", "finalizing", "complete"])
def test_resend_of_what_is_on_its_way_or_to_be_put_away_is_refused(
    bench: Bench, store: Store, state: str
) -> None:
    """What is sent again must not be moved under the sender's hands."""
    upload = making.bring_upload(store, UploadState(state), tasks=[making.DISPOSE])
    (drop,) = store.drops_of(upload.id)
    before = bench.rows()

    with pytest.raises(IllegalTransition):
        store.resend_drop(drop.id)
    assert bench.rows() == before


def test_drop_is_done_once_its_delivery_owes_nothing_but_the_receipt(store: Store) -> None:
    """A receipt that can never be made keeps no drop on its way."""
    upload = making.bring_upload(store, UploadState.COMPLETE, tasks=[making.RECEIPT])

    assert store.drops_of(upload.id)[0].state is DropState.DONE


def test_delivered_before_counts_finalized_uploads_of_a_path(store: Store) -> None:
    """The number in a package's name counts deliveries, resends included, other paths not."""
    assert store.delivered_before(FOLDER, b"a") == 0
    making.bring_upload(store, UploadState.COMPLETE, b"a")
    making.bring_upload(store, UploadState.COMPLETE, b"b")
    making.bring_upload(store, UploadState.IDLE, b"c")
    making.bring_upload(store, UploadState.COMPLETE, b"a")
    drop = store.latest_drop(FOLDER, b"a")
    assert drop is not None
    store.advance_drop(drop.id, DropEvent.RESEND)
    making.bring_upload(store, UploadState.TRANSFERRING, b"a")

    assert store.delivered_before(FOLDER, b"a") == 2
    assert store.delivered_before(FOLDER, b"c") == 0


@pytest.mark.parametrize("state", ["transferring", "paused", "idle", "finalizing", "error"])
def test_note_change_moves_drop_and_upload_together(bench: Bench, store: Store, state: str) -> None:
    """A change takes a drop's wholeness and its upload's idleness in one transaction, once."""
    upload = making.bring_upload(store, UploadState(state))
    (drop,) = store.drops_of(upload.id)
    store.note_change(drop.id, "a.mov grew")
    before = bench.rows()
    store.note_change(drop.id, "a.mov grew")

    assert bench.rows() == before
    (changed,) = store.drops_of(upload.id)
    assert (changed.state, changed.whole, changed.generation) == ("taken", False, 2)
    assert changed.note == "a.mov grew"
    now = making.must(store.upload(upload.id))
    kept = state if state in ("paused", "error") else "transferring"
    assert (now.state, now.finalize_at) == (kept, None)
    assert (now.error_code, now.error) == (upload.error_code, upload.error)


def test_change_of_a_taken_drop_by_its_event_takes_its_upload_along(store: Store) -> None:
    """However a change is told, drop and upload move together."""
    upload = making.bring_upload(store, UploadState.FINALIZING)
    (drop,) = store.drops_of(upload.id)
    changed = store.advance_drop(drop.id, DropEvent.CHANGE, note="grew")

    assert (changed.whole, changed.generation, changed.note) == (False, 2, "grew")
    assert making.must(store.upload(upload.id)).state is UploadState.TRANSFERRING


@pytest.mark.parametrize("state", ["complete", "deleting", "gone"])
def test_note_change_of_an_ended_upload_changes_nothing(
    bench: Bench, store: Store, state: str
) -> None:
    """What was delivered or given up is not touched by a later change of its source."""
    tasks = [making.DISPOSE]
    upload = making.bring_upload(store, UploadState(state), tasks=tasks)
    (drop,) = store.drops_of(upload.id)
    before = bench.rows()
    store.note_change(drop.id, "late")

    assert bench.rows() == before


def test_note_change_of_a_delivered_drop_that_owes_only_letters_makes_way(store: Store) -> None:
    """A new version is not withheld until the last letter of the earlier one is sent."""
    upload = making.bring_upload(store, UploadState.COMPLETE, tasks=[making.LINK, making.LETTER])
    (drop,) = store.drops_of(upload.id)
    store.note_change(drop.id, "new version")

    assert store.drops_of(upload.id)[0].state is DropState.DONE
    assert store.see_drop(drop.hot_folder, drop.path).generation == drop.generation + 1
    assert [task.state for task in store.tasks(upload.id)] == ["due", "due"]


def test_note_change_keeps_what_a_person_holds(store: Store) -> None:
    """A hold of the operator outlives a change and the quiet after it; only a release ends it."""
    _, (drop,) = making.create(store)
    store.advance_drop(drop.id, DropEvent.BLOCK, hold=HoldReason.OPERATOR)
    store.note_change(drop.id, "grew")
    assert store.drops()[0].hold is HoldReason.OPERATOR
    store.settle_again(making.drop_draft(drop))
    assert store.drops()[0].hold is HoldReason.OPERATOR
    store.advance_drop(drop.id, DropEvent.RELEASE)

    assert store.drops()[0].hold is None


def settled_anew(store: Store) -> tuple[str, dict[bytes, int]]:
    """Send a folder of four files, then change, add and remove some and settle it again."""
    files = [making.file_draft(name) for name in (b"d/changed", b"d/gone", b"d/same")]
    upload_id, (drop,) = making.create(store, b"d", files=files)
    ids = {file.path: file.id for file in store.files(upload_id)}
    upload = making.claim(store, upload_id)
    for path in (b"d/changed", b"d/same"):
        file = next(one for one in store.files(upload_id) if one.path == path)
        store.note_files_asked(upload_id, upload.fence, [file.id])
        store.note_file_opened(
            file, upload.fence, cloud_id=path.decode(), multipart_id="m", chunk_size=10
        )
        chunk = Chunk(number=1, size=10, etag="e", hash="h")
        store.note_etag(file, upload.fence, chunk, last=True)
        store.note_file_closed(file, upload.fence)
    store.note_change(drop.id, "changed")
    again = [
        making.file_draft(b"d/changed", 25, version=2),
        making.file_draft(b"d/new", 5),
        making.file_draft(b"d/same"),
    ]
    store.settle_again(making.drop_draft(drop, again, skipped=["d/e is an empty folder"]))
    return upload_id, ids


def test_settle_again_keeps_equal_files_and_begins_others_anew(store: Store) -> None:
    """Equal identity keeps what was acknowledged; changed is sent anew, new joins, gone leaves."""
    upload_id, ids = settled_anew(store)
    files = {file.path: file for file in store.files(upload_id)}

    assert set(files) == {b"d/changed", b"d/new", b"d/same"}
    same, changed, new = files[b"d/same"], files[b"d/changed"], files[b"d/new"]
    assert (same.id, same.closed, same.sent) == (ids[b"d/same"], True, 10)
    assert len(store.chunks(same.id)) == 1
    assert (changed.id, changed.closed, changed.sent) == (ids[b"d/changed"], False, 0)
    assert (changed.cloud_id, changed.open_asked, changed.close_asked) == (None, False, False)
    assert (changed.identity.size, changed.identity.mtime_ns) == (25, 2)
    assert store.chunks(changed.id) == []
    assert (new.closed, new.identity.size) == (False, 5)
    assert store.leftovers(upload_id) == ["d/changed"]
    noted = ["d/e is an empty folder", "d/gone: vanished before it was sent"]
    assert store.skipped(upload_id) == noted


def test_settle_again_keeps_the_counters_right(bench: Bench, store: Store) -> None:
    """Size, sent, files and open files of the upload are those of its rows; the drop's too."""
    upload_id, _ = settled_anew(store)
    upload = making.must(store.upload(upload_id))
    (drop,) = store.drops_of(upload_id)

    assert (upload.size, upload.sent, upload.file_count) == (40, 10, 3)
    assert bench.column("uploads", "open_files") == [2]
    assert (drop.size, drop.file_count, drop.whole, drop.generation) == (40, 3, True, 2)


def test_settle_again_asked_twice_changes_nothing(bench: Bench, store: Store) -> None:
    """A drop that settled is settled; the same answer again is no news."""
    _, (drop,) = making.create(store)
    store.note_change(drop.id, "grew")
    draft = making.drop_draft(drop, [making.file_draft(b"a.mov", 20, version=2)])
    store.settle_again(draft)
    before = bench.rows()
    store.settle_again(draft)

    assert bench.rows() == before


def test_settle_again_of_a_vanished_sent_file_changes_nothing(bench: Bench, store: Store) -> None:
    """A file that the cloud may have cannot just be left out: a person must decide."""
    files = [making.file_draft(b"d/a"), making.file_draft(b"d/b")]
    upload_id, (drop,) = making.create(store, b"d", files=files)
    upload = making.claim(store, upload_id)
    store.note_files_asked(upload_id, upload.fence, [store.files(upload_id)[0].id])
    store.note_change(drop.id, "d/a vanished")
    before = bench.rows()

    with pytest.raises(SourceVanished) as caught:
        store.settle_again(making.drop_draft(drop, files[1:]))
    assert caught.value.facts["path"] == b"d/a"
    assert bench.rows() == before


@pytest.mark.parametrize("state", list(DropState))
def test_settle_again_of_a_drop_that_did_not_change_is_refused(
    bench: Bench, store: Store, state: DropState
) -> None:
    """Only a taken drop that is known to have changed takes in other files."""
    drop = making.bring_drop(store, state)
    before = bench.rows()

    with pytest.raises(IllegalTransition):
        store.settle_again(making.drop_draft(drop, [making.file_draft(b"a.mov", 77, version=9)]))
    assert bench.rows() == before


def test_cancel_of_the_last_drop_deletes_its_upload(bench: Bench, store: Store) -> None:
    """An upload without a drop to deliver goes in the transaction that takes its last one."""
    upload_id, (one, two) = making.create(store, b"a", b"b")
    upload = making.claim(store, upload_id)
    making.send_files(store, upload)
    store.advance_drop(one.id, DropEvent.CANCEL)
    left = making.must(store.upload(upload_id))

    assert (left.state, left.size, left.sent, left.file_count) == ("transferring", 10, 10, 1)
    assert [file.path for file in store.files(upload_id)] == [b"b"]
    assert len(store.leftovers(upload_id)) == 1
    assert store.advance_all_sent(upload_id, upload.fence)
    store.advance_drop(two.id, DropEvent.SUPERSEDE)
    assert making.must(store.upload(upload_id)).state is UploadState.DELETING


def test_gone_upload_frees_the_paths_of_its_drops(store: Store) -> None:
    """A deleted upload never keeps a path from being sent again."""
    upload = making.bring_upload(store, UploadState.GONE)
    (drop,) = store.drops_of(upload.id)

    assert drop.state is DropState.CANCELLED
    assert store.see_drop(FOLDER, drop.path).generation == 2


def test_gone_upload_that_was_delivered_finishes_its_drops(store: Store) -> None:
    """What was delivered stays delivered in the ledger, even when its upload is forgotten."""
    upload = making.bring_upload(store, UploadState.COMPLETE, tasks=[making.LINK])
    store.advance_upload(upload.id, UploadEvent.DELETE)
    store.advance_upload(upload.id, UploadEvent.DELETED)

    assert store.drops()[0].state is DropState.DONE


def test_identity_of_64_bits_comes_back_whole(store: Store) -> None:
    """Inode and device numbers of some file systems use every bit of 64."""
    huge = Identity(size=2**62, mtime_ns=-1, ctime_ns=2**62, inode=2**64 - 1, device=2**63)
    drop = store.see_drop(FOLDER, b"a")
    plain = making.file_draft(b"a")
    file = type(plain)(path=b"a", package_path="ä/b", name="\x00\n", identity=huge)
    upload_id = store.create_upload(making.upload_draft(making.drop_draft(drop, [file])))
    (found,) = store.files(upload_id)

    assert found.identity == huge
    assert (found.path, found.package_path, found.name) == (b"a", "ä/b", "\x00\n")
