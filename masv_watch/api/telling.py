"""What a caller is told of a drop and of what moves.

Owns the line between what every admitted caller is told, by which he steers the queue, and what
was read on the way to a verdict. Never reads a source: `explain` looks with the caller's own
rights. Used by the tables of routes.

Law 1. A drop's note can name what lies in it, or what a manifest of it names: it is told to root
       and the daemon's own user, and to a token's holder of another machine, who has no user here.
       Whoever the kernel names asks `explain`, which looks whether he may read it (P8).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from masv_watch.api import bodies, shapes
from masv_watch.api.calls import caller_of_call
from masv_watch.model import Move
from masv_watch.uploads import DropView, UploadDetails

#: what stands in place of a note
WITHHELD = "masv-watch explain tells it to whoever may read all of the drop"


def drop_told(view: DropView) -> shapes.DropBody:
    """Give a drop as the caller may know it."""
    body = bodies.drop_body(view)
    if body["note"] and not _is_told_notes():
        body["note"] = WITHHELD
    return body


def details_told(details: UploadDetails, now: float) -> shapes.DetailsBody:
    """Give an upload in full, as the caller may know it."""
    if not _is_told_notes():
        drops = tuple(replace(drop, note=WITHHELD) if drop.note else drop for drop in details.drops)
        details = replace(details, drops=drops)
    return bodies.details_body(details, now)


def move_teller() -> Callable[[Move], shapes.MoveBody]:
    """Give what words the moves of a stream for this caller, long after his call was answered."""
    is_told = _is_told_notes()

    def tell(move: Move) -> shapes.MoveBody:
        body = bodies.move_body(move)
        if move.noun == "drop" and body["detail"] and not is_told:
            body["detail"] = WITHHELD
        return body

    return tell


def _is_told_notes() -> bool:
    caller = caller_of_call()
    return caller.is_owner or caller.uid is None
