"""Units of durations and sizes: what is read is what is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.config import units
from masv_watch.config.problems import Wrong


@given(st.integers(0, 10**9))
def test_duration_round_trip_keeps_milliseconds(milliseconds: int) -> None:
    """Any whole number of milliseconds survives being written and read."""
    seconds = milliseconds / 1000

    assert units.duration(units.show_duration(seconds)) == seconds


@given(st.integers(0, 10**15))
def test_size_round_trip_keeps_bytes(amount: int) -> None:
    """Any number of bytes survives being written and read."""
    assert units.size(units.show_size(amount)) == amount


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("1.5h", 5400), ("500ms", 0.5), ("2 d", 172800), ("0s", 0)],
)
def test_duration_with_unit_is_read(text: str, seconds: float) -> None:
    """Every unit is read, with a fraction and with one space."""
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2 TB", 2 * 10**12), ("2 TiB", 2 * 2**40), ("1.5KiB", 1536), ("7 B", 7), ("3kB", 3000)],
)
def test_size_decimal_and_binary_units_differ(text: str, amount: int) -> None:
    """TB is ten to the twelfth, TiB two to the fortieth."""
    assert units.size(text) == amount


@pytest.mark.parametrize("text", ["15", "1.5", "-3"])
def test_duration_bare_number_is_refused_in_words_that_say_so(text: str) -> None:
    """A number where a unit is needed is an error that names the unit as what is lacking."""
    with pytest.raises(Wrong) as caught:
        units.duration(text)

    assert "has no unit" in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "s", "5 sec", "5M", "1h30m", "\u0665s", "1e3s", "-1s", "1 MiB "]
)
def test_units_other_forms_are_refused(text: str) -> None:
    """Nothing is guessed: other spellings, scripts and compounds are refused."""
    for read in (units.duration, units.size):
        with pytest.raises(Wrong):
            read(text)


def test_unit_in_wrong_case_names_the_right_one() -> None:
    """`100 mib` is answered with the unit that was meant."""
    with pytest.raises(Wrong, match="did you mean `MiB`"):
        units.size("100 mib")


def test_size_fraction_of_a_byte_is_refused() -> None:
    """A size is a whole number of bytes."""
    with pytest.raises(Wrong, match="whole number of bytes"):
        units.size("1.5 B")
