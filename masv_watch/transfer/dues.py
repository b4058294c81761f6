"""Whose quota does not suffice, or who owes a payment, as the refusals of the cloud tell.

Owns when such a shortage begins and ends, and the one line of the log for each. Never asks the
cloud and never retries anything itself. Used by `transfer.failures`, on the sender's thread only.

Law 1. A shortage ends only when the cloud makes a package for whoever was refused one: that other
       steps pass proves nothing, for they need none of the quota. One of another step ends when
       nobody waits for it any more.
Law 2. Where it was another step, the first that passes once the cloud may be asked lets all who
       wait be tried at once, once for each pause: what passes for one may still be too large for
       another, and each that is refused makes the pause longer.
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

#: what the cloud takes or refuses for the size of a file
_OF_FILES = {Step.SHIP_FILE, Step.OPEN_FILE, Step.CLOSE_FILE}


class Dues:
    """The shortages of one store."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        """Begin with those that an earlier run noted."""
        self._store = store
        self._metrics = metrics
        self._known = {each.payer: each for each in store.shortages()}
        #: store clock, seconds
        self._look_at = 0.0
        #: who has all that waits tried since the newest refusal
        self._tried: set[str] = set()
        #: whether somebody waited at the newest look
        self._waited = bool(self._known)
        self._show(self._waited)

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
        self._tried.discard(payer)
        # what was refused just now is still in hand
        self._look_at = self._store.now() + UNWAITED_S
        self._waited = True
        self._show(True)
        return found

    def passed(self, upload: Upload, step: Step) -> None:
        """Take it that the cloud did a step: where that proves a quota, all who wait go on."""
        found = self._known.get(upload.terms.payer) if self._known else None
        if found is None:
            return
        if found.step != Step.OPEN_PACKAGE:
            self._try_all(found, step)
        elif step is Step.OPEN_PACKAGE and upload.relinks is None:
            self._store.end_shortage(found.payer)
            self._end(found.payer)

    def _try_all(self, found: Shortage, step: Step) -> None:
        is_like = step == found.step or {step, found.step} <= _OF_FILES
        if found.payer in self._tried or not (is_like or step is Step.FINALIZE):
            return
        now = self._store.shortage(found.payer)
        if now is not None and self._store.now() >= now.ask_at:
            self._tried.add(found.payer)
            self._store.ask_again(found.payer)

    def tick(self) -> None:
        """Forget from time to time what nobody waits for, and show whether anybody waits."""
        now = self._store.now()
        if not self._known or 0.0 <= self._look_at - now <= UNWAITED_S:
            return
        self._look_at = now + UNWAITED_S
        for payer in self._store.forget_shortages():
            self._end(payer)
        waits = bool(self._store.unpaid())
        # whoever the cloud is asked for right now does not wait, but at the next look he may again
        self._show(waits or self._waited)
        self._waited = waits

    def _end(self, payer: str) -> None:
        self._known.pop(payer, None)
        self._tried.discard(payer)
        if not self._known:
            self._waited = False
            self._show(False)
        log.info("nothing waits for quota or a payment any more", extra={"of": payer})

    def _show(self, waits: bool) -> None:
        self._metrics.gauge("quota_refused", int(waits))
