"""Keep whose turn it is as the rules' windows and deadlines say it at this moment.

Owns which hot folders' windows are closed now, until when, and the place of what waits. Never stops
or begins an upload: the sender does. Built by `departure`; the sender's loop ticks, views ask.

Law 1. A window is asked by the wall clock each time: a jump of it, a reload and a night in which it
       is set count within a second while anything is on its way (pain 43).
Law 2. A closed window stops what carries bytes; what is finalizing or is deleted goes on. The
       window of `deliver` alone keeps a finalize that was not asked for yet, and our letters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from masv_watch.loops import Clock, zoned
from masv_watch.model import NO_TURNS, LateDrops, Rule, Schedule, Settings, Turns
from masv_watch.transfer.schedule import is_open, next_deadline, next_turn

#: seconds between two looks at the windows
LOOK_S = 0.5
#: later than every deadline, and before every one: what came while its window was closed
_NEVER = 1e12


class Openings:
    """The windows of one daemon's hot folders; any thread may ask."""

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        clock: Clock,
        store_now: Callable[[], float],
        opened: Callable[[str], None],
        disk_trouble: Callable[[], str],
    ) -> None:
        """Ask these; `opened` is told which hot folder's window has opened."""
        self._disk_trouble = disk_trouble
        self._settings = settings
        self._clock = clock
        self._store_now = store_now
        self._opened = opened
        #: what was told last, the rules that it was told of, and monotonic seconds of then
        self._told: tuple[Turns, tuple[Rule, ...], float] = (NO_TURNS, (), 0.0)

    def tick(self) -> None:
        """Tell of the windows that opened since the last look."""
        before, rules, _ = self._told
        now = self.turns()
        if rules == self._settings().hot_folders:
            for name in before.closed.keys() - now.closed.keys():
                self._opened(name)

    def turns(self) -> Turns:
        """Say whose turn it is now."""
        turns, rules, at = self._told
        monotonic, wanted = self._clock.monotonic(), self._settings().hot_folders
        if rules is not wanted or not 0.0 <= monotonic - at < LOOK_S:
            turns = self._look(wanted)
            self._told = (turns, wanted, monotonic)
        trouble = self._disk_trouble()
        return replace(turns, disk_trouble=trouble) if trouble else turns

    def opens_in_s(self) -> float:
        """Give the seconds until the first closed window opens; infinity where none does."""
        turns, _, _ = self._told
        ats = [at for at in (*turns.closed.values(), *turns.undelivered.values()) if at is not None]
        return min(ats, default=math.inf) - self._store_now()

    def _look(self, rules: Iterable[Rule]) -> Turns:
        ruled = {
            rule.name: rule
            for rule in rules
            if rule.schedule.windows or rule.schedule.deliver or rule.schedule.deadline is not None
        }
        if not ruled:
            return NO_TURNS
        wall, ahead = self._clock.wall(), self._store_now() - self._clock.wall()
        closed: dict[str, float | None] = {}
        undelivered: dict[str, float | None] = {}
        for name, rule in ruled.items():
            schedule = rule.schedule
            local_at = zoned(self._clock, schedule.tz)
            for spans, shut in ((schedule.windows, closed), (schedule.deliver, undelivered)):
                if not is_open(spans, local_at(wall)):
                    turn = next_turn(spans, wall, local_at)
                    # the two clocks are read one after the other: a turn falls on a full second
                    shut[name] = None if turn is None else float(round(turn + ahead))
        mixed = {name for name, one in ruled.items() if _goes_first(one.schedule)}
        return Turns(
            closed=closed,
            place=partial(self._place, ruled, ahead),
            mixed=frozenset(mixed),
            undelivered=undelivered,
        )

    def _place(
        self, ruled: dict[str, Rule], ahead: float, hot_folder: str | None, created_at: float
    ) -> float:
        rule = ruled.get(hot_folder or "")
        if rule is None:
            return _NEVER
        schedule = rule.schedule
        wall, local_at = created_at - ahead, zoned(self._clock, schedule.tz)
        is_late = _goes_first(schedule) and not is_open(schedule.windows, local_at(wall))
        # what waits in its recall window has to be up before that
        by = self._deadline(schedule, wall) - rule.recall_s
        return by - (2 * _NEVER if is_late else 0.0)

    def _deadline(self, schedule: Schedule, wall: float) -> float:
        if schedule.deadline is None:
            return _NEVER
        return next_deadline(schedule.deadline, wall, zoned(self._clock, schedule.tz))


def _goes_first(schedule: Schedule) -> bool:
    return bool(schedule.windows) and schedule.late_drops is LateDrops.SEND_NEXT
