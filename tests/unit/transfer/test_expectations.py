"""What should have come and did not: when that is said, and when it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.metrics import Metrics
from masv_watch.model import DAY_MINUTES, Masv, Rule, Schedule, Settings, Span, To
from masv_watch.store.contract import Store
from masv_watch.store.sqlite import open_store
from masv_watch.transfer.expectations import LOOK_S, Expectations, missed_at
from tests.doubles import FakeClock

HOUR, DAY = 3600.0, 86400.0
#: a Monday, 00:00 UTC
MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
NIGHT = Span(days=frozenset({0}), start=22 * 60, end=6 * 60)
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")]


def in_zone(zone: ZoneInfo) -> Callable[[float], datetime]:
    return lambda wall: datetime.fromtimestamp(wall, zone)


UTC_AT = in_zone(ZONES[0])


@pytest.mark.parametrize(
    ("spans", "hours", "came", "missed"),
    [
        ((), 24 + 5, None, 6),
        ((), 24 + 6, None, 24 + 6),
        ((), 24 + 6, 5, 24 + 6),
        ((), 24 + 6, 6, None),
        ((), 24 + 7, 24 + 6.5, None),
        ((), 48 + 5.9, None, 24 + 6),
        ((NIGHT,), 24 + 7, None, 24 + 6),
        ((NIGHT,), 48 + 7, None, None),
        ((NIGHT,), 7, None, None),
    ],
)
def test_nothing_that_came_within_the_day_before_is_missed_where_a_window_was_open(
    spans: tuple[Span, ...], hours: float, came: float | None, missed: float | None
) -> None:
    """By six in the morning; of Monday's night window only on Tuesday."""
    wall = MONDAY + hours * HOUR
    came_at = None if came is None else MONDAY + came * HOUR
    found = missed_at(6 * 60, spans, wall, UTC_AT, came_at=came_at)

    assert found == (
        None if missed is None else (MONDAY + (missed - 24) * HOUR, MONDAY + missed * HOUR)
    )


@given(
    st.integers(0, DAY_MINUTES - 1),
    st.floats(0, 400 * DAY),
    st.sampled_from(ZONES),
    st.none() | st.floats(0, 3 * DAY),
)
def test_moment_is_the_last_one_that_the_wall_clock_showed_and_an_arrival_ends_it(
    by: int, passed: float, zone: ZoneInfo, ago: float | None
) -> None:
    """Through both nights in which a clock is set."""
    wall = MONDAY + passed
    came_at = None if ago is None else wall - ago
    found = missed_at(by, (), wall, in_zone(zone), came_at=came_at)
    if found is None:
        assert came_at is not None
        assert wall - came_at <= DAY + 25 * HOUR
        return
    since, until = found

    assert wall - 25 * HOUR - HOUR <= until <= wall
    assert 22.5 * HOUR <= until - since <= 25.5 * HOUR
    assert came_at is None or came_at < since
    shown = in_zone(zone)(until)
    is_set = (
        in_zone(zone)(until - 4 * HOUR).utcoffset() != in_zone(zone)(until + 4 * HOUR).utcoffset()
    )
    assert shown.hour * 60 + shown.minute == by or is_set


@given(st.integers(0, DAY_MINUTES - 1), st.integers(0, 13), st.sets(st.integers(0, 6), min_size=1))
def test_day_without_an_open_window_expects_nothing(by: int, day: int, days: set[int]) -> None:
    """A weekend is no alarm: compared with a look at every minute."""
    span = Span(days=frozenset(days), start=10 * 60, end=10 * 60 + 30)
    wall = MONDAY + day * DAY + by * 60
    found = missed_at(by, (span,), wall, UTC_AT, came_at=None)
    minutes = [UTC_AT(wall - DAY) + timedelta(minutes=n) for n in range(DAY_MINUTES)]
    was_open = any(m.weekday() in days and m.hour == 10 and m.minute < 30 for m in minutes)

    assert (found is not None) is was_open


class Told:
    """The expectations of one hot folder, with a store and a clock that the test drives."""

    def __init__(self, top: Path) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.store: Store = open_store(str(top / "state"), clock=self.clock, metrics=self.metrics)
        schedule = Schedule(tz="UTC", expect_by=6 * 60)
        self.rule = Rule(name="hot", path=b"/hot", to=To(recipients=()), schedule=schedule)
        self.begin()

    def begin(self) -> None:
        self.expected = Expectations(
            self.store,
            settings=lambda: Settings(masv=Masv(), state="/s", hot_folders=(self.rule,)),
            clock=self.clock,
            metrics=self.metrics,
        )

    def pass_hours(self, hours: float) -> tuple[str, ...]:
        for _ in range(int(hours * 4)):
            self.clock.advance(900)
            self.expected.tick()
        return tuple(need.text for need in self.expected.needs())


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path)
    yield made
    made.store.close()


def test_notice_is_given_once_shown_as_long_as_nothing_comes_and_ends_with_a_drop(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, in what status shows, and as a metric."""
    assert told.pass_hours(1) == ()
    needs = told.pass_hours(49)
    assert len(needs) == 1
    assert needs[0].startswith("hot folder hot: nothing arrived by 06:00 of ")
    told.pass_hours(2)
    notices = [each for each in caplog.records if each.message == "nothing arrived"]
    assert 1 <= len(notices) <= 2
    assert len({each.reason for each in notices}) == len(notices)
    assert 'nothing_arrived{hot_folder="hot"} 1' in told.metrics.text()
    told.store.see_drop("hot", b"a.mov")

    assert told.pass_hours(0.25) == ()
    assert 'nothing_arrived{hot_folder="hot"} 0' in told.metrics.text()


def test_hot_folder_that_expects_nothing_any_more_has_no_metric(told: Told) -> None:
    """An alert over what was removed could never end."""
    told.pass_hours(49)
    told.rule = replace(told.rule, schedule=Schedule(tz="UTC"))

    assert told.pass_hours(0.25) == ()
    assert "nothing_arrived{" not in told.metrics.text()


def test_notice_is_not_given_again_after_a_restart(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """It is one for each moment, however often the daemon starts; it stays in what status shows."""
    told.store.see_drop("hot", b"a.mov")
    told.pass_hours(54)
    before = [each.reason for each in caplog.records if each.message == "nothing arrived"]
    told.begin()
    shown = told.pass_hours(0.25)

    assert len(shown) == 1
    assert [each.reason for each in caplog.records if each.message == "nothing arrived"] == before
    assert before
    told.pass_hours(24)
    later = [each.reason for each in caplog.records if each.message == "nothing arrived"]
    assert len(later) == len(before) + 1


def test_new_hot_folder_expects_nothing_of_before_and_one_with_a_past_does_after_a_restart(
    told: Told,
) -> None:
    """Whoever configures it at noon is not told of the morning; a restart forgets no notice."""
    told.begin()
    assert told.pass_hours(23) == ()
    told.store.see_drop("hot", b"a.mov")
    assert told.pass_hours(72)
    told.begin()

    assert told.pass_hours(0.25)


def test_hot_folder_that_expects_nothing_any_more_is_quiet_at_once(told: Told) -> None:
    """After a reload."""
    told.store.see_drop("hot", b"a.mov")
    assert told.pass_hours(72)
    told.rule = replace(told.rule, schedule=Schedule(tz="UTC"))
    told.clock.advance(LOOK_S)
    told.expected.tick()

    assert told.expected.needs() == ()
