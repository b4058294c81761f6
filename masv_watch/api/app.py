"""The WSGI app: routes behind the guard, every answer as JSON.

Owns how an answer and an error become JSON. Never listens. Built by `daemon`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import bottle

from masv_watch.api import bodies, guard
from masv_watch.api.routes import Desk, mount
from masv_watch.errors import BadRequest, MasvWatchError, MethodNotAllowed, NotFound, TooLarge

log = logging.getLogger(__name__)

#: what Bottle itself refuses, as errors of ours
_OWN = {
    400: BadRequest("the request cannot be read"),
    404: NotFound("there is no such route", hint="/api/v1/uploads lists the uploads"),
    405: MethodNotAllowed("this route does not know this method"),
    413: TooLarge("the body is too large"),
    431: TooLarge("the headers are too large"),
    501: BadRequest("the request uses a transfer coding that is not known here"),
}
#: our own failure, without a word of its inside
_CRASH = {"code": 0, "message": "this call failed inside masv-watch; the log has more"}
_HEADERS = (
    ("Content-Type", "application/json"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
)


def build_app(desk: Desk) -> bottle.Bottle:
    """Give the app; nothing of it is shared between two calls of this."""
    app = bottle.Bottle()
    app.install(_as_json)
    app.default_error_handler = _bottle_error
    app.add_hook("before_request", _guard)
    mount(app, desk)
    return app


def _guard() -> None:
    try:
        guard.check()
    except MasvWatchError as error:
        # raised before any route is chosen, where no plugin runs
        raise _response(error) from error


def _as_json(callback: Callable[..., Any]) -> Callable[..., Any]:
    def answer(*args: Any, **values: Any) -> bytes:
        try:
            tree = callback(*args, **values)
        except MasvWatchError as error:
            bottle.response.status = error.status
            tree = bodies.error_body(error)
        except Exception:
            # the last handler before the caller, who gets no traceback
            log.exception("a call crashed", extra={"path": bottle.request.path})
            bottle.response.status = 500
            tree = _CRASH
        _headers(bottle.response)
        return _encoded(tree)

    return answer


def refusal(status: int) -> tuple[bytes, list[tuple[str, str]]]:
    """Give body and headers for what is refused before any route is known."""
    known = _OWN.get(status)
    return _encoded(_CRASH if known is None else bodies.error_body(known)), list(_HEADERS)


def _response(error: MasvWatchError) -> bottle.HTTPResponse:
    response = bottle.HTTPResponse(_encoded(bodies.error_body(error)), status=error.status)
    _headers(response)
    return response


def _bottle_error(error: bottle.HTTPError) -> bytes:
    if error.status_code not in _OWN:
        log.error("a call failed", extra={"status": error.status_code})
    _headers(bottle.response)
    return refusal(error.status_code)[0]


def _headers(response: Any) -> None:
    for name, value in _HEADERS:
        response.set_header(name, value)
    if response.status_code == 405:
        response.set_header("Allow", "GET, HEAD")


def _encoded(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=True).encode() + b"\n"
