"""Limits, days, hours and zones: what is read, and the answer to every mistake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.config import timetable, units
from masv_watch.config.origins import FromEnv
from masv_watch.config.problems import Wrong
from masv_watch.model import DAY_MINUTES, EVERY_DAY


def refusal(check, value: object) -> str:
    """Give the words with which a value is refused."""
    with pytest.raises(Wrong) as caught:
        check(value)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("200 Mbit/s", 25_000_000), ("25 MB/s", 25_000_000), ("1 Gbit/s", 125_000_000),
        ("64 kbit/s", 8_000), ("64kbit/s", 8_000), ("1.5 Mbit/s", 187_500), ("1 MiB/s", 1 << 20),
        ("9000 B/s", 9_000), ("unlimited", None),
    ],
)  # fmt: skip
def test_limit_with_its_unit_is_read_as_bytes_a_second(text, amount):
    """A bit is an eighth of a byte, M is a million and Mi is not."""
    assert timetable.limit(text) == amount


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("200 mbit", "(did you mean `200 Mbit/s`?)"),
        ("200 Mbps", "(did you mean `200 Mbit/s`?)"),
        ("200 Mbit", "(did you mean `200 Mbit/s`?)"),
        ("200 Mb/s", "(did you mean `200 Mbit/s` or `200 MB/s`?)"),
        ("25 MBps", "(did you mean `25 MB/s`?)"),
        ("25 mib/s", "(did you mean `25 MiB/s`?)"),
        ("25 MByte/s", "(did you mean `25 MB/s`?)"),
        ("25 parsec", "the unit `parsec` is not known - kbit/s, Mbit/s"),
        ("200", "200 has no unit - write it with one, for example 200 Mbit/s"),
        (200, "200 has no unit - write it with one, for example 200 Mbit/s"),
        (0, "0 would send nothing - write unlimited, or stop sending"),
        ("0", "0 would send nothing"),
        ("0 Mbit/s", "0 would send nothing"),
        ("63 kbit/s", "`63 kbit/s` is out of range - 64 kbit/s to 1000 Gbit/s, or unlimited"),
        ("9000 Gbit/s", "is out of range"),
        ("off", "(did you mean `unlimited`?)"),
        ("unlimitd", "(did you mean `unlimited`?)"),
        ("-5 Mbit/s", "is not a number with a unit"),
        ("fast", "is not a number with a unit - for example 200 Mbit/s"),
        (True, "must be text, not true"),
    ],
)
def test_limit_with_a_mistake_is_answered_with_what_was_meant(value, words):
    """Nothing is guessed and the way out is named."""
    assert words in refusal(timetable.limit, value)


def test_limit_from_the_environment_is_not_shown_when_it_is_wrong():
    """Nobody knows what stands in a variable."""
    assert timetable.limit(FromEnv("50 Mbit/s")) == 6_250_000
    for odd in ("s3cret", "12 s3cret", "1 kbit/s"):
        assert odd not in refusal(timetable.limit, FromEnv(odd))
        assert odd not in refusal(timetable.days, FromEnv(odd))
        assert odd not in refusal(timetable.hours, FromEnv(odd))
        assert odd not in refusal(timetable.zone, FromEnv(odd))


@given(st.integers(8_000, 10**11))
def test_rate_that_is_written_is_read_again_within_its_last_digit(amount):
    """What a command prints is about what holds."""
    assert units.rate(units.show_rate(amount)) == pytest.approx(amount, rel=0.0005)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(25_000_000, "200 Mbit/s"), (8_000, "64 kbit/s"), (125_000_000, "1 Gbit/s"),
     (187_500, "1.5 Mbit/s"), (1, "0.008 kbit/s")],
)  # fmt: skip
def test_rate_is_written_in_bits_with_the_largest_unit(amount, text):
    """As people name their links."""
    assert units.show_rate(amount) == text


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", {0}), ("mon-fri", {0, 1, 2, 3, 4}), ("sat,sun", {5, 6}), ("fri-mon", {4, 5, 6, 0}),
        ("mon, wed ,fri", {0, 2, 4}), ("Mon-Wed,sun", {0, 1, 2, 6}), ("sun-sat", set(range(7))),
        ("tue-tue", {1}),
    ],
)  # fmt: skip
def test_days_are_names_and_spans_of_them(text, days):
    """A span may go over the end of the week."""
    assert timetable.days(text) == days


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("monday", "(did you mean `mon`?)"),
        ("weekdays", "(did you mean `mon-fri`?)"),
        ("mon-", "names a day that is not known"),
        ("mon-xyz", "names a day that is not known"),
        (",", "names a day that is not known"),
        ("mo-fr", "names a day that is not known"),
        (["mon"], "must be text, not a list"),
        (1, "must be text, not the number 1"),
    ],
)
def test_days_with_a_mistake_are_answered_with_what_was_meant(value, words):
    """Every name is in the answer."""
    assert words in refusal(timetable.days, value)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("08:00-19:00", (480, 1140)), ("8:00-19:00", (480, 1140)), ("22:00-06:00", (1320, 360)),
        ("00:00-24:00", (0, 1440)), ("22:00-00:00", (1320, 1440)), ("08:00 - 19:00", (480, 1140)),
    ],
)  # fmt: skip
def test_hours_are_minutes_after_midnight(text, span):
    """The end of a day is its 24:00, however it is written."""
    assert timetable.hours(text) == span


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("8-19", 'is no span of hours - write "HH:MM-HH:MM"'),
        ("08:00", "is no span of hours"),
        ("08:00-25:00", "names a time that no clock shows - 00:00 to 24:00"),
        ("08:60-19:00", "names a time that no clock shows"),
        ("24:00-06:00", "names a time that no clock shows"),
        ("08:00-24:30", "names a time that no clock shows"),
        ("08:00-08:00", "leave `hours` out for the whole day"),
        (480, "must be text, not the number 480"),
    ],
)
def test_hours_with_a_mistake_are_answered_with_what_is_allowed(value, words):
    """A time of 19:30 that YAML would make 1170 never comes here: it stays text."""
    assert words in refusal(timetable.hours, value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Berlin", "(did you mean `Europe/Berlin`?)"),
        ("europe/berlin", "(did you mean `Europe/Berlin`?)"),
        ("new york", "(did you mean `America/New_York`?)"),
        ("Europe/Berln", "(did you mean `Europe/Berlin`?)"),
        ("../../etc/passwd", "is no time zone of this machine"),
        ("/etc/passwd", "is no time zone of this machine"),
        ("Europe", "is no time zone of this machine"),
        ("", "is empty"),
        (1, "must be text, not the number 1"),
    ],
)
def test_zone_that_is_not_known_is_answered_with_a_near_one(value, words):
    """No path leads out of the zones, and a city is enough to find its zone."""
    assert timetable.zone("Europe/Berlin") == "Europe/Berlin"
    assert words in refusal(timetable.zone, value)


def test_bandwidth_as_a_single_limit_is_one_rule():
    """`bandwidth: 50 Mbit/s` is the short form."""
    assert timetable.bandwidth("50 Mbit/s") == {"rules": [{"limit": "50 Mbit/s"}]}
    assert timetable.bandwidth({"tz": "UTC"}) == {"tz": "UTC"}
    assert "not a list" in refusal(timetable.bandwidth, [])
    assert "50 has no unit" in refusal(timetable.bandwidth, 50)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("mon-sun 19:00-07:00", [(EVERY_DAY, 1140, 420)]),
        ("mon-fri 19:00 - 07:00", [({0, 1, 2, 3, 4}, 1140, 420)]),
        ("22:00-06:00", [(EVERY_DAY, 1320, 360)]),
        ("sat, sun", [({5, 6}, 0, DAY_MINUTES)]),
        (["mon 19:00-24:00", "sat"], [({0}, 1140, DAY_MINUTES), ({5}, 0, DAY_MINUTES)]),
    ],
)  # fmt: skip
def test_window_is_days_with_hours_or_one_of_both(value, read):
    """One or a list of them; days and hours as everywhere in the file."""
    assert [(span.days, span.start, span.end) for span in timetable.spans(value)] == read


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "is empty, so that nothing would ever be sent"),
        ("weekdays 9:00-17:00", "(did you mean `mon-fri`?)"),
        ("mon-fri 19-07", '`19-07` is no span of hours - write "HH:MM-HH:MM"'),
        ("mon 19:00-25:00", "names a time that no clock shows"),
        ("mon 10:00-10:00", "ends where it begins"),
        ({"days": "mon"}, "must be text, not a mapping - days with hours"),
        (7, "must be text, not the number 7"),
    ],
)
def test_window_with_a_mistake_is_answered_with_what_was_meant(value, words):
    """In the words of days and hours."""
    assert words in refusal(timetable.spans, value)


def test_window_from_the_environment_is_not_shown_when_it_is_wrong():
    """Nobody knows what stands in a variable."""
    for odd in ("s3cret", "mon s3cret", "mon 9s3cret"):
        assert odd not in refusal(timetable.spans, FromEnv(odd))
        assert "s3cret" not in refusal(timetable.spans, FromEnv(odd))


def test_deadline_is_a_time_of_the_day():
    """`24:00` would be another day's."""
    assert timetable.clock_time("06:30") == 390
    for odd in ("24:00", "6.30", "06:60", "-1:00", "noon"):
        assert 'is no time of the day - write "HH:MM", 00:00 to 23:59' in refusal(
            timetable.clock_time, odd
        )
