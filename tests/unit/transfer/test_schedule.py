"""The timetable by the wall clock, also in the nights in which it is set, and priority."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.model import DAY_MINUTES, DaySpan, RateLimit, Timetable, TimetableLine
from masv_watch.transfer.schedule import Holder, limit_at, next_change, posted_table, yielders
from tests.searching import examples

BERLIN = ZoneInfo("Europe/Berlin")
#: its clock is set by half an hour
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = [BERLIN, LORD_HOWE, ZoneInfo("America/St_Johns"), ZoneInfo("Asia/Kathmandu")]
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
LIMIT = 25_000_000

#: a week of which the first day is a Monday
MONDAY = datetime(2026, 3, 2, tzinfo=BERLIN)


def line(days: str = "", hours: str = "", limit: int | None = LIMIT) -> TimetableLine:
    """Write a line as briefly as the file does; days by their numbers."""
    start, end = 0, DAY_MINUTES
    if hours:
        (h1, m1), (h2, m2) = (map(int, time.split(":")) for time in hours.split("-"))
        start, end = h1 * 60 + m1, h2 * 60 + m2
    chosen = frozenset(map(int, days)) if days else frozenset(range(7))
    return TimetableLine(limit=limit, days=chosen, start=start, end=end)


def table(*lines: TimetableLine) -> Timetable:
    """Give a timetable of these lines."""
    return Timetable(lines=lines)


def at(day: int, time: str) -> datetime:
    """Give a time of the week after MONDAY."""
    hour, minute = map(int, time.split(":"))
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ((MON, "07:59"), False), ((MON, "08:00"), True), ((FRI, "18:59"), True),
        ((FRI, "19:00"), False), ((SAT, "12:00"), False), ((SUN, "08:00"), False),
    ],
)  # fmt: skip
def test_line_with_days_and_hours_holds_from_its_first_minute_to_before_its_last(when, holds):
    """`08:00-19:00` begins at 08:00:00 and is over at 19:00:00."""
    assert limit_at(table(line("01234", "08:00-19:00")), at(*when)) == (LIMIT if holds else None)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ((FRI, "21:59"), False), ((FRI, "22:00"), True), ((SAT, "05:59"), True),
        ((SAT, "06:00"), False), ((SAT, "22:00"), False), ((FRI, "05:00"), False),
        ((THU, "23:00"), False),
    ],
)  # fmt: skip
def test_line_over_midnight_counts_for_the_days_on_which_it_begins(when, holds):
    """`fri 22:00-06:00` is Friday night and Saturday morning, and nothing else."""
    assert limit_at(table(line("4", "22:00-06:00")), at(*when)) == (LIMIT if holds else None)


def test_line_over_midnight_of_a_sunday_reaches_into_monday():
    """The week has no seam."""
    night = table(line("6", "22:00-06:00"))

    assert limit_at(night, at(MON, "05:00")) == LIMIT
    assert limit_at(night, at(TUE, "05:00")) is None


def test_first_line_that_holds_counts():
    """Also where it says that nothing is limited."""
    both = table(line("5", limit=None), line("", "08:00-19:00", limit=1), line(limit=2))

    assert limit_at(both, at(SAT, "12:00")) is None
    assert limit_at(both, at(MON, "12:00")) == 1
    assert limit_at(both, at(MON, "20:00")) == 2


def test_timetable_without_a_line_limits_nothing_and_never_changes():
    """No configuration, no limit."""
    assert limit_at(Timetable(), MONDAY) is None
    assert next_change(Timetable(), MONDAY.timestamp(), _local(BERLIN)) is None


def _local(zone: ZoneInfo):
    return lambda wall: datetime.fromtimestamp(wall, tz=zone)


times = st.integers(0, DAY_MINUTES - 1)
lines = st.builds(
    lambda days, start, length, limit: TimetableLine(
        limit=limit, days=frozenset(days), start=start,
        end=(start + length) % DAY_MINUTES or DAY_MINUTES,
    ),
    st.sets(st.integers(0, 6), min_size=1),
    times,
    st.integers(1, DAY_MINUTES - 1),
    st.sampled_from([None, 1, 2]),
)  # fmt: skip
nights = st.integers(1, DAY_MINUTES - 1).flatmap(
    lambda start: st.builds(
        lambda days, end: TimetableLine(limit=1, days=frozenset(days), start=start, end=end),
        st.sets(st.integers(0, 6), min_size=1),
        st.integers(1, start),
    )
)
tables = st.lists(lines, min_size=1, max_size=4).map(lambda found: table(*found))
#: the nights in which a clock is set, of the zones above, and a plain one
NIGHTS = [
    datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC),
    datetime(2026, 4, 4, 6, tzinfo=UTC), datetime(2026, 10, 3, 6, tzinfo=UTC),
    datetime(2026, 3, 7, 20, tzinfo=UTC), datetime(2026, 10, 31, 20, tzinfo=UTC),
    datetime(2026, 6, 10, 12, tzinfo=UTC),
]  # fmt: skip


@given(tables, st.sampled_from(ZONES), st.sampled_from(NIGHTS), st.integers(0, 2880))
def test_limit_depends_on_what_the_wall_clock_shows_and_on_nothing_else(
    timetable, zone, night, minutes
):
    """Law 1: in the hour that comes twice a line holds twice, for both have the same reading."""
    shown = (night + timedelta(minutes=minutes)).astimezone(zone)

    bare = limit_at(timetable, shown.replace(tzinfo=None))

    assert limit_at(timetable, shown) == bare
    assert limit_at(timetable, shown.replace(fold=1 - shown.fold)) == bare


@settings(max_examples=examples(40))
@given(tables, st.sampled_from(ZONES), st.sampled_from(NIGHTS), st.integers(0, 600))
def test_next_change_is_the_first_minute_with_another_limit(timetable, zone, night, offset):
    """Nothing changes before it, over midnight and over both nights: every minute is looked at."""
    local = _local(zone)
    wall = night.timestamp() + offset * 60
    now = limit_at(timetable, local(wall))

    found = next_change(timetable, wall, local)

    minutes = range(1, 2 * DAY_MINUTES)
    changes = (wall + m * 60 for m in minutes if limit_at(timetable, local(wall + m * 60)) != now)
    first = next(changes, None)
    if first is None:
        assert found is None or found > wall + minutes[-1] * 60
    else:
        assert found == first


def test_next_change_looks_a_whole_week_ahead():
    """A limit that begins next Monday is named on Tuesday."""
    monday = table(line("0", "08:00-09:00"))

    found = next_change(monday, at(MON, "09:00").timestamp(), _local(BERLIN))

    assert found == at(MON + 7, "08:00").timestamp()


@pytest.mark.parametrize(
    ("night", "hours", "seconds"),
    [
        # 02:00 becomes 03:00: half an hour of the span is not there
        (datetime(2026, 3, 28, 12, tzinfo=BERLIN), "02:30-04:00", 3600),
        # it begins in what is left out and ends there: it does not come
        (datetime(2026, 3, 28, 12, tzinfo=BERLIN), "02:10-02:50", 0),
        # 03:00 becomes 02:00: the hour comes twice
        (datetime(2026, 10, 24, 12, tzinfo=BERLIN), "02:10-02:50", 2 * 40 * 60),
        (datetime(2026, 10, 24, 12, tzinfo=BERLIN), "23:00-05:00", 7 * 3600),
        (datetime(2026, 3, 28, 12, tzinfo=BERLIN), "23:00-05:00", 5 * 3600),
    ],
)
def test_line_in_a_night_in_which_the_clock_is_set_holds_as_long_as_it_shows_its_hours(
    night, hours, seconds
):
    """Nobody is asked to do sums: the limit holds whenever the wall clock shows its hours."""
    timetable = table(line("", hours))
    begin = night.timestamp()

    held = sum(
        60
        for minute in range(DAY_MINUTES)
        if limit_at(timetable, datetime.fromtimestamp(begin + minute * 60, tz=BERLIN))
    )

    assert held == seconds


@given(nights, st.sampled_from(ZONES), st.integers(0, 365 * DAY_MINUTES))
def test_line_over_midnight_is_the_same_as_its_two_halves(one, zone, minutes):
    """`fri 22:00-06:00` is `fri 22:00-24:00` with `sat 00:00-06:00`."""
    after = frozenset((day + 1) % 7 for day in one.days)
    halves = table(
        TimetableLine(limit=5, days=one.days, start=one.start, end=DAY_MINUTES),
        TimetableLine(limit=5, days=after, start=0, end=one.end),
    )
    whole = table(TimetableLine(limit=5, days=one.days, start=one.start, end=one.end))

    local = (MONDAY + timedelta(minutes=minutes)).astimezone(zone)
    assert limit_at(whole, local) == limit_at(halves, local)


def test_posted_limit_is_bits_a_second():
    """8 Mbit/s are a million bytes."""
    posted = posted_table(RateLimit(enabled=True, rate=8_000_000), "Europe/Berlin")

    assert (limit_at(posted, MONDAY), posted.tz) == (1_000_000, "Europe/Berlin")


def test_posted_limit_that_is_off_limits_nothing():
    """What its rate and its schedule say is kept and does not count."""
    wish = RateLimit(enabled=False, rate=8_000_000, is_scheduled=True)

    assert posted_table(wish, None) == Timetable()


def test_posted_schedule_holds_on_its_days_and_hours_only():
    """A day that is not enabled has no limit; hours may end on the next day."""
    days = [DaySpan()] * 7
    days[FRI] = DaySpan(enabled=True, start=22 * 60, end=6 * 60)
    wish = RateLimit(enabled=True, rate=80, is_scheduled=True, schedule=tuple(days))
    posted = posted_table(wish, None)

    assert [limit_at(posted, at(day, "23:00")) for day in (THU, FRI, SAT)] == [None, 10, None]
    assert limit_at(posted, at(SAT, "05:59")) == 10


def holder(upload_id: str, priority: int, created_at: float = 0.0) -> Holder:
    """Give an upload that holds a place."""
    return Holder(upload_id=upload_id, priority=priority, created_at=created_at)


@pytest.mark.parametrize(
    ("active", "waiting", "given"),
    [
        ([("a", 0), ("b", 0)], [], []),
        ([("a", 0), ("b", 0)], [0, 0, 0], []),
        ([("a", 0), ("b", 5)], [5], ["a"]),
        ([("a", 0), ("b", 5)], [5, 5], ["a"]),
        ([("a", 0), ("b", 5)], [9, 5], ["a"]),
        ([("a", 0), ("b", 5)], [9, 9], ["a", "b"]),
        ([("a", -5), ("b", 0)], [0, -7], ["a"]),
        ([("a", 7)], [6, 6], []),
        ([], [6], []),
    ],
)
def test_place_is_taken_from_the_lowest_by_a_higher_one_only(active, waiting, given):
    """Higher finishes first, equals run together."""
    assert yielders([holder(*one) for one in active], waiting) == given


def test_place_is_taken_from_the_youngest_of_equals():
    """The older of two equals keeps its place: first in, first out."""
    active = [holder("old", 0, 1.0), holder("young", 0, 2.0)]

    assert yielders(active, [1]) == ["young"]


@given(st.lists(st.integers(-3, 3), max_size=6), st.lists(st.integers(-3, 3), max_size=6))
def test_after_places_were_given_nobody_waits_above_a_holder(active, waiting):
    """Whatever waits and holds: afterwards the places belong to the highest."""
    waiting = sorted(waiting, reverse=True)
    holders = [holder(str(number), priority) for number, priority in enumerate(active)]

    given_up = yielders(holders, waiting)

    stay = [one.priority for one in holders if one.upload_id not in given_up]
    took, left = waiting[: len(given_up)], waiting[len(given_up) :]
    assert sorted(stay + took) == sorted(active + waiting)[-len(active) :] if active else not took
    assert not left or not stay + took or max(left) <= min(stay + took)
