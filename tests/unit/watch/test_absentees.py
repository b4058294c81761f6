"""What a look at the path of a drop that ended changes."""

from __future__ import annotations

import pytest

from masv_watch.model import EndedDrop
from masv_watch.watch.absentees import Fate, fate_of


@pytest.mark.parametrize(
    ("gone_at", "is_over", "stands", "fate"),
    [
        (None, False, True, Fate.SAME),
        (None, False, False, Fate.GONE),
        (None, False, None, Fate.SAME),
        (50.0, False, True, Fate.BACK),
        (50.0, True, True, Fate.BACK),
        (50.0, False, None, Fate.SAME),
        (50.0, True, None, Fate.SAME),
        (101.0, False, False, Fate.SAME),
        (100.0, False, False, Fate.OVER),
        (100.0, True, False, Fate.SAME),
    ],
)
def test_fate_of_a_drop_follows_what_stands_at_its_path(gone_at, is_over, stands, fate):
    """Only what is missed now, and was by then, is over; what cannot be told changes nothing."""
    drop = EndedDrop(id=1, path=b"a", gone_at=gone_at, is_over=is_over)

    assert fate_of(drop, stands, until=100.0) is fate
