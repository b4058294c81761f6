"""Whether anything gets through to the cloud, as the failures of the sender tell.

Owns what counts as an answer, and when a silence is over although nothing got through. Never tries
anything itself. The sender's thread tells it what came of each piece; any thread may ask.

Law 1. Only the network's failures are silence: an answer, a refusal too, is one of the cloud.
Law 2. What nobody tries any more says nothing about the cloud: neither an upload that ended, rests
       or is gone, nor one whose next try is long overdue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from masv_watch.errors import (
    CloudRefused,
    CloudThrottled,
    CloudUnpaid,
    EtagMismatch,
    MasvWatchError,
    NoSession,
    PackageGone,
    TokenExpired,
    UrlExpired,
)
from masv_watch.model import UploadState
from masv_watch.retry import LONGEST_S, asked_s
from masv_watch.store.contract import Store

#: seconds of failures alone until a person should look: what is shorter ends by itself
SILENCE_S = 120.0

#: seconds from a failure until the try that should have followed it is missed: the longest
#: back-off, and as much for a try that runs into its deadlines
MISSED_S = 2 * LONGEST_S

_ANSWERS = (
    CloudRefused,
    CloudUnpaid,
    EtagMismatch,
    NoSession,
    PackageGone,
    TokenExpired,
    UrlExpired,
)
_TOO_MANY = 429
_TRIED = (UploadState.TRANSFERRING, UploadState.FINALIZING, UploadState.DELETING)


@dataclass(frozen=True, slots=True)
class _Silence:
    #: store clock, seconds
    since: float
    why: str
    #: until when each upload that failed so is taken as still tried; store clock, seconds
    tried: Mapping[str, float]


class Silence:
    """Since when nothing gets through, and why."""

    def __init__(self, store: Store) -> None:
        """Begin with a cloud of which nothing bad is known."""
        self._store = store
        # replaced whole: any thread may read it
        self._now: _Silence | None = None

    def note_reached(self) -> None:
        """Take it that the cloud answers."""
        self._now = None

    def note_failure(self, upload_id: str, error: MasvWatchError, *, is_network: bool) -> None:
        """Take what the failure of a piece says about the cloud; of a source's it says nothing."""
        if _is_answer(error):
            self._now = None
        elif is_network:
            now, before = self._store.now(), self._now
            tried = _still(before, now)
            since = before.since if before is not None and tried else now
            tried[upload_id] = now + MISSED_S + asked_s(error)
            self._now = _Silence(since, error.message, tried)

    def why(self) -> str:
        """Say why nothing has got through for so long that a person should look; "" while it does.

        Any thread may ask.
        """
        silence, now = self._now, self._store.now()
        if silence is None or now - silence.since < SILENCE_S:
            return ""
        return silence.why if any(map(self._is_tried, _still(silence, now))) else ""

    def _is_tried(self, upload_id: str) -> bool:
        upload = self._store.upload(upload_id)
        return upload is not None and upload.state in _TRIED


def _still(silence: _Silence | None, now: float) -> dict[str, float]:
    """Give the uploads whose next try is not overdue."""
    if silence is None:
        return {}
    return {upload_id: until for upload_id, until in silence.tried.items() if now < until}


def _is_answer(error: MasvWatchError) -> bool:
    # a proxy says 503 too, and 429 is the cloud's own word
    is_busy = isinstance(error, CloudThrottled) and error.facts.get("status") == _TOO_MANY
    return is_busy or isinstance(error, _ANSWERS)
