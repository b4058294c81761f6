"""Windows and deadlines by the wall clock: midnight, both nights in which it is set, every zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import DAY_MINUTES, EVERY_DAY, Span
from masv_watch.transfer.schedule import is_open, next_deadline, next_turn

BERLIN = ZoneInfo("Europe/Berlin")
#: `mon-sun 19:00-07:00`, the window of the documentation
NIGHT = (Span(start=19 * 60, end=7 * 60),)
#: nights in which many clocks are set, both ways
NIGHTS = [
    datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 4, 5, tzinfo=UTC), datetime(2026, 10, 4, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 11, 26, tzinfo=UTC),
]  # fmt: skip


@lru_cache
def zones() -> list[str]:
    """List every zone that this machine knows."""
    return sorted(available_timezones())


def local(zone: ZoneInfo):
    """Give what shows the time of a zone."""
    return lambda wall: datetime.fromtimestamp(wall, tz=zone)


def berlin(*when: int, fold: int = 0) -> datetime:
    """Give a time in Berlin."""
    return datetime(*when, tzinfo=BERLIN, fold=fold)


spans = st.builds(
    lambda days, start, length: Span(
        days=frozenset(days), start=start, end=(start + length) % DAY_MINUTES or DAY_MINUTES
    ),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, DAY_MINUTES - 1),
    st.integers(1, DAY_MINUTES - 1),
)
windows = st.lists(spans, min_size=1, max_size=3).map(tuple)
moments = st.builds(
    lambda night, seconds: (night + timedelta(seconds=seconds)).timestamp(),
    st.sampled_from(NIGHTS),
    st.integers(-36 * 3600, 36 * 3600),
)
somewhere = st.deferred(lambda: st.sampled_from(zones())).map(ZoneInfo)


@pytest.mark.parametrize(
    ("hour", "minute", "found"),
    [(18, 59, False), (19, 0, True), (0, 0, True), (6, 59, True), (7, 0, False), (12, 0, False)],
)
def test_window_over_midnight_is_open_every_night_of_the_year(hour, minute, found):
    """It worked the first day and then never again: not here (pain 43)."""
    for day in range(366):
        when = berlin(2026, 1, 1, hour, minute).replace(tzinfo=None) + timedelta(days=day)

        assert is_open(NIGHT, when.replace(tzinfo=BERLIN)) is found, when


def test_window_without_a_span_is_always_open():
    """No schedule, no window."""
    assert is_open((), berlin(2026, 1, 1, 12))


@given(windows, moments, somewhere)
def test_window_is_a_function_of_what_the_clock_shows(window, at, zone):
    """Nothing but weekday, hour and minute decides, in every zone and night (pain 43)."""
    shown = local(zone)(at)
    minute = shown.hour * 60 + shown.minute

    def holds(span: Span, offset: int) -> bool:
        begun = (shown.weekday() - offset) % 7 in span.days
        end = span.end if span.start < span.end else span.end + DAY_MINUTES
        return begun and span.start <= minute + offset * DAY_MINUTES < end

    wanted = any(holds(span, offset) for span in window for offset in (0, 1))
    assert is_open(window, shown) is wanted


@given(windows, moments, somewhere)
def test_turn_of_a_window_is_the_first_minute_at_which_it_is_otherwise(window, at, zone):
    """What `until` promises holds: up to then nothing changes, and then it does (pain 43)."""
    shown = local(zone)
    turn = next_turn(window, at, shown)

    if turn is None:
        step, last = 900.0, at + 8 * 24 * 3600
    else:
        assert is_open(window, shown(turn)) is not is_open(window, shown(at))
        step, last = 60.0 if turn - at < 6 * 3600 else 900.0, turn
    while at < last:
        assert is_open(window, shown(at)) is is_open(window, shown((at // 60) * 60))
        assert turn is None or is_open(window, shown(at)) is not is_open(window, shown(turn))
        at += step


def test_window_of_the_night_in_which_an_hour_comes_twice_is_an_hour_longer():
    """In Berlin on 2026-10-25 the hour from 02:00 comes twice: 19:00 to 07:00 lasts 13 hours."""
    began = berlin(2026, 10, 24, 19).timestamp()

    assert next_turn(NIGHT, began, local(BERLIN)) == began + 13 * 3600


def test_window_of_the_night_in_which_an_hour_is_left_out_is_an_hour_shorter():
    """In Berlin on 2026-03-29 the hour from 02:00 is left out: 11 hours."""
    began = berlin(2026, 3, 28, 19).timestamp()

    assert next_turn(NIGHT, began, local(BERLIN)) == began + 11 * 3600


def test_window_that_is_always_open_never_turns():
    """Also where another span of it ends."""
    assert next_turn((*NIGHT, Span()), berlin(2026, 1, 1, 12).timestamp(), local(BERLIN)) is None


@given(st.integers(0, DAY_MINUTES - 1), moments, somewhere)
def test_deadline_lies_ahead_by_at_most_a_day_and_the_hours_a_clock_is_set(minute, at, zone):
    """Whatever a zone does in that night."""
    shown = local(zone)
    due = next_deadline(minute, at, shown)
    told = shown(due)

    assert at < due <= at + 27 * 3600
    is_set = shown(due - 3600).utcoffset() != shown(due + 3600).utcoffset()
    assert told.hour * 60 + told.minute == minute or is_set


@given(st.integers(0, DAY_MINUTES - 1), moments, st.floats(0, 36 * 3600), somewhere)
def test_deadline_of_what_came_earlier_is_never_later(minute, at, later, zone):
    """Within a hot folder deadline and age name the same order."""
    shown = local(zone)

    assert next_deadline(minute, at, shown) <= next_deadline(minute, at + later, shown)


def test_deadline_that_comes_twice_is_the_first_one():
    """02:30 in the night in which the hour from 02:00 comes twice."""
    evening = berlin(2026, 10, 24, 19).timestamp()

    assert next_deadline(150, evening, local(BERLIN)) == berlin(2026, 10, 25, 2, 30).timestamp()
    assert frozenset(range(7)) == EVERY_DAY


@pytest.mark.parametrize(
    ("evening", "minute", "due"),
    [
        # the clock is set within two days: the offset of then is not that of now
        ((2026, 3, 27, 19), 12 * 60, berlin(2026, 3, 28, 12)),
        ((2026, 3, 28, 19), 12 * 60, berlin(2026, 3, 29, 12)),
        ((2026, 10, 23, 19), 12 * 60, berlin(2026, 10, 24, 12)),
        ((2026, 10, 24, 19), 12 * 60, berlin(2026, 10, 25, 12)),
    ],
)
def test_deadline_beside_a_night_in_which_the_clock_is_set_is_at_its_minute(evening, minute, due):
    """Of the two times that a neighbouring offset allows, only the one that shows it counts."""
    began = berlin(*evening).timestamp()

    assert next_deadline(minute, began, local(BERLIN)) == due.timestamp()


def test_deadline_that_is_left_out_is_when_it_would_have_come():
    """02:30 does not come on 2026-03-29: with the clock set before, it would at 00:30 UTC."""
    evening = berlin(2026, 3, 28, 19).timestamp()
    due = datetime(2026, 3, 29, 0, 30, tzinfo=UTC).timestamp()

    assert next_deadline(150, evening, local(BERLIN)) == due
