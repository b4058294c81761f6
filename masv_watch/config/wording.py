"""How the keys and values of a configuration are written for people, as its file has them.

Owns the words where a noun of the program is called otherwise than its key. Never reads a file.
Called by `preview`, `config show` and by what shows a rule.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from masv_watch.config.units import show_size
from masv_watch.model import Span
from masv_watch.names import shown

#: how an empty list is written
NOTHING = "none"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: where the model has a key under another name; durations end with `_s` there
NAMED = {
    "mail.from": "mail.sender",
    "bandwidth": "bandwidth.lines",
    "to.others": "to.sends_others",
    "settle.open_check": "settle.asks_for_writers",
    "bundles": "whole.cards",
    "sequences.pattern": "whole.frames.patterns",
    "sequences.gaps": "whole.frames.gaps",
    "sequences.step": "whole.frames.step",
    "manifest.files": "whole.manifests.files",
    "manifest.required": "whole.manifests.required",
    "companions": "whole.companions",
    "incomplete": "whole.incomplete",
    "size.min": "size.least",
    "size.max": "size.most",
    "schedule.open": "schedule.windows",
    "deadline": "schedule.deadline",
    "after.trash_for": "trash_for",
    "enabled": "is_enabled",
    "limits.per_drop": "limits.size",
    "backup.key": "backup.with_key",
}
_KEYS = {place: key for key, place in NAMED.items()}
_KEYS["limits.asks_new_domains"] = "limits.domains: ask"
_SIZES = (
    "limits.size",
    "limits.per_day",
    "finalize.max_size",
    "chunk_size",
    "size.least",
    "size.most",
)


def key_of(place: str) -> str:
    """Give the key of a value by its place in the nouns of the program."""
    return _KEYS.get(place) or place.removesuffix("_s")


def said_at(place: str, value: object) -> str:
    """Write the value that stands at a place, with its unit."""
    if place.endswith(_SIZES) and isinstance(value, int):
        return show_size(value)
    if place == "settle.asks_for_writers":
        return "auto" if value else "never"
    if place == "to.by_subfolder" and isinstance(value, tuple):
        return "; ".join(f"{said(name)}: {said(to)}" for name, to in value) or NOTHING
    return said(value) + " s" * (place.endswith("_s") and value is not None)


def span_text(span: Span) -> str:
    """Write days and hours as the configuration has them: `mon-fri 19:00-07:00`."""
    days = sorted(span.days)
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    named = [
        _DAYS[run[0]] if len(run) == 1 else f"{_DAYS[run[0]]}-{_DAYS[run[-1]]}" for run in runs
    ]
    return f"{','.join(named)} {_clock(span.start)}-{_clock(span.end)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def said(value: object) -> str:
    """Write a value of a configuration for people."""
    if isinstance(value, Span) and type(value) is Span:
        return span_text(value)
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(said, value))) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(said, value)) or NOTHING
    if is_dataclass(value) and not isinstance(value, type):
        told = (f"{each.name} {said(getattr(value, each.name))}" for each in fields(value))
        return f"({', '.join(told)})"
    return _said_plainly(value)


def _said_plainly(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bytes):
        return shown(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
