"""When a batch takes no further drop, and when it is finalized."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Terms, UploadType
from masv_watch.store.batches import Standing, finalize_at, has_ended, takes

TERMS = Terms(
    type=UploadType.TEAM, batch=True, idle_s=300.0, max_open_s=1000.0, max_files=10, max_size=100
)
OPEN = Standing(created_at=0.0, joined_at=500.0, files=5, size=50)


@pytest.mark.parametrize(
    ("standing", "now", "files", "size", "taken"),
    [
        (OPEN, 600.0, 5, 50, True),
        (OPEN, 600.0, 6, 50, False),
        (OPEN, 600.0, 5, 51, False),
        (OPEN, 999.9, 1, 1, True),
        (OPEN, 1000.0, 1, 1, False),
        (replace(OPEN, files=10), 600.0, 0, 0, False),
        (replace(OPEN, size=100), 600.0, 0, 0, False),
        (replace(OPEN, is_closed=True), 600.0, 0, 0, False),
    ],
)
def test_takes_only_what_still_fits_in_time(standing, now, files, size, taken):
    """Exactly full is still taken; after that, and at its time, nothing is."""
    assert takes(TERMS, standing, now, files=files, size=size) is taken


def test_takes_anything_where_the_terms_name_no_end():
    """As what an earlier version froze says nothing of ends."""
    terms = Terms(type=UploadType.TEAM, batch=True, idle_s=300.0)

    assert takes(terms, OPEN, 1e9, files=10**6, size=10**15)


@pytest.mark.parametrize(
    ("standing", "now", "at"),
    [
        (OPEN, 600.0, 800.0),
        (replace(OPEN, joined_at=900.0), 950.0, 1000.0),
        (OPEN, 1200.0, 1200.0),
        (replace(OPEN, files=10), 600.0, 600.0),
        (replace(OPEN, size=101), 600.0, 600.0),
        (replace(OPEN, is_closed=True), 600.0, 600.0),
    ],
)
def test_finalize_at_is_the_first_of_idle_time_and_ends(standing, now, at):
    """A batch that takes nothing more has nothing to wait for."""
    assert finalize_at(TERMS, standing, now) == at


@given(
    joined=st.floats(0, 2000),
    waited=st.floats(0, 2000),
    files=st.integers(0, 12),
    size=st.integers(0, 120),
    is_closed=st.booleans(),
)
def test_finalize_at_never_outlives_the_time_in_which_drops_join(
    joined, waited, files, size, is_closed
):
    """What has ended goes at once, what has not goes by its end, and never in the past."""
    now = joined + waited
    standing = Standing(
        created_at=0.0, joined_at=joined, files=files, size=size, is_closed=is_closed
    )
    at = finalize_at(TERMS, standing, now)

    assert at >= now
    assert at == now if has_ended(TERMS, standing, now) else at <= 1000.0
