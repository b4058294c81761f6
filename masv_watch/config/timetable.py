"""Say what a limit of bandwidth may be, a window or a deadline, and their days, hours and zone.

Owns the form of these values and the words for wrong ones. Never looks at a second value. Called by
the schema for each value, and by the command that sets a limit.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, available_timezones

from masv_watch.config import units
from masv_watch.config.origins import FromEnv
from masv_watch.config.problems import Wrong, listed, nearest
from masv_watch.config.values import shown, text
from masv_watch.model import DAY_MINUTES, EVERY_DAY, Span

#: weekdays as the file writes them, Monday first
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: the slowest limit that can be set
LEAST = "64 kbit/s"
_MOST = "1000 Gbit/s"
_HOURS = re.compile(r"(\d{1,2}):(\d\d) ?- ?(\d{1,2}):(\d\d)", re.ASCII)
_NO_LIMIT = {"off", "no", "none", "null", "no limit", "infinite", "infinity", "max", "full", "-1"}
_SPOKEN = {
    "weekdays": "mon-fri",
    "workdays": "mon-fri",
    "weekend": "sat-sun",
    "weekends": "sat-sun",
}


def bandwidth(value: object) -> object:
    """Bring a single limit into the form of rules; a mapping is read by its keys."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        raise Wrong("must be a limit such as 50 Mbit/s, or {rules: [...]}, not a list")
    limit(value)
    return {"rules": [{"limit": value}]}


def limit(value: object) -> int | None:
    """Accept a limit in bytes a second; None is no limit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Wrong(_NOTHING if value == 0 else units.bare(str(value), f"{value} Mbit/s"))
    given = text(value)
    if given == "unlimited":
        return None
    if isinstance(value, FromEnv):
        return _of_environment(given)
    if not given.strip("0."):
        raise Wrong(_NOTHING)
    if given.lower() in _NO_LIMIT or nearest(given, ["unlimited"]):
        raise Wrong(f"{shown(value)} is no limit that is known (did you mean `unlimited`?)")
    amount = units.rate(given)
    if not amount:
        raise Wrong(_NOTHING)
    if not units.rate(LEAST) <= amount <= units.rate(_MOST):
        raise Wrong(f"{shown(value)} is out of range - {LEAST} to {_MOST}, or unlimited")
    return amount


_NOTHING = "0 would send nothing - write unlimited, or stop sending with `masv-watch pause`"


def _of_environment(given: str) -> int:
    """Read a limit without a word of it in a message: it may be anything."""
    try:
        amount = units.rate(given)
    except Wrong:
        amount = 0
    if not units.rate(LEAST) <= amount <= units.rate(_MOST):
        raise Wrong(f"the value from the environment is no limit - {LEAST} to {_MOST}")
    return amount


def days(value: object) -> frozenset[int]:
    """Accept weekdays: names and spans of them, joined by commas; 0 is Monday."""
    found: set[int] = set()
    for piece in text(value).lower().split(","):
        first, dash, last = (name.strip() for name in piece.partition("-"))
        begin = _day(first, value)
        end = _day(last, value) if dash else begin
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return frozenset(found)


def _day(name: str, value: object) -> int:
    if name in DAYS:
        return DAYS.index(name)
    meant = _SPOKEN.get(name) or (name[:3] if name[:3] in DAYS else nearest(name, DAYS))
    hint = f" (did you mean `{meant}`?)" if meant and not isinstance(value, FromEnv) else ""
    raise Wrong(
        f"{shown(value)} names a day that is not known{hint} -"
        f" {listed(DAYS)}, as mon-fri or mon,wed,fri; without it every day"
    )


def hours(value: object) -> tuple[int, int]:
    """Accept a span of hours in minutes after midnight; it may end on the next day."""
    given = text(value)
    found = _HOURS.fullmatch(given)
    if found is None:
        raise Wrong(f'{shown(value)} is no span of hours - write "HH:MM-HH:MM"')
    start = int(found[1]) * 60 + int(found[2])
    end = int(found[3]) * 60 + int(found[4])
    if max(int(found[2]), int(found[4])) > 59 or start >= DAY_MINUTES or end > DAY_MINUTES:
        raise Wrong(f"{shown(value)} names a time that no clock shows - 00:00 to 24:00")
    if start == end:
        raise Wrong(f"{shown(value)} ends where it begins - leave `hours` out for the whole day")
    return start, end or DAY_MINUTES


def spans(value: object) -> tuple[Span, ...]:
    """Accept one window or a list of them, each days with hours or one of both."""
    given = value if isinstance(value, list) else [value]
    if not given:
        raise Wrong("is empty, so that nothing would ever be sent - leave `schedule` out, or pause")
    return tuple(_span(one) for one in given)


def _span(value: object) -> Span:
    if isinstance(value, dict):
        raise Wrong(f"must be text, not a mapping - {_WINDOW}")
    given = text(value).strip()
    first = next((place for place, char in enumerate(given) if char.isdigit()), len(given))
    of_environment = isinstance(value, FromEnv)
    named, timed = (
        FromEnv(part) if of_environment else part for part in (given[:first].strip(), given[first:])
    )
    chosen = EVERY_DAY if named in {"", "daily"} else days(named)
    start, end = hours(timed) if timed else (0, DAY_MINUTES)
    return Span(days=chosen, start=start, end=end)


_WINDOW = 'days with hours, as "mon-fri 19:00-07:00", "sat,sun" or "22:00-06:00"'


def clock_time(value: object) -> int:
    """Accept a time of the day in minutes after midnight."""
    given = text(value)
    found = re.fullmatch(r"(\d{1,2}):(\d\d)", given, re.ASCII)
    minute = int(found[1]) * 60 + int(found[2]) if found else DAY_MINUTES
    if found is None or int(found[2]) > 59 or minute >= DAY_MINUTES:
        raise Wrong(f'{shown(value)} is no time of the day - write "HH:MM", 00:00 to 23:59')
    return minute


def zone(value: object) -> str:
    """Accept the name of a time zone that this machine knows."""
    given = text(value)
    try:
        ZoneInfo(given)
    except (ValueError, OSError, LookupError) as error:
        known = available_timezones()
        if not known:
            raise Wrong(
                "this machine has no time zones - install its package tzdata, or leave `tz` out"
            ) from error
        hint = _zone_meant(given, known) if not isinstance(value, FromEnv) else ""
        raise Wrong(
            f"{shown(value)} is no time zone of this machine{hint} - a name such as Europe/Berlin"
        ) from error
    return given


def _zone_meant(given: str, known: set[str]) -> str:
    folded = {name.lower(): name for name in known}
    cities = {name.rpartition("/")[2].lower(): name for name in sorted(known, key=len)}
    asked = given.lower().replace(" ", "_")
    meant = folded.get(asked) or cities.get(asked)
    if meant is None and len(given) <= _LONGEST:
        close = nearest(asked.replace("-", "_"), folded)
        meant = folded.get(close) if close else None
    return f" (did you mean `{meant}`?)" if meant else ""


#: characters of a name for which a similar one is looked for
_LONGEST = 64
