"""What a stat becomes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from masv_watch.files.observations import identity_of


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (2**63, 2**63 - 1),
        (2**63 - 1, 2**63 - 1),
        (0, 0),
        (-(2**63), -(2**63)),
        (-(2**63) - 1, -(2**63)),
    ],
)
def test_identity_of_a_time_beyond_the_columns_stays_at_their_border(told, kept):
    """Whoever compares or stores it sees the same number."""
    status = SimpleNamespace(st_size=1, st_mtime_ns=told, st_ctime_ns=told, st_ino=2, st_dev=3)

    identity = identity_of(status)

    assert (identity.mtime_ns, identity.ctime_ns) == (kept, kept)
