"""The first view: what needs a person, hot folders, what arrives, what is sent, what was sent.

Owns what stands on it and how much of each. Never writes a value by itself: `api.bodies` does, as
for the API. Called by `api.page.views`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from masv_watch.api import bodies
from masv_watch.api.calls import Desk
from masv_watch.api.commands import PageAsked
from masv_watch.api.page import buttons, marks
from masv_watch.api.page.buttons import Ways
from masv_watch.api.page.finding import Finder
from masv_watch.api.page.holds import grouped
from masv_watch.api.page.marks import Mark
from masv_watch.api.page.questions import told
from masv_watch.api.page.readers import sees_folders
from masv_watch.api.page.words import said
from masv_watch.api.paging import page_by_age
from masv_watch.errors import NotFound
from masv_watch.figures import counted
from masv_watch.lifecycle import SHOWN_AS
from masv_watch.logs import escaped
from masv_watch.model import Caller, Consigned, Selection, UploadState
from masv_watch.uploads import Batches, DropView, FolderView, UploadView, addressees, reader_of

#: rows of one page of uploads under way, of the history, and of drops
UNDER_WAY, HISTORY, DROPS = 50, 25, 50
#: milliseconds until the page looks again: while something moves, and while nothing does
SOON_MS, LATER_MS = 2000, 5000

_OPEN = tuple(
    state for state, word in SHOWN_AS.items() if word is not None and state != UploadState.COMPLETE
)
_FILTERS = {"": "All", "transferring": "Sending or waiting", "paused": "Paused",
            "idle": "Sent, not delivered", "error": "Stopped"}  # fmt: skip

Tree = dict[str, Any]


def overview(desk: Desk, wanted: PageAsked, caller: Caller, finder: Finder) -> Tree:
    """Give all that the first view shows to a caller.

    Raises:
        Unprocessable: a cursor is none of its list.
    """
    now = desk.now()
    counts = desk.uploads.counts(caller)
    under_way = _under_way(desk, wanted, caller)
    shown = {row["upload_id"]: row["mark"] for row in under_way["rows"]}
    sections = _of_folders(desk, now, shown) if sees_folders(caller) else {}
    is_moving = any(row["mark"].shape == "moving" for row in under_way["rows"])
    return {
        "now": now,
        "wanted": wanted,
        "sees_folders": sees_folders(caller),
        "folders": [],
        "held": {"groups": [], "total": 0},
        "arriving": {"rows": [], "more": 0},
        "stats": None,
        **sections,
        "needs": _needs(desk, counts, sections),
        "under_way": {**under_way, "filters": _filters(counts, wanted)},
        "history": _history(desk, wanted, caller, counts=counts, finder=finder),
        "again_ms": SOON_MS if is_moving else LATER_MS,
    }


def upload_rows(desk: Desk, views: Sequence[UploadView]) -> list[Tree]:
    """Give uploads as the rows of a list."""
    known = desk.uploads.consigned([view.upload.id for view in views])
    return [_upload_row(view, known.get(view.upload.id, Consigned())) for view in views]


def _upload_row(view: UploadView, consigned: Consigned) -> Tree:
    to = addressees(consigned)
    return {
        **bodies.upload_body(view),
        "name": escaped(view.upload.name) or "(no name)",
        "to": told(to) if to else "",
        "mark": marks.of_upload(view),
        "buttons": buttons.of_upload(view, to, drops=len(consigned.drops)),
    }


def drop_row(view: DropView, ways: Ways, upload: Mark | None = None) -> Tree:
    """Give a drop as a row of a list; `upload` is how its upload is told."""
    rule = ways.rules.get(view.drop.hot_folder)
    path = b"" if rule is None else rule.path.rstrip(b"/") + b"/" + view.drop.path
    return {
        **bodies.drop_body(view),
        "mark": marks.of_drop(view, upload),
        "explained": f"/page/explain?{urlencode({'path': path})}" if path else "",
        "buttons": buttons.of_drop(view.drop, ways),
    }


def ways_of(desk: Desk, folders: Iterable[FolderView], upload_ids: Iterable[str]) -> Ways:
    """Give to whom drops go by the rules of these hot folders, and those of these uploads."""
    return Ways(
        rules={view.sight.rule.name: view.sight.rule for view in folders},
        taken=desk.uploads.consigned(tuple(dict.fromkeys(upload_ids))),
    )


def _folder_row(view: FolderView, batches: Batches, ways: Ways) -> Tree:
    body = bodies.folder_body(view)
    return {
        **body,
        "said": list(said(body["rule"])),
        "mark": marks.of_folder(view),
        "buttons": buttons.of_folder(view, batches, ways),
    }


def _mark_of(desk: Desk, upload_id: str | None, shown: Mapping[str, Mark]) -> Mark | None:
    """Give how an upload is told, in the same word as in the list that it stands in."""
    if upload_id is None or upload_id in shown:
        return shown.get(upload_id or "")
    try:
        return marks.of_state(desk.uploads.find(upload_id).state)
    except NotFound:
        # deleted a moment ago
        return None


def _of_folders(desk: Desk, now: float, shown: Mapping[str, Mark]) -> Tree:
    drops = desk.folders.drops()
    held = [view for view in drops if view.drop.hold is not None]
    arriving = [view for view in drops if view.drop.hold is None]
    stats = bodies.stats_body(desk.uploads.sending(desk.flow()), desk.counted_since)
    folders = desk.folders.list()
    batches = desk.folders.batches()
    taken = [view.drop.upload_id for view in drops if view.drop.upload_id is not None]
    sent = [upload_id for each in batches.values() for upload_id in each.uploads]
    ways = ways_of(desk, folders, (*taken, *sent))
    return {
        "now": now,
        "folders": [
            _folder_row(view, batches.get(view.sight.rule.name, Batches()), ways)
            for view in folders
        ],
        "held": {
            "groups": grouped(held, lambda view: drop_row(view, ways), ways.rules),
            "total": len(held),
        },
        "arriving": {
            "rows": [
                drop_row(view, ways, _mark_of(desk, view.drop.upload_id, shown))
                for view in arriving[:DROPS]
            ],
            "more": max(len(arriving) - DROPS, 0),
            "total": len(arriving),
        },
        "stats": stats,
    }


def _needs(desk: Desk, counts: Mapping[UploadState, int], sections: Tree) -> list[Tree]:
    """Give what a person should look at, one sentence each with where to go."""
    needs: list[Tree] = []
    if sections:
        health = desk.health()
        if not health.ready:
            needs.append({"text": health.why or "the daemon is not ready yet", "link": ""})
        needs.extend({"text": each, "link": ""} for each in health.concerns)
        if held := sections["held"]["total"]:
            verb = "is" if held == 1 else "are"
            needs.append({"text": f"{counted(held, 'drop')} {verb} held", "link": "#held"})
    if stopped := counts.get(UploadState.ERROR, 0):
        needs.append({"text": f"{counted(stopped, 'upload')} stopped", "link": "/?show=error#sent"})
    return needs


def _under_way(desk: Desk, wanted: PageAsked, caller: Caller) -> Tree:
    states = tuple(state for state in _OPEN if wanted.show in ("", SHOWN_AS[state]))
    selection = Selection(states=states, reader=reader_of(caller))
    page, cursor = page_by_age(desk.uploads, selection, cursor=wanted.cursor, limit=UNDER_WAY)
    return {
        "rows": upload_rows(desk, page),
        "first": _address(wanted, cursor="") if wanted.cursor else "",
        "next": _address(wanted, cursor=cursor) if cursor else "",
    }


def _filters(counts: Mapping[UploadState, int], wanted: PageAsked) -> list[Tree]:
    found = []
    for word, label in _FILTERS.items():
        number = sum(
            count for state, count in counts.items() if state in _OPEN
            and word in ("", SHOWN_AS[state])
        )  # fmt: skip
        address = _address(wanted, show=word, cursor="")
        found.append({"label": label, "number": number, "address": address,
                      "is_chosen": word == wanted.show})  # fmt: skip
    return found


def _history(
    desk: Desk,
    wanted: PageAsked,
    caller: Caller,
    *,
    counts: Mapping[UploadState, int],
    finder: Finder,
) -> Tree:
    found = finder.files(wanted.q)
    # who looks for a name wants to find it, whatever became of it
    selection = Selection(
        states=() if wanted.q else (UploadState.COMPLETE,),
        needle=wanted.q,
        holders=tuple(found.names),
        reader=reader_of(caller),
        descending=True,
    )
    page, cursor = page_by_age(desk.uploads, selection, cursor=wanted.history, limit=HISTORY)
    return {
        "rows": [
            {**row, "found": escaped(found.names.get(row["upload_id"], ""))}
            for row in upload_rows(desk, page)
        ],
        "is_cut": found.is_cut,
        "total": counts.get(UploadState.COMPLETE, 0),
        "first": _address(wanted, history="") if wanted.history else "",
        "next": _address(wanted, history=cursor) if cursor else "",
    }


def _address(wanted: PageAsked, **changed: str) -> str:
    """Give the address of this view with a few things changed."""
    said = {"show": wanted.show, "cursor": wanted.cursor, "q": wanted.q, "history": wanted.history}
    query = urlencode({name: value for name, value in {**said, **changed}.items() if value})
    anchor = "history" if "history" in changed else "sent"
    return f"/?{query}#{anchor}" if query else f"/#{anchor}"
