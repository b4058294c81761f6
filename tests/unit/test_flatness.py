"""The judge of the soak: what is flat, what leaks, and what is too short to be judged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.benchmarks.flatness import BOUNDS, Bound, Sample, Verdict, judge, slope

MINUTES = 30


def samples(
    *, minutes: float = MINUTES, every_s: float = 3.0, **grows: Callable[[float], float]
) -> list[Sample]:
    """Give what a busy daemon shows, with noise; `grows` adds to a figure by the minute."""
    luck = random.Random(7)
    found = []
    for number in range(int(minutes * 60 / every_s)):
        minute = number * every_s / 60
        # it warms up over the first quarter, then it breathes
        warm = 20 * min(1.0, minute / (minutes / 4))
        rss = 80 + warm + luck.uniform(-2, 2) + 15 * (luck.random() < 0.1)
        sample = Sample(
            at_s=number * every_s, rss_mib=rss, anon_mib=rss - 30, pss_mib=rss - 20,
            fds=50 + luck.randint(-6, 6), threads=48 + luck.randint(-3, 3),
            database_mib=1 + minute / 5, wal_mib=4.0, rows=int(1000 * minute), standing=40,
        )  # fmt: skip
        more = {
            name: type(getattr(sample, name))(getattr(sample, name) + grow(minute))
            for name, grow in grows.items()
        }
        found.append(replace(sample, **more))
    return found


def not_flat(verdicts: list[Verdict]) -> set[str]:
    return {each.bound.figure for each in verdicts if not each.is_flat}


def test_busy_daemon_that_warms_up_and_breathes_is_flat():
    """Noise, peaks, the warm-up and the growing database are no leak."""
    assert not_flat(judge(samples())) == set()


@pytest.mark.parametrize(
    ("figure", "grow"),
    [
        ("rss_mib", lambda minute: minute * 0.15),
        ("anon_mib", lambda minute: minute * 0.15),
        # 3 MiB at each reload of six minutes
        ("pss_mib", lambda minute: minute // 6 * 3),
        # one of each at every reload, which comes each minute
        ("fds", lambda minute: minute // 1),
        ("threads", lambda minute: minute // 1),
        ("wal_mib", lambda minute: minute * 0.2),
    ],
)
def test_leak_is_found_and_named(figure, grow):
    """A daemon that leaks is not flat in just what it leaks."""
    assert not_flat(judge(samples(**{figure: grow}))) == {figure}


def test_growth_within_the_bound_is_flat():
    """Half a MiB in ten minutes is what allocators do."""
    assert not_flat(judge(samples(rss_mib=lambda minute: minute * 0.05))) == set()


def test_what_the_rows_explain_is_no_leak_and_what_is_beyond_them_is():
    """1,000 rows a minute at 200 bytes are 1.9 MiB in ten minutes."""
    bounds = [Bound(figure="rss_mib", unit="MiB", most=1.0, a_row=200 / 2**20)]
    explained = samples(rss_mib=lambda minute: minute * 0.19)
    beyond = samples(rss_mib=lambda minute: minute * 0.35)

    assert not_flat(judge(explained, bounds)) == set()
    assert not_flat(judge(explained)) == {"rss_mib"}
    assert not_flat(judge(beyond, bounds)) == {"rss_mib"}


def test_rows_that_go_away_explain_nothing():
    """A state that is tidied up does not make a flat process look like a leak."""
    bounds = [replace(each, a_row=0.001) for each in BOUNDS]
    tidied = samples(rows=lambda minute: -2000 * minute)

    assert not_flat(judge(tidied, bounds)) == set()


def test_slope_of_a_line_is_found_through_wild_samples():
    """A quarter of them far off moves it by next to nothing."""
    pairs = [(float(x), 2.0 * x + (1e6 if x % 4 == 0 else 0)) for x in range(100)]

    assert slope(pairs) == pytest.approx(2.0, abs=0.01)
    assert slope([(1.0, 5.0)]) == 0.0


@pytest.mark.parametrize("minutes", [0.4, 5.0])
def test_short_run_is_not_judged(minutes):
    """What is filled once in the first minutes would look like a leak, or hide one."""
    with pytest.raises(ValueError, match="too short a time"):
        judge(samples(minutes=minutes))
