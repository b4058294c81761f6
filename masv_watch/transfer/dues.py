"""Whose quota does not suffice, or who owes a payment, as the refusals of the cloud tell.

Owns when such a shortage begins and ends, and the one line of the log for each. Never asks the
cloud and never retries anything itself. Used by `transfer.failures`, on the sender's thread only.

Law 1. A shortage ends only when the cloud makes a package for whoever was refused one: that other
       steps pass proves nothing, for they need none of the quota. One of another step ends when
       nobody waits for it any more.
"""

from __future__ import annotations

import logging

from masv_watch.errors import CloudUnpaid
from masv_watch.lifecycle import CURES
from masv_watch.metrics import Metrics
from masv_watch.model import HoldReason, Upload
from masv_watch.retry import UNWAITED_S, Shortage
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import Step

log = logging.getLogger(__name__)


class Dues:
    """The shortages of one store."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        """Begin with those that an earlier run noted."""
        self._store = store
        self._metrics = metrics
        self._known = {each.payer: each for each in store.shortages()}
        #: store clock, seconds
        self._look_at = 0.0
        self._show()

    def refused(self, upload: Upload, step: Step, error: CloudUnpaid) -> Shortage:
        """Note a refusal; give the shortage, with when the cloud is asked again."""
        payer = upload.terms.payer
        found = self._store.note_shortage(payer, step=step, why=error.message)
        if payer not in self._known:
            log.error(
                "the cloud wants more quota or a payment first",
                extra={
                    "of": payer,
                    "code": error.code,
                    "reason": error.message,
                    "again_in_s": round(found.ask_at - self._store.now()),
                    "cure": CURES[HoldReason.QUOTA].replace("ID", upload.id),
                },
            )
        self._known[payer] = found
        self._show()
        return found

    def passed(self, upload: Upload, step: Step) -> None:
        """Take it that the cloud did a step: where that proves a quota, all who wait go on."""
        if step is not Step.OPEN_PACKAGE or not self._known or upload.relinks is not None:
            return
        found = self._known.get(upload.terms.payer)
        if found is not None and found.step == step:
            self._store.end_shortage(found.payer)
            self._end(found.payer)

    def tick(self) -> None:
        """Forget from time to time what nobody waits for any more."""
        now = self._store.now()
        if not self._known or 0.0 <= self._look_at - now <= UNWAITED_S:
            return
        self._look_at = now + UNWAITED_S
        for payer in self._store.forget_shortages():
            self._end(payer)

    def _end(self, payer: str) -> None:
        self._known.pop(payer, None)
        self._show()
        log.info("nothing waits for quota or a payment any more", extra={"of": payer})

    def _show(self) -> None:
        self._metrics.gauge("quota_refused", int(bool(self._known)))
