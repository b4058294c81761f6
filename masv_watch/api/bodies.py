"""What the API answers, as values that JSON can hold.

Owns the keys of every answer. Never reads a row and never decides. Called by `api.routes`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from masv_watch.errors import MasvWatchError, PackageGone
from masv_watch.model import SourceFile, Task, Upload, UploadState
from masv_watch.names import shown
from masv_watch.uploads import DropView, UploadDetails, UploadView, Waiting

Json = Any


def upload_body(view: UploadView) -> dict[str, Json]:
    """Give an upload as the list shows it; `progress` and `size` are bytes."""
    upload = view.upload
    body: dict[str, Json] = {
        "upload_id": upload.id,
        "type": upload.terms.type,
        "state": view.state,
        "package_name": upload.name,
        "progress": upload.sent,
        "size": upload.size,
        "created_at": iso(upload.created_at),
        "finalized_at": iso(upload.finalized_at),
        "hot_folder": upload.hot_folder,
        "package_id": upload.package_id,
        "files_total": upload.file_count,
        "waiting": waiting_body(view.waiting),
        "open_tasks": view.open_tasks,
        "refused_tasks": view.refused_tasks,
    }
    if upload.state is UploadState.ERROR:
        body["error"] = {
            "code": upload.error_code,
            "message": upload.error,
            "cure": _cure(upload),
        }
    return body


def _cure(upload: Upload) -> str:
    if upload.error_code == PackageGone.code:
        # resuming would only ask for the same package again
        return "drop the files once more under another name"
    return f"masv-watch resume {upload.id}"


def details_body(details: UploadDetails, now: float) -> dict[str, Json]:
    """Give an upload with its files, what was left out, and what is owed."""
    return {
        **upload_body(details.view),
        "files": [file_body(file, now) for file in details.files],
        "skipped": list(details.skipped),
        "drops": [
            {
                "path": shown(drop.path),
                "generation": drop.generation,
                "whole": drop.whole,
                "note": drop.note,
            }
            for drop in details.drops
        ],
        "tasks": [task_body(task) for task in details.tasks],
    }


def drop_body(view: DropView) -> dict[str, Json]:
    """Give what settles or is held, with the reason and what helps."""
    drop = view.drop
    return {
        "hot_folder": drop.hot_folder,
        "path": shown(drop.path),
        "generation": drop.generation,
        "state": drop.state,
        "reason": drop.hold,
        "note": drop.note,
        "cure": view.cure,
        "upload_id": drop.upload_id,
        "seen_at": iso(drop.seen_at),
    }


def file_body(file: SourceFile, now: float) -> dict[str, Json]:
    """Give a file by its path inside the package."""
    body: dict[str, Json] = {
        "path": f"{file.package_path}/{file.name}".lstrip("/"),
        "state": _file_state(file, now),
        "size": file.identity.size,
        "progress": file.sent,
    }
    if file.error and not file.closed:
        body["reason"] = file.error
    return body


def _file_state(file: SourceFile, now: float) -> str:
    if file.closed:
        return "complete"
    if file.stale:
        return "settling"
    if file.retry_at > now:
        return "retrying"
    return "queued" if file.cloud_id is None else "transferring"


def task_body(task: Task) -> dict[str, Json]:
    """Give an obligation with its outcome so far; the key of a letter is its address."""
    return {
        "kind": task.kind,
        "key": task.key,
        "state": task.state,
        "attempts": task.attempts,
        "note": task.note,
    }


def waiting_body(waiting: Waiting | None) -> dict[str, Json] | None:
    """Give what an upload waits for, or None."""
    if waiting is None:
        return None
    return {
        "reason": waiting.reason,
        "since": iso(waiting.since),
        "until": iso(waiting.until),
        "ahead": waiting.ahead,
        "cure": waiting.cure,
    }


def error_body(error: MasvWatchError) -> dict[str, Json]:
    """Give an error: its code, one sentence, and what to do."""
    body: dict[str, Json] = {"code": error.code, "message": error.message}
    if error.hint:
        body["hint"] = error.hint
    return body


def iso(at: float | None) -> str | None:
    """Write store-clock seconds as ISO 8601 in UTC with milliseconds."""
    if at is None:
        return None
    text = datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
