"""Whether this machine's clock agrees with the cloud's."""

from __future__ import annotations

import pytest

from masv_watch.cloud.timekeeping import AGREED_S, ahead, disagreement

DATE = "Sat, 28 Nov 2026 19:00:00 GMT"
AT = 1795892400.0


def test_clock_is_compared_with_what_an_answer_says():
    """The seconds by which it is ahead; what is no date says nothing."""
    assert ahead(DATE, AT) == 0
    assert ahead(DATE, AT - 3600) == -3600
    assert ahead("yesterday", AT) is None
    assert ahead("", AT) is None


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (AGREED_S + 1, "is 5 minutes ahead of the cloud's"),
        (-3 * 3600.0, "is 3 hours behind the cloud's"),
        (400 * 86400.0, "is 400 days ahead of the cloud's"),
    ],
)
def test_wrong_clock_is_named_with_what_helps(ahead_s, words):
    """Which way, by how much, and the command that sets it."""
    said = disagreement(ahead_s)

    assert words in said
    assert "timedatectl set-ntp true" in said


@pytest.mark.parametrize("ahead_s", [None, 0.0, AGREED_S, -AGREED_S])
def test_clock_that_agrees_or_is_not_known_is_no_matter(ahead_s):
    """A few minutes harm nothing."""
    assert disagreement(ahead_s) == ""
