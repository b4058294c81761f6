"""Figures in words that people read: sizes, rates, times.

Owns their form. Never asks a clock: the present is handed in. Used by the page's templates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from masv_watch.figures import counted

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def size_text(size: float) -> str:
    """Write bytes in decimal units, as the letters do: `1.5 GB`."""
    value, unit = float(size), 0
    # what would be rounded to 1000 belongs to the next unit
    while unit < len(_UNITS) - 1 and value >= (999.95 if unit else 1000):
        value, unit = value / 1000, unit + 1
    if not unit:
        return counted(int(value), "byte")
    return f"{value:.1f} {_UNITS[unit]}"


def rate_text(bytes_per_s: float) -> str:
    """Write a rate in bytes a second: `12.5 MB/s`."""
    return f"{size_text(bytes_per_s)}/s"


def duration_text(seconds: float) -> str:
    """Write a duration by its two largest units: `2 h 5 min`."""
    whole = max(math.ceil(seconds), 0)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole, (_MINUTE, "min"), (1, "s"))
    if whole < _DAY:
        return _two(whole, (_HOUR, "h"), (_MINUTE, "min"))
    return _two(whole, (_DAY, "d"), (_HOUR, "h"))


def ago_text(at: float, now: float) -> str:
    """Say how long ago or in how long a time is, by its largest unit; both store clock, seconds."""
    away = abs(now - at)
    if away < 1:
        return "now"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if away >= size:
            text = f"{int(away // size)} {unit}"
            break
    else:
        text = f"{int(away)} s"
    return f"{text} ago" if at <= now else f"in {text}"


def moment(iso: str) -> float:
    """Give the store-clock seconds of a time as the API writes it."""
    return datetime.fromisoformat(iso).timestamp()


def time_text(iso: str) -> str:
    """Write a time as the API gives it for people, in UTC: `2026-03-01 14:05:09 UTC`."""
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def percent(done: float, of: float) -> int:
    """Give how many of a hundred are done; 100 only when all are, and nothing of nothing is all."""
    if of <= 0 or done >= of:
        return 100
    return min(int(done * 100 / of), 99)


def percent_ahead(done: float, in_flight: float, of: float) -> int:
    """Give how many of a hundred have left; what is on its way shows from its first byte on."""
    return min(max(percent(done + in_flight, of), percent(done, of) + 1), 100)


def said(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give what a rule asks for as pairs of texts; what is not asked for is left out.

    Of a name that ends so the figure is in seconds or bytes.
    """
    for key, value in rule.items():
        if value in (None, False, [], "") or key == "takes":
            continue
        if key.endswith("_s"):
            yield key.removesuffix("_s"), duration_text(value)
        elif key.endswith(("bytes", "size")) or key == "most_bytes_a_day":
            yield key, size_text(value)
        else:
            yield key, _plain(value)


def _plain(value: object) -> str:
    if value is True:
        return "yes"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return ": ".join(map(_plain, value.values()))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _two(whole: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    rest = whole % large[0] // small[0]
    first = f"{whole // large[0]} {large[1]}"
    return f"{first} {rest} {small[1]}" if rest else first
