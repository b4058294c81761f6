"""Decide whether, and when, something that failed is tried again, and when it is given up.

Owns the back-off numbers of the house and nothing else. Never sleeps and never asks for the time or
for luck: both are handed in. Called by the sender and the outbox, the only owners of retries.

Law 1. Only the remedy, the attempts and three facts are read, never the type of the error:
       `retry_after_s` (seconds that the other side asks for), `limit` (attempts in a row that are
       worth making) and `after_limit` (the value of the remedy that counts from then on).
Law 2. A wait that was asked for is a floor, with the back-off on top: those who were throttled
       together do not come back together (fault 55).
Law 3. An outage is given up by time, not by attempts: only what gets through begins it anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from masv_watch.errors import MasvWatchError, Remedy
from masv_watch.model import Decision, Finding

#: seconds: the first back-off of the network class, doubled with each further attempt
FIRST_S = 2.0
#: seconds: the longest back-off of the network class
LONGEST_S = 300.0
#: seconds: a longer wait that the other side asks for is cut to this
LONGEST_ASKED_S = 3600.0
#: seconds: waits of the slow class; the last repeats
SLOW_S = (60.0, 300.0, 1800.0, 3600.0)
#: seconds: pauses of a refused key, and of whom the cloud wants paid first; the last repeats
AUTH_S = (60.0, 300.0, 900.0, 3600.0)
#: seconds: failures that lie further apart are two outages, for nobody tried in between; what is
#: sent at night alone fails every night
ONE_OUTAGE_S = 86400.0
#: seconds from one try of what was given up to the next, and from the first on how long
REVIVE_S = 3600.0
REVIVED_FOR_S = 7 * 86400.0


#: seconds: what nobody waits for any more for so long after its time is over
UNWAITED_S = 60.0


class Next(Enum):
    """What follows a failure."""

    AGAIN = "again"
    HOLD = "hold"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision(Decision):
    """What follows a failure, and when."""

    next: Next
    #: same clock as the `now` that was handed in; None unless tried again
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Failures of the network class in a row, during which nothing got through."""

    #: how far things had come; what gets through changes it
    mark: str
    #: seconds, one clock: its first and its newest failure
    since: float
    at: float
    #: when it was given up first; None: it was not
    gave_up_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A quota that does not suffice, or a payment that is owed, as the cloud said last."""

    #: whose it is (`Terms.payer`)
    payer: str
    #: seconds, one clock: its first refusal, and when the cloud is asked again
    since: float
    ask_at: float
    #: refusals that were counted
    refusals: int
    #: what the newest of them was about
    step: str
    #: its words
    why: str


def shortage(before: Shortage | None, payer: str, *, step: str, why: str, now: float) -> Shortage:
    """Give the shortage that one more refusal belongs to; of several at once the first counts."""
    if before is None or now - before.ask_at > ONE_OUTAGE_S:
        return Shortage(
            payer=payer, since=now, ask_at=now + auth_pause_s(1), refusals=1, step=step, why=why
        )
    if now < before.ask_at:
        return before
    refusals = before.refusals + 1
    ask_at = now + auth_pause_s(refusals)
    return replace(before, ask_at=ask_at, refusals=refusals, step=step, why=why)


def outage(before: Outage | None, mark: str, now: float) -> Outage:
    """Give the outage that one more failure belongs to."""
    if before is None or before.mark != mark or not 0.0 <= now - before.at <= ONE_OUTAGE_S:
        return Outage(mark=mark, since=now, at=now)
    return replace(before, at=now)


def is_given_up(found: Outage, after_s: float) -> bool:
    """Say whether an outage has lasted for so long that a person should know."""
    return found.gave_up_at is not None or found.at - found.since >= after_s


def revival(found: Outage) -> float | None:
    """Give when what an outage ended is tried once more; None: a person has to ask for it."""
    first = found.at if found.gave_up_at is None else found.gave_up_at
    again = found.at + REVIVE_S
    return again if again - first <= REVIVED_FOR_S else None


def decide(error: MasvWatchError, attempts: int, now: float, luck: float) -> RetryDecision:
    """Say what follows the failure of attempt number `attempts` (counted from 1).

    `luck` in [0, 1) is the jitter: the back-off is drawn from nothing up to its full length, so
    that many who failed together do not come back together.
    """
    remedy = error.remedy
    limit = error.facts.get("limit")
    if isinstance(limit, int) and attempts >= limit and remedy in {Remedy.SOON, Remedy.SLOW}:
        words = f"failed {attempts} times in a row, {limit} are worth making"
        return _end(_after_limit(error), words)
    if remedy in {Remedy.NEVER, Remedy.OPERATOR}:
        words = "the same can never succeed" if remedy is Remedy.NEVER else "only a person can help"
        return _end(remedy, words)
    backoff_s = _slow_s(attempts) if remedy is Remedy.SLOW else luck * _soon_s(attempts)
    wait_s = backoff_s + asked_s(error)
    detail = f"attempt {attempts} failed, again in {wait_s:.1f} s"
    finding = Finding(test="retry", passed=True, detail=detail)
    return RetryDecision(next=Next.AGAIN, at=now + wait_s, findings=(finding,))


def auth_pause_s(failures: int) -> float:
    """Give the seconds that a key's calls pause after so many refusals in a row."""
    return AUTH_S[min(max(failures, 1), len(AUTH_S)) - 1]


def _soon_s(attempts: int) -> float:
    return min(LONGEST_S, FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 16))


def _slow_s(attempts: int) -> float:
    return SLOW_S[min(max(attempts, 1), len(SLOW_S)) - 1]


def asked_s(error: MasvWatchError) -> float:
    """Give the seconds of a wait that the other side asked for; 0 where it asked for none."""
    asked = error.facts.get("retry_after_s")
    if not isinstance(asked, int | float) or not math.isfinite(asked):
        return 0.0
    return min(max(float(asked), 0.0), LONGEST_ASKED_S)


def _after_limit(error: MasvWatchError) -> Remedy:
    never = error.facts.get("after_limit") == Remedy.NEVER.value
    return Remedy.NEVER if never else Remedy.OPERATOR


def _end(remedy: Remedy, detail: str) -> RetryDecision:
    finding = Finding(test="retry", passed=False, detail=detail)
    what = Next.GIVE_UP if remedy is Remedy.NEVER else Next.HOLD
    return RetryDecision(next=what, findings=(finding,))
