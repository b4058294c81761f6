"""When a recall window is open, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import recall
from masv_watch.model import UploadEvent, UploadState
from masv_watch.recall import End, Window

#: an upload whose bytes are up, and that is finalized ten minutes from now
ROW: dict[str, Any] = {
    "recall_s": 600.0,
    "recall_over": 0,
    "started": 0,
    "state": UploadState.IDLE,
    "finalize_at": 1000.0,
    "batch": 0,
    "relinks": None,
    "package_id": "p",
    "created_at": 900.0,
}
SERVED = ROW | {
    "state": UploadState.TRANSFERRING, "finalize_at": None, "relinks": "u", "package_id": None,
}  # fmt: skip
TIMES = st.floats(0.0, 1e6)


@pytest.mark.parametrize(
    ("row", "window"),
    [
        (ROW, (0.0, 1600.0)),
        (ROW | {"batch": 1}, (1000.0, 1600.0)),
        (SERVED, (0.0, 1500.0)),
        (ROW | {"recall_s": 0.0}, None),
        (ROW | {"recall_over": 1}, None),
        (ROW | {"started": 1}, None),
        (ROW | {"finalize_at": None}, None),
        (ROW | {"state": UploadState.FINALIZING}, None),
        (ROW | {"state": UploadState.TRANSFERRING}, None),
        (SERVED | {"package_id": "p"}, None),
        (SERVED | {"state": UploadState.PAUSED}, None),
        (SERVED | {"started": 1}, None),
    ],
)
def test_window_is_of_what_is_up_or_served_and_of_nothing_else(row, window):
    """What a caller waits for, what a person ended and what still goes up has none."""
    found = recall.window_of(row)

    assert found == (window and Window(since=window[0], until=window[1]))


@pytest.mark.parametrize(
    ("event", "now", "end"),
    [
        (UploadEvent.FINALIZE, 1599.0, End.SENT_NOW),
        (UploadEvent.FINALIZE, 1600.0, End.OVER),
        (UploadEvent.DELETE, 1599.0, End.TAKEN_BACK),
        (UploadEvent.DELETE, 1600.0, None),
        (UploadEvent.SOURCE_CHANGED, 1599.0, End.CHANGED),
        (UploadEvent.FAIL, 1599.0, End.CHANGED),
        (UploadEvent.FILES_ADDED, 1600.0, None),
        (UploadEvent.ALL_SENT, 1599.0, None),
        (UploadEvent.FINALIZE, 999.0, None),
        (UploadEvent.DELETE, 999.0, None),
    ],
)
def test_end_is_told_by_what_happened_and_when(event, now, end):
    """Of a batch that is open for more nothing is taken back yet."""
    assert recall.end_of(recall.window_of(ROW | {"batch": 1}), event, now) is end
    assert recall.end_of(None, event, now) is None


def test_every_end_has_its_words():
    """A note without words would tell nobody anything."""
    assert set(recall.TOLD) == set(End)


@given(finalize_at=TIMES, recall_s=st.floats(0.0, recall.LONGEST_S), now=TIMES, batch=st.booleans())
def test_window_lasts_as_long_as_it_says_and_ends_once(finalize_at, recall_s, now, batch):
    """Whatever the times: at its end it is over, and a finalize ends it either way."""
    row = ROW | {"finalize_at": finalize_at, "recall_s": recall_s, "batch": batch}
    found = recall.window_of(row)

    if found is None:
        assert recall_s == 0.0
        return
    assert found.until == finalize_at + recall_s
    assert not found.is_open(found.until)
    ended = recall.end_of(found, UploadEvent.FINALIZE, now)
    assert (ended is None) == (now < found.since)
    if found.is_open(now):
        assert ended is End.SENT_NOW
        assert recall.end_of(found, UploadEvent.DELETE, now) is End.TAKEN_BACK
    assert recall.window_of(row | {"recall_over": 1}) is None
