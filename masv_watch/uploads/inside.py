"""What became of one path inside a drop: it was delivered, is in its upload, or is in neither.

Owns the words about it for whoever explains a path. Never reads a source and changes nothing.
Called by `explain`.

Law 1. What the ledger has of a drop is not said of a path in it that no upload held: it may have
       vanished before, or never have been there (P3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from masv_watch.model import Drop, DropState
from masv_watch.names import shown
from masv_watch.store.contract import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What became of a path inside a drop."""

    #: one clause for people
    why: str
    is_delivered: bool = False


def became_of(path: bytes, drop: Drop, store: Store) -> Inside:
    """Say what became of a path below the top of a drop, a folder with all that it held."""
    top = shown(drop.path)
    upload_id = drop.upload_id
    upload = store.upload(upload_id) if upload_id and drop.state is DropState.TAKEN else None
    if upload_id and upload is not None and upload.finalized_at is None:
        sent = (file.path for file in store.files(upload_id) if file.drop_id == drop.id)
        if _holds(sent, path):
            return Inside(why=f"it is in upload {upload_id}")
    if _holds(store.delivered_files(drop.hot_folder, drop.path), path):
        return Inside(why=f"it was delivered with {top}", is_delivered=True)
    skipped = store.skipped(upload_id) if upload_id else []
    said = next((line for line in skipped if line.startswith(f"{shown(path)} ")), "")
    if said:
        return Inside(why=f"it was left out of {top}: {said}")
    return Inside(why=f"it was in no upload of {top}, which the ledger has as {drop.state}")


def _holds(paths: Iterable[bytes], path: bytes) -> bool:
    return any(each == path or each.startswith(path + b"/") for each in paths)
