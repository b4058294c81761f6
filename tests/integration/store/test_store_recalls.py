"""What rows say of recall windows: when a finalize is due, for every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masv_watch import recall
from masv_watch.model import Selection, UploadEvent, UploadState
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.making import FOLDER, must
from tests.searching import examples

NAMES = iter(f"f{number}.mov".encode() for number in range(10**6))
HOURS_S = 10 * 3600.0


def idle(store: Store, recall_s: float, *, idle_s: float = 0.0, batch: bool = False) -> str:
    """Bring an upload to where all of it is up; give its id."""
    drop = store.see_drop(FOLDER, next(NAMES))
    draft = making.upload_draft(making.drop_draft(drop), idle_s=idle_s, batch=batch)
    upload_id = store.create_upload(replace(draft, recall_s=recall_s))
    send(store, upload_id)
    return upload_id


def send(store: Store, upload_id: str) -> None:
    """Send all that is open of an upload."""
    claimed = making.claim(store, upload_id)
    if claimed.package_id is None:
        making.open_package(store, claimed)
    making.send_files(store, must(store.upload(upload_id)))
    assert store.advance_all_sent(upload_id, claimed.fence)
    store.let_go(upload_id, claimed.fence)


def state(store: Store, upload_id: str) -> UploadState:
    """Give the state of an upload."""
    return must(store.upload(upload_id)).state


@settings(
    max_examples=examples(12),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    idle_s=st.sampled_from([0.0, 7.5, 600.0]),
    recall_s=st.sampled_from([0.0, 0.25, 600.0, 3600.0]),
    waited=st.floats(0.0, 5000.0),
    batch=st.booleans(),
    is_started=st.booleans(),
)
def test_finalize_is_due_exactly_when_the_window_is_over(
    store: Store, clock: FakeClock, idle_s, recall_s, waited, batch, is_started
) -> None:
    """The statement and the pure sum say the same, and the list says it to people."""
    upload_id = idle(store, recall_s, idle_s=idle_s, batch=batch)
    if is_started:
        store.start_upload(upload_id)
    clock.advance(waited)
    upload = must(store.upload(upload_id))
    window = recall.window(upload)
    until = upload.finalize_at if window is None else window.until
    (line,) = [each for each in store.select_uploads(Selection()) if each.id == upload_id]

    assert line.recall_until == (None if window is None else until)
    assert line.batch_until == (upload.finalize_at if batch else None)
    assert (upload_id in store.finalize_due()) == (until <= store.now())
    store.delete_upload(upload_id, takes_package=False)


def test_batches_that_wait_in_their_window_are_given_by_hot_folder(
    store: Store, clock: FakeClock
) -> None:
    """None without a window, none that is no batch, and none that is over or delivered."""
    first = idle(store, 600.0, batch=True)
    clock.advance(1.0)
    second = idle(store, 600.0, batch=True)
    idle(store, 0.0, batch=True)
    idle(store, 600.0)
    started = idle(store, 600.0, batch=True)
    store.start_upload(started)
    assert store.recallable_batches() == {FOLDER: [first, second]}

    store.advance_upload(first, UploadEvent.FINALIZE)
    assert store.recallable_batches() == {FOLDER: [second]}


def test_window_survives_a_start_neither_begun_anew_nor_skipped(
    store: Store, clock: FakeClock
) -> None:
    """What a kill leaves is the row, and its time goes on."""
    upload_id = idle(store, 600.0)
    clock.advance(599.0)
    store.start_over()

    assert store.finalize_due() == []
    clock.advance(1.0)
    store.start_over()
    assert store.finalize_due() == [upload_id]


def test_same_content_has_one_window_and_other_content_another(
    store: Store, clock: FakeClock
) -> None:
    """A finalize that the cloud refuses sends files again, and nobody waits once more for that."""
    upload_id = idle(store, 600.0)
    clock.advance(600.0)
    store.finalize_due()
    claimed = making.claim(store, upload_id)
    store.note_file_lost(store.files(upload_id)[0], claimed.fence)
    store.advance_claimed(claimed, UploadEvent.REFUSED)
    store.let_go(upload_id, claimed.fence)
    send(store, upload_id)
    (line,) = store.select_uploads(Selection())
    assert (line.state, line.recall_until) == (UploadState.IDLE, None)
    assert store.finalize_due() == [upload_id]

    (drop,) = store.drops_of(upload_id)
    store.note_change(drop.id, "changed")
    store.settle_again(making.drop_draft(drop, [making.file_draft(drop.path, version=2)]))
    send(store, upload_id)

    assert store.finalize_due() == []
    clock.advance(600.0)
    assert store.finalize_due() == [upload_id]


@pytest.mark.parametrize("recall_s", [0.0, 60.0, 3600.0])
def test_other_window_of_a_rule_counts_at_once_for_what_is_in_one(
    store: Store, clock: FakeClock, recall_s: float
) -> None:
    """Live as a priority: shorter, none at all, and longer; of its own hot folder alone."""
    upload_id = idle(store, 600.0)
    clock.advance(300.0)
    rung: list[bool] = []
    store.listen(lambda: rung.append(True))

    assert store.adopt_recalls({FOLDER: recall_s, "elsewhere": 9.0}) == 1
    assert store.adopt_recalls({FOLDER: recall_s, "elsewhere": 9.0}) == 0

    assert rung == [True]
    assert (store.finalize_due() == [upload_id]) == (recall_s <= 300.0)
    if recall_s > 300.0:
        clock.advance(recall_s - 300.0 - 0.5)
        assert store.finalize_due() == []
        clock.advance(0.5)
        assert store.finalize_due() == [upload_id]


def test_upload_of_a_caller_has_no_window(store: Store) -> None:
    """Nothing is told of it before he finalizes it himself."""
    upload_id = store.create_upload(replace(making.upload_draft(idle_s=0.0), hot_folder=None))
    store.adopt_recalls({FOLDER: 600.0})

    assert must(store.upload(upload_id)).recall_s == 0.0


def test_batch_takes_no_further_drop_once_its_window_has_begun(
    store: Store, clock: FakeClock
) -> None:
    """What a person may be about to take back is what he sees; the next one is another batch."""
    upload_id = idle(store, 600.0, idle_s=300.0, batch=True)
    clock.advance(299.0)
    assert store.open_batch(FOLDER) == upload_id
    clock.advance(1.0)

    assert store.open_batch(FOLDER) is None
    clock.advance(HOURS_S)
    assert store.open_batch(FOLDER) is None


@pytest.mark.parametrize("waited", [10.0, 400.0])
@pytest.mark.parametrize("how", ["end", "next", "marker"])
def test_batch_that_is_ended_begins_its_window_and_never_again(
    store: Store, clock: FakeClock, how: str, waited: float
) -> None:
    """By `run --once`, by a drop that did not join, or by its marker; time may have been first."""

    def end() -> None:
        if how == "end":
            store.end_batch(upload_id)
        elif how == "marker":
            store.close_batch(FOLDER, "mark")
        else:
            later.append(idle(store, 600.0, idle_s=300.0, batch=True))

    later: list[str] = []
    upload_id = idle(store, 600.0, idle_s=300.0, batch=True)
    clock.advance(waited)
    end()
    begun = must(store.upload(upload_id)).finalize_at
    clock.advance(410.0 - waited)
    end()

    assert begun == store.now() - 410.0 + min(waited, 300.0)
    assert must(store.upload(upload_id)).finalize_at == begun
    clock.advance(begun + 599.0 - store.now())
    assert upload_id not in store.finalize_due()
    clock.advance(1.0)
    assert upload_id in store.finalize_due()
