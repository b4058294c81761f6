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
