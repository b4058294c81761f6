"""When something that failed is tried again: a pure function of five numbers."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import errors, retry
from masv_watch.errors import MasvWatchError, Remedy
from masv_watch.model import Decision
from masv_watch.retry import Next, auth_pause_s, decide

NOW = 1_000_000.0
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, MasvWatchError)
    and kind is not errors.ConfigError
]


def of(remedy: Remedy) -> st.SearchStrategy[type[MasvWatchError]]:
    return st.sampled_from([kind for kind in KINDS if kind.remedy is remedy])


@given(of(Remedy.SOON), st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_network_class_waits_between_nothing_and_its_back_off(kind, attempts, luck):
    """2 s doubled each time, full jitter, five minutes at most, without end."""
    decision = decide(kind("x"), attempts, NOW, luck)

    assert decision.next is Next.AGAIN
    assert decision.at == pytest.approx(
        NOW + luck * min(300.0, 2.0 * 2.0 ** (min(attempts, 20) - 1))
    )


@pytest.mark.parametrize(
    ("attempts", "longest_s"), [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10**6, 300)]
)
def test_network_class_with_no_luck_waits_its_whole_back_off(attempts, longest_s):
    """The numbers of the page, one by one."""
    decision = decide(errors.CloudUnreachable("x"), attempts, NOW, 0.999999)

    assert decision.at - NOW == pytest.approx(longest_s, rel=1e-3)


@pytest.mark.parametrize(
    ("attempts", "wait_s"), [(1, 60), (2, 300), (3, 1800), (4, 3600), (5, 3600), (999, 3600)]
)
def test_slow_class_waits_its_steps_then_hourly(attempts, wait_s):
    """Luck plays no part: nobody else waits for the same."""
    for luck in (0.0, 0.9):
        assert decide(errors.StoreFull("x"), attempts, NOW, luck).at == NOW + wait_s


@pytest.mark.fault(55)
@given(st.floats(0, 3600), st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_wait_that_was_asked_for_is_a_floor_with_the_back_off_on_top(asked, attempts, luck):
    """Retry-After is kept, and those who were throttled together do not return together."""
    decision = decide(errors.CloudThrottled("x", retry_after_s=asked), attempts, NOW, luck)

    backoff_s = decide(errors.CloudThrottled("x"), attempts, NOW, luck).at - NOW
    assert decision.at == pytest.approx(NOW + asked + backoff_s)


@pytest.mark.parametrize("asked", [None, "7", math.nan, math.inf, -math.inf, -5, 1e300])
def test_wait_that_is_absurd_is_ignored_or_cut(asked):
    """A header that slipped through never stops an upload for ever."""
    decision = decide(errors.CloudThrottled("x", retry_after_s=asked), 1, NOW, 0.0)

    assert NOW <= decision.at <= NOW + 3600.0


@given(of(Remedy.OPERATOR), st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_operator_class_holds(kind, attempts, luck):
    """Only a person can help."""
    decision = decide(kind("x"), attempts, NOW, luck)

    assert (decision.next, decision.at) == (Next.HOLD, None)


@given(of(Remedy.NEVER), st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_never_class_gives_up(kind, attempts, luck):
    """The same can never succeed."""
    error = kind("x")
    decision = decide(error, attempts, NOW, luck)
    error.facts["retry_after_s"] = 5
    asked = decide(error, attempts, NOW, luck)

    assert (decision.next, decision.at) == (asked.next, asked.at) == (Next.GIVE_UP, None)


@pytest.mark.fault(60)
@pytest.mark.parametrize(("attempts", "follows"), [(4, Next.AGAIN), (5, Next.HOLD), (6, Next.HOLD)])
def test_wrong_etags_in_a_row_end_with_the_operator(attempts, follows):
    """A storage that acknowledges other bytes five times is somebody's problem."""
    error = errors.EtagMismatch("x", limit=5, after_limit="operator")

    assert decide(error, attempts, NOW, 0.5).next is follows


@pytest.mark.fault(57)
@pytest.mark.parametrize(
    ("attempts", "follows"), [(4, Next.AGAIN), (5, Next.GIVE_UP), (6, Next.GIVE_UP)]
)
def test_fresh_urls_refused_in_a_row_end_for_good(attempts, follows):
    """Five fresh URLs that are all expired never were valid."""
    error = errors.UrlExpired("x", limit=5, after_limit="never")

    assert decide(error, attempts, NOW, 0.5).next is follows


