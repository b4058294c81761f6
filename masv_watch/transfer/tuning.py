"""Decide how many connections carry the chunks of large files, by what they carry.

Owns the search for that number and nothing else. Never opens a connection and never asks for the
time: readings are handed in. Called by `transfer.tuner`.

Law 1. Only readings count during which every connection had work: what waits for a source or for a
       limit of ours says nothing about the link.
Law 2. One more pair stays only if it carries clearly more, one less only if it carries nearly as
       much: fewer connections cost less and are fairer to others.
Law 3. The number never leaves its bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

#: bounds of the number, and where it begins
LEAST, MOST, FIRST = 4, 32, 8
#: connections by which a trial differs
STEP = 2
#: seconds after a change that say nothing yet: a new connection starts slowly
WARM_S = 1.5
#: seconds of one reading
READING_S = 3.0
#: readings between two trials once a good number is found
REST = 8
#: a trial with more connections must carry so many times as much
_CLEARLY = 1.05
#: a trial with fewer must carry so many times as much
_NEARLY = 0.97


class Trial(StrEnum):
    """What is being tried."""

    NONE = "none"
    MORE = "more"
    FEWER = "fewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Where the search stands."""

    connections: int = FIRST
    trial: Trial = Trial.NONE
    #: bytes a second of the number before the trial; 0 before the first reading
    rate: float = 0.0
    #: readings until the next trial
    rest: int = 0
    #: what comes after the rest
    turn: Trial = Trial.MORE


def judge(tuning: Tuning, rate: float) -> Tuning:
    """Draw the consequence of one reading, in bytes a second, with the present number."""
    if tuning.trial is Trial.MORE:
        if rate > tuning.rate * _CLEARLY:
            return _try(replace(tuning, rate=rate, turn=Trial.MORE))
        return _give_up(tuning, tuning.connections - STEP, turn=Trial.FEWER)
    if tuning.trial is Trial.FEWER:
        if rate >= tuning.rate * _NEARLY:
            # compared with what the larger number carried, so that small losses do not add up
            return _try(replace(tuning, turn=Trial.FEWER))
        return _give_up(tuning, tuning.connections + STEP, turn=Trial.MORE)
    if tuning.rest:
        return replace(tuning, rest=tuning.rest - 1, rate=rate)
    return _try(replace(tuning, rate=rate))


def _try(tuning: Tuning) -> Tuning:
    change = STEP if tuning.turn is Trial.MORE else -STEP
    wanted = tuning.connections + change
    if LEAST <= wanted <= MOST:
        return replace(tuning, connections=wanted, trial=tuning.turn)
    other = Trial.FEWER if tuning.turn is Trial.MORE else Trial.MORE
    return _give_up(tuning, tuning.connections, turn=other)


def _give_up(tuning: Tuning, connections: int, *, turn: Trial) -> Tuning:
    return replace(tuning, connections=connections, trial=Trial.NONE, rest=REST, turn=turn)
