"""Which windows are closed, until when, and whose place is where, as settings and clock say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from masv_watch.model import LateDrops, Masv, Rule, Schedule, Settings, Span, To
from masv_watch.transfer.openings import LOOK_S, Openings
from masv_watch.transfer.schedule import is_open
from tests.doubles import FakeClock
from tests.searching import examples
from tests.unit.transfer.test_windows import local, moments, somewhere, windows

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
NIGHT = (Span(start=19 * 60, end=7 * 60),)
HOUR = 3600


class House:
    """Openings over settings and a clock that the test moves."""

    def __init__(self, **schedule) -> None:
        self.clock = FakeClock(wall=NOON)
        #: the store's clock need not be the wall's
        self.ahead = 100.0
        self.told: list[str] = []
        self.trouble = ""
        self.set(**schedule)
        self.openings = Openings(
            settings=lambda: self.settings,
            clock=self.clock,
            store_now=lambda: self.clock.wall() + self.ahead,
            opened=self.told.append,
            disk_trouble=lambda: self.trouble,
        )

    def set(self, tz="UTC", recall_s=0.0, **schedule) -> None:
        """Reload with another schedule of the hot folder `night`; `free` has none."""
        to = To(recipients=())
        rules = (
            Rule(
                name="night",
                path=b"/n",
                to=to,
                recall_s=recall_s,
                schedule=Schedule(tz=tz, **schedule),
            ),
            Rule(name="free", path=b"/f", to=to),
        )
        self.settings = Settings(masv=Masv(), state="/s", hot_folders=rules)

    def turns(self, later: float = LOOK_S):
        """Let some time pass and ask."""
        self.clock.advance(later)
        return self.openings.turns()


@pytest.fixture
def house() -> House:
    """Give a house whose hot folder sends at night."""
    return House(windows=NIGHT)


def test_closed_window_names_when_it_opens_on_the_clock_of_the_store(house: House):
    """So that `until` compares with every other time of a row."""
    assert house.turns().closed == {"night": NOON + 7 * HOUR + house.ahead}
    assert house.turns(7 * HOUR).closed == {}
    assert house.turns(12 * HOUR).closed == {"night": NOON + 31 * HOUR + house.ahead}


@pytest.mark.parametrize("apart", [-0.004, 0.004])
def test_closed_window_opens_on_the_full_second_however_the_clocks_are_read(house: House, apart):
    """A few milliseconds early, and people read the minute before."""
    house.ahead += apart

    assert house.turns().closed == {"night": NOON + 7 * HOUR + 100.0}


def test_reloaded_window_counts_at_once(house: House):
    """Live for what is on its way (behaviour 7.6)."""
    assert house.turns().closed

    house.set()

    assert house.turns(0.0).closed == {}


def test_jump_of_the_wall_clock_is_seen_at_the_next_look(house: House):
    """A window is asked by the clock and never counted down (pain 43)."""
    assert house.turns().closed

    house.clock.jump_wall(8 * HOUR)

    assert house.turns().closed == {}


def test_window_that_opens_has_its_hot_folder_swept_once(house: House):
    """At opening the sweep comes first (behaviour 12)."""
    house.openings.tick()
    house.turns(7 * HOUR - 10)
    house.openings.tick()
    assert house.told == []

    house.clock.advance(20)
    house.openings.tick()
    house.openings.tick()

    assert house.told == ["night"]


def test_hot_folder_that_is_not_ruled_has_the_place_of_one_without_a_deadline(house: House):
    """And nobody has a place where no rule has window or deadline."""
    house.set(deadline=390)
    place = house.turns(0.0).place

    assert place is not None
    assert place("night", NOON) < place("free", NOON) == place(None, NOON)
    house.set()
    assert house.turns(0.0).place is None


def test_earlier_deadline_has_the_lower_place(house: House):
    """What came before 06:30 must be out that morning, what came later a day after."""
    house.set(deadline=390)
    place = house.turns(0.0).place

    assert place is not None
    assert place("night", NOON) == place("night", NOON + HOUR)
    assert place("night", NOON + 19 * HOUR + house.ahead) == place("night", NOON) + 24 * HOUR


def test_deadline_of_what_waits_to_be_taken_back_is_as_much_earlier_for_its_bytes(house: House):
    """Delivered by 06:30, it has to be up by 06:20: among equals it goes as if that were said."""
    house.set(deadline=380)
    said = house.turns(0.0).place("night", NOON)
    house.set(deadline=390, recall_s=600.0)

    assert house.turns(0.0).place("night", NOON) == said


def test_late_drop_that_is_sent_next_goes_before_what_came_in_the_window(house: House):
    """Only with `late_drops: send_next`; then age is no longer the order in its hot folder."""
    night, noon = NOON + house.ahead - 12 * HOUR, NOON + house.ahead
    plain = house.turns().place
    assert plain is not None
    assert plain("night", night) == plain("night", noon)

    house.set(windows=NIGHT, late_drops=LateDrops.SEND_NEXT)
    turns = house.turns(0.0)

    assert turns.place is not None
    assert turns.place("night", noon) < turns.place("night", night)
    assert turns.mixed == {"night"}
    assert replace(turns, place=None, closed={}).mixed == {"night"}


def test_window_of_delivery_is_no_window_of_bytes(house: House):
    """Upload needs an open window; finalize and mail have their own (behaviour 12)."""
    house.set(deliver=NIGHT)
    shut = house.turns(0.0)
    assert shut.closed == {}
    assert shut.undelivered == {"night": NOON + 7 * HOUR + house.ahead}

    house.set(windows=NIGHT)
    assert house.turns(0.0).undelivered == {}
    house.set(windows=NIGHT, deliver=NIGHT)
    assert house.turns(0.0).undelivered == house.turns(0.0).closed


@settings(max_examples=examples(60))
@given(windows, moments, somewhere)
def test_delivery_waits_in_every_zone_and_night_until_the_minute_that_is_named(window, at, zone):
    """Over midnight and in both nights in which a clock is set (pain 43)."""
    house = House(tz=zone.key, deliver=window)
    house.clock.jump_wall(at - house.clock.wall())
    shown = local(zone)

    undelivered = house.turns().undelivered

    now = house.clock.wall()
    assert ("night" in undelivered) is not is_open(window, shown(now))
    until = undelivered.get("night")
    if until is not None:
        opens = until - house.ahead
        assert opens > now
        assert is_open(window, shown(opens))
        assert not is_open(window, shown(opens - 1))


def test_turns_with_a_low_disk_say_so_beside_the_windows_and_at_once():
    """Fault 38: what is remembered of the windows for a moment hides no disk."""
    house = House(windows=NIGHT)
    shut = house.turns()
    house.trouble = "3 MiB free"
    low = house.openings.turns()
    house.trouble = ""

    assert (low.closed, low.disk_trouble) == (shut.closed, "3 MiB free")
    assert house.openings.turns().disk_trouble == ""
