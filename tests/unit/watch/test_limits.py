"""How much one drop may hold before a person is asked."""

from __future__ import annotations

import pytest

from masv_watch.model import HoldReason
from masv_watch.watch.limits import LIMITS, Limits, exceeds
from masv_watch.watch.settle import Seen

SMALL = Limits(files=3, size=1000)


def seen(files: int, size: int) -> Seen:
    """Make a sample of so many files and bytes."""
    return Seen(kind="folder", signature="s", fence="f", files=files, size=size)


def test_limits_are_those_of_the_house() -> None:
    """15 TB or a million files are more than a person drops by habit."""
    assert (LIMITS.files, LIMITS.size) == (1_000_000, 15_000_000_000_000)


@pytest.mark.parametrize(
    ("files", "size", "detail"),
    [
        (3, 1000, ""),
        (4, 0, "more than 3 files"),
        (1, 1001, "more than 1.0 kB"),
        (4, 1001, "more than 3 files"),
    ],
)
def test_drop_is_held_only_past_a_limit(files: int, size: int, detail: str) -> None:
    """Exactly at the limit nobody is asked; past it the reason says which one."""
    excess = exceeds(seen(files, size), SMALL)

    assert excess.hold is (HoldReason.LIMIT_EXCEEDED if detail else None)
    assert excess.detail == detail


def test_reason_stays_the_same_while_a_drop_grows_further() -> None:
    """Each sample of a drop that grows would otherwise be another event in the ledger."""
    assert exceeds(seen(4, 0), SMALL).detail == exceeds(seen(4_000_000, 0), SMALL).detail


def test_findings_name_both_tests() -> None:
    """Every verdict says which tests it made (law 14 of the house)."""
    assert [each.test for each in exceeds(seen(1, 1), SMALL).findings] == [
        "limit_files",
        "limit_size",
    ]
