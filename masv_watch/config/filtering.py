"""Say what the filters and limits of a hot folder mean together, and beside its other keys.

Owns the words for filters that let nothing through and for wishes that cannot be had. Never reads a
disk. Called by `relations`, in whose manner it passes over what has the wrong form.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from masv_watch.config import units
from masv_watch.config.problems import Wrong
from masv_watch.config.reading import Path, Reading


def check(reading: Reading, at: Path) -> None:
    """Note the faults and warnings of one hot folder's filters."""
    _range(reading, (*at, "size"), units.size)
    _range(reading, (*at, "age"), units.duration)
    _domains(reading, at)
    for key in ("only", "only_regex"):
        only = reading.get(*at, key)
        if isinstance(only, list) and not only:
            message = f"is empty, so that no file would be sent - name some, or leave `{key}` out"
            reading.fault((*at, key), message)
    if reading.get(*at, "early") is True and reading.has(*at, "age"):
        reading.warn((*at, "early"), "has no effect beside `age`, which is asked of a whole drop")


def _domains(reading: Reading, at: Path) -> None:
    """Warn of recipients whom the rule's own limits always ask about."""
    place = at if reading.has(*at, "limits", "domains") else ("defaults",)
    allowed = reading.get(*place, "limits", "domains")
    if not isinstance(allowed, list):
        return
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
