"""Hold the named faults that a test has ordered, and say which one a request meets.

Owns their forms, their matching and their counts: `skip` matches pass, the next `times` fire. Never
carries a fault out. Called by the HTTP front, the mailbox and the witness routes.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from masv_watch.sandbox.depot import PREFIX


class FaultRefused(Exception):
    """An order for a fault that does not exist or is malformed."""

    def __init__(self, subject: str, complaint: str) -> None:
        super().__init__(f"{subject}: {complaint}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 86400


def _is_status(value: Any) -> bool:
    return _is_count(value) and 200 <= value <= 599


def _is_reply(value: Any) -> bool:
    return _is_count(value) and 400 <= value <= 599


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(text, str) and re.fullmatch(r"[\x20-\x7e]*", text)
        for pair in value.items()
        for text in pair
    )


def _is_location(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) is not None


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\x20-\x7e]{1,400}", value) is not None


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of an order: how it is checked, what it means when left out."""

    check: Callable[[Any], bool]
    default: Any = None
    required: bool = False


_ALWAYS = {
    "match": _Key(_is_text, ""),
    #: None: for ever.
    "times": _Key(lambda value: value is None or (_is_count(value) and value > 0), 1),
    "skip": _Key(_is_count, 0),
}
_PART = _Key(lambda value: value is None or _is_count(value))
_BODY = _Key(lambda value: value is None or isinstance(value, str))
KINDS: dict[str, dict[str, _Key]] = {
    "status": {
        "status": _Key(_is_status, required=True),
        "headers": _Key(_is_headers, {}),
        #: Text, or an object that is sent as JSON.
        "body": _Key(lambda value: value is None or isinstance(value, str | dict)),
        "part": _PART,
    },
    "after": {"part": _PART},
    "reset": {"bytes": _Key(_is_count, 0), "part": _PART},
    "stall": {
        "seconds": _Key(_is_duration, required=True),
        "when": _Key(lambda value: value in ("before", "after"), "after"),
        "part": _PART,
    },
    "html": {"status": _Key(_is_status, 200), "body": _BODY, "part": _PART},
    "truncate": {"part": _PART},
    "corrupt_etag": {"part": _PART},
    "redirect": {
        "location": _Key(_is_location, required=True),
        "status": _Key(lambda value: _is_count(value) and 300 <= value <= 399, 307),
        "part": _PART,
    },
    "expire_urls": {"part": _PART},
    "smtp": {
        "code": _Key(_is_reply, 550),
        "message": _Key(_is_line, "refused by the sandbox"),
        "stage": _Key(lambda value: value in ("rcpt", "data", "lost"), "rcpt"),
    },
}
#: Faults that concern presigned URLs only; elsewhere they neither fire nor count.
_STORAGE_ONLY = {"corrupt_etag", "expire_urls"}
_MATCH = re.compile(r"(?:(?P<method>[A-Z]+|\*)(?:\s+|$))?(?P<path>.*)", re.DOTALL)


@dataclass(slots=True)
class Fault:
    """One ordered fault."""

    id: int
    name: str
    match: str
    times: int | None
    skip: int
    #: The keys that only this kind has.
    detail: dict[str, Any]
    method: str
    pattern: re.Pattern[str]
    prefix: str
    seen: int = 0
    fired: int = 0
    #: Set when the faults are cleared: held answers go out.
    released: threading.Event = field(default_factory=threading.Event)

    def shown(self) -> dict[str, Any]:
        """Write the fault as the witness route does."""
        return {
            "id": self.id,
            "name": self.name,
            "match": self.match,
            "times": self.times,
            "skip": self.skip,
            **self.detail,
            "seen": self.seen,
            "fired": self.fired,
        }

    def meets(self, method: str, path: str, part: int | None) -> bool:
        """Say whether a request is one of those the fault is for."""
        if self.name in _STORAGE_ONLY and not path.startswith(PREFIX):
            return False
        if self.method not in ("", "*", method):
            return False
        if self.detail.get("part") is not None and self.detail["part"] != part:
            return False
        return path.startswith(self.prefix) or self.pattern.match(path) is not None

    def fires(self) -> bool:
        """Count a match and say whether the fault strikes this time."""
        if self.times is not None and self.fired >= self.times:
            return False
        self.seen += 1
        if self.seen <= self.skip:
            return False
        self.fired += 1
        return True


class Faults:
    """The list of ordered faults; the first that fires wins a request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._ordered: list[Fault] = []

    def order(self, order: Any) -> dict[str, Any]:
        """Add a fault from its JSON form and answer how it was understood.

        Raises:
            FaultRefused: the name or a key is unknown, or a value is of the wrong kind.
        """
        fault = _parsed(order, next(self._numbers))
        with self._lock:
            self._ordered.append(fault)
        return fault.shown()

    def listed(self) -> list[dict[str, Any]]:
        """List the faults with how often each fired."""
        with self._lock:
            return [fault.shown() for fault in self._ordered]

    def clear(self) -> None:
        """Forget all faults and let held answers go."""
        with self._lock:
            gone, self._ordered = self._ordered, []
        for fault in gone:
            fault.released.set()

    def draw(self, method: str, path: str, part: int | None) -> Fault | None:
        """Say which fault an HTTP request meets."""
        if not self._ordered:
            return None
        with self._lock:
            for fault in self._ordered:
                if fault.name != "smtp" and fault.meets(method, path, part) and fault.fires():
                    return fault
        return None

    def draw_smtp(self, stage: str, recipients: list[str]) -> Fault | None:
        """Say which fault an SMTP stage meets, for any of these recipients."""
        with self._lock:
            for fault in self._ordered:
                if fault.name != "smtp" or fault.detail["stage"] != stage:
                    continue
                if any(fault.pattern.search(name) for name in recipients) and fault.fires():
                    return fault
        return None


def _parsed(order: Any, number: int) -> Fault:
    if not isinstance(order, dict):
        raise FaultRefused("fault", "must be a JSON object with a name")
    name = order.get("name")
    if not isinstance(name, str) or name not in KINDS:
        raise FaultRefused(repr(name), f"unknown fault; allowed: {', '.join(KINDS)}")
    allowed = {**_ALWAYS, **KINDS[name]}
    unknown = sorted(str(key) for key in order if key not in allowed and key != "name")
    if unknown:
        named = ", ".join(unknown)
        raise FaultRefused(name, f"unknown key {named}; allowed: name, {', '.join(allowed)}")
    values: dict[str, Any] = {}
    for key, form in allowed.items():
        if key not in order and form.required:
            raise FaultRefused(name, f"needs {key}; allowed: name, {', '.join(allowed)}")
        values[key] = order.get(key, form.default)
        if not form.check(values[key]):
            raise FaultRefused(name, f"{key} has a wrong value: {values[key]!r}")
    match, times, skip = values.pop("match"), values.pop("times"), values.pop("skip")
    method, pattern, prefix = _compiled(match, smtp=name == "smtp")
    return Fault(number, name, match, times, skip, values, method, pattern, prefix)


def _compiled(match: str, *, smtp: bool) -> tuple[str, re.Pattern[str], str]:
    """Split `METHOD path`; the path is a regular expression or a prefix."""
    found = _MATCH.fullmatch(match)
    method, path = ("", match) if smtp or found is None else (found["method"] or "", found["path"])
    try:
        return method, re.compile(path, re.IGNORECASE if smtp else 0), path
    except re.error as error:
        raise FaultRefused("match", f"is no regular expression: {error}") from error
