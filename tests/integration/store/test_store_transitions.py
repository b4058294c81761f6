"""Every (state, event) pair through the store: legal ones move, others change not one row."""

from __future__ import annotations

from itertools import product

import pytest

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition, NotFound
from masv_watch.model import (
    DropEvent,
    DropState,
    HoldReason,
    TaskEvent,
    TaskState,
    UploadEvent,
    UploadState,
)
from masv_watch.store.contract import Store
from tests.integration.store import making
from tests.integration.store.benches import Bench


@pytest.mark.parametrize(("state", "event"), list(product(UploadState, UploadEvent)))
def test_upload_every_pair_moves_or_changes_nothing(
    bench: Bench, store: Store, state: UploadState, event: UploadEvent
) -> None:
    """The store moves an upload exactly along its table, and writes one event row for it."""
    upload = making.bring_upload(store, state)
    before = bench.rows()
    after = lifecycle.UPLOAD[state].get(event)

    if after is None:
        with pytest.raises(IllegalTransition, match=f"{event} is not allowed in state {state}"):
            store.advance_upload(upload.id, event)
        with pytest.raises(IllegalTransition, match="allowed: "):
            store.advance_claimed(upload, event, tasks=[making.LINK])
        assert bench.rows() == before
    else:
        assert store.advance_upload(upload.id, event, code=7, error="why") == after
        assert making.must(store.upload(upload.id)).state is after
        moved = [row[2:] for row in bench.rows()["events"] if row not in before["events"]]
        assert moved[0] == ("upload", upload.id, event, state, after, "why")


@pytest.mark.parametrize(("state", "event"), list(product(UploadState, UploadEvent)))
def test_claimed_upload_legal_pair_moves(
    store: Store, state: UploadState, event: UploadEvent
) -> None:
    """A claimer moves along the same table as a person."""
    upload = making.bring_upload(store, state)
    after = lifecycle.UPLOAD[state].get(event)

    if after is not None:
        assert store.advance_claimed(upload, event) == after
    assert making.must(store.upload(upload.id)).state is (after or state)


@pytest.mark.parametrize(("state", "event"), list(product(DropState, DropEvent)))
def test_drop_every_pair_moves_or_changes_nothing(
    bench: Bench, store: Store, state: DropState, event: DropEvent
) -> None:
    """The store moves a drop exactly along its table; taking needs an upload."""
    drop = making.bring_drop(store, state)
    before = bench.rows()
    after = lifecycle.DROP[state].get(event)

    if event is DropEvent.TAKE and after is not None:
        with pytest.raises(IllegalTransition, match="together with its upload"):
            store.advance_drop(drop.id, event)
        assert bench.rows() == before
        store.create_upload(making.upload_draft(making.drop_draft(drop)))
        (now,) = store.drops(making.FOLDER)
        assert (now.state, now.whole) == (after, True)
    elif after is None:
        with pytest.raises(IllegalTransition, match=f"{event} is not allowed in state {state}"):
            store.advance_drop(drop.id, event)
        assert bench.rows() == before
    else:
        hold = HoldReason.EMPTY if event is DropEvent.BLOCK else None
        moved = store.advance_drop(drop.id, event, hold=hold, note="why")
        assert (moved.state, moved.hold, moved.note) == (after, hold, "why")
        assert store.latest_drop(making.FOLDER, drop.path) == moved


@pytest.mark.parametrize(("state", "event"), list(product(TaskState, TaskEvent)))
def test_task_every_pair_moves_or_changes_nothing(
    bench: Bench, store: Store, state: TaskState, event: TaskEvent
) -> None:
    """The store moves a task exactly along its table; an ended one never moves again."""
    task = making.bring_task(store, state)
    before = bench.rows()
    after = lifecycle.TASK[state].get(event)

    if after is None:
        with pytest.raises(IllegalTransition, match="allowed: nothing"):
            store.advance_task(task, event)
        assert bench.rows() == before
    else:
        store.advance_task(task, event, note="250 ok")
        (now,) = [one for one in store.tasks(task.upload_id) if one.id == task.id]
        assert (now.state, now.note) == (after, "250 ok")


def test_missing_rows_are_not_found(bench: Bench, store: Store) -> None:
    """Who asks to move what is not there hears so, and nothing is written."""
    before = bench.rows()

    with pytest.raises(NotFound):
        store.advance_upload("no-such", UploadEvent.PAUSE)
    with pytest.raises(NotFound):
        store.advance_drop(4711, DropEvent.QUIET)
    assert bench.rows() == before
