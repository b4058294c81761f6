"""Decide when people are told of what needs them.

Owns when a letter is due and what it is about. Never asks for the time, the store or the mail
server. Called by `delivery.alerts`.

Law 1. What needs a person for a while is told of once, all of it in one letter; what joins it
later is told of too.
Law 2. It is well again once nothing of what was told is left; then one letter says so.
Law 3. What a letter that never left told of stands in the one that takes its place.
Law 4. Two letters are at least `PAUSE_S` apart, whatever comes and goes between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from masv_watch.model import Alarm

#: seconds between two letters
PAUSE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What one letter is about."""

    #: needs a person, and was not told of or stands in no letter that left to everybody
    new: tuple[Alarm, ...] = ()
    #: was told of and needs a person still
    lasting: tuple[Alarm, ...] = ()
    #: was told of and is gone
    over: tuple[Alarm, ...] = ()

    @property
    def is_well(self) -> bool:
        """Say whether nothing is left that needs a person."""
        return not self.new and not self.lasting


def decide(
    alarms: Iterable[Alarm], *, now: float, after_s: float, told_at: float | None
) -> Telling | None:
    """Give what a letter is due about, or None; times are of one clock, seconds.

    `told_at` is when the last letter was written.
    """
    if told_at is not None and now - told_at < PAUSE_S:
        return None
    known = tuple(alarms)
    living = [alarm for alarm in known if alarm.ended_at is None]
    new = tuple(a for a in living if _is_news(a, now - after_s))
    lasting = tuple(a for a in living if a.is_told and not a.need.is_final and a not in new)
    over = tuple(a for a in known if a.is_told and a.ended_at is not None)
    if not new and not (over and not lasting):
        return None
    # the letter that is due takes the place of the one in which these stand alone
    unsent = tuple(a for a in living if a.is_told and a.need.is_final and a.is_unsent)
    return Telling(new=new + unsent, lasting=lasting, over=over)


def _is_news(alarm: Alarm, until: float) -> bool:
    since = untold_since(alarm)
    return since is not None and since <= until


def untold_since(alarm: Alarm) -> float | None:
    """Give since when there is something that people were not told of; None: they know all."""
    return alarm.need.more_since if alarm.is_told else alarm.since
