"""Say what the filters and limits of a hot folder mean together, and beside its other keys.

Owns the words for filters that let nothing through and for wishes that cannot be had. Never reads a
disk. Called by `relations`, in whose manner it passes over what has the wrong form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from masv_watch.config import units
from masv_watch.config.problems import Wrong
from masv_watch.config.reading import Path, Reading

#: patterns that every file and folder matches
_ALL = frozenset({"*", "**", "**/*"})
_HOLE = re.compile(r"\{(name|stem)\}")


def check(reading: Reading, at: Path) -> None:
    """Note the faults and warnings of one hot folder's filters."""
    _range(reading, (*at, "size"), units.size)
    _range(reading, (*at, "age"), units.duration)
    _domains(reading, at)
    _ignored(reading, at)
    for key in ("only", "only_regex"):
        only = reading.get(*at, key)
        if isinstance(only, list) and not only:
            message = f"is empty, so that no file would be sent - name some, or leave `{key}` out"
            reading.fault((*at, key), message)
    if reading.get(*at, "early") is True and reading.has(*at, "age"):
        reading.warn((*at, "early"), "has no effect beside `age`, which is asked of a whole drop")


def _ignored(reading: Reading, at: Path) -> None:
    """Warn of patterns that leave nothing to send."""
    place, ignored = _said(reading, at, "ignore")
    where, only = _said(reading, at, "only")
    # what `!` lets through again may be anything
    if not any(one.startswith("!") for one in (*ignored, *only)):
        for number, one in enumerate(ignored):
            if one in _ALL:
                message = "leaves everything out, so that nothing is sent"
                reading.warn((*place, "ignore", number), message)
        if only and all(one in ignored for one in only):
            reading.warn((*where, "only"), "is all in `ignore`, too, which wins: nothing is sent")
    for path, name in _marks(reading, at):
        if only and all(one == _HOLE.sub("*", name) for one in only):
            message = "names every file that `only` lets through, so that nothing is sent"
            reading.warn(path, message)


def _marks(reading: Reading, at: Path) -> Iterator[tuple[Path, str]]:
    """Give the names of what stands beside a drop and is no part of it."""
    own = (*at, "settle", "done_marker")
    marker = own if reading.has(*own) else ("defaults", "settle", "done_marker")
    beside = (*at, "sidecar")
    sidecar = (*beside, "name") if isinstance(reading.get(*beside), dict) else beside
    for path in (marker, sidecar):
        name = reading.get(*path)
        if isinstance(name, str):
            yield path, name


def _said(reading: Reading, at: Path, key: str) -> tuple[Path, list[str]]:
    """Give where a list of patterns stands and what it says; empty where it has another form."""
    place = at if reading.has(*at, key) else ("defaults",)
    said = reading.get(*place, key)
    return place, [one for one in said if isinstance(one, str)] if isinstance(said, list) else []


def _domains(reading: Reading, at: Path) -> None:
    """Warn of recipients whom the rule's own limits always ask about."""
    place = at if reading.has(*at, "limits", "domains") else ("defaults",)
    allowed = reading.get(*place, "limits", "domains")
    if not isinstance(allowed, list):
        return
    for number, one in enumerate(allowed):
        if isinstance(one, str) and "*" in one:
            message = (
                "is no pattern: `*` stands for itself, and no address has it - name each domain"
            )
            reading.warn((*place, "limits", "domains", number), message)
    known = {one.removeprefix("@").casefold() for one in allowed if isinstance(one, str)}
    for key in (("to", "recipients"), ("link", "mail_to")):
        named = reading.get(*at, *key)
        for number, one in enumerate(named if isinstance(named, list) else []):
            if isinstance(one, str) and one.rpartition("@")[2].casefold() not in known:
                message = "is not of limits.domains, so that every drop is held (limit_exceeded)"
                reading.warn((*at, *key, number), message)


def _range(reading: Reading, at: Path, read: Callable[[str], float]) -> None:
    ends: list[float] = []
    for key in ("min", "max"):
        value = reading.get(*at, key)
        with suppress(Wrong):
            ends += [read(value)] if isinstance(value, str) else []
    if len(ends) == 2 and ends[0] > ends[1]:
        reading.fault((*at, "min"), "is above `max`, so that nothing would be sent")
