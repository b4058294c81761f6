"""The ends of a batch in the rows: which upload a drop joins, and when it is finalized."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.model import Selection, UploadEvent
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.making import FOLDER


def begun(store: Store, path: bytes, **ends: float) -> str:
    """Begin a batch of one drop of 10 bytes with these ends."""
    drop = making.drop_draft(store.see_drop(FOLDER, path))
    draft = making.upload_draft(drop, batch=True, idle_s=300.0)
    return store.create_upload(replace(draft, terms=replace(draft.terms, **ends)))


def sent(store: Store, upload_id: str) -> None:
    """Send everything of an upload."""
    upload = making.claim(store, upload_id)
    making.send_files(store, upload)
    assert store.advance_all_sent(upload_id, upload.fence)
    store.let_go(upload_id, upload.fence)


@pytest.mark.parametrize(
    ("ends", "files", "size"),
    [({"max_files": 2}, 2, 0), ({"max_size": 25}, 1, 16)],
)
def test_open_batch_takes_no_drop_for_which_it_has_no_room(
    store: Store, ends: dict[str, float], files: int, size: int
) -> None:
    """One that fits joins all the same."""
    first = begun(store, b"a", **ends)

    assert store.open_batch(FOLDER, files=1, size=15) == first
    assert store.open_batch(FOLDER, files=files, size=size) is None


def test_batch_is_finalized_when_it_was_open_for_its_time(store: Store, clock: FakeClock) -> None:
    """However much joined lately; from then on it takes nothing."""
    first = begun(store, b"a", max_open_s=400.0)
    begun_at = making.must(store.upload(first)).created_at
    clock.advance(200)
    store.join_upload(first, making.drop_draft(store.see_drop(FOLDER, b"b")))
    sent(store, first)

    (line,) = store.uploads()
    assert line.finalize_at == begun_at + 400
    for descending in (False, True):
        (listed,) = store.select_uploads(Selection(descending=descending))
        assert listed.batch_until == line.finalize_at
    clock.advance(199)
    assert (store.open_batch(FOLDER), store.finalize_due()) == (first, [])
    clock.advance(1)
    assert store.open_batch(FOLDER) is None
    assert store.finalize_due() == [first]


def test_full_batch_is_finalized_as_soon_as_it_is_up(store: Store) -> None:
    """Nothing can join that it could wait for."""
    first = begun(store, b"a", max_files=1)

    sent(store, first)

    assert store.finalize_due() == [first]


@pytest.mark.parametrize("is_up", [True, False])
def test_batch_whose_successor_began_is_finalized_and_joined_never_again(
    store: Store, is_up: bool
) -> None:
    """The drop that found no room ends it, also when the next one is delivered first."""
    first = begun(store, b"a", max_files=2)
    if is_up:
        sent(store, first)
    assert store.finalize_due() == []

    second = begun(store, b"b", max_files=2)
    if not is_up:
        sent(store, first)

    assert store.finalize_due() == [first]
    store.advance_upload(second, UploadEvent.FAIL)
    assert store.open_batch(FOLDER) is None


def test_successor_ends_no_batch_of_another_folder(store: Store) -> None:
    """Each hot folder has a batch of its own."""
    other = making.drop_draft(store.see_drop("other", b"a"))
    first = store.create_upload(making.upload_draft(other, batch=True, folder="other"))

    begun(store, b"b")

    assert store.open_batch("other") == first
