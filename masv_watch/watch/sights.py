"""How a hot folder is, for whoever looks at all of them: its root, its looks, its notifications.

Owns that view of one intake. Never looks into a folder and decides nothing. Used by `roster`.
"""

from __future__ import annotations

from collections.abc import Callable

from masv_watch.model import Rule
from masv_watch.uploads import FolderLook, FolderSight
from masv_watch.watch.hints import Mode, Sight
from masv_watch.watch.intake import PERIOD_S, Intake
from masv_watch.watch.ledgers import volume_shown


def sight_of(
    intake: Intake, mode: Mode, *, last_event: float | None, now: float, store_now: float
) -> FolderSight:
    """Say how a watched hot folder is; `now` and `last_event` are monotonic."""

    def at(then: float | None) -> float | None:
        return None if then is None else store_now - (now - then)

    hangs = intake.hangs(now)
    return FolderSight(
        rule=intake.rule,
        reason="its folder does not answer" if hangs else intake.gate.why,
        last_sweep=at(intake.last_sweep),
        notifications="on" if mode.sight is Sight.EVENTS else mode.why,
        last_event=at(last_event),
        mode=_mode_shown(mode),
        known_by=_known_by(intake),
        away_since=at(intake.asking_since if hangs else intake.absence.since),
        question=intake.gate.question,
        look=_look_of(intake, at),
        quiet=intake.entries.assessor.shown,
    )


def disabled_sight(rule: Rule) -> FolderSight:
    """Say how a hot folder is that nobody watches by its rule."""
    why = "it is disabled: set `enabled: true` for it, then masv-watch reload"
    return FolderSight(rule=rule, reason=why, last_sweep=None, notifications="off")


def _mode_shown(mode: Mode) -> str:
    """Say in words how changes are found, and why not by events where they are not."""
    sweep = f"a sweep every {PERIOD_S[mode.sight]:g} s"
    return f"events, and {sweep}" if mode.sight is Sight.EVENTS else f"{sweep}: {mode.why}"


def _known_by(intake: Intake) -> str:
    """Say what tells the root of a hot folder from any other."""
    volume = intake.gate.volume
    if volume is None:
        return ""
    return "its marker" if intake.gate.is_marked else volume_shown(volume)


def _look_of(intake: Intake, at: Callable[[float | None], float | None]) -> FolderLook | None:
    """Say which look an intake took last, and why."""
    cycle, looked_at = intake.cycle, at(intake.looked_at)
    if cycle is None or looked_at is None:
        return None
    # a look at the folders alone that finds one changed becomes a look at everything
    is_full = intake.full_at == intake.looked_at
    failed = [finding.detail for finding in cycle.findings if not finding.passed]
    why = "; ".join(failed) or ("a folder changed" if is_full else "nothing points to a change")
    return FolderLook(
        at=looked_at,
        is_full=is_full,
        why=why,
        full_at=None if intake.full_at < 0 else at(intake.full_at),
    )
