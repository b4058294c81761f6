"""Sizes and times as people read them.

Owns the words for amounts in names, holds and findings. Never rounds what is decided by. Alone,
because names, limits and filters must write the same amount alike.
"""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def human_size(size: int) -> str:
    """Write bytes in units of a thousand, with one decimal below a hundred: 1.5 GB."""
    number, unit = float(size), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return (
        f"{number:.0f} {_UNITS[unit]}"
        if unit == 0 or number >= 99.95
        else (f"{number:.1f} {_UNITS[unit]}")
    )


def human_time(seconds: float) -> str:
    """Write seconds with the largest unit that needs no fraction: 90m."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"
