"""The calls on the ledger: one drop, all of them, and the answers of a person.

Owns their routes. Never decides: the front desk does. Mounted by `api.routes`.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from masv_watch.api import commands as asked
from masv_watch.api import shapes
from masv_watch.api.calls import BASE, Desk, Route, body_of_call, number_of, query_of_call
from masv_watch.api.telling import drop_told
from masv_watch.errors import NotFound
from masv_watch.uploads import DropView


def recording(desk: Desk) -> list[Route]:
    """Give the table of its calls."""
    records = desk.records

    def page() -> list[shapes.DropBody]:
        wanted = query_of_call(asked.LedgerAsked)
        found = records.page(wanted.hot_folder, after=wanted.after, limit=wanted.limit)
        return [drop_told(view) for view in found]

    def drop(drop_id: str) -> shapes.DropBody:
        return drop_told(records.drop(number_of(drop_id, "drop")))

    def answer(verb: Callable[[int], DropView]) -> Callable[[str], shapes.DropBody]:
        def answered(drop_id: str) -> shapes.DropBody:
            body_of_call(asked.Nothing)
            return drop_told(verb(number_of(drop_id, "drop")))

        return answered

    def forget(hot_folder: str) -> shapes.DropsBody:
        return {"drops": records.forget(hot_folder, _below(desk, hot_folder))}

    return [
        Route(method="GET", path=f"{BASE}/ledger", answer=page, asks=asked.LedgerAsked,
              gives=list[shapes.DropBody], refuses=(422,),
              summary="List every drop by its number, those that ended too; page by `after`."),
        Route(method="GET", path=f"{BASE}/drops/<drop_id>", answer=drop, gives=shapes.DropBody,
              refuses=(404,), summary="Show one drop, whatever became of it."),
        Route(method="POST", path=f"{BASE}/drops/<drop_id>/resend", answer=answer(records.resend),
              takes=asked.Nothing, gives=shapes.DropBody, refuses=(404, 409, 422),
              summary="Send a drop that ended once more, whatever was delivered of it."),
        Route(method="POST", path=f"{BASE}/drops/<drop_id>/cancel", answer=answer(records.cancel),
              takes=asked.Nothing, gives=shapes.DropBody, refuses=(404, 409, 422),
              summary="End a drop that has not gone yet, for good; its source stays."),
        Route(method="POST", path=f"{BASE}/drops/<drop_id>/rebind", answer=answer(records.rebind),
              takes=asked.Nothing, gives=shapes.DropBody, refuses=(404, 409, 422),
              summary="Let a drop that waits go to whom its rule names now."),
        Route(method="POST", path=f"{BASE}/hot_folders/<hot_folder>/forget", answer=forget,
              takes=asked.Forgotten, gives=shapes.DropsBody, refuses=(404, 422),
              summary="Let a path of a hot folder be new, as if it had never been seen."),
    ]  # fmt: skip


def _below(desk: Desk, hot_folder: str) -> bytes:
    """Read a path from the call's body and give it below the root of its hot folder."""
    path = body_of_call(asked.Forgotten).path.encode("utf-8", "surrogateescape")
    root = desk.folders.view(hot_folder).sight.rule.path.rstrip(b"/") + b"/"
    whole = os.path.normpath(path)
    if not whole.startswith(root):
        raise NotFound(
            "the path does not lie in the hot folder",
            hint="name it from the root, as the configuration names the hot folder",
        )
    return whole[len(root) :]
