"""When the package of a batch takes no further drop, and when it is finalized.

Owns the arithmetic of `finalize` for `drop: batch`. Never fetches a row and never asks a clock:
both are handed in. Part of the store.

Law 1. A drop is never parted: one that is more than a batch may hold is a batch of its own.
Law 2. What counts is what the upload froze when it began, not the rule of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from masv_watch.model import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a batch holds, and since when; times are of the store clock, in seconds."""

    created_at: float
    joined_at: float
    files: int
    size: int
    #: a drop did not fit in any more, and began the next batch
    is_closed: bool = False


def standing_of(row: Mapping[str, Any]) -> Standing:
    """Give how the batch of an upload's row stands."""
    return Standing(
        created_at=row["created_at"],
        joined_at=row["joined_at"],
        files=row["file_count"],
        size=row["size"],
        is_closed=bool(row["batch_closed"]),
    )


def has_ended(terms: Terms, standing: Standing, now: float) -> bool:
    """Say whether a batch was open long enough, or is full."""
    ends = (
        terms.max_open_s is not None and now - standing.created_at >= terms.max_open_s,
        terms.max_files is not None and standing.files >= terms.max_files,
        terms.max_size is not None and standing.size >= terms.max_size,
    )
    return standing.is_closed or any(ends)


def takes(terms: Terms, standing: Standing, now: float, *, files: int, size: int) -> bool:
    """Say whether a drop of so many files and bytes joins a batch."""
    if has_ended(terms, standing, now):
        return False
    has_room = terms.max_files is None or standing.files + files <= terms.max_files
    return has_room and (terms.max_size is None or standing.size + size <= terms.max_size)


def finalize_at(terms: Terms, standing: Standing, now: float) -> float:
    """Give when a batch whose bytes are up is finalized; never before `now`."""
    if has_ended(terms, standing, now):
        return now
    # from its last settled file, not from its last byte
    at = standing.joined_at + (terms.idle_s or 0.0)
    if terms.max_open_s is not None:
        at = min(at, standing.created_at + terms.max_open_s)
    return max(now, at)
