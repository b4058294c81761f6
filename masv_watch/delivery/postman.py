"""Hand over the letters that deliveries owe, each by itself or several together.

Owns the order of intent and effect for a letter, and what follows its outcome. Never changes an
upload and never decides what goes together (`digests` does). Called by `outbox`, with a claimed
task.

Law 1. What a letter tells of is stored before it is handed over; a repeat has its Message-ID.
Law 2. Each delivery has an outcome of its own, whatever letter told of it.
Law 3. What was certainly not taken may go with others; what may have been taken goes as it was.
Law 4. One delivery that no letter can tell of keeps no other from being told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.utils import format_datetime

from masv_watch.cloud import wire
from masv_watch.delivery import digests, letters, mail
from masv_watch.errors import MailDeferred, MailError, MailRefused
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Link, Mail, Settings, Task, TaskEvent, Turns, Upload
from masv_watch.retry import Next, decide
from masv_watch.store.contract import Store

log = logging.getLogger(__name__)

#: seconds of a letter's lease: longer than any takes, and short enough to come back soon after the
#: store failed in between
LEASE_S = 600.0
#: seconds that one exchange with the mail server may take
MAIL_S = 60.0
#: seconds from its first try after which a letter that was never taken is given up
MAIL_LIFE_S = 72 * 3600.0
#: seconds between two tries of what only a person can mend
OPERATOR_S = 3600.0
#: failures after which a letter of several that fails by what stands in it is taken apart: a server
#: that greets newcomers with a 4xx takes it before
APART_AFTER = 3
#: what is said of a letter that may have been taken
MAYBE = "; a try whose answer was lost may have arrived"
#: what a person does instead, where the failure itself names nothing
CURE = "look at mail.smtp and at the address; masv-watch link {upload} gives what the letter says"


class Postman:
    """Whoever hands over letters; called by one loop."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        *,
        clock: Clock,
        metrics: Metrics,
        luck: Callable[[], float],
        turns: Callable[[], Turns],
    ) -> None:
        """Begin; `settings` are asked as they are now, `turns` say whose letters must wait."""
        self._store = store
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._luck = luck
        self._turns = turns

    def deliver(self, task: Task, upload: Upload) -> None:
        """Send the letter that a claimed task stands for, or let it wait for the next one.

        Raises:
            FenceLost: the task has a newer claim.
        """
        if self._gathers(task, upload):
            return
        template = upload.terms.template
        tasks = self._store.take_letter(task, LEASE_S, template=template)
        try:
            words = self._send(tasks)
        except MailError as error:
            self._failed(tasks, error, template)
            return
        note = self._without_links(tasks, words)
        self._store.end_letter(tasks, TaskEvent.DONE, template=template, note=note, mailed=True)
        self._metrics.count("letters_sent")
        self._metrics.count("tasks_done", len(tasks), kind=task.kind)
        log.info("a letter was sent", extra=_whose(tasks))

    def _gathers(self, task: Task, upload: Upload) -> bool:
        """Say whether a letter waits for the next one to its address; else say what goes in it."""
        settings = self._settings().mail
        digest_s = None if settings is None else settings.digest_s
        if digest_s is None or task.letter or task.asked or task.is_alone:
            return False
        template = upload.terms.template
        if not letters.joins(template):
            return False
        now = self._store.now()
        mailed_at = self._store.mailed_at(task.key, template)
        at = digests.opens_at(mailed_at, now=now, digest_s=digest_s)
        # what went once was due then: its next try is the retry's to time
        if at > now and not upload.is_started and not task.attempts:
            self._store.retry_task(task, retry_at=at, attempts=task.attempts, note=task.note)
            return True
        owed = self._store.owed_letters(task, turns=self._turns())
        together = digests.letters(owed, template=template)
        if together:
            self._store.join_letters(task, together)
        return False

    def _send(self, tasks: Sequence[Task]) -> str:
        """Write one letter about all of these and hand it over; give the server's words."""
        settings = self._settings()
        if settings.mail is None:
            raise MailDeferred(
                "there is no mail server to send the letter by",
                hint="set mail.smtp and mail.from, then reload (SIGHUP)",
            )
        letter = self._written(tasks, settings, settings.mail)
        return mail.send(letter, smtp=settings.mail.smtp, to=tasks[0].key, timeout_s=MAIL_S)

    def _written(self, tasks: Sequence[Task], settings: Settings, how: Mail) -> EmailMessage:
        uploads = [self._upload(task) for task in tasks]
        told = [self._delivery(upload, settings, how) for upload in uploads]
        first = tasks[0]
        header = {
            "sender": how.sender,
            "to": first.key,
            "date": format_datetime(self._clock.local(first.created_at)),
            "message_id": letters.joint_message_id(first.letter)
            if first.letter
            else letters.message_id(first.upload_id, first.key),
        }
        template = uploads[0].terms.template
        if len(told) == 1:
            return letters.compose(told[0], **header, template=template)
        return letters.compose_joint(told, **header, template=template)

    def _upload(self, task: Task) -> Upload:
        upload = self._store.upload(task.upload_id)
        if upload is None:
            raise MailDeferred(f"upload {task.upload_id} is gone", what="letter")
        return upload

    def _link(self, upload: Upload) -> Link:
        link = self._store.link(upload.id)
        if link is None:
            raise MailDeferred(f"upload {upload.id} has no share link yet", what="letter")
        return link

    def _delivery(self, upload: Upload, settings: Settings, how: Mail) -> letters.Delivery:
        link = self._link(upload)
        rows = self._store.files(upload.id)
        inside = [f"{row.package_path}/{row.name}".lstrip("/") for row in rows[: letters.LISTED]]
        finalized = self._clock.local(upload.finalized_at or upload.created_at)
        return letters.Delivery(
            package_name=upload.name,
            message=upload.message,
            hot_folder=upload.hot_folder or "",
            sender=how.sender,
            file_count=upload.file_count,
            size=upload.size,
            link_url=wire.link_url(settings.masv.link_url, link.id, link.secret),
            expiry=letters.expiry_text(link.expiry),
            finalized_at=finalized.strftime("%d %B %Y, %H:%M").lstrip("0"),
            files=tuple(inside),
            skipped=tuple(self._store.skipped(upload.id)),
            has_password=upload.password is not None,
        )

    def _failed(self, tasks: Sequence[Task], error: MailError, template: str | None) -> None:
        """Let each delivery of a letter wait or end, and say why."""
        self._metrics.count("task_failures", kind=tasks[0].kind, code=error.code)
        note = self._without_links(tasks, str(error))
        if _comes_apart(tasks, error):
            self._store.single_letters(tasks, template=template, note=note)
            said = _told(tasks, error)
            log.warning("a letter fails, and each of its deliveries goes alone", extra=said)
            return
        now = self._store.now()
        over = [task for task in tasks if now - (task.tried_at or now) > MAIL_LIFE_S]
        over = list(tasks) if isinstance(error, MailRefused) else over
        if over:
            self._end(over, error, template=template, note=note)
        again = [(task, self._again_at(task, error, now)) for task in tasks if task not in over]
        if not again:
            return
        unsure = _is_unsure(tasks, error)
        self._store.retry_letter(again, template=template, note=note, unsure=unsure)
        soonest = min(at for _, at in again)
        log.warning(
            "a letter failed and is tried again",
            extra={**_told(tasks, error), "again_in_s": round(soonest - now, 1)},
        )

    def _end(
        self, tasks: Sequence[Task], error: MailError, *, template: str | None, note: str
    ) -> None:
        maybe = MAYBE if _is_unsure(tasks, error) else ""
        self._store.end_letter(
            tasks, TaskEvent.REFUSED, template=template, note=note + maybe, mailed=bool(maybe)
        )
        said = _told(tasks, error)
        log.error("a task ended without success", extra={**said, "reason": error.message + maybe})

    def _again_at(self, task: Task, error: MailError, now: float) -> float:
        """Give when a letter is due again; what only a person can mend is owed all the same."""
        decision = decide(error, task.attempts + 1, now, self._luck())
        is_again = decision.next is Next.AGAIN and decision.at is not None
        return (decision.at if is_again else None) or now + OPERATOR_S

    def _without_links(self, tasks: Sequence[Task], words: str) -> str:
        """Take the links' secrets out of what a mail server said: some quote what they refuse."""
        for task in tasks:
            link = self._store.link(task.upload_id)
            words = words if link is None else words.replace(link.secret.reveal(), "***")
        return words


def _is_unsure(tasks: Sequence[Task], error: MailError) -> bool:
    """Say whether a letter that failed may have been taken all the same, now or earlier."""
    return bool(error.facts.get("unsure")) or any(task.asked for task in tasks)


def _comes_apart(tasks: Sequence[Task], error: MailError) -> bool:
    """Say whether each delivery of a letter that failed goes alone from now on."""
    if len(tasks) < 2 or error.facts.get("what") != "letter" or any(task.asked for task in tasks):
        return False
    tries = 1 + max(task.attempts for task in tasks)
    return isinstance(error, MailRefused) or tries >= APART_AFTER


def _whose(tasks: Sequence[Task]) -> dict[str, object]:
    said: dict[str, object] = {"upload": tasks[0].upload_id, "to": tasks[0].key}
    if len(tasks) > 1:
        said |= {"deliveries": len(tasks), "with": [task.upload_id for task in tasks[1:]]}
    return said


def _told(tasks: Sequence[Task], error: MailError) -> dict[str, object]:
    return {
        **_whose(tasks),
        "kind": tasks[0].kind,
        "code": error.code,
        "reason": error.message,
        "cure": error.hint or CURE.format(upload=tasks[0].upload_id),
    }
