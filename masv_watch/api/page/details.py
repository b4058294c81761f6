"""The views of one thing: an upload with its files, and why a path is sent or not.

Owns what stands on them. Never makes a test and never writes a value by itself. Called by
`api.page.views`.
"""

from __future__ import annotations

from typing import Any

from masv_watch.api import bodies
from masv_watch.api.calls import Desk
from masv_watch.api.explaining import explanation_body
from masv_watch.api.page import buttons, marks
from masv_watch.api.page.buttons import Button
from masv_watch.api.page.overview import LATER_MS, SOON_MS, ways_of
from masv_watch.api.page.readers import demand_seen, sees_folders
from masv_watch.logs import escaped
from masv_watch.model import Caller, Drop, DropState, UploadState
from masv_watch.uploads import UploadView

#: files of one page, and how many of an upload make looking at it slow
FILES, MANY_FILES = 200, 2000
#: drops of an upload that are listed
DROPS = 100
SLOW_MS = 20_000

Tree = dict[str, Any]

#: shape and word of a file's state
_FILES = {
    "queued": ("waiting", "To be sent"),
    "transferring": ("moving", "Sending"),
    "retrying": ("waiting", "Retrying"),
    "settling": ("waiting", "Settling"),
    "complete": ("good", "Sent"),
}
#: what is something else in an upload that stands still
_MOVING = frozenset({"transferring", "retrying", "settling"})
#: shape and word of a task's state
_TASKS = {
    "due": ("waiting", "To be done"),
    "done": ("good", "Done"),
    "refused": ("trouble", "Refused"),
    "withdrawn": ("paused", "Not wanted any more"),
}
#: what became of what is known
_ENDS = {
    "done": "Delivered already",
    "ignored": "Recorded as seen",
    "duplicate": "Has the content of an earlier drop",
    "cancelled": "Cancelled",
}


def upload_details(desk: Desk, upload_id: str, caller: Caller, *, after: int) -> Tree:
    """Give all that the view of an upload shows; `after` is the number of files left out before.

    Raises:
        NotFound: no such upload, or it is not his.
    """
    demand_seen(desk.uploads, upload_id, caller)
    details, now = desk.uploads.details(upload_id), desk.now()
    body = bodies.details_body(details, now)
    here = f"/page/uploads/{upload_id}"
    shown = body["files"][after : after + FILES]
    is_slow = len(body["files"]) > MANY_FILES
    mark = marks.of_upload(details.view)
    has_ways = sees_folders(caller)
    ways = ways_of(desk, desk.folders.list() if has_ways else (), [upload_id])
    drops = [
        buttons.of_drop_sent(drop, ways, upload=details.view, to=details.to) if has_ways else ()
        for drop in details.drops[:DROPS]
    ]
    return {
        **body,
        "now": now,
        "name": escaped(details.view.upload.name) or "(no name)",
        "mark": mark,
        "buttons": buttons.of_upload(details.view, details.to, drops=len(details.drops)),
        "drops": [
            {**drop, "id": row.id, "buttons": can}
            for drop, row, can in zip(body["drops"], details.drops, drops, strict=False)
        ],
        "more_drops": max(len(details.drops) - DROPS, 0),
        "rows": [{**file, **_told_file(file["state"], details.view)} for file in shown],
        "tasks": [{**task, **_told(_TASKS[task["state"]])} for task in body["tasks"]],
        "first": here if after else "",
        "next": f"{here}?after={after + FILES}" if len(body["files"]) > after + FILES else "",
        "after": after,
        "again_ms": SLOW_MS if is_slow else SOON_MS if mark.shape == "moving" else LATER_MS,
        "sees_folders": sees_folders(caller),
    }


def explanation(desk: Desk, path: str, caller: Caller) -> Tree:
    """Give why a path is sent or not.

    Raises:
        NotFound: the caller may not read it, or it is not there and never was.
        Busy: too many calls look at sources already.
    """
    with desk.walks:
        found = desk.explain(path.encode("utf-8", "surrogateescape"), caller)
    body = explanation_body(found, desk.records.view)
    row = body.get("drop")
    known = _ENDS.get(str(row["state"])) if body["verdict"] == "known" and row else None
    headline = known or str(body["verdict"]).replace("_", " ").capitalize()
    drop = found.drop if sees_folders(caller) else None
    can = () if drop is None else _of_known(desk, drop)
    return {**body, "headline": headline, "asked": path, "now": desk.now(), "buttons": can}


def _of_known(desk: Desk, drop: Drop) -> tuple[Button, ...]:
    """Give what can be asked of the newest drop at a path, but one that its upload stands for."""
    on_its_way = drop.state is DropState.TAKEN and drop.whole and drop.hold is None
    if on_its_way:
        return ()
    taken = [drop.upload_id] if drop.upload_id is not None else []
    return buttons.of_drop(drop, ways_of(desk, desk.folders.list(), taken))


def _told_file(state: str, view: UploadView) -> dict[str, str]:
    """Tell a file's state; of an upload that stands still nothing in it moves or settles."""
    if state in _MOVING and view.upload.state in (UploadState.ERROR, UploadState.PAUSED):
        mark = marks.of_upload(view)
        return _told((mark.shape, mark.word))
    return _told(_FILES[state])


def _told(mark: tuple[str, str]) -> dict[str, str]:
    return {"shape": mark[0], "word": mark[1]}
