"""Say what timetable, window and deadline mean now, and which upload yields its place to which.

Owns the meaning of days and hours by the wall clock, and of priority among uploads. Never asks for
the time and never knows a time zone by itself: both are handed in. Called by `transfer.bandwidth`,
by `transfer.openings` and by the sender.

Law 1. Timetable and window are functions of what the wall clock shows: in the night in which an
       hour comes twice their spans hold twice, and one that lies in the hour that is left out does
       not hold.
Law 2. The first line that holds counts. Where none does there is no limit.
Law 3. Hours that end before they begin end on the next day; `days` are those of their beginning.
Law 4. Only a higher priority takes a place from an upload that is being sent. Among equals the
       older goes first and nobody yields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from masv_watch.model import DAY_MINUTES, RateLimit, Span, Timetable, TimetableLine

_HOUR_S = 3600
_WEEK_DAYS = 7
#: days in which every change of a weekly timetable has come once, whatever a zone does meanwhile
_LOOK_DAYS = _WEEK_DAYS + 2
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a difference of two readings of one wall clock


def limit_at(table: Timetable, local: datetime) -> int | None:
    """Give the bytes a second that may leave when the wall clock shows this; None: no limit."""
    return next((line.limit for line in table.lines if _holds(line, local)), None)


def is_open(spans: Sequence[Span], local: datetime) -> bool:
    """Say whether a window of these spans is open when the wall clock shows this."""
    return not spans or any(_holds(span, local) for span in spans)


def _holds(span: Span, local: datetime) -> bool:
    day, minute = local.weekday(), local.hour * 60 + local.minute
    if span.start < span.end:
        return day in span.days and span.start <= minute < span.end
    before = (day - 1) % _WEEK_DAYS
    return (day in span.days and minute >= span.start) or (
        before in span.days and minute < span.end
    )


def next_change(
    table: Timetable, wall: float, local_at: Callable[[float], datetime]
) -> float | None:
    """Give when another limit than now will hold, in seconds since 1970; None: never.

    `local_at` gives what the wall clock shows at such a time, its offset from UTC with it.
    """
    if not table.lines or _is_always(table.lines[0]):
        return None
    return _next_turn(table.lines, wall, local_at, partial(limit_at, table))


def next_turn(
    spans: Sequence[Span], wall: float, local_at: Callable[[float], datetime]
) -> float | None:
    """Give when a window of these spans opens or closes next, in seconds since 1970; None: never.

    `local_at` is as for `next_change`.
    """
    if any(_is_always(span) for span in spans):
        return None
    return _next_turn(spans, wall, local_at, partial(is_open, spans))


def _next_turn(
    spans: Sequence[Span],
    wall: float,
    local_at: Callable[[float], datetime],
    value_at: Callable[[datetime], object],
) -> float | None:
    now = value_at(local_at(wall))
    for at in sorted(_candidates(spans, wall, local_at)):
        if at > wall and value_at(local_at(at)) != now:
            return at
    return None


def next_deadline(minute: int, wall: float, local_at: Callable[[float], datetime]) -> float:
    """Give when the wall clock shows a minute of the day next, in seconds since 1970.

    Of a minute that comes twice the first counts; for one that is left out the time counts at
    which it would have come, had the clock been set before.
    """
    offsets = {_offset(local_at(wall + hours * _HOUR_S)) for hours in (-24, 0, 24, 48)}
    midnight = local_at(wall).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for day in range(3):
        shown = midnight + timedelta(days=day, minutes=minute)
        found = sorted((shown - _EPOCH).total_seconds() - offset for offset in offsets)
        told = [at for at in found if local_at(at).replace(tzinfo=None) == shown]
        at = (told or found)[0]
        if at > wall:
            return at
    return wall + 3 * 24 * _HOUR_S


def _is_always(span: Span) -> bool:
    return len(span.days) == _WEEK_DAYS and span.end - span.start == DAY_MINUTES


def _candidates(
    spans: Sequence[Span], wall: float, local_at: Callable[[float], datetime]
) -> Iterable[float]:
    """Give every time at which a span may begin or end, and those at which the clock is set."""
    begun = wall // 60 * 60
    offsets: set[float] = set()
    before: float | None = None
    for hour in range(_LOOK_DAYS * 24):
        at = begun + hour * _HOUR_S
        offset = _offset(local_at(at))
        if before is not None and offset != before:
            yield _set_at(at - _HOUR_S, at, local_at)
        offsets.add(offset)
        before = offset
    minutes = {minute for span in spans for minute in (span.start, span.end)}
    midnight = local_at(wall).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for day in range(-1, _LOOK_DAYS):
        for minute in minutes:
            shown = midnight + timedelta(days=day, minutes=minute)
            for offset in offsets:
                yield (shown - _EPOCH).total_seconds() - offset


def _offset(local: datetime) -> float:
    offset = local.utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def _set_at(before: float, after: float, local_at: Callable[[float], datetime]) -> float:
    """Give the minute at which the clock is set between two times."""
    old = _offset(local_at(before))
    while after - before > 60:
        middle = before + (after - before) // 120 * 60
        if _offset(local_at(middle)) == old:
            before = middle
        else:
            after = middle
    return after


def posted_table(wish: RateLimit, tz: str | None) -> Timetable:
    """Give the timetable that a caller's posted limit stands for."""
    if not wish.enabled:
        return Timetable(tz=tz)
    limit = wish.rate // 8
    if not wish.is_scheduled:
        return Timetable(tz=tz, lines=(TimetableLine(limit=limit),))
    return Timetable(
        tz=tz,
        lines=tuple(
            TimetableLine(limit=limit, days=frozenset({day}), start=span.start, end=span.end)
            for day, span in enumerate(wish.schedule)
            if span.enabled
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An upload that holds a place among the active ones."""

    upload_id: str
    priority: int
    created_at: float


def yielders(holders: Iterable[Holder], waiting: Sequence[int]) -> list[str]:
    """Give the ids of the uploads that yield when every place is taken.

    `waiting` are the priorities of those that wait for a place, the highest first. Each takes the
    place of the lowest holder below it, of equal ones of the youngest.
    """
    lowest = sorted(holders, key=lambda one: (one.priority, -one.created_at, one.upload_id))
    given = []
    for holder, priority in zip(lowest, waiting, strict=False):
        if holder.priority >= priority:
            break
        given.append(holder.upload_id)
    return given
