"""The WSGI app: routes behind the guard, every answer as JSON.

Owns how an answer and an error become bytes, and the line that tells who changed what. Never
listens. Built by `daemon`.

Law 1. Nothing is answered before the guard let the call pass, not even that a route is unknown.
Law 2. What changes something leaves one line that names who asked for it and what came of it.
"""

from __future__ import annotations

import functools
import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

import bottle

from masv_watch.api import bodies
from masv_watch.api.calls import BASE, CALLER, Desk, Route
from masv_watch.api.guard import DOOR, Guard, is_page
from masv_watch.api.page.paper import HTML, refused
from masv_watch.api.page.views import page
from masv_watch.api.routes import routes
from masv_watch.errors import (
    OUR_FAULT,
    BadRequest,
    MasvWatchError,
    MethodNotAllowed,
    NotFound,
    RequestError,
    TooLarge,
)
from masv_watch.logs import redacted

log = logging.getLogger(__name__)

#: what Bottle itself refuses, as errors of ours
_OWN = {
    400: BadRequest("the request cannot be read"),
    404: NotFound("there is no such route", hint=f"{BASE}/openapi.json lists them"),
    405: MethodNotAllowed("this route does not know this method"),
    413: TooLarge("the body is too large", hint="8 MiB is read; send fewer paths at a time"),
    431: TooLarge("the headers are too large"),
    501: BadRequest("the request uses a transfer coding that is not known here"),
}
#: our own failure, without a word of its inside
_CRASH = {"code": 0, "message": "this call failed inside masv-watch; the log has more"}
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
_JSON = ("Content-Type", "application/json")
#: methods that change nothing
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: seconds in which the same refusal is logged once
QUIET_S = 60.0
#: kinds of refusals that are remembered
MOST_KINDS = 1000


