"""How many connections carry chunks: searched by what they carry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.transfer.tuner import Tuner
from masv_watch.transfer.tuning import (
    FIRST,
    LEAST,
    MOST,
    READING_S,
    REST,
    STEP,
    WARM_S,
    Trial,
    Tuning,
    judge,
)
from tests.doubles import FakeClock

MIB = 1 << 20


def after(readings: int, rate_of) -> Tuning:
    """Give where the search stands after so many readings of a link."""
    tuning = Tuning()
    for turn in range(readings):
        tuning = judge(tuning, rate_of(tuning.connections, turn))
    return tuning


@given(useful=st.integers(1, 40), noise=st.lists(st.floats(0.99, 1.01), min_size=150, max_size=150))
def test_tuning_of_a_link_with_a_knee_carries_nearly_all_it_could(useful, noise):
    """Each connection adds the same until so many: the number found is worth nine tenths."""

    def rate_of(connections, turn):
        return min(connections, useful) * 10.0 * MIB * noise[turn]

    seen = Tuning()
    worst = 1.0
    for turn in range(150):
        seen = judge(seen, rate_of(seen.connections, turn))
        assert LEAST <= seen.connections <= MOST
        if turn > 100 and seen.trial is Trial.NONE:
            best = min(MOST, max(useful, LEAST))
            worst = min(worst, min(seen.connections, useful) / min(best, useful))

    assert worst >= 0.9


@given(rates=st.lists(st.floats(0, 1e12), max_size=200))
def test_tuning_of_any_readings_stays_within_its_bounds(rates):
    """Whatever a link does, the number is one that the crew can have."""
    tuning = Tuning()
    for rate in rates:
        tuning = judge(tuning, rate)
        assert LEAST <= tuning.connections <= MOST
        assert (tuning.connections - FIRST) % STEP == 0


def test_tuning_where_more_carries_no_more_gives_them_back():
    """A link that four fill needs no eight: fewer cost less and are fairer to others."""
    tuning = after(100, lambda connections, _turn: min(connections, 4) * 1.0 * MIB)

    assert tuning.connections <= LEAST + STEP


def test_tuning_between_two_trials_leaves_the_link_in_peace():
    """A trial costs: after one that failed there is a rest."""
    tuning = judge(judge(Tuning(), 100.0), 100.0)

    assert (tuning.trial, tuning.rest) == (Trial.NONE, REST)
    for _ in range(REST):
        tuning = judge(tuning, 100.0)
        assert tuning.trial is Trial.NONE


def test_tuner_reads_only_while_every_connection_has_work():
    """A source that is slow, or a limit of ours, is no reason to open connections."""
    clock = FakeClock()
    tuner = Tuner(lambda: None, clock=clock)

    for _ in range(100):
        clock.advance(1.0)
        tuner.note(10 * MIB)
        tuner.tick(is_full=False)
    assert tuner.connections() == FIRST
    for _ in range(int(WARM_S + READING_S) + 3):
        clock.advance(1.0)
        tuner.note(10 * MIB)
        tuner.tick(is_full=True)

    assert tuner.connections() == FIRST + STEP


def test_tuner_with_a_number_of_the_configuration_keeps_it():
    """Who names a number gets it, from the next look on."""
    clock, fixed = FakeClock(), [3]
    tuner = Tuner(lambda: fixed[0], clock=clock)

    for _ in range(60):
        clock.advance(1.0)
        tuner.note(MIB)
        tuner.tick(is_full=True)
    assert tuner.connections() == 3
    fixed[0] = 48

    assert tuner.connections() == 48
