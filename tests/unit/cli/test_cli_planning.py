"""How a plan reads on a terminal."""

from __future__ import annotations

import pytest

from masv_watch.cli.planning import _lines


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            "state",
            (
                " (at the next restart, not by a reload; what the earlier one knows as delivered is"
                " not known there)"
            ),
        ),
        ("server.listen", " (at the next restart, not by a reload)"),
        ("masv.team", ""),
    ],
)
def test_plan_of_a_key_that_waits_for_a_restart_says_so(key, said):
    """Whoever reloads would wonder; another state sends what was delivered once more."""
    keys = [{"key": key, "before": "a", "after": "b"}]

    assert _lines({"keys": keys, "hot_folders": []}) == [f"{key}: a -> b{said}"]