class _Refusals:
    """How often each kind of refusal came: a stranger must not fill the log. Any thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        #: when a kind was last logged, and how many came since; the oldest line first
        self._told: dict[tuple[object, ...], tuple[float, int]] = {}

    def times(self, *kind: object) -> int:
        """Count one; give how many the line that is due now stands for, 0 while none is due."""
        with self._lock:
            now = self._monotonic()
            at, left_out = self._told.get(kind, (None, 0))
            if at is not None and now - at < QUIET_S:
                self._told[kind] = (at, left_out + 1)
                return 0
            self._told.pop(kind, None)
            while len(self._told) >= MOST_KINDS:
                del self._told[next(iter(self._told))]
            self._told[kind] = (now, 0)
            return left_out + 1


def build_app(desk: Desk, guard: Guard, *, monotonic: Callable[[], float]) -> bottle.Bottle:
    """Give the app; nothing of it is shared between two calls of this."""
    refusals = _Refusals(monotonic)
    app = bottle.Bottle()
    app.default_error_handler = _bottle_error
    app.add_hook("before_request", lambda: _admit(guard, refusals, desk.count_refused))
    table = routes(desk)
    for route in (*table, _description(table), *page(desk)):
        app.route(route.path, route.method, _answered(route))
    return app


def _description(table: list[Route]) -> Route:
    @functools.cache
    def document() -> dict[str, Any]:
        # it knows every shape at once, and hardly anybody asks
        from masv_watch.api import openapi  # noqa: PLC0415 - only once somebody does

        return openapi.document(table)

    return Route(
        method="GET",
        path=f"{BASE}/openapi.json",
        answer=document,
        gives=None,
        summary="Describe this API.",
    )


#: a caller's own word must not become a label
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


def refusal(status: int) -> tuple[bytes, list[tuple[str, str]]]:
    """Give body and headers for what is refused before any route is known."""
    known = _OWN.get(status)
    body = _encoded(_CRASH if known is None else bodies.error_body(known))
    return body, [_JSON, *_HEADERS]


def _admit(guard: Guard, refusals: _Refusals, count_refused: Callable[[str, int], None]) -> None:
    environ = bottle.request.environ
    try:
        environ[CALLER] = guard.admit(environ)
    except MasvWatchError as error:
        door, code, reason = _door(), error.code, error.message
        method = str(bottle.request.method)
        count_refused(method if method in _METHODS else "OTHER", code)
        if times := refusals.times(door, code, reason):
            log.warning(
                "a call was refused",
                extra={"call": _call(), "by": door, "code": code, "reason": reason, "times": times},
            )
        # raised before any route is chosen, where no handler of ours runs
        raise _refused(error) from error


def _refused(error: MasvWatchError) -> bottle.HTTPResponse:
    request = bottle.request
    if request.method not in _READING or not is_page(str(request.environ.get("PATH_INFO", ""))):
        response = bottle.HTTPResponse(_error(error), status=error.status)
        _dress(response, error)
        return response
    text, headers = refused(error)
    response = bottle.HTTPResponse(text, status=error.status)
    for name, value in (*_HEADERS, *headers, ("Content-Type", HTML)):
        response.set_header(name, value)
    if error.status == 401:
        # so that a browser asks for it
        response.set_header("WWW-Authenticate", 'Basic realm="masv-watch", charset="UTF-8"')
    return response


def _answered(route: Route) -> Callable[..., Any]:
    def answer(**values: Any) -> bytes | Iterable[bytes]:
        response = bottle.response
        for name, value in _HEADERS:
            response.set_header(name, value)
        response.set_header("Content-Type", route.form)
        response.status = route.status
        try:
            tree = route.answer(**values)
        except MasvWatchError as error:
            _tell(values, None, error)
            response.status = error.status
            _dress(response, error)
            return _error(error)
        except Exception:
            # the last handler before the caller, who gets no traceback
            log.exception("a call crashed", extra={"call": _call(), **OUR_FAULT})
            response.status = 500
            response.set_header(*_JSON)
            return _encoded(_CRASH)
        _tell(values, tree)
        return _encoded(tree) if route.form == _JSON[1] else _as_is(tree)

    return answer


def _as_is(tree: str | Iterable[bytes]) -> bytes | Iterable[bytes]:
    return tree.encode() if isinstance(tree, str) else tree


def _tell(values: dict[str, Any], tree: Any, error: MasvWatchError | None = None) -> None:
    """Leave the line of the audit: who asked for which change, and what came of it."""
    if bottle.request.method in _READING:
        return
    made = tree.get("upload_id") if isinstance(tree, dict) else None
    log.info(
        "a call asked for a change",
        extra={
            "caller": str(bottle.request.environ.get(CALLER)),
            "by": _door(),
            "call": _call(),
            "upload": values.get("upload_id") or made or "",
            "hot_folder": values.get("hot_folder", ""),
            "drop": values.get("drop_id", ""),
            "outcome": "done" if error is None else f"refused, {error.code}",
            "reason": "" if error is None else error.message,
        },
    )


def _call() -> str:
    return f"{bottle.request.method} {bottle.request.environ.get('PATH_INFO', '')[:256]}"


def _door() -> str:
    door = bottle.request.environ.get(DOOR)
    return "" if door is None else str(door.listen)


def _bottle_error(error: bottle.HTTPError) -> bytes:
    if error.status_code not in _OWN:
        said = {"status": error.status_code, "call": _call(), **OUR_FAULT}
        log.error("a call failed", extra={**said, "cure": "masv-watch doctor; report who calls so"})
    body, headers = refusal(error.status_code)
    for name, value in headers:
        bottle.response.set_header(name, value)
    return body


def _dress(response: Any, error: MasvWatchError) -> None:
    for name, value in (_JSON, *_HEADERS):
        response.set_header(name, value)
    if error.status == 401:
        response.set_header("WWW-Authenticate", 'Bearer realm="masv-watch"')
    wait_s = error.facts.get("retry_after_s")
    if error.status == 503:
        response.set_header("Retry-After", str(int(wait_s)) if isinstance(wait_s, int) else "5")


def _error(error: MasvWatchError) -> bytes:
    body: dict[str, Any] = {**bodies.error_body(error)}
    if isinstance(error, RequestError):
        # our own words, and the caller's own: a hint about a header is not to be masked
        return _encoded(body)
    for name in ("message", "hint"):
        if name in body:
            # what a cloud or a disk said may quote what nobody is to see
            body[name] = redacted(body[name])
    return _encoded(body)


def _encoded(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=True).encode() + b"\n"
