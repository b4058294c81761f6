"""Keep the throttle's limits as the configuration, the clock and callers want them.

Owns which limit holds now and who says so. Never holds a byte back itself and never judges what a
caller posts: the API does. Built by `departure`; the sender's loop ticks, the API asks.

Law 1. What a caller posted counts in place of the configuration's limit for all uploads, over
       reloads and restarts, until it is posted anew or handed back. One rule, and no time limit.
Law 2. A hot folder's own limit is the configuration's; nothing that is posted lifts it.
Law 3. A change holds at once, a line of a timetable within a second of its minute while anything is
       on its way.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import datetime

from masv_watch.loops import Clock, zoned
from masv_watch.metrics import Metrics
from masv_watch.model import (
    DaySpan,
    LimitNow,
    LimitSource,
    LimitsView,
    RateLimit,
    Settings,
    Timetable,
)
from masv_watch.store.contract import Store
from masv_watch.transfer.pacing import Rates
from masv_watch.transfer.schedule import limit_at, next_change, posted_table
from masv_watch.transfer.throttle import Throttle

log = logging.getLogger(__name__)

#: seconds between two looks at the timetables
LOOK_S = 0.5
_GAUGE = "limit_bytes_per_second"


class LimitKeeper:
    """The limits of one daemon as they are now; any thread may ask."""

    def __init__(
        self,
        store: Store,
        throttle: Throttle,
        *,
        settings: Callable[[], Settings],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Take up what was posted before, and let the limits of this moment hold."""
        self._store = store
        self._throttle = throttle
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        #: held while what counts is changed, so that store, memory and throttle say the same
        self._door = threading.Lock()
        self._posted = _read(store.remembered_rate_limit())
        self._held = Rates()
        self._looked_at = clock.monotonic()
        self._look()

    def tick(self) -> None:
        """Let what the timetables say now hold; looks twice a second, however often it is asked."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._look()

    def adopt(self) -> None:
        """Take over a reloaded configuration."""
        self._look()
        if self._posted is not None and self._settings().bandwidth.lines:
            log.warning(
                "the limit that was posted to the API goes on instead of `bandwidth`",
                extra={"cure": "masv-watch limit config"},
            )

    def post(self, wish: RateLimit) -> None:
        """Let a caller's limit hold for all uploads, from now on and after restarts."""
        with self._door:
            self._store.remember_rate_limit(_written(wish))
            self._posted = wish
            self._apply()

    def reset(self) -> None:
        """Let the configuration's limit count again."""
        with self._door:
            self._store.remember_rate_limit(None)
            self._posted = None
            self._apply()

    def view(self) -> LimitsView:
        """Give every limit as it is now, and until when."""
        posted, settings = self._posted, self._settings()
        source = LimitSource.CONFIG if settings.bandwidth.lines else LimitSource.NONE
        return LimitsView(
            source=source if posted is None else LimitSource.API,
            posted=posted,
            total=self._now_of(self._table()),
            hot_folders={
                rule.name: self._now_of(rule.bandwidth)
                for rule in settings.hot_folders
                if rule.bandwidth.lines
            },
        )

    def _table(self) -> Timetable:
        """Give the timetable that counts for all uploads together."""
        posted, own = self._posted, self._settings().bandwidth
        return own if posted is None else posted_table(posted, own.tz)

    def _now_of(self, table: Timetable) -> LimitNow:
        wall = self._clock.wall()
        return LimitNow(
            limit=limit_at(table, self._local(table, wall)),
            until=next_change(table, wall, lambda at: self._local(table, at)),
        )

    def _local(self, table: Timetable, wall: float) -> datetime:
        return zoned(self._clock, table.tz)(wall)

    def _look(self) -> None:
        with self._door:
            self._apply()

    def _apply(self) -> None:
        """Let hold what counts now; the door is held."""
        wall, table = self._clock.wall(), self._table()
        own = {
            rule.name: limit_at(rule.bandwidth, self._local(rule.bandwidth, wall))
            for rule in self._settings().hot_folders
            if rule.bandwidth.lines
        }
        wanted = Rates(
            total=limit_at(table, self._local(table, wall)),
            folders={name: rate for name, rate in own.items() if rate is not None},
        )
        before, self._held = self._held, wanted
        if wanted != before:
            self._throttle.change(wanted)
            self._tell(before, wanted)

    def _tell(self, before: Rates, now: Rates) -> None:
        for name in {*before.folders, *now.folders}:
            self._tell_one(before.of(name), now.of(name), hot_folder=name)
        self._tell_one(before.total, now.total)

    def _tell_one(self, before: int | None, now: int | None, **labels: str) -> None:
        if now is None:
            self._metrics.forget(_GAUGE, **labels)
        else:
            self._metrics.gauge(_GAUGE, now, **labels)
        if now != before:
            log.info("the limit of bandwidth changed", extra={"bytes_per_second": now, **labels})


def _written(wish: RateLimit) -> str:
    spans = [[span.enabled, span.start, span.end] for span in wish.schedule]
    return json.dumps([wish.enabled, wish.rate, wish.is_scheduled, spans])


def _read(text: str | None) -> RateLimit | None:
    """Read what was posted before a restart; what another version wrote counts as nothing."""
    if text is None:
        return None
    try:
        enabled, rate, is_scheduled, spans = json.loads(text)
        schedule = tuple(DaySpan(enabled=on, start=start, end=end) for on, start, end in spans)
    except (ValueError, TypeError) as error:
        log.warning("a posted limit cannot be read, so it does not hold", extra={"cause": error})
        return None
    return RateLimit(enabled=enabled, rate=rate, is_scheduled=is_scheduled, schedule=schedule)
