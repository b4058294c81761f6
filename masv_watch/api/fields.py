"""The values that a call's body and query are made of: addresses, paths, lines, numbers.

Owns how long and of what characters each may be, in the words of a refusal and in those of the
documentation. Never knows in which call a value stands. Called by `api.commands`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from masv_watch.api.marks import Bounds, Checked, Described, Unfit
from masv_watch.config import hosts, values
from masv_watch.config.problems import Wrong

#: addresses of one call; a team's own limit is lower, and the cloud's to say
MOST_RECIPIENTS = 1000
#: paths of one call
MOST_PATHS = 100_000
_MOST = 2**31 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: what is said of text that no bytes stand for
HALF = "holds half a character (a lone surrogate)"


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise Unfit("must be one line without control characters")
    return text


def _some_lines(text: str) -> str:
    if _IN_PROSE.search(text):
        raise Unfit("holds a control character that is no line break")
    return text


def _address(text: str) -> str:
    try:
        return values.address(text)
    except Wrong as wrong:
        raise Unfit("must be a mail address such as name@example.com") from (wrong)


def _label(text: str) -> str:
    try:
        return hosts.label(text)
    except Wrong as wrong:
        raise Unfit(
            "must be a subdomain: its first part only, letters, digits, `-` and `_`"
        ) from wrong


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise Unfit("must be an absolute path, beginning with /")
    if "\0" in value:
        raise Unfit("holds a NUL, which no path can")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise Unfit(HALF) from error
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: JSON has one kind of number: 5.0 is a whole one
Whole = Checked(_whole, is_first=True)


def _text(most: int, *, least: int = 0, pattern: str) -> Described:
    return Described({"type": "string", "minLength": least, "maxLength": most, "pattern": pattern})


_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
Line = Annotated[str, Bounds(max_length=1024), Checked(_one_line), _text(1024, pattern=_LINE)]
Prose = Annotated[
    str,
    Bounds(max_length=65_536),
    Checked(_some_lines),
    _text(65_536, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"),
]
Hidden = Annotated[
    str,
    Bounds(min_length=1, max_length=1024),
    Checked(_one_line),
    _text(1024, least=1, pattern=_LINE),
]
#: a character of an address, one of its domain, and one at an end of its domain
_SIGN = r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f-\x9f]"
_INNER, _OUTER = _SIGN.replace("@", "@."), _SIGN.replace("@", "@.\\-")
Address = Annotated[
    str,
    Checked(_address),
    Described(
        {
            "type": "string",
            "description": "A mail address of characters that can be seen.",
            "pattern": f"^{_SIGN}{{1,64}}@{_OUTER}((\\.?{_INNER})*\\.?{_OUTER})?$",
        }
    ),
]
Label = Annotated[
    str,
    Checked(_label),
    Described({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"}),
]
#: a name is not `.` and not `..`
_NAMES = r"([^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+)"
Path = Annotated[
    str,
    Checked(_path),
    Described({"type": "string", "pattern": f"^(/+{_NAMES})+/*$", "maxLength": 4096}),
]
#: the first wrong one is enough: an error is far larger than the path that it is about
Paths = Annotated[list[Path], Bounds(min_length=1, max_length=MOST_PATHS, fail_fast=True)]
Recipients = Annotated[list[Address], Bounds(max_length=MOST_RECIPIENTS, fail_fast=True)]
Priority = Annotated[int, Bounds(strict=True, ge=-_MOST, le=_MOST), Whole]
ChunkSize = Annotated[
    int, Bounds(strict=True, ge=1, le=5 * 1024**3), Checked(_whole, is_first=True)
]
Word = Annotated[str, Bounds(max_length=255)]
