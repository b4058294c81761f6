"""Every error raised on purpose, each with a code, a remedy and an HTTP status.

Owns the meaning of failure for the whole house: what went wrong in one sentence, what helps, and
whether trying again can help. Never logs and never decides when to try again: `retry.decide` reads
the remedy, and whoever ends the journey logs once.

Law 1. A code once published never changes its meaning (a test freezes the list).
Law 2. `message` is one sentence for people, `hint` is what to do next, `facts` are for machines.
Law 3. No message, hint or fact holds a secret; what came from outside is cut and escaped first.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar

#: what a line of the log says beside the traceback of a fault of our own, which no class stands for
OUR_FAULT: Mapping[str, object] = {
    "code": 0,
    "cure": "masv-watch doctor packs the traceback: report it",
}

#: what helps where the state cannot be written
UNSTORED = (
    "make room on the disk of the state and let the daemon's user write there (masv-watch check"
    " tries the folder); all follows by itself"
)


class Remedy(Enum):
    """What helps against an error: the only thing that a retry decision reads."""

    SOON = "soon"
    """Trying again after a short back-off helps (network class)."""
    SLOW = "slow"
    """Something outside must change first; look again at long intervals."""
    OPERATOR = "operator"
    """Only a person can help; wait for the command that the hint names."""
    NEVER = "never"
    """Trying the same again can never succeed."""


class MasvWatchError(Exception):
    """The base of all errors raised on purpose; raise a child that says whose fault it is."""

    code: ClassVar[int] = 0
    remedy: ClassVar[Remedy] = Remedy.NEVER
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        """Keep the sentence, what to do next, and the facts for machines."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        """Give the sentence and, after a dash, the hint."""
        return f"{self.message} - {self.hint}" if self.hint else self.message


class ConfigError(MasvWatchError):
    """The configuration cannot be used; `problems` holds every reason, each with its place."""

    code = 1000

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep all problems, each a whole `file:line:col: path: sentence`."""
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(MasvWatchError):
    """Something about a source file stands in the way."""

    code = 1100
    status = 409


class SourceChanged(SourceError):
    """The file is not the one that settled: its identity differs (faults 12, 14, 16, 18)."""

    code = 1101
    remedy = Remedy.SOON


class SourceVanished(SourceError):
    """The file or its folder is not there any more while the root is (fault 17)."""

    code = 1102
    remedy = Remedy.OPERATOR


class SourceUnreadable(SourceError):
    """The file cannot be read now: no permission, input/output error, root away (faults 29, 30)."""

    code = 1103
    remedy = Remedy.SLOW


class SourceForbidden(SourceError):
    """The path lies outside the roots, or what stands there is never sent."""

    code = 1104
    status = 404


class SourceBusy(SourceUnreadable):
    """Another program or machine has the file in use and lets nobody open it now (pain 6)."""

    code = 1106
    remedy = Remedy.SOON


class CannotJudge(SourceError):
    """An entry of a hot folder could not be judged because of a fault of our own."""

    code = 1105
    remedy = Remedy.SLOW
    status = 500


class CloudError(MasvWatchError):
    """The cloud did not do what was asked."""

    code = 1200
    status = 502


class CloudUnreachable(CloudError):
    """No usable answer: name, connection, reset, time-out, or a 5xx (faults 50 to 53, 56)."""

    code = 1201
    remedy = Remedy.SOON


class CloudThrottled(CloudError):
    """The cloud asks to slow down (429, 503); `facts["retry_after_s"]` says how long, or None."""

    code = 1202
    remedy = Remedy.SOON
    status = 503


class CloudGarbled(CloudError):
    """An answer that is not the protocol: HTML, bad JSON, truncated, a redirect (faults 61, 64)."""

    code = 1203
    remedy = Remedy.SOON


class EtagMismatch(CloudError):
    """The storage acknowledged other bytes than were sent, or gave no ETag (fault 60)."""

    code = 1204
    remedy = Remedy.SOON


class CloudRefused(CloudError):
    """The cloud said no for good, in its own words (4xx; faults 66, 57 with fresh URLs)."""

    code = 1205
    status = 422


class UrlExpired(CloudError):
    """A presigned URL is not accepted any more (403): ask for that chunk's URL again (fault 57)."""

    code = 1206
    remedy = Remedy.SOON


class PackageGone(CloudError):
    """The package is not in the cloud any more (404, 410; fault 59)."""

    code = 1207
    remedy = Remedy.OPERATOR
    status = 409


