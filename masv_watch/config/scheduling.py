"""Say what windows, a deadline and a recall window of a hot folder mean together.

Owns the words for what is missing beside them, and for what cannot hold with another. Never knows
what time it is. Called by the schema for the value of `recall`, and by `relations` for the rest, in
whose manner it passes over what has the wrong form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from masv_watch.config import timetable
from masv_watch.config.problems import Wrong
from masv_watch.config.reading import Path, Reading
from masv_watch.config.units import show_duration
from masv_watch.config.values import seconds
from masv_watch.model import DAY_MINUTES, Span

#: what `recall` may be
recall = seconds("0s", "1h")


def check(reading: Reading, at: Path) -> None:
    """Refuse and warn of what a hot folder's times do not allow together."""
    _schedule(reading, at)
    _too_late(reading, at)


def _schedule(reading: Reading, at: Path) -> None:
    """Refuse a schedule without a window, and warn of an order that none makes."""
    here = (*at, "schedule")
    said = reading.get(*here)
    if not isinstance(said, dict):
        return
    if not {"open", "deliver"} & said.keys():
        message = "neither `open` nor `deliver` is given - name a window, or leave `schedule` out"
        reading.fault(here, message)
    elif "late_drops" in said and "open" not in said:
        message = "has no effect without `open`: what is sent at any time is never late"
        reading.warn((*here, "late_drops"), message)


def _too_late(reading: Reading, at: Path) -> None:
    """Warn of windows in which nothing is sent early enough to be told of by the deadline."""
    own = (*at, "recall")
    window = _read(reading, own if reading.has(*own) else ("defaults", "recall"), recall)
    spans = _read(reading, (*at, "schedule", "open"), timetable.spans)
    deadline = _read(reading, (*at, "deadline"), timetable.clock_time)
    if not window or not spans or deadline is None:
        return
    if all(_is_too_late(span, deadline, window) for span in spans):
        message = (
            f"nothing that is sent in `schedule.open` is delivered by then: it opens no more than"
            f" {show_duration(window)} before, and that long `recall` keeps it - open it earlier,"
            " or set a shorter recall"
        )
        reading.warn((*at, "deadline"), message)


def _is_too_late(span: Span, deadline: int, window: float) -> bool:
    ahead = (deadline - span.start) % DAY_MINUTES
    # what is sent behind the deadline has until that of the next day
    lasts = span.end - span.start if span.start < span.end else span.end - span.start + DAY_MINUTES
    return 0 < lasts <= ahead and ahead * 60 <= window


def _read(reading: Reading, at: Path, form: Callable[[object], Any]) -> Any:
    if not reading.has(*at):
        return None
    try:
        return form(reading.get(*at))
    except Wrong:
        # told of by the schema
        return None
