"""When a look at the folders alone may stand in for a sweep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.watch.cycles import FULL_S, Standing, choose

QUIET = {
    "is_asked": False,
    "is_heard": True,
    "is_at_rest": True,
    "is_known": True,
    "full_ago_s": 300.0,
}


def test_folder_in_which_nothing_happens_needs_no_sweep() -> None:
    """Every reason is told, and all of them are good."""
    cycle = choose(Standing(**QUIET))

    assert not cycle.is_full
    assert [finding.test for finding in cycle.findings] == [
        "asked", "events", "rest", "folders", "full_sweep",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "test"),
    [
        ({"is_asked": True}, "asked"),
        ({"is_heard": False}, "events"),
        ({"is_at_rest": False}, "rest"),
        ({"is_known": False}, "folders"),
        ({"full_ago_s": None}, "full_sweep"),
        ({"full_ago_s": FULL_S}, "full_sweep"),
    ],
)
def test_each_doubt_alone_makes_the_look_a_sweep(change: dict[str, object], test: str) -> None:
    """Nothing that settled is missed, whatever notifications do (P1)."""
    cycle = choose(Standing(**{**QUIET, **change}))

    assert cycle.is_full
    assert [finding.test for finding in cycle.findings if not finding.passed] == [test]


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.floats(0, 1e6))
def test_no_hour_goes_by_without_a_sweep(
    asked: bool, heard: bool, rest: bool, known: bool, ago_s: float
) -> None:
    """The longest time that a lost notification can cost is bounded."""
    standing = Standing(
        is_asked=asked, is_heard=heard, is_at_rest=rest, is_known=known, full_ago_s=ago_s
    )

    assert choose(standing).is_full or ago_s < FULL_S
