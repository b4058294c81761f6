"""How much a hot folder may send, and to whom, before a person is asked.

Owns the numbers of `limit_exceeded` and every test against them. Never counts and never holds: the
sweep and the ledger are handed in, and intake draws the consequence.

Law 1. A limit is asked at every look, of what has arrived so far: before the first byte goes, and
       again before each that follows.
Law 2. What a person let go is not asked about again, and nothing more than he saw of it goes
       (`watch.questions`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from masv_watch.model import Decision, Finding, HoldReason, Limits, Rule
from masv_watch.watch.addresses import recipients_of
from masv_watch.watch.amounts import human_size
from masv_watch.watch.settle import Seen

LIMITS = Limits()

#: a drop is unusual over so many times the largest of the last ones, once so many are known
UNUSUAL_FACTOR = 20
UNUSUAL_KNOWN = 9
#: bytes up to which nothing is unusual, however small the others were: a report beside its notes
UNUSUAL_FROM = 1024**3
#: delivered drops that it is compared with
COMPARED = 50
#: longer than any local day
_LONG_DAY_S = 27 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the ledger knows that a rule's limits ask about."""

    #: bytes of the hot folder's other drops that were taken on this local day
    today: int = 0
    #: monotonic, seconds: when that day is over; None when nobody asked
    day_ends_at: float | None = None
    #: bytes of the last drops that were delivered
    sizes: tuple[int, ...] = ()
    #: domains of the drop's recipients that nobody allowed, in their order
    strange: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess(Decision):
    """Whether a drop is held for what it holds or for whom it goes to."""

    #: None while it is within its limits
    hold: HoldReason | None = None
    #: monotonic, seconds: when it is within them by itself; None: only by a change
    retry_at: float | None = None

    @property
    def detail(self) -> str:
        """Give what it has too much of, the same however much it is; "" when nothing.

        And that the next day ends it, where that day alone does.
        """
        failed = [finding.detail for finding in self.findings if not finding.passed]
        ends = [] if self.retry_at is None else ["the next day it goes by itself"]
        return "; ".join((*failed, *ends))


def exceeds(seen: Seen, limits: Limits, past: Past = Past(), *, at: str = "") -> Excess:
    """Say whether a drop holds more than a person would drop by habit, or goes to strangers.

    `at` is the line of the rule.
    """
    findings = (
        _finding(
            "limit_files", seen.files <= limits.files, f"more than {limits.files:,} files", at=at
        ),
        _finding("limit_size", seen.size <= limits.size, _more(limits.size), at=at),
        *_of_the_day(seen, limits, past, at=at),
        *_of_the_unusual(seen, limits, past, at=at),
        *_of_the_domains(limits, past, at=at),
    )
    failed = [finding for finding in findings if not finding.passed]
    times = [finding.retry_at for finding in failed]
    ends_itself = bool(failed) and None not in times
    return Excess(
        hold=HoldReason.LIMIT_EXCEEDED if failed else None,
        retry_at=max((time for time in times if time is not None), default=None)
        if ends_itself
        else None,
        findings=findings,
    )


def _of_the_day(seen: Seen, limits: Limits, past: Past, *, at: str) -> tuple[Finding, ...]:
    if limits.per_day is None:
        return ()
    is_within = seen.size + past.today <= limits.per_day
    detail = f"{_more(limits.per_day)} on one day"
    # one that is larger than a whole day's limit by itself waits for a person
    again = past.day_ends_at if seen.size <= limits.per_day else None
    return (_finding("limit_day", is_within, detail, at=at, retry_at=again),)


def _of_the_unusual(seen: Seen, limits: Limits, past: Past, *, at: str) -> tuple[Finding, ...]:
    largest = max(past.sizes, default=0)
    if not limits.unusual or len(past.sizes) < UNUSUAL_KNOWN or not largest:
        return ()
    detail = (
        f"over {UNUSUAL_FACTOR} times the largest of the last {len(past.sizes)} drops,"
        f" {human_size(largest)}"
    )
    most = max(UNUSUAL_FACTOR * largest, UNUSUAL_FROM)
    return (_finding("limit_unusual", seen.size <= most, detail, at=at),)


def _of_the_domains(limits: Limits, past: Past, *, at: str) -> tuple[Finding, ...]:
    if limits.domains is None and not limits.asks_new_domains:
        return ()
    why = "nothing was delivered to yet" if limits.asks_new_domains else "are not allowed"
    detail = f"it goes to {', '.join(past.strange) or 'no domains'}, which {why}"
    fine = "it goes to no domain that a person has to be asked about"
    return (_finding("limit_domains", not past.strange, detail, at=at, fine=fine),)


def strangers(rule: Rule, path: bytes) -> tuple[str, ...]:
    """Give the domains of a drop's recipients that its rule does not allow; () without a list."""
    if rule.limits.domains is None:
        return ()
    return tuple(one for one in told_of(rule, path) if one not in rule.limits.domains)


def told_of(rule: Rule, path: bytes) -> tuple[str, ...]:
    """Give the domains of all who are told of a drop, by the cloud or by our letter."""
    return domains_of((*(recipients_of(rule, path) or ()), *rule.link.mail_to))


def domains_of(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Give the domains of these addresses, each once, without case."""
    return tuple(dict.fromkeys(one.rpartition("@")[2].casefold() for one in addresses))


def day_of(wall: float, local_at: Callable[[float], datetime]) -> tuple[float, float]:
    """Give when the local day of this second began and when the next one begins.

    Both in seconds since 1970, to the second; also where midnight is left out or comes twice.
    """
    day = local_at(wall).date()
    return (
        _turn(wall - _LONG_DAY_S, wall, lambda at: local_at(at).date() >= day),
        _turn(wall, wall + _LONG_DAY_S, lambda at: local_at(at).date() > day),
    )


def _turn(before: float, after: float, has_come: Callable[[float], bool]) -> float:
    while after - before > 1:
        middle = (before + after) / 2
        if has_come(middle):
            after = middle
        else:
            before = middle
    return float(math.ceil(after))


@functools.lru_cache
def _more(size: int) -> str:
    return f"more than {human_size(size)}"


def _finding(
    test: str,
    passed: bool,
    detail: str,
    *,
    at: str,
    retry_at: float | None = None,
    fine: str = "",
) -> Finding:
    """Give one test; what it says is the excess, or `fine`, else that there is none."""
    if passed:
        return Finding(test=test, passed=True, detail=fine or f"not {detail}", rule_at=at)
    return Finding(test=test, passed=False, detail=detail, rule_at=at, retry_at=retry_at)
