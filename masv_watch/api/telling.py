"""What a caller is told of a drop and of what moves.

Owns the line between what every admitted caller is told, by which he steers the queue, and what
was read on the way to a verdict. Never reads a source: `explain` looks with the caller's own
rights. Used by the tables of routes.

Law 1. A drop's note can name what lies in it, or what a manifest of it names: it is told to root
       and the daemon's own user, and to a token's holder of another machine, who has no user here.
       Whoever the kernel names asks `explain`, which looks whether he may read it (P8).
Law 2. Why an upload or a file of it failed, what was left out of it and what came of its tasks can
       name what lies beside it: of the kernel's callers that is told to who named all its files.
"""

from __future__ import annotations

from collections.abc import Callable

from masv_watch.api import bodies, shapes
from masv_watch.api.calls import caller_of_call
from masv_watch.errors import Denied, NotFound
from masv_watch.model import Move
from masv_watch.uploads import DropView, SendingView, UploadDetails, Uploads, UploadView, WaitReason

#: what stands in place of a note
WITHHELD = "masv-watch explain tells it to whoever may read all of the drop"
#: what stands in place of what was met on the way of an upload
WITHHELD_UPLOAD = "it is told to root, the daemon's own user and who named every file of the upload"


def drop_told(view: DropView) -> shapes.DropBody:
    """Give a drop as the caller may know it."""
    body = bodies.drop_body(view)
    if body["note"] and not _is_told_notes():
        body["note"] = WITHHELD
    return body


def upload_teller(uploads: Uploads) -> Callable[[UploadView], shapes.UploadBody]:
    """Give what words uploads for this caller, as he may know them."""
    is_his = _owned(uploads)

    def tell(view: UploadView) -> shapes.UploadBody:
        body = bodies.upload_body(view)
        # who named its files is looked up for no more uploads than must be
        if _has_met_anything(body) and not is_his(view.upload.id):
            _withhold(body)
        return body

    return tell


def details_told(details: UploadDetails, now: float, uploads: Uploads) -> shapes.DetailsBody:
    """Give an upload in full, as the caller may know it."""
    body = bodies.details_body(details, now)
    if not _is_told_notes():
        for drop in body["drops"]:
            drop["note"] = WITHHELD if drop["note"] else ""
    if _owned(uploads)(details.view.upload.id):
        return body
    _withhold(body)
    for task in body["tasks"]:
        task["note"] = WITHHELD_UPLOAD if task["note"] else ""
    for file in body["files"]:
        if "reason" in file:
            file["reason"] = WITHHELD_UPLOAD
    if body["skipped"]:
        body["skipped"] = [f"{len(body['skipped']):,} left out: {WITHHELD_UPLOAD}"]
    return body


def _has_met_anything(body: shapes.UploadBody) -> bool:
    return "error" in body or bool(body["retries"]["last_reason"]) or _retries(body) is not None


def _retries(body: shapes.UploadBody) -> shapes.WaitingBody | None:
    waiting = body["waiting"]
    return waiting if waiting is not None and waiting["reason"] == WaitReason.RETRYING else None


def _withhold(body: shapes.UploadBody) -> None:
    """Take what was met on the way out of what is told of an upload."""
    if "error" in body:
        body["error"]["message"] = WITHHELD_UPLOAD
    if body["retries"]["last_reason"]:
        body["retries"]["last_reason"] = WITHHELD_UPLOAD
    if (waiting := _retries(body)) is not None:
        # of a retry what helps is what failed
        waiting["cure"] = WITHHELD_UPLOAD


def stats_told(view: SendingView, since: float) -> shapes.StatsBody:
    """Give how the sending of all goes, as the caller may know it."""
    body = bodies.stats_body(view, since)
    if body["retries"]["last_reason"] and not _is_told_notes():
        body["retries"]["last_reason"] = WITHHELD_UPLOAD
    return body


def move_teller(uploads: Uploads) -> Callable[[Move], shapes.MoveBody]:
    """Give what words the moves of a stream for this caller, long after his call was answered."""
    is_told, is_his = _is_told_notes(), _owned(uploads)

    def tell(move: Move) -> shapes.MoveBody:
        body = bodies.move_body(move)
        if body["detail"] and not is_told:
            if move.noun == "drop":
                body["detail"] = WITHHELD
            elif move.noun != "upload" or not is_his(move.noun_id):
                body["detail"] = WITHHELD_UPLOAD
        return body

    return tell


def _owned(uploads: Uploads) -> Callable[[str], bool]:
    """Give what says of an upload whether all that was met on its way is told to this caller."""
    caller = caller_of_call()
    if _is_told_notes():
        return lambda _upload_id: True

    def is_his(upload_id: str) -> bool:
        try:
            uploads.demand_his(upload_id, caller, to="be told of")
        except (Denied, NotFound):
            return False
        return True

    return is_his


def _is_told_notes() -> bool:
    caller = caller_of_call()
    return caller.is_owner or caller.uid is None
