"""The quiet time that a hot folder learns from its own writers.

Owns what a pause says about how long to wait. Never measures one: intake hands in what it saw, and
the store keeps it. Called by intake, and by whoever shows or explains the number.

Law 1. One fixed number fits no writer: a renderer pauses for minutes between two frames, a copy
       over a bad link for half a minute, a recorder never (behaviour 2).
Law 2. A learned quiet time is bounded on both sides; until something is known the default holds.
Law 3. Samples are no longer apart than a fixed span, so that what is learned does not feed itself:
       a pause is never measured longer for a longer quiet time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from masv_watch.model import Decision, Finding, Settle

#: drops whose longest pause is remembered
KEPT = 500
#: drops that must be known before they count
ENOUGH = 5
#: seconds between which a learned quiet time stays
FLOOR_S = 10.0
CAP_S = 600.0
#: seconds between two samples where the quiet time is learned, at most
SPACING_S = 5.0
_FACTOR = 3
_SHARE = 0.999
_LOCAL_S = 15.0
_NETWORK_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet(Decision):
    """How long something must not change in a hot folder, and why so long."""

    seconds: float
    #: one clause for people
    why: str
    #: longer than the hot folder's, because the drop changed too often
    is_restless: bool = False


def quiet_time(wants: Settle, filesystem: str, gaps: Sequence[float] = ()) -> Quiet:
    """Give the quiet time of a rule on a file system, `local` or `network`.

    `gaps` are the longest pauses of earlier drops, seconds, in any order.
    """
    if wants.quiet_s is not None:
        return _quiet(wants.quiet_s, "as the rule says")
    default = _NETWORK_S if filesystem == "network" else _LOCAL_S
    if not wants.is_learned:
        return _quiet(default, f"the default on a {filesystem} file system")
    if len(gaps) < ENOUGH:
        return _quiet(default, f"auto: {len(gaps)} of {ENOUGH} drops known, until then the default")
    longest = percentile(gaps, _SHARE)
    seconds = min(max(_FACTOR * longest, FLOOR_S), CAP_S)
    return _quiet(
        seconds, f"auto: 3 times the longest pause, {longest:.1f} s, of {len(gaps)} drops"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of all is not above: the nearest rank; there must be one."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def pause_between(since: float, last_same: float, now: float) -> float:
    """Give how long a writer paused that is seen to have gone on; all monotonic, seconds.

    It changed last at the sample `since`, was still as then at `last_same`, and is not at `now`:
    its pause lies between the two spans, and the longer one is believed. A writer that was seen to
    change at two samples in a row need not have paused at all.
    """
    return now - since if last_same > since else 0.0


@functools.lru_cache
def _quiet(seconds: float, why: str) -> Quiet:
    finding = Finding(test="quiet_time", passed=True, detail=f"{seconds:g} s, {why}")
    return Quiet(seconds=seconds, why=why, findings=(finding,))
