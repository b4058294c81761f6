"""How much one drop may hold before a person is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import DropMode, HoldReason, Limits, Rule, To
from masv_watch.watch.limits import LIMITS, Past, day_of, domains_of, exceeds
from masv_watch.watch.rules import starts_early
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
        (4, 1001, "more than 3 files; more than 1.0 kB"),
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


MB = 10**6


def holding(size: int) -> Seen:
    """Give a drop of so many bytes."""
    return seen(1, size)


def test_day_holds_what_would_exceed_it_until_it_is_over() -> None:
    """The drop itself and all others of the day count; the next day lets it go by itself."""
    limits = Limits(per_day=100 * MB, unusual=False)
    past = Past(today=60 * MB, day_ends_at=5_000.0)

    assert exceeds(holding(40 * MB), limits, past).hold is None
    found = exceeds(holding(41 * MB), limits, past, at="m.yml:9")
    assert (found.hold, found.retry_at) == (HoldReason.LIMIT_EXCEEDED, 5_000.0)
    assert found.detail == "more than 100 MB on one day; the next day it goes by itself"
    assert {finding.rule_at for finding in found.findings} == {"m.yml:9"}


def test_drop_larger_than_a_whole_day_waits_for_a_person() -> None:
    """No day will let it go, so that none is promised."""
    found = exceeds(holding(101 * MB), Limits(per_day=100 * MB), Past(day_ends_at=5_000.0))

    assert (found.hold, found.retry_at) == (HoldReason.LIMIT_EXCEEDED, None)


def test_what_exceeds_a_day_and_another_limit_waits_for_a_person() -> None:
    """The day's end would not help; both are told."""
    limits = Limits(size=50 * MB, per_day=100 * MB)

    found = exceeds(holding(60 * MB), limits, Past(today=60 * MB, day_ends_at=5_000.0))

    assert found.retry_at is None
    assert found.detail == "more than 50.0 MB; more than 100 MB on one day"


@given(st.lists(st.integers(0, 10**13), max_size=50), st.integers(0, 10**15))
def test_unusual_is_over_twenty_times_the_largest_from_the_tenth_drop_on(
    sizes: list[int], size: int
) -> None:
    """Whatever the history: nothing is held before nine drops are known (beyond 8)."""
    past = Past(sizes=tuple(sizes))
    found = exceeds(holding(size), Limits(size=10**16), past)

    largest = max(sizes, default=0)
    wanted = len(sizes) >= 9 and largest > 0 and size > max(20 * largest, 2**30)
    assert (found.hold is HoldReason.LIMIT_EXCEEDED) is wanted
    assert exceeds(holding(size), Limits(size=10**16, unusual=False), past).hold is None


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        (Limits(domains=("a.example",)), "it goes to b.example, which are not allowed"),
        (Limits(asks_new_domains=True), "it goes to b.example, which nothing was delivered to yet"),
    ],
)
def test_strange_domain_is_held_and_named(limits: Limits, detail: str) -> None:
    """An outsider's address costs nothing (beyond 8)."""
    assert exceeds(holding(1), limits, Past(strange=("b.example",))).detail == detail
    assert exceeds(holding(1), limits).hold is None
    assert exceeds(holding(1), Limits(), Past(strange=("b.example",))).hold is None


def test_domains_are_compared_without_case_and_told_once() -> None:
    """As mail servers do."""
    assert domains_of(("a@A.example", "b@a.EXAMPLE", "c@b.example")) == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("limits", "early", "found"),
    [
        (Limits(), None, True), (Limits(size=1, is_own=True), None, False),
        (Limits(size=1, is_own=True), True, True), (Limits(domains=()), None, True),
    ],
)  # fmt: skip
def test_rule_with_limits_of_its_own_sends_nothing_before_the_whole_is_known(
    limits: Limits, early: bool | None, found: bool
) -> None:
    """Unless it asks for it: then what goes first is bounded by the limit itself."""
    rule = Rule(name="o", path=b"/o", to=To(recipients=()), drop=DropMode.FOLDER)
    whole = Rule(name="o", path=b"/o", to=rule.to, drop=DropMode.FOLDER, limits=limits, early=early)

    assert starts_early(whole).is_early is found


@given(
    st.integers(0, 366 * 24 * 3600),
    st.deferred(lambda: st.sampled_from(sorted(available_timezones()))).map(ZoneInfo),
)
def test_local_day_is_what_the_calendar_says_in_every_zone(offset: int, zone: ZoneInfo) -> None:
    """From its first second to before the first of the next, also where midnight is left out."""
    wall = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + offset

    def shown(at: float) -> datetime:
        return datetime.fromtimestamp(at, tz=zone)

    begun, ends = day_of(wall, shown)

    day = shown(wall).date()
    assert begun - 1 <= wall < ends
    assert shown(begun).date() == shown(ends - 2).date() == day
    assert shown(begun - 2).date() < day < shown(ends).date()


def test_finding_of_a_limit_that_is_kept_does_not_read_as_if_it_were_not() -> None:
    """`explain` prints what passed beside what did not."""
    seen = Seen(kind="folder", signature="s", fence="f", files=1, size=1)
    found = exceeds(seen, Limits(domains=("own.example",))).findings

    assert all(each.passed for each in found)
    assert found[0].detail == "not more than 1,000,000 files"
    assert not any("goes to no domains" in each.detail for each in found)