class TokenExpired(CloudError):
    """The package token is refused (401): re-read the team package for a fresh one."""

    code = 1208
    remedy = Remedy.SOON


class NetworkDown(CloudError):
    """Nothing got through to the cloud for as long as `retry.give_up_after` says (fault 50)."""

    code = 1209
    remedy = Remedy.OPERATOR


class CloudUnpaid(CloudError):
    """The cloud refuses for want of quota or payment (402; fault 66)."""

    code = 1210
    remedy = Remedy.SLOW
    status = 422


class NoSession(CloudError):
    """The API key is refused or missing; code and words are masv-agent's own (fault 58)."""

    code = 262146
    remedy = Remedy.OPERATOR
    status = 401


class StoreError(MasvWatchError):
    """The state cannot be read or written."""

    code = 1300
    status = 503


class StoreBusy(StoreError):
    """Another process holds the database longer than we wait."""

    code = 1301
    remedy = Remedy.SOON


class StoreFull(StoreError):
    """The state's disk is full (fault 38)."""

    code = 1302
    remedy = Remedy.SLOW
    status = 507


class FenceLost(StoreError):
    """The row is not ours any more: drop the work, touch nothing (fault 37)."""

    code = 1303
    status = 409


class StoreUnusable(StoreError):
    """Corrupt, newer, read-only or held by another daemon: refuse to start (faults 39, 41)."""

    code = 1304


class MailError(MasvWatchError):
    """A letter did not get through."""

    code = 1400
    status = 502


class MailDeferred(MailError):
    """The mail server did not take the letter now (4xx, no connection; fault 68)."""

    code = 1401
    remedy = Remedy.SLOW


class MailRefused(MailError):
    """The mail server refused this recipient for good (5xx; fault 69)."""

    code = 1402


class HookError(MasvWatchError):
    """A hook was not told."""

    code = 1410
    status = 502


class HookDeferred(HookError):
    """The hook did not take it now: no connection, no trust, 429 or a 5xx."""

    code = 1411
    remedy = Remedy.SLOW


class HookRefused(HookError):
    """The hook says no, or sends us elsewhere; what waits goes once its address is corrected."""

    code = 1412
    remedy = Remedy.OPERATOR


class RequestError(MasvWatchError):
    """A caller of the API asked for something that cannot be done."""

    code = 1500
    status = 400


class BadRequest(RequestError):
    """The request's form is wrong."""

    code = 1501


class Unauthenticated(RequestError):
    """The caller did not prove who he is."""

    code = 1502
    status = 401


class Denied(RequestError):
    """The caller may not do this."""

    code = 1503
    status = 403


class NotFound(RequestError):
    """There is nothing of that name."""

    code = 1504
    status = 404


class MethodNotAllowed(RequestError):
    """The route exists, the method does not."""

    code = 1505
    status = 405


class IllegalTransition(RequestError):
    """The lifecycle does not allow this event in this state; nothing was changed."""

    code = 1506
    status = 409


class TooLarge(RequestError):
    """The body is larger than is read."""

    code = 1507
    status = 413


class NotJson(RequestError):
    """The body is not declared as JSON."""

    code = 1508
    status = 415


class Unprocessable(RequestError):
    """The body is JSON, but what it asks for cannot be done as it stands; it names the field."""

    code = 1509
    status = 422


class Busy(RequestError):
    """Not now: as many streams are open as there may be, or the daemon stops; ask again later."""

    code = 1510
    remedy = Remedy.SOON
    status = 503


class ReloadRefused(RequestError):
    """The configuration file is not taken over, the earlier goes on; `problems` say why."""

    code = 1511
    status = 422

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep all problems; the first one stands in the sentence."""
        first = next(iter(problems), "").partition("\n")[0]
        super().__init__(
            f"nothing was taken over, the earlier configuration goes on: {first}",
            hint="masv-watch check names every mistake",
        )
        self.problems = problems


class CannotListen(MasvWatchError):
    """The API's address cannot be bound; the command ends with status 5."""

    code = 1600


class CannotMove(MasvWatchError):
    """A delivered source could not be moved or removed now; it stays where it is (fault 33)."""

    code = 1700
    remedy = Remedy.SLOW


class ArchiveAway(CannotMove):
    """On another file system than before stands, or would, what sources are moved to; they stay."""

    code = 1701


class CannotDrop(MasvWatchError):
    """Nothing could be copied into a hot folder: a taken name, no room, no right; nothing stays."""

    code = 1702
    remedy = Remedy.OPERATOR
