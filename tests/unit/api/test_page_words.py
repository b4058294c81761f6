"""The words of the page: figures for people, and a name for every state and reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.api.page import marks, words
from masv_watch.api.page.readers import demand_folders, sees_folders
from masv_watch.errors import Denied
from masv_watch.model import NOBODY, Caller, HoldReason
from masv_watch.uploads import WaitReason
from tests.searching import examples


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (10**21, "1000.0 EB"),
    ],
)
def test_size_is_written_in_decimal_units(size, text):
    """Never `1000.0 kB` where a larger unit is left."""
    assert words.size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (0.2, "1 s"),
        (59.5, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3 * 3600 + 125, "3 h 2 min"),
        (86_400 * 2 + 3600 * 5 + 7, "2 d 5 h"),
    ],
)
def test_duration_is_written_by_its_two_largest_units(seconds, text):
    """A rest of nothing is left out."""
    assert words.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("away", "text"),
    [(0.4, "now"), (3, "3 s ago"), (119, "1 min ago"), (-7200, "in 2 h"), (86_400, "1 d ago")],
)
def test_time_is_told_by_its_distance(away, text):
    """In the past and in the future alike."""
    assert words.ago_text(1_700_000_000 - away, 1_700_000_000) == text


@settings(max_examples=examples(50))
@given(st.integers(min_value=0, max_value=2**50), st.integers(min_value=0, max_value=2**50))
def test_all_is_sent_only_when_all_is_sent(done, of):
    """A bar is full when nothing is left, and at no other time."""
    assert (words.percent(done, of) == 100) == (done >= of)
    assert 0 <= words.percent(done, of) <= 100


@pytest.mark.parametrize(
    ("done", "in_flight", "of", "wanted"),
    [(0, 1, 10**12, 1), (500, 250, 1000, 75), (990, 5, 1000, 100), (0, 1000, 1000, 100)],
)
def test_what_is_on_its_way_shows_from_its_first_byte_on(done, in_flight, of, wanted):
    """A chunk is nothing beside what takes a night, and still the line is seen to move."""
    assert words.percent_ahead(done, in_flight, of) == wanted
    assert words.percent_ahead(done, in_flight, of) > words.percent(done, of)


def test_every_hold_and_wait_has_its_words():
    """A reason that is added later must be told as well."""
    assert set(marks.HOLDS) == set(HoldReason)
    assert set(marks.WAITS) == set(WaitReason)


@pytest.mark.parametrize(
    ("caller", "sees"),
    [
        (Caller(uid=0, is_owner=True), True),
        (Caller(uid=None, is_owner=False), True),
        (Caller(uid=1000, is_owner=False), False),
        (Caller(uid=NOBODY, is_owner=False), False),
    ],
)
def test_hot_folders_are_for_the_owners_and_the_tokens_holder(caller, sees):
    """A named second user may not read what a hot folder holds by the daemon's rights."""
    assert sees_folders(caller) is sees
    if not sees:
        with pytest.raises(Denied):
            demand_folders(caller)
