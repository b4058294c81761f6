"""Read JSON bodies and write JSON answers in the API's form.

Owns the error shape of section J, the Content-Type rule and the checking of body fields. Never
knows packages or links. Called by every module of the control plane.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qs

import bottle

#: The one numeric code that was ever seen, on a 401 (section J).
_NO_SESSION = 262146


class Refused(Exception):
    """An error answer of the control plane."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Write the "default error" [docs-tut]."""
        errors = []
        if self.field is not None:
            errors = [{"code": self.field, "msg": self.message, "type": "validation_failed"}]
        code = _NO_SESSION if self.status == 401 else 0
        return json.dumps({"code": code, "message": self.message, "errors": errors}).encode()


def answer(value: Any, status: int = 200, **headers: str) -> Any:
    """Build a JSON answer."""
    body = json.dumps(value, separators=(",", ":")).encode()
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    names.setdefault("Content-Type", "application/json")
    return bottle.HTTPResponse(body=body, status=status, headers=names)


def nothing() -> Any:
    """Build the answer of a delete: 204, empty [mcp packages.ts:336]."""
    return bottle.HTTPResponse(body=b"", status=204)


def query(name: str, default: str | None = None) -> str | None:
    """Read one query parameter; a repeated key counts once [mcp-new testing.md]."""
    found = parse_qs(bottle.request.environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return found[name][0] if name in found else default


def query_count(name: str, default: int, *, low: int, high: int) -> int:
    """Read a whole number from the query within bounds."""
    text = query(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise Refused(400, f"{name} must be a number from {low} to {high}", field=name)
    return int(text)


def header(name: str) -> str:
    """Read a request header; empty when absent."""
    value = bottle.request.environ.get("HTTP_" + name.upper().replace("-", "_"), "")
    return str(value)


def parse_json(raw: bytes) -> Any:
    """Read JSON strictly: UTF-8, no NaN, no lone surrogates.

    Raises:
        Refused: 400 with what is wrong.
    """
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        if b"\\u" in raw:
            # Only an escape can smuggle a lone surrogate past the decoding above.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise Refused(400, "body is nested too deeply") from None
    except UnicodeError:
        raise Refused(400, "body is not valid UTF-8") from None
    except ValueError:
        raise Refused(400, "body is not valid JSON") from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


class Fields:
    """A JSON object from a request body; unknown keys are tolerated (section N)."""

    def __init__(self, values: Any) -> None:
        if not isinstance(values, dict):
            raise Refused(400, "body must be a JSON object")
        self._values: dict[str, Any] = values

    @classmethod
    def read(cls, *, optional: bool = False) -> Fields:
        """Read the body of the present request."""
        raw = bottle.request.environ["wsgi.input"].read()
        if not raw.strip() and optional:
            return cls({})
        return cls(parse_json(raw))

    def text(self, name: str, default: str | None = None) -> str:
        """Read a string; without a default it is required and may not be empty."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise Refused(400, f"{name} must be a string", field=name)
        if not value and default is None:
            raise Refused(400, f"{name} is required", field=name)
        return value

    def texts(self, name: str) -> list[str]:
        """Read a list of strings; absent is empty."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise Refused(400, f"{name} must be a list of strings", field=name)
        return value

    def count(self, name: str, default: int | None = None) -> int:
        """Read a whole number >= 0; without a default it is required."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
            raise Refused(400, f"{name} must be a whole number >= 0", field=name)
        return value

    def flag(self, name: str) -> bool:
        """Read a boolean; absent is false."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise Refused(400, f"{name} must be true or false", field=name)
        return value

    def inner(self, name: str) -> Fields:
        """Read a nested object."""
        value = self._values.get(name)
        if not isinstance(value, dict):
            raise Refused(400, f"{name} must be an object", field=name)
        return Fields(value)

    def inners(self, name: str) -> list[Fields]:
        """Read a list of objects."""
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise Refused(400, f"{name} must be a list of objects", field=name)
        return [Fields(entry) for entry in value]

    def raw(self, *names: str) -> Any:
        """Read the first of these keys that is there, as it came."""
        return next((self._values[name] for name in names if name in self._values), None)
