"""Notice that nothing came where something comes every day.

Owns the moment by which a hot folder's drops are expected, and what is said once it passed without
one. Never looks into a folder: what came is asked of the ledger. Built by `departure`, whose loop
ticks; views ask.

Law 1. A day on which no window of the hot folder was open expects nothing.
Law 2. One notice for each moment, and it ends with the first drop that comes.
Law 3. A hot folder that is new expects nothing of the time before it was watched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from masv_watch.loops import Clock, zoned
from masv_watch.metrics import Metrics
from masv_watch.model import Need, Rule, Settings, Span
from masv_watch.store.contract import Store
from masv_watch.transfer.schedule import is_open, next_deadline, next_turn

log = logging.getLogger(__name__)

#: seconds between two looks
LOOK_S = 30.0
_DAY_S = 24 * 3600.0


def missed_at(
    by: int,
    spans: Sequence[Span],
    wall: float,
    local_at: Callable[[float], datetime],
    *,
    came_at: float | None,
) -> tuple[float, float] | None:
    """Give since when and by when something should have come and did not; None otherwise.

    `by` is a minute of the day; `wall` and `came_at`, the newest arrival, are seconds since 1970,
    and `local_at` gives what the wall clock shows at such a time.
    """
    moments = [next_deadline(by, wall - 4 * _DAY_S, local_at)]
    while (later := next_deadline(by, moments[-1], local_at)) <= wall:
        moments.append(later)
    since, until = moments[-2:]
    if came_at is not None and came_at >= since:
        return None
    was_open = is_open(spans, local_at(since))
    opens_at = since if was_open else next_turn(spans, since, local_at)
    return None if opens_at is None or opens_at >= until else (since, until)


class Expectations:
    """What should have come to the hot folders of one daemon; any thread may ask."""

    def __init__(
        self,
        store: Store,
        *,
        settings: Callable[[], Settings],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Begin without a notice."""
        self._store = store
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._looked_at = float("-inf")
        #: wall clock, seconds, at which each hot folder was first looked at
        self._began: dict[str, float] = {}
        #: of each hot folder to which nothing came, the moment by which it should have
        self._missed: dict[str, float] = {}
        self._needs: tuple[Need, ...] = ()
        #: hot folders of which a metric is shown
        self._shown: frozenset[str] = frozenset()

    def tick(self) -> None:
        """Look whether a moment passed without a drop, and tell once of one that did."""
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        rules = self._settings().hot_folders
        asked = [rule for rule in rules if rule.is_enabled and rule.schedule.expect_by is not None]
        self._needs = tuple(need for rule in asked for need in self._look(rule))
        names = frozenset(rule.name for rule in asked)
        for gone in self._shown - names:
            self._metrics.forget("nothing_arrived", hot_folder=gone)
        self._shown = names

    def needs(self) -> tuple[Need, ...]:
        """Give what a person should know, one for each hot folder to which nothing came."""
        return self._needs

    def _look(self, rule: Rule) -> Sequence[Need]:
        until = self._missed_by(rule)
        self._metrics.gauge("nothing_arrived", until is not None, hot_folder=rule.name)
        if until is None:
            self._missed.pop(rule.name, None)
            return ()
        local = zoned(self._clock, rule.schedule.tz)(until)
        text = (
            f"hot folder {rule.name}: nothing arrived by {local:%H:%M} of {local:%Y-%m-%d}, and"
            " expect_by says that something does"
        )
        if self._missed.get(rule.name) != until:
            if self._store.unmet(rule.name) != until:
                log.warning("nothing arrived", extra={"hot_folder": rule.name, "reason": text})
                self._store.note_unmet(rule.name, until)
            self._missed[rule.name] = until
        cure = f"ask whoever delivers into it, and look at masv-watch status {rule.name}"
        return (Need(key=f"expect_by {rule.name}", text=text, cure=cure),)

    def _missed_by(self, rule: Rule) -> float | None:
        schedule, wall = rule.schedule, self._clock.wall()
        began = self._began.setdefault(rule.name, wall)
        if schedule.expect_by is None:
            return None
        ahead = self._store.now() - wall
        seen = self._store.arrivals(rule.name)
        found = missed_at(
            schedule.expect_by,
            schedule.windows,
            wall,
            zoned(self._clock, schedule.tz),
            came_at=None if seen is None else seen[1] - ahead,
        )
        if found is None:
            return None
        since, until = found
        # what was in use before had all that time, and so had what is watched since then
        first = began if seen is None else min(began, seen[0] - ahead)
        return until if first <= since else None
