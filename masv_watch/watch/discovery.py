"""What found each drop: an event, or only the sweep.

Owns the record of it, and the suspicion against events that announced nothing. Never looks at a
root. Used by the intake of one hot folder, on its thread only.

Law 1. The sweep is the truth: what found a drop changes nothing about its way.
Law 2. An event may come a moment after the sweep; only one that never comes speaks against them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from masv_watch.metrics import Metrics
from masv_watch.model import FoundBy, Rule
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.hints import Hints

log = logging.getLogger(__name__)

#: seconds within which an event may follow the sweep that was faster
GRACE_S = 5.0
#: seconds after which an event that is missed counts as lost though others still come: whoever
#: reads a long queue of them may be far behind the sweep
LATEST_S = 60.0
#: seconds for which an announced name is remembered
_REMEMBERED_S = 900.0


class Discovery:
    """How the drops of one hot folder are found."""

    def __init__(self, rule: Rule, *, hints: Hints, metrics: Metrics) -> None:
        """Begin without having heard anything."""
        self._rule = rule
        self._hints = hints
        self._metrics = metrics
        for by in (FoundBy.EVENT, FoundBy.SWEEP):
            metrics.count("found_drops", 0, hot_folder=rule.name, by=by)
        #: names at the top that were announced, and when that was taken in, monotonic
        self._announced: dict[bytes, float] = {}
        #: drops that only the sweep found while events should have, by their row
        self._suspects: dict[int, tuple[bytes, float]] = {}
        #: monotonic, seconds: when the last names were announced
        self._heard_at = -math.inf

    def decide(self, ledger: Store, now: float, *, is_heard: bool) -> None:
        """Note what found each new drop; `is_heard` says that events should have announced it."""
        names, has_lost = self._hints.take_announced(self._rule.name)
        for name, at in list(self._announced.items()):
            if now - at > _REMEMBERED_S:
                del self._announced[name]
        self._announced.update(dict.fromkeys(names, now))
        if names:
            self._heard_at = now
        found: dict[int, FoundBy] = {}
        for drop_id, path in ledger.unfound(self._rule.name):
            by = FoundBy.EVENT if self._is_announced(path) else FoundBy.SWEEP
            found[drop_id] = by
            self._metrics.count("found_drops", hot_folder=self._rule.name, by=by)
            if by is FoundBy.EVENT:
                self._hints.doubt(self._rule.name, "")
            elif is_heard and not has_lost:
                self._suspects[drop_id] = (path, now)
        ledger.note_found(found)
        self._judge_suspects(ledger, now)

    def _is_announced(self, path: bytes) -> bool:
        """Say whether an event told of a drop, or of anything else below the same top name.

        A folder that is moved in is one event for all that it holds.
        """
        return path.partition(b"/")[0] in self._announced

    def _judge_suspects(self, ledger: Store, now: float) -> None:
        announced: dict[int, FoundBy] = {}
        missed: list[bytes] = []
        for drop_id, (path, since) in list(self._suspects.items()):
            if self._is_announced(path):
                del self._suspects[drop_id]
                announced[drop_id] = FoundBy.EVENT
            elif now - max(since, self._heard_at) >= GRACE_S or now - since >= LATEST_S:
                del self._suspects[drop_id]
                missed.append(path)
        ledger.note_found(announced)
        if missed:
            self._blame(missed)

    def _blame(self, missed: Sequence[bytes]) -> None:
        first, name = shown(missed[0]), self._rule.name
        said = {"hot_folder": name, "drop": first, "drops": len(missed)}
        log.warning("the sweep found a drop that no event announced", extra=said)
        others = f" and {len(missed) - 1} others" if len(missed) > 1 else ""
        verb = "were" if others else "was"
        why = f"{first}{others} {verb} found by the sweep and announced by no event"
        self._hints.doubt(name, why)
