"""What follows for an upload when it moves: when it is finalized, what is counted and forgotten.

Owns the columns beside the state that a move changes. Never moves a state and never fetches a row:
`store.sql` does, and hands in what carries out a statement. Alone, because of what it owns the one
place that moves states needs to know nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from masv_watch.model import Terms, UploadEvent, UploadState
from masv_watch.store import batches


def follow(
    run: Callable[..., int], row: Mapping[str, Any], event: UploadEvent, after: UploadState
) -> None:
    """Keep the wish to finalize over a source that changes, and forget what was for the way.

    The password stays as long as the upload: each link that is made later asks for it.
    Refused finalizes are counted until one succeeds or a person has looked. What is finalized has
    had its recall window, unless its content changes.
    """
    if event is UploadEvent.FINALIZE:
        run("set_finalize_wanted", id=row["id"], wanted=1)
        run("set_recall_over", id=row["id"], over=1)
    if event in (UploadEvent.SOURCE_CHANGED, UploadEvent.FILES_ADDED) and row["recall_over"]:
        run("set_recall_over", id=row["id"], over=0)
    if after is UploadState.COMPLETE:
        run("forget_access_code", id=row["id"])
    if event is UploadEvent.REFUSED:
        run("count_refusal", id=row["id"])
    elif event in (UploadEvent.FINALIZED, UploadEvent.RESUME, UploadEvent.ASK_AGAIN):
        run("forget_refusals", id=row["id"])


def finalize_at(
    row: Mapping[str, Any], terms: Terms, after: UploadState, now: float
) -> float | None:
    """Give when an upload that moves to a state is finalized; None: it waits for a call."""
    if after is not UploadState.IDLE:
        return None
    if terms.idle_s is None:
        return now if row["finalize_wanted"] else None
    if row["batch"]:
        return batches.finalize_at(terms, batches.standing_of(row), now)
    return now + terms.idle_s
