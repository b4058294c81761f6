"""What the log is told of a hot folder's entries, and how often.

Owns the sentences and when one is told again. Never judges an entry and writes no row. Used by the
entries of a hot folder, on the intake's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from masv_watch.model import Drop, HoldReason, Rule
from masv_watch.names import shown
from masv_watch.uploads import cure_of
from masv_watch.watch.assessing import Assessment
from masv_watch.watch.completeness import is_overdue
from masv_watch.watch.memory import Remembered
from masv_watch.watch.redrops import LATE_FACTOR
from masv_watch.watch.rules import IS_OURS

log = logging.getLogger(__name__)

_DAY_S = 24 * 3600.0
#: quiet times within which everything that does not change goes, late and empty files too
_SETTLES = LATE_FACTOR + 1


def warn_of_growth(
    rule: Rule, drop: Drop, known: Remembered, *, now: float, quiet_s: float
) -> None:
    """Tell once a day of what has not settled for long (pains 10, 20); `now`: store clock.

    What was held all that time, and may go once it is quiet for `quiet_s`, is given the time to.
    """
    if known.held or known.open_since is None:
        known.open_since = now
    if known.awaits:
        # it has settled, and does not change
        known.told_at = 0.0
        return
    is_late = drop.settled_at is None and now - drop.seen_at > rule.settle.warn_after_s
    may_go = known.held or now - known.open_since <= _SETTLES * quiet_s
    if not is_late or may_go or now - known.told_at < _DAY_S:
        return
    known.told_at = now
    log.warning(
        "a drop has not settled for long",
        extra={
            "hot_folder": rule.name,
            "drop": shown(drop.path),
            "hours": round((now - drop.seen_at) / 3600, 1),
            "cure": f"masv-watch explain {shown(rule.path)}/{shown(drop.path)}",
        },
    )


def warn_of_lack(
    rule: Rule, drop: Drop, known: Remembered, *, found: Assessment, now: float
) -> None:
    """Tell once of a drop that has lacked something for as long as is waited; `now`: monotonic."""
    hold = found.outcome.hold
    if hold is not HoldReason.SIDECAR_MISSING:
        known.bare_since = None
    elif known.bare_since is None:
        known.bare_since = now
    is_bare = known.bare_since is not None and is_overdue(known.bare_since, now)
    is_incomplete = hold is HoldReason.INCOMPLETE
    is_late = is_bare or (
        is_incomplete and found.checked is not None and found.checked.is_late(now)
    )
    if hold is None or known.lack_told or not is_late:
        return
    known.lack_told = True
    log.warning(
        "a drop has lacked something for long",
        extra={
            "hot_folder": rule.name,
            "drop": shown(drop.path),
            "reason": found.outcome.note,
            "cure": cure_of(replace(drop, hold=hold), rule.path),
        },
    )


def tell_remarks(rule: Rule, top: bytes, remarks: Sequence[str]) -> None:
    """Tell of what a drop goes without."""
    if remarks:
        log.warning(
            "a drop goes although something is missing",
            extra={"hot_folder": rule.name, "drop": shown(top), "reason": "; ".join(remarks)},
        )


def tell_clashes(rule: Rule, top: bytes, clashes: Sequence[str]) -> None:
    """Tell of names that are one elsewhere: nobody here sees what is lost there (fault 22)."""
    if clashes:
        log.warning(
            "a drop goes with names that are one elsewhere",
            extra={
                "hot_folder": rule.name,
                "drop": shown(top),
                "reason": "; ".join(clashes),
                "cure": "give one of them another name, then masv-watch resend",
            },
        )


def tell_urged(rule: Rule, top: bytes, upload_id: str) -> None:
    """Tell that a drop goes at once because a marker says so."""
    log.info(
        "a drop goes at once, its marker says so",
        extra={"hot_folder": rule.name, "drop": shown(top), "upload": upload_id},
    )


def tell_skipped(rule: Rule, top: bytes, reason: str, *, told: set[bytes]) -> None:
    """Tell of an entry of somebody's that is left out, unless it is among those `told` of."""
    if top in told:
        return
    told.add(top)
    if reason == IS_OURS:
        return
    log.info(
        "an entry is left out",
        extra={"hot_folder": rule.name, "entry": shown(top), "reason": reason},
    )


def tell_unwanted(rule: Rule, drop: Drop) -> None:
    """Tell of what stands under the name of a cancelled drop and is not sent with it."""
    log.warning(
        "what stands under the name of a drop that was cancelled is not sent",
        extra={
            "hot_folder": rule.name,
            "drop": shown(drop.path),
            "cure": f"masv-watch resend {drop.id} sends it all the same",
        },
    )
