"""How time is counted back over a clock that leapt between two runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.store.leaps import LEAP_S, ago, with_leap

DAY_S = 86400.0
SPANS = st.floats(0.0, 500 * DAY_S)


def test_run_that_begins_long_after_the_last_one_is_a_leap():
    """One that begins soon after it, or in a new state, is none."""
    assert with_leap((), 0.0, 1e9) == ()
    assert with_leap((), 1e9, 1e9 + LEAP_S) == ()
    assert with_leap(((1.0, 2.0),), 1e9, 1e9 + LEAP_S + 1) == ((1.0, 2.0), (1e9, 1e9 + LEAP_S + 1))


@given(
    st.lists(st.tuples(SPANS, st.floats(LEAP_S + 1, 80 * 365 * DAY_S)), max_size=5), SPANS, SPANS
)
def test_time_is_counted_back_over_every_leap(
    runs: list[tuple[float, float]], last_s: float, wanted_s: float
):
    """Of what it gives to now so much passed, and the leaps between beside."""
    now, leaps = 1e9, ()
    for ran_s, leapt_s in runs:
        leaps = with_leap(leaps, now + ran_s, now + ran_s + leapt_s)
        now += ran_s + leapt_s
    now += last_s

    moment = ago(now, wanted_s, leaps)

    assert not any(before + 1 < moment < after - 1 for before, after in leaps)
    leapt_s = sum(after - before for before, after in leaps if moment <= before + 1)
    assert abs(now - moment - leapt_s - wanted_s) < 1.0
