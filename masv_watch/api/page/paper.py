"""Draw the page: templates, style and script that travel with the package.

Owns the one environment of templates, the headers of what is drawn, and the drawing of a refusal.
Never reads the state. Used by the views, and by `api.app` for who is not let in.

Law 1. Every value is escaped by the environment; no template marks one as safe.
Law 2. A page runs no script and takes no style but ours, and calls nobody but us.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import Any

from masv_watch import __version__
from masv_watch.api.page import words
from masv_watch.errors import MasvWatchError
from masv_watch.figures import counted
from masv_watch.logs import redacted

HTML = "text/html; charset=utf-8"
#: what the page is dressed with, and its media type
DRESSINGS = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", _CSP),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
#: the address of one changes with its bytes
DRESSING_HEADERS = (
    ("Cache-Control", "private, max-age=31536000, immutable"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_PACKAGE = "masv_watch.api.page"
_TITLES = {
    401: "Who is looking?",
    403: "Not from here",
    404: "Nothing here",
    422: "That cannot be asked",
    503: "Not now",
}
_ENTER = (
    "load the page again and give the token as the password, with any user name. It is"
    " server.token of the configuration, or the file api-token in the state folder."
)


def draw(template: str, **tree: Any) -> str:
    """Draw a template with these values."""
    text: str = _environment().get_template(template).render(**tree)
    return text


def refused(error: MasvWatchError) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Draw why a page is not shown; give it with its headers."""
    text = draw(
        "refused.html",
        title=_TITLES.get(error.status, "Something is wrong"),
        message=redacted(error.message),
        # a browser sends no header of ours: the words on the token are the page's own
        hint=error.hint.partition("send the token")[0] + _ENTER
        if error.status == 401
        else redacted(error.hint),
        code=error.code,
    )
    return text, HEADERS


@functools.cache
def dressing(name: str) -> bytes:
    """Give the bytes of one of `DRESSINGS`."""
    return resources.files(_PACKAGE).joinpath("assets", name).read_bytes()


def _address(name: str) -> str:
    return f"/page/{name}?v={hashlib.sha256(dressing(name)).hexdigest()[:12]}"


@functools.cache
def _environment() -> Any:
    import jinja2  # noqa: PLC0415 - a daemon that nobody looks at has no need of it

    # kept, for it holds the compiled templates
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        size=words.size_text,
        rate=words.rate_text,
        duration=words.duration_text,
        counted=counted,
        time=words.time_text,
    )
    environment.globals.update(
        percent=words.percent,
        percent_ahead=words.percent_ahead,
        ago=lambda iso, now: words.ago_text(words.moment(iso), now),
        until=lambda iso, now: words.duration_text(words.moment(iso) - now),
        address=_address,
        version=__version__,
    )
    return environment


def _visible(value: Any) -> Any:
    """Let nothing through that turns a line round or hides in it; escapes of ours stay as is."""
    if not isinstance(value, str) or hasattr(value, "__html__") or value.isprintable():
        return value
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}" for character in value
    )
