"""The recall window: the time in which what is up can be taken back, and nobody was told of it.

Owns from when until when it is open, and how it ends. Never fetches a row and never asks a clock:
both are handed in. Called by the store, the sender and the front desk.

Law 1. A finalize cannot be undone for whom MASV mails, so it is the finalize that waits.
Law 2. What rows say tells when the window ends; a restart neither begins it anew nor ends it.
Law 3. Other content has another window; the same content has one, whatever fails after it.
Law 4. A person who has an upload delivered, or started it, ends its window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from masv_watch.model import Upload, UploadEvent, UploadState

#: seconds of the longest window
LONGEST_S = 3600.0


class End(StrEnum):
    """How a window ended."""

    #: by itself
    OVER = "over"
    #: a person had it delivered
    SENT_NOW = "sent_now"
    TAKEN_BACK = "taken_back"
    #: its content changed, or something joined it
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A recall window; times are of the store clock, in seconds."""

    since: float
    until: float

    def is_open(self, now: float) -> bool:
        """Say whether what waits in it can be taken back."""
        return self.since <= now < self.until


def window_of(values: Mapping[str, Any]) -> Window | None:
    """Give the window that an upload's row has, or is to have; None where nothing waits in one.

    What an earlier package is to serve is told of without a finalize, and waits before it is.
    """
    recall_s = values["recall_s"]
    if not recall_s or values["recall_over"] or values["started"]:
        return None
    if values["state"] == UploadState.IDLE and values["finalize_at"] is not None:
        # of a batch, the window begins with its end: before that more may join
        since = values["finalize_at"] if values["batch"] else 0.0
        return Window(since=since, until=values["finalize_at"] + recall_s)
    is_served = values["relinks"] is not None and values["package_id"] is None
    if is_served and values["state"] == UploadState.TRANSFERRING:
        return Window(since=0.0, until=values["created_at"] + recall_s)
    return None


def window(upload: Upload) -> Window | None:
    """Give the window of an upload, as `window_of` does of its row."""
    return window_of(
        {
            "recall_s": upload.recall_s,
            "recall_over": upload.is_recall_over,
            "started": upload.is_started,
            "state": upload.state,
            "finalize_at": upload.finalize_at,
            "batch": upload.terms.batch,
            "relinks": upload.relinks,
            "package_id": upload.package_id,
            "created_at": upload.created_at,
        }
    )


def end_of(found: Window | None, event: UploadEvent, now: float) -> End | None:
    """Say how an event ends a window; None where it does not, or there is none."""
    if found is None or now < found.since:
        return None
    if event is UploadEvent.FINALIZE:
        return End.SENT_NOW if found.is_open(now) else End.OVER
    if not found.is_open(now):
        return None
    if event is UploadEvent.DELETE:
        return End.TAKEN_BACK
    changes = (UploadEvent.SOURCE_CHANGED, UploadEvent.FILES_ADDED, UploadEvent.FAIL)
    return End.CHANGED if event in changes else None


TOLD: Mapping[End, str] = {
    End.OVER: "its recall window is over",
    End.SENT_NOW: "a person ended its recall window",
    End.TAKEN_BACK: "it was taken back in its recall window",
    End.CHANGED: "it changed in its recall window",
}
"""What is noted of each end."""
