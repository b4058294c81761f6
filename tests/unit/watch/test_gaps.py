"""The quiet time that a hot folder learns, against invented writers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Settle
from masv_watch.watch.gaps import (
    CAP_S,
    ENOUGH,
    FLOOR_S,
    pause_between,
    percentile,
    quiet_time,
)
from masv_watch.watch.settle import Entry, Seen, State, judge

LEARNS = Settle(is_learned=True)
#: writes of one file: the seconds between two of them
Writer = Callable[[random.Random], Iterator[float]]


def _recorder(luck: random.Random) -> Iterator[float]:
    return (2.0 for _ in range(luck.randint(5, 40)))


def _scanner(luck: random.Random) -> Iterator[float]:
    return (luck.uniform(0.2, 4) for _ in range(luck.randint(3, 40)))


def _stalling_copy(luck: random.Random) -> Iterator[float]:
    for _ in range(luck.randint(20, 60)):
        yield luck.uniform(3, 25) if luck.random() < 0.1 else 0.5


def _renderer(luck: random.Random) -> Iterator[float]:
    return (min(max(luck.lognormvariate(1.8, 0.6), 2), 60) for _ in range(luck.randint(10, 60)))


def _settle(writes: Iterator[float], quiet_s: float) -> tuple[bool, float, float]:
    """Judge one file as intake does; say whether it was whole, its longest pause, and the wait."""
    times = [0.0]
    for pause_s in writes:
        times.append(times[-1] + pause_s)
    known: Entry | None = None
    now = 0.0
    while True:
        written = sum(at <= now for at in times)
        seen = Seen(kind="file", signature=f"{written}", fence=f"{written}.", files=1, size=1)
        verdict = judge(known, seen, now, LEARNS, quiet_s=quiet_s)
        if verdict.state is State.QUIET:
            return written == len(times), verdict.entry.longest_gap, now - times[-1]
        known, now = verdict.entry, max(verdict.retry_at, now + 0.01)


@pytest.mark.parametrize("writer", [_recorder, _scanner, _stalling_copy, _renderer])
def test_learned_quiet_time_sends_no_file_of_a_known_writer_too_early(writer: Writer) -> None:
    """After a hundred files of it, no kind of writer is cut short (pains 4, 47)."""
    luck = random.Random(11)
    gaps: list[float] = []
    early = 0
    for number in range(300):
        is_whole, gap, _ = _settle(writer(luck), quiet_time(LEARNS, "local", gaps).seconds)
        early += not is_whole and number >= 100
        gaps.append(gap if is_whole else 60.0)

    assert early == 0
    assert FLOOR_S <= quiet_time(LEARNS, "local", gaps).seconds <= CAP_S


def test_learned_quiet_time_of_a_writer_without_pauses_stays_at_its_floor() -> None:
    """What is measured does not grow with how long is waited: it cannot feed itself."""
    luck = random.Random(5)
    gaps: list[float] = []
    for _ in range(100):
        gaps.append(_settle(_recorder(luck), quiet_time(LEARNS, "local", gaps).seconds)[1])

    assert quiet_time(LEARNS, "local", gaps).seconds == FLOOR_S


@given(st.lists(st.floats(0, 300), max_size=30), st.sampled_from(["local", "network"]))
def test_quiet_time_that_learns_stays_within_its_bounds_and_says_why(
    gaps: list[float], kind: str
) -> None:
    """Whatever was seen, the number is bounded; with too little seen it is the default."""
    quiet = quiet_time(LEARNS, kind, gaps)

    if len(gaps) < ENOUGH:
        assert quiet.seconds == {"local": 15, "network": 60}[kind]
        assert f"{len(gaps)} of {ENOUGH}" in quiet.why
    else:
        assert quiet.seconds == min(max(3 * max(gaps), FLOOR_S), CAP_S)
        assert f"{len(gaps)} drops" in quiet.why


def test_quiet_time_that_is_pinned_ignores_what_was_learned() -> None:
    """A person's number counts."""
    assert quiet_time(Settle(quiet_s=33), "network", [100.0] * 50).seconds == 33
    assert quiet_time(Settle(), "network", [100.0] * 50).seconds == 60


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=2000), st.floats(0.001, 1))
def test_percentile_has_its_share_at_or_below_it(values: list[float], share: float) -> None:
    """The nearest rank: at least this share is not above it, and it is one of the values."""
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= math.ceil(share * len(values))
    assert sum(value < found for value in values) < math.ceil(share * len(values))


def test_pause_between_two_changes_at_samples_in_a_row_is_none() -> None:
    """Only an unchanged sample between two changes proves a pause."""
    assert pause_between(10.0, 10.0, 15.0) == 0.0
    assert pause_between(10.0, 15.0, 20.0) == 10.0
