"""One page of a list of uploads, and the cursor that leads to the next.

Owns what a cursor says and how it is read back. Never answers a call. Used by `api.routes` and
by the page.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace

from masv_watch.api.commands import UploadsAsked
from masv_watch.errors import Unprocessable
from masv_watch.lifecycle import SHOWN_AS
from masv_watch.model import Selection
from masv_watch.uploads import Uploads, UploadView


def page_of(uploads: Uploads, wanted: UploadsAsked) -> tuple[list[UploadView], str]:
    """Give one page, and the cursor of the next one; "" when this is the last.

    Raises:
        Unprocessable: the cursor is none of this list.
    """
    sort = wanted.sort.removeprefix("-")
    selection = Selection(
        states=tuple(state for state, word in SHOWN_AS.items() if word == wanted.state)
        if wanted.state
        else (),
        type=wanted.type,
        hot_folder=wanted.hot_folder,
        sort=sort,
        descending=wanted.sort.startswith("-"),
        after=None if wanted.cursor is None else _place(wanted.cursor, sort),
        # how many of the rows wait is known only once they were looked at
        limit=None if wanted.limit is None or wanted.waiting is not None else wanted.limit + 1,
    )
    page = uploads.list(selection, waiting_only=bool(wanted.waiting))
    if wanted.waiting is False:
        page = [view for view in page if view.waiting is None]
    return _cut(page, wanted.limit, sort)


def page_by_age(
    uploads: Uploads, selection: Selection, *, cursor: str, limit: int
) -> tuple[list[UploadView], str]:
    """Give one page of a selection in the order of creation, and the cursor of the next one.

    Raises:
        Unprocessable: the cursor is none of this list.
    """
    sort = "created_at"
    after = _place(cursor, sort) if cursor else None
    return _cut(uploads.list(replace(selection, after=after, limit=limit + 1)), limit, sort)


def _cut(page: list[UploadView], limit: int | None, sort: str) -> tuple[list[UploadView], str]:
    if limit is None or len(page) <= limit:
        return page, ""
    page = page[:limit]
    return page, _cursor(page[-1], sort)


def _cursor(view: UploadView, sort: str) -> str:
    place = json.dumps([sort, getattr(view.upload, sort), view.upload.id], ensure_ascii=False)
    return base64.urlsafe_b64encode(place.encode()).decode("ascii")


def _place(cursor: str, sort: str) -> tuple[float | str, str]:
    try:
        said, value, upload_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if said == sort and _is_place(sort, value) and str(uuid.UUID(upload_id)) == upload_id:
            return value, upload_id
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise Unprocessable(
        "`cursor` is none of this list",
        hint="follow the Link header of the page before, with the same sort",
        field="cursor",
    )


def _is_place(sort: str, value: object) -> bool:
    if sort == "name":
        return isinstance(value, str) and value.encode("utf-8", "ignore").decode() == value
    return isinstance(value, int | float) and abs(value) < 2**63
