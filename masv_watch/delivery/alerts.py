"""The loop that tells people of what needs them.

Owns the looks at what needs a person, and the sending of the letters about it. Never decides when
one is due (`alarms` does) and never mends anything. Built by `daemon`.

Law 1. A letter and what it tells of are stored together before it is sent.
Law 2. A letter that has not left goes to whom the configuration names by then.
Law 3. What a full or broken state disk keeps from being stored is told of all the same, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import format_datetime

from masv_watch.delivery import mail, notices
from masv_watch.delivery.alarms import Telling, decide
from masv_watch.errors import UNSTORED, MailError, MailRefused, StoreError
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Alarm, Alerts, Mail, Need, Notice
from masv_watch.retry import Next
from masv_watch.retry import decide as decide_retry
from masv_watch.store.contract import Store

log = logging.getLogger(__name__)

#: seconds between two looks at what needs a person
LOOK_S = 60.0
#: seconds that one exchange with the mail server may take
MAIL_S = 60.0
#: seconds between two tries of what only a person can mend
OPERATOR_S = 3600.0


class Teller:
    """Whoever tells people; `tick` is called by one loop."""

    def __init__(
        self,
        store: Store,
        needs: Callable[[], Iterable[Need]],
        *,
        mail_settings: Callable[[], Mail | None],
        host: str,
        clock: Clock,
        metrics: Metrics,
        luck: Callable[[], float],
    ) -> None:
        """Begin; `needs` lists all that waits for a person now, `host` is the machine's name."""
        self._store = store
        self._needs = needs
        self._mail_settings = mail_settings
        self._host = host
        self._clock = clock
        self._metrics = metrics
        self._luck = luck
        #: monotonic seconds since which nothing can be stored, and whether that was told
        self._lame_since: float | None = None
        self._is_lame_told = False

    def tick(self) -> float:
        """Look, write what is due, send one letter; give the seconds to the next look."""
        settings = self._mail_settings()
        seen_at, needs = self._store.now(), list(self._needs())
        self._metrics.gauge("needs", len(needs))
        if settings is None or settings.alerts is None:
            self._forget_unsent()
            return LOOK_S
        try:
            self._store.readdress(settings.alerts.to)
            self._write(self._store.note_needs(needs), settings.alerts, seen_at)
        except StoreError as error:
            self._tell_without_store(needs, settings, settings.alerts, error)
            return LOOK_S
        self._lame_since, self._is_lame_told = None, False
        notice = self._store.due_notice()
        if notice is None:
            return LOOK_S
        self._send(notice, settings)
        return 0.0

    def _forget_unsent(self) -> None:
        with suppress(StoreError):
            # at the next look, then
            self._store.readdress(())

    def _write(self, alarms: Iterable[Alarm], alerts: Alerts, seen_at: float) -> None:
        telling = decide(
            alarms,
            now=self._store.now(),
            after_s=alerts.after_s,
            told_at=self._store.told_at(),
        )
        if telling is None:
            return
        self._store.tell(
            alerts.to,
            subject=notices.subject(telling, host=self._host),
            text=notices.text(telling, local=self._clock.local),
            told=[alarm.need.key for alarm in telling.new],
            over=[alarm.need.key for alarm in telling.over],
            seen_at=seen_at,
        )
        log.info(
            "people are told",
            extra={"new": len(telling.new), "over": len(telling.over), "letters": len(alerts.to)},
        )

    def _send(self, notice: Notice, settings: Mail) -> None:
        date = format_datetime(self._clock.local(notice.created_at))
        try:
            letter = notices.compose(notice, sender=settings.sender, date=date)
            words = mail.send(letter, smtp=settings.smtp, to=notice.address, timeout_s=MAIL_S)
        except MailRefused as error:
            log.error("a notice was refused", extra=_told(notice, error))
            self._store.end_notice(notice, str(error), is_refused=True)
        except MailError as error:
            decision = decide_retry(error, notice.attempts + 1, self._store.now(), self._luck())
            is_soon = decision.next is Next.AGAIN and decision.at is not None
            at = decision.at if is_soon else self._store.now() + OPERATOR_S
            log.warning("a notice failed and is tried again", extra=_told(notice, error))
            self._store.retry_notice(notice, retry_at=at or 0.0, note=str(error))
        else:
            self._store.end_notice(notice, words)
            self._metrics.count("notices_sent")

    def _tell_without_store(
        self, needs: Iterable[Need], settings: Mail, alerts: Alerts, error: StoreError
    ) -> None:
        """Tell once that nothing can be stored, though nobody can note that it was told."""
        now = self._clock.monotonic()
        if self._lame_since is None:
            self._lame_since = now
        if self._is_lame_told or now - self._lame_since < alerts.after_s:
            return
        self._is_lame_told = True
        wall = self._clock.wall()
        since = wall - (now - self._lame_since)
        own = Need(key="state", text=f"the state cannot be written: {error}", cure=UNSTORED)
        new = [Alarm(need=need, since=since) for need in (own, *needs)]
        telling = Telling(new=tuple(new))
        for number, address in enumerate(alerts.to):
            notice = Notice(
                id=number,
                address=address,
                subject=notices.subject(telling, host=self._host),
                text=notices.text(telling, local=self._clock.local),
                created_at=since,
                attempts=0,
            )
            date = format_datetime(self._clock.local(wall))
            try:
                letter = notices.compose(notice, sender=settings.sender, date=date)
                mail.send(letter, smtp=settings.smtp, to=address, timeout_s=MAIL_S)
            except MailError as failure:
                log.error("a notice failed", extra=_told(notice, failure))


def _told(notice: Notice, error: MailError) -> dict[str, object]:
    return {
        "to": notice.address,
        "subject": notice.subject,
        "code": error.code,
        "reason": error.message,
        "cure": error.hint,
    }
