"""What the absence of a root does to its drops, and when somebody is told loudly.

Owns since when a root is away. Never looks at it: the gate does. Built by intake, and used on its
thread but for the view.

Law 1. No row is dropped: what waits for the root is held, and goes on by itself (fault 8).
Law 2. One alarm for one absence, however long.
"""

from __future__ import annotations

import logging

from masv_watch import lifecycle
from masv_watch.errors import SourceUnreadable
from masv_watch.model import HoldReason, Rule
from masv_watch.store.contract import Store

log = logging.getLogger(__name__)

#: seconds after which somebody is told loudly that a root is away
ALARM_S = 120.0


class Absence:
    """Whether the root of one rule is away."""

    def __init__(self, rule: Rule, store: Store) -> None:
        """Begin as if an earlier process had left drops waiting."""
        self._rule = rule
        self._store = self._ledger = store
        #: whether what came before volumes had ledgers of their own lies on the one that is there
        self._has_earlier = False
        #: monotonic seconds at which it was first found away; None while it is there
        self.since: float | None = None
        self._is_noted = self._is_alarmed = False
        #: whether drops were held for the absence that lasts
        self.has_waiting = False
        #: whether drops may be held because the root was away
        self._may_wait = True

    def note(self, now: float, why: str) -> None:
        """Hold what lies in the root, once for each absence; `why` is a sentence for people.

        Without a reason only a look broke off, which is begun again.
        """
        if self.since is None:
            self.since = now
        if why and not self._is_noted:
            self._may_wait = True
            waiting = self._store.close_root(self._rule.name, self._rule.path, why)
            self._is_noted, self.has_waiting = True, waiting > 0
            # an empty card reader is none of anybody's business
            self._is_alarmed = self._rule.removable and not waiting
        if why and now - self.since >= ALARM_S and not self._is_alarmed:
            self._is_alarmed = True
            log.error(
                "a hot folder is away",
                extra={
                    "hot_folder": self._rule.name,
                    "code": SourceUnreadable.code,
                    "reason": why,
                    "cure": self._cure(),
                },
            )

    def _cure(self) -> str:
        is_card = self._rule.removable
        return lifecycle.REINSERT if is_card else lifecycle.CURES[HoldReason.ROOT_UNAVAILABLE]

    def turn_to(self, ledger: Store, name: str, *, uuid: str) -> None:
        """Let wait what came on any other volume than the one that is there now.

        What came before volumes had ledgers of their own lies on the one that was known by then.
        """
        self._may_wait = True
        before = self._store.root(self._rule.name)
        is_earlier = before is None or before.uuid in ("", uuid)
        self._ledger, self._has_earlier = ledger, is_earlier
        here = (name, self._rule.name) if is_earlier else (name,)
        why = "its volume is not there; insert the one that it came on"
        self._store.close_root(self._rule.name, self._rule.path, why, but=here)

    def end(self) -> None:
        """Let go on what waited for the root, which is there."""
        self.has_waiting = False
        self.since, self._is_noted, self._is_alarmed = None, False, False
        if self._may_wait:
            self._ledger.open_root(self._rule.name)
            if self._has_earlier:
                self._store.open_root(self._rule.name, with_volumes=False)
            self._may_wait = False
