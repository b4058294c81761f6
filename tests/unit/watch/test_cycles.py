"""When a look at the folders alone may stand in for a sweep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.watch.cycles import FULL_S, LEAST_PAUSE_S, Standing, choose, rest_s

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


@given(took_s=st.floats(0, 1000), names=st.integers(0, 10**6), new=st.integers(0, 10**6))
def test_rest_is_never_short_and_never_longer_than_what_was_known_deserves(
    took_s: float, names: int, new: int
) -> None:
    """Four times of what a sweep took, less whatever of it was new."""
    rest = rest_s(took_s, names=names, new=new)
    # the last bit of a quotient may round either way
    less, more = rest * (1 - 1e-12), rest * (1 + 1e-12)

    assert rest >= LEAST_PAUSE_S
    assert less <= max(LEAST_PAUSE_S, 4.0 * took_s)
    assert less <= rest_s(took_s, names=names + 1, new=new)
    assert more >= rest_s(took_s, names=names + 1, new=new + 1)


def test_sweep_that_found_nothing_new_takes_a_fifth_of_the_time() -> None:
    """However few names there are."""
    assert rest_s(3.0, names=10**6, new=0) == rest_s(3.0, names=0, new=0) == 12.0


def test_sweep_of_a_burst_is_followed_at_once_and_a_few_new_names_change_little() -> None:
    """It is not the number of what is new that counts, but how much of the sweep it was."""
    assert rest_s(3.0, names=900, new=900) == LEAST_PAUSE_S
    assert rest_s(3.0, names=10**6, new=100) > 11.9