@given(st.sampled_from(KINDS), st.integers(-3, 10**9), st.floats(0, 1, exclude_max=True))
def test_decision_always_says_why_and_never_lies_in_the_past(kind, attempts, luck):
    """Every verdict carries its finding."""
    decision = decide(kind("x"), attempts, NOW, luck)

    assert isinstance(decision, Decision)
    assert [finding.test for finding in decision.findings] == ["retry"]
    assert decision.findings[0].passed is (decision.next is Next.AGAIN)
    assert (decision.at is None) is (decision.next is not Next.AGAIN)
    assert decision.at is None or decision.at >= NOW


def test_decision_reads_the_remedy_and_never_the_type():
    """No error class is named, so a new one needs no change here."""
    tree = ast.parse(Path(retry.__file__).read_text())

    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert named & {kind.__name__ for kind in KINDS} == {"MasvWatchError"}


@pytest.mark.parametrize(
    ("failures", "pause_s"), [(0, 60), (1, 60), (2, 300), (3, 900), (4, 3600), (99, 3600)]
)
def test_refused_key_pauses_longer_each_time(failures, pause_s):
    """No lock-out loop (fault 58)."""
    assert auth_pause_s(failures) == pause_s


def refused_at(*times: float, before: retry.Shortage | None = None) -> retry.Shortage:
    """Give the shortage that refusals at these seconds make."""
    for at in times:
        before = retry.shortage(before, "the team", step="open_package", why=f"at {at}", now=at)
    assert before is not None
    return before


def test_shortage_counts_one_refusal_of_several_before_the_next_try() -> None:
    """Many uploads are refused together: that says no more than one of them (fault 66)."""
    together, later = refused_at(0, 1, 59), refused_at(0, 60, 61)

    assert (together.refusals, together.ask_at, together.why) == (1, 60, "at 0")
    assert (later.refusals, later.ask_at, later.why) == (2, 60 + 300, "at 60")
    assert later.since == 0


def test_shortage_after_a_day_without_a_try_is_another_one() -> None:
    """Nobody asked in between, so that nobody knows that it lasted."""
    before = refused_at(0, 60)

    assert refused_at(before.ask_at + retry.ONE_OUTAGE_S, before=before).refusals == 3
    assert refused_at(before.ask_at + retry.ONE_OUTAGE_S + 1, before=before).refusals == 1


def down_at(*times: float, mark: str = "0", before: retry.Outage | None = None) -> retry.Outage:
    """Give the outage that failures at these seconds make."""
    for at in times:
        before = retry.outage(before, mark, at)
    assert before is not None
    return before


def test_outage_goes_on_while_nothing_gets_through_and_begins_anew_with_anything() -> None:
    """Only what the cloud took counts, and hours in which nobody tried count for nothing."""
    found = down_at(0.0, 300.0, 600.0)

    assert (found.since, found.at) == (0.0, 600.0)
    assert down_at(900.0, mark="1", before=found).since == 900.0
    assert down_at(600.0 + retry.ONE_OUTAGE_S, before=found).since == 0.0
    assert down_at(601.0 + retry.ONE_OUTAGE_S, before=found).since > 600.0
    assert down_at(500.0, before=found).since == 500.0


def test_outage_of_what_is_sent_at_night_alone_goes_on_the_next_night() -> None:
    """A line that is down every night is given up, though nobody tried by day."""
    night = 8 * 3600.0
    found = down_at(0.0, night, 86_400.0)

    assert found.since == 0.0
    assert retry.is_given_up(found, 86_400.0)


@given(st.lists(st.floats(1.0, 7000.0), min_size=1, max_size=40), st.floats(60.0, 90_000.0))
def test_outage_is_given_up_at_its_time_and_never_before(pauses, after_s) -> None:
    """The number of attempts plays no part."""
    found = down_at(0.0)
    for pause in pauses:
        found = retry.outage(found, "0", found.at + pause)

        assert retry.is_given_up(found, after_s) == (found.at >= after_s)


def test_what_was_given_up_revives_hourly_for_seven_days() -> None:
    """From the first time on, and then only a person brings it back."""
    first = retry.Outage(mark="", since=0.0, at=NOW)
    last = retry.Outage(mark="", since=0.0, at=NOW + 7 * 86400.0 - 3600.0, gave_up_at=NOW)
    over = retry.Outage(mark="", since=0.0, at=last.at + 1.0, gave_up_at=NOW)

    assert retry.revival(first) == NOW + 3600.0
    assert retry.revival(last) == NOW + 7 * 86400.0
    assert retry.revival(over) is None
