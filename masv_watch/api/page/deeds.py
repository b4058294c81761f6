"""The buttons: each asks the front desk for what the API's own call asks it for.

Owns their routes, and the sentence that says what came of it. Never decides: what the API refuses
is refused here with the same words. Mounted with the page.
"""

from __future__ import annotations

from collections.abc import Callable

import bottle

from masv_watch.api import bodies
from masv_watch.api import commands as asked
from masv_watch.api.calls import Desk, Route, body_of_call, caller_of_call, number_of
from masv_watch.api.page.buttons import is_cancellable
from masv_watch.api.page.readers import demand_folders, demand_seen
from masv_watch.api.page.tokens import Tokens
from masv_watch.logs import escaped
from masv_watch.uploads import DropView, may_be_delivered

#: the header `X-Page-Token`, as the server hands it on
_TOKEN = "HTTP_X_PAGE_TOKEN"  # noqa: S105 - a header's name

Answer = dict[str, object]


def deeds(desk: Desk, tokens: Tokens) -> list[Route]:
    """Give the routes of all buttons."""

    def guarded(act: Callable[..., Answer]) -> Callable[..., Answer]:
        def answer(**values: str) -> Answer:
            # read as it came: the framework's own way fails on what is not UTF-8
            tokens.demand(caller_of_call(), str(bottle.request.environ.get(_TOKEN, "")))
            body_of_call(asked.Nothing)
            return act(**values)

        return answer

    acts = {**_of_uploads(desk), **_of_folders(desk)}
    acts["uploads/<upload_id>/link"] = _link(desk)
    acts |= _of_drops(desk)
    return [
        Route(method="POST", path=f"/page/{path}", answer=guarded(act), gives=None,
              summary="A button of the page.")
        for path, act in acts.items()
    ]  # fmt: skip


def _of_uploads(desk: Desk) -> dict[str, Callable[..., Answer]]:
    uploads = desk.uploads

    def cancel(upload_id: str) -> None:
        view = uploads.view(upload_id)
        if not is_cancellable(view):
            # the question said that nobody got it yet
            raise may_be_delivered(view.upload)
        uploads.cancel(upload_id)

    verbs: dict[str, tuple[Callable[[str], None], str]] = {
        "pause": (uploads.pause, "is paused"),
        "resume": (uploads.resume, "goes on"),
        "finalize": (uploads.finalize, "is being delivered"),
        "start": (uploads.start, "goes at once"),
        "retry": (uploads.retry, "is tried again"),
        "cancel": (cancel, "is cancelled"),
    }

    def steer(verb: Callable[[str], None], outcome: str) -> Callable[..., Answer]:
        def steered(upload_id: str) -> Answer:
            demand_seen(uploads, upload_id, caller_of_call())
            # one that is cancelled is not there to be asked afterwards
            name = escaped(uploads.view(upload_id).upload.name)
            verb(upload_id)
            return {"said": f"{name} {outcome}."}

        return steered

    return {f"uploads/<upload_id>/{name}": steer(*verb) for name, verb in verbs.items()}


def _of_folders(desk: Desk) -> dict[str, Callable[..., Answer]]:
    folders = desk.folders
    verbs: dict[str, tuple[Callable[[str], object], str]] = {
        "scan": (folders.scan, "is swept soon"),
        "pause": (folders.pause, "is paused: nothing new is taken, its uploads go on"),
        "resume": (folders.resume, "is taken from again"),
        "finalize": (folders.finalize, "has its batch delivered"),
        "release": (folders.release, "sends what it held"),
        "seed": (folders.seed, "has what it held recorded as seen: it is not sent"),
        "adopt": (folders.adopt, "takes what stands at its path for its root"),
    }

    def steer(verb: Callable[[str], object], outcome: str) -> Callable[..., Answer]:
        def steered(hot_folder: str) -> Answer:
            demand_folders(caller_of_call())
            verb(hot_folder)
            return {"said": f"Hot folder {escaped(hot_folder)} {outcome}."}

        return steered

    return {f"hot_folders/<hot_folder>/{name}": steer(*verb) for name, verb in verbs.items()}


def _of_drops(desk: Desk) -> dict[str, Callable[..., Answer]]:
    records = desk.records
    verbs: dict[str, tuple[Callable[[int], DropView], str]] = {
        "release": (desk.folders.release_drop, "is released"),
        "hold": (desk.folders.hold_drop, "is held until somebody releases it"),
        "cancel": (records.cancel, "is cancelled: it is not sent"),
        "resend": (records.resend, "is sent once more"),
        "rebind": (records.rebind, "goes to whom its rule names now"),
    }

    def steer(verb: Callable[[int], DropView], outcome: str) -> Callable[..., Answer]:
        def steered(drop_id: str) -> Answer:
            demand_folders(caller_of_call())
            body = bodies.drop_body(verb(number_of(drop_id, "drop")))
            return {"said": f"{body['path']} {outcome}."}

        return steered

    return {f"drops/<drop_id>/{name}": steer(*verb) for name, verb in verbs.items()}


def _link(desk: Desk) -> Callable[..., Answer]:
    def link(upload_id: str) -> Answer:
        demand_seen(desk.uploads, upload_id, caller_of_call())
        with desk.asking:
            made = desk.links.create(upload_id, caller_of_call())
        name = escaped(desk.uploads.view(upload_id).upload.name)
        locked = " It is locked at MASV: nobody can download by it now." if made.locked else ""
        return {"said": f"A share link of {name} was made.{locked}", "link": desk.links.url(made)}

    return link
