"""What the ledger knows of a hot folder that its limits ask about.

Owns which of it is asked for, and how long an answer may be used again. Never decides what exceeds
a limit: `watch.limits` does. Alone, because the deciders ask no store. Used by `watch.assessing`.
"""

from __future__ import annotations

from masv_watch.loops import Clock, zoned
from masv_watch.model import Drop, Rule
from masv_watch.store.contract import Store
from masv_watch.watch.limits import COMPARED, Past, day_of, strangers, told_of

#: seconds for which the sizes of the last drops are not asked for again
_USED_S = 5.0


class Ledgered:
    """The past of one hot folder, as far as its rule's limits ask."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Ask these."""
        self._store = store
        self._clock = clock
        self._sizes: tuple[int, ...] = ()
        self._sizes_at = float("-inf")
        #: domains to which something was delivered: that stays true
        self._known: set[str] = set()

    def past(self, rule: Rule, path: bytes, drop: Drop | None) -> Past:
        """Give what the limits of a rule need to know for one drop."""
        today, ends_at = self._day(rule, drop)
        return Past(
            today=today,
            day_ends_at=ends_at,
            sizes=self._last_sizes(rule) if rule.limits.unusual else (),
            strange=self._strange(rule, path),
        )

    def _day(self, rule: Rule, drop: Drop | None) -> tuple[int, float | None]:
        if rule.limits.per_day is None:
            return 0, None
        wall = self._clock.wall()
        begun, ends = day_of(wall, zoned(self._clock, rule.schedule.tz))
        since = begun + self._store.now() - wall
        taken = self._store.taken_since(rule.name, since, but=None if drop is None else drop.id)
        return taken, self._clock.monotonic() + ends - wall

    def _last_sizes(self, rule: Rule) -> tuple[int, ...]:
        now = self._clock.monotonic()
        if not 0.0 <= now - self._sizes_at < _USED_S:
            self._sizes = tuple(self._store.delivered_sizes(rule.name, COMPARED))
            self._sizes_at = now
        return self._sizes

    def _strange(self, rule: Rule, path: bytes) -> tuple[str, ...]:
        if rule.limits.asks_new_domains:
            return tuple(one for one in told_of(rule, path) if not self._knows(rule.name, one))
        return strangers(rule, path)

    def _knows(self, hot_folder: str, domain: str) -> bool:
        if domain not in self._known and self._store.delivered_to(hot_folder, domain):
            self._known.add(domain)
        return domain in self._known
