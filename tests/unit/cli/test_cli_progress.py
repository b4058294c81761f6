"""Rate and remaining time follow from successive looks alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cli.progress import Meter


def test_meter_before_a_second_look_knows_no_rate():
    """Nothing is guessed."""
    meter = Meter()
    before = meter.rate
    meter.note(0.0, 100)

    assert (before, meter.rate, meter.left_s(1000)) == (None, None, None)


def test_meter_of_even_progress_tells_rate_and_time_left():
    """Bytes by seconds, and what is left by that."""
    meter = Meter()
    for second in range(5):
        meter.note(float(second), 100 * second)

    assert meter.rate == pytest.approx(100.0)
    assert meter.left_s(1000) == pytest.approx(6.0)


def test_meter_forgets_what_is_older_than_its_span():
    """A burst of long ago does not shorten what is left now."""
    meter = Meter(span_s=10.0)
    meter.note(0.0, 0)
    for second in range(1, 40):
        meter.note(float(second), 10_000 + second)

    assert meter.rate == pytest.approx(1.0)


def test_meter_of_bytes_that_went_back_begins_anew():
    """A source that changed is sent again: no negative rate."""
    meter = Meter()
    meter.note(0.0, 1000)
    meter.note(1.0, 2000)
    meter.note(2.0, 0)

    assert meter.rate is None


def test_meter_that_stands_still_names_no_time():
    """For ever is no number."""
    meter = Meter()
    meter.note(0.0, 10)
    meter.note(5.0, 10)

    assert (meter.rate, meter.left_s(100)) == (0.0, None)


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.integers(-(10**6), 10**12)), min_size=1, max_size=40)
)
def test_meter_over_any_looks_gives_nothing_negative(looks):
    """Clocks that repeat and bytes that jump are no reason for nonsense."""
    meter, at = Meter(), 0.0
    for step, sent in looks:
        at += step
        meter.note(at, sent)

        assert meter.rate is None or meter.rate >= 0
        left = meter.left_s(10**12)
        assert left is None or left >= 0
