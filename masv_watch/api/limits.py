"""The limit of all uploads as a caller posts it: its shape, and who keeps it.

Owns the form of MASV's own agent (agent-api 5) and the words for what is wrong in it. Never knows
which limit holds: the keeper does. Called by `api.routes`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Protocol

from masv_watch.api.fields import Whole
from masv_watch.api.marks import Bounds, Checked, Described, Unfit
from masv_watch.errors import Unprocessable
from masv_watch.model import DAY_MINUTES, DaySpan, LimitsView, RateLimit

#: bits a second: the slowest and the fastest limit that can be set
LEAST, MOST = 64_000, 10**12
_FORBID: dict[str, Any] = {"extra": "forbid"}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_ENDS = "24:00"


class Keeper(Protocol):
    """Who keeps the limits; `transfer.bandwidth` does."""

    def post(self, wish: RateLimit) -> None:
        """Let a caller's limit hold for all uploads."""
        ...

    def reset(self) -> None:
        """Let the configuration's limit count again."""
        ...

    def view(self) -> LimitsView:
        """Give every limit as it is now."""
        ...


def _start(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise Unfit("must be a time such as 08:00, from 00:00 to 23:59")
    return text


def _end(text: str) -> str:
    return text if text == _ENDS else _start(text)


_Switch = Annotated[bool, Bounds(strict=True)]
_Rate = Annotated[int, Bounds(strict=True, ge=0, le=MOST), Whole]
_TIME = "([01]?[0-9]|2[0-3]):[0-5][0-9]"
_Start = Annotated[str, Checked(_start), Described({"type": "string", "pattern": f"^{_TIME}$"})]
_End = Annotated[str, Checked(_end), Described({"type": "string", "pattern": f"^({_TIME}|24:00)$"})]
#: what a limit needs beside being enabled, and a schedule
_NEEDED = [
    {
        "anyOf": [
            {"properties": {switch: {"const": False}}},
            {"properties": {name: needed}, "required": [name]},
        ]
    }
    for switch, name, needed in (
        ("enabled", "rate_limit_bps", {"type": "integer", "minimum": LEAST}),
        ("schedule_enabled", "schedule", {"type": "object"}),
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAsked:
    """The hours of one weekday in which the limit holds.

    Hours that end before they begin, or where they begin, end on the next day.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    enabled: _Switch
    start: _Start = "00:00"
    end: _End = _ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleAsked:
    """The hours of each weekday; on one that is left out there is no limit."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    mon: DayAsked | None = None
    tue: DayAsked | None = None
    wed: DayAsked | None = None
    thu: DayAsked | None = None
    fri: DayAsked | None = None
    sat: DayAsked | None = None
    sun: DayAsked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitAsked:
    """A limit for all uploads together, in the form of MASV's own agent."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        **_FORBID,
        "json_schema_extra": {"allOf": _NEEDED},
    }
    #: false: nothing is limited, whatever the configuration says
    enabled: _Switch
    #: bits a second, 64000 and more
    rate_limit_bps: _Rate | None = None
    #: true: the limit holds only in the hours of `schedule`
    schedule_enabled: _Switch = False
    schedule: ScheduleAsked | None = None

    def wish(self) -> RateLimit:
        """Give it as the keeper takes it.

        Raises:
            Unprocessable: a limit is wished without its rate or its hours.
        """
        rate = self.rate_limit_bps or 0
        if self.enabled and rate < LEAST:
            raise Unprocessable(
                "`rate_limit_bps` is missing"
                if self.rate_limit_bps is None
                else f"`rate_limit_bps` is below {LEAST}, the slowest limit that can be set",
                hint='it counts bits a second; {"enabled": false} takes the limit away',
                field="rate_limit_bps",
            )
        if self.schedule_enabled and self.schedule is None:
            raise Unprocessable(
                "`schedule` is missing",
                hint='give the hours as {"mon": {"enabled": true, "start": "08:00", "end":'
                ' "19:00"}, ...}, or leave out `schedule_enabled`',
                field="schedule",
            )
        return RateLimit(
            enabled=self.enabled,
            rate=rate,
            is_scheduled=self.schedule_enabled,
            schedule=_spans(self.schedule or ScheduleAsked()),
        )


def _spans(schedule: ScheduleAsked) -> tuple[DaySpan, ...]:
    return tuple(_span(getattr(schedule, each.name)) for each in fields(schedule))


def _span(day: DayAsked | None) -> DaySpan:
    if day is None:
        return DaySpan()
    end = _minutes(day.end) or DAY_MINUTES
    return DaySpan(enabled=day.enabled, start=_minutes(day.start), end=end)


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
