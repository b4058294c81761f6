"""The routes of the page: views, what they are dressed with, and the buttons.

Owns which address shows what. Never decides what is seen: the views do. Mounted by `api.app`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import bottle

from masv_watch.api import commands as asked
from masv_watch.api.calls import Desk, Route, caller_of_call, query_of_call
from masv_watch.api.page import paper
from masv_watch.api.page.deeds import deeds
from masv_watch.api.page.details import explanation, upload_details
from masv_watch.api.page.finding import Finder
from masv_watch.api.page.overview import overview
from masv_watch.api.page.tokens import Tokens
from masv_watch.api.places import MOST_LOOKS, Places
from masv_watch.errors import MasvWatchError, NotFound

View = Callable[..., tuple[str, dict[str, object]]]


def page(desk: Desk) -> list[Route]:
    """Give the table of the page's calls."""
    tokens = Tokens(desk.now)
    looks = Places(MOST_LOOKS, doing="draw the page")
    views = _Views(desk)
    return [
        _shown("/", views.first, tokens, looks),
        _shown("/page/uploads/<upload_id>", views.one, tokens, looks),
        # waits for a disk, so it takes a place among those that do
        _shown("/page/explain", views.why, tokens, None),
        *(_dressing(name) for name in paper.DRESSINGS),
        *deeds(desk, tokens),
    ]


class _Views:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._finder = Finder(desk.uploads.files_named, desk.now)

    def first(self) -> tuple[str, dict[str, object]]:
        if bottle.request.environ.get("bottle.raw_path", "/") != "/":
            # the framework leaves out bytes that are not UTF-8, and every such path would be ours
            raise NotFound("there is no such view", hint="the page is at /")
        wanted = query_of_call(asked.PageAsked)
        name = "live.html" if wanted.only else "overview.html"
        return name, overview(self._desk, wanted, caller_of_call(), self._finder)

    def one(self, upload_id: str) -> tuple[str, dict[str, object]]:
        wanted = query_of_call(asked.FilesShown)
        name = "upload_live.html" if wanted.only else "upload.html"
        caller = caller_of_call()
        return name, upload_details(self._desk, upload_id, caller, after=wanted.after)

    def why(self) -> tuple[str, dict[str, object]]:
        path = query_of_call(asked.ExplanationAsked, has_paths=True).path
        return "explain.html", explanation(self._desk, path, caller_of_call())


def _shown(path: str, view: View, tokens: Tokens, looks: Places | None) -> Route:
    def answer(**values: str) -> str:
        try:
            if looks is None:
                name, tree = view(**values)
            else:
                with looks:
                    name, tree = view(**values)
        except MasvWatchError as error:
            bottle.response.status = error.status
            text, headers = paper.refused(error)
            if error.status == 503:
                headers = (*headers, ("Retry-After", str(error.facts.get("retry_after_s", 5))))
        else:
            text = paper.draw(name, **tree, token=tokens.issue(caller_of_call()))
            headers = paper.HEADERS
        for header, value in headers:
            bottle.response.set_header(header, value)
        return text

    return Route(method="GET", path=path, answer=answer, gives=None, form=paper.HTML,
                 summary="A view of the page.")  # fmt: skip


def _dressing(name: str) -> Route:
    def answer() -> Iterable[bytes]:
        for header, value in paper.DRESSING_HEADERS:
            bottle.response.set_header(header, value)
        return [paper.dressing(name)]

    return Route(method="GET", path=f"/page/{name}", answer=answer, gives=None,
                 form=paper.DRESSINGS[name], summary="What the page is dressed with.")  # fmt: skip
