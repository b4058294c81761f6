"""Say what the timetable allows now, and which upload yields its place to which.

Owns the meaning of days and hours by the wall clock, and of priority among uploads. Never asks for
the time and never knows a time zone by itself: both are handed in. Called by `transfer.bandwidth`
and by the sender.

Law 1. A timetable is a function of what the wall clock shows: in the night in which an hour comes
       twice its lines hold twice, and one that lies in the hour that is left out does not hold.
Law 2. The first line that holds counts. Where none does there is no limit.
Law 3. Hours that end before they begin end on the next day; `days` are those of their beginning.
Law 4. Only a higher priority takes a place from an upload that is being sent. Among equals the
       older goes first and nobody yields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from masv_watch.model import DAY_MINUTES, RateLimit, Timetable, TimetableLine

_HOUR_S = 3600
_WEEK_DAYS = 7
#: days in which every change of a weekly timetable has come once, whatever a zone does meanwhile
_LOOK_DAYS = _WEEK_DAYS + 2


def limit_at(table: Timetable, local: datetime) -> int | None:
    """Give the bytes a second that may leave when the wall clock shows this; None: no limit."""
    return next((line.limit for line in table.lines if _holds(line, local)), None)


def _holds(line: TimetableLine, local: datetime) -> bool:
    day, minute = local.weekday(), local.hour * 60 + local.minute
    if line.start < line.end:
        return day in line.days and line.start <= minute < line.end
    before = (day - 1) % _WEEK_DAYS
    return (day in line.days and minute >= line.start) or (
        before in line.days and minute < line.end
    )


def next_change(
    table: Timetable, wall: float, local_at: Callable[[float], datetime]
) -> float | None:
    """Give when another limit than now will hold, in seconds since 1970; None: never.

    `local_at` gives what the wall clock shows at such a time, its offset from UTC with it.
    """
    if not table.lines or _is_always(table.lines[0]):
        return None
    now = limit_at(table, local_at(wall))
    for at in sorted(_candidates(table, wall, local_at)):
        if at > wall and limit_at(table, local_at(at)) != now:
            return at
    return None


def _is_always(line: TimetableLine) -> bool:
    return len(line.days) == _WEEK_DAYS and line.end - line.start == DAY_MINUTES


def _candidates(
    table: Timetable, wall: float, local_at: Callable[[float], datetime]
) -> Iterable[float]:
    """Give every time at which a line may begin or end, and those at which the clock is set."""
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
    minutes = {minute for line in table.lines for minute in (line.start, line.end)}
    midnight = local_at(wall).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - a difference of two readings of one wall clock
    for day in range(-1, _LOOK_DAYS):
        for minute in minutes:
            shown = midnight + timedelta(days=day, minutes=minute)
            for offset in offsets:
                yield (shown - epoch).total_seconds() - offset


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
