"""How single values are written in an answer."""

from __future__ import annotations

import pytest

from masv_watch.api.bodies import iso, link_body
from masv_watch.cloud.wire import CreatedLink
from masv_watch.model import Secret


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (1_800_000_000.0, "2027-01-15T08:00:00.000Z"),
        (1_799_999_999.9999998, "2027-01-15T08:00:00.000Z"),
        (1_799_999_999.9994, "2027-01-15T07:59:59.999Z"),
    ],
)
def test_time_that_is_a_sum_is_written_as_the_second_that_it_means(at: float, written: str):
    """A window that opens at three is not told to open a millisecond before."""
    assert iso(at) == written


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("2026-01-02T03:04:05+14:00", "2026-01-01T13:04:05.000"),
        ("2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.000"),
        ("soon", "soon"),
        ("", ""),
    ],
)
def test_expiry_of_a_link_is_written_as_the_page_does_whatever_the_cloud_says(told, written):
    """In UTC without the zone's letter; what UTC has no year for stays as it is."""
    link = CreatedLink(id="one", secret=Secret("a-secret"), expiry=told, email="", locked=False)

    assert link_body(link)["expiry"] == written
