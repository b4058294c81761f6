"""How far away the cloud is, by its quickest answers of late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cloud.nearness import SPAN_S, Nearness
from masv_watch.transfer.crew import LEAST_PIECES, SMALL_WORKERS, worth_handing_out


def test_nearness_before_the_first_answer_is_unknown():
    """Nobody guesses."""
    assert Nearness().answer_s is None


def test_nearness_is_the_least_of_late_and_forgets_what_is_long_ago():
    """A cloud that moved away is far after two spans at most."""
    nearness = Nearness()
    for now, answer_s in [(0.0, 0.2), (1.0, 0.05), (2.0, 0.9), (SPAN_S, 0.3)]:
        nearness.note(now, answer_s)
    within = nearness.answer_s
    nearness.note(2 * SPAN_S, 0.4)

    assert (within, nearness.answer_s) == (0.05, 0.3)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 60)), min_size=1))
def test_nearness_is_never_more_than_the_last_answer_nor_less_than_any(readings):
    """Whatever came, however far apart."""
    nearness, now = Nearness(), 0.0
    for pause, answer_s in readings:
        now += pause
        nearness.note(now, answer_s)

    assert min(answer for _, answer in readings) <= (nearness.answer_s or 0.0) <= readings[-1][1]


@pytest.mark.parametrize(
    ("answer_s", "pieces"),
    [
        (None, LEAST_PIECES), (0.0, LEAST_PIECES), (0.0001, LEAST_PIECES), (0.001, 8), (0.004, 32),
        (0.05, 2 * SMALL_WORKERS), (300.0, 2 * SMALL_WORKERS),
    ],
)  # fmt: skip
def test_small_files_are_worth_more_pieces_the_farther_the_cloud(answer_s, pieces):
    """Few where they would wait for each other, one behind each worker on a long link."""
    assert worth_handing_out(answer_s) == pieces
