"""Which look a hot folder gets when its period is over, and how soon after one the next may come.

Owns the choice between everything and the folders only, its reasons, and the rest between two
sweeps. Never looks itself. Called by intake.

A file that is written in place changes no folder, so that a look at the folders alone finds what
came, went or was renamed, and nothing else. It stands in for a sweep only while notifications work,
which tell of the rest, and never for long: what they lost is found by the sweep of the hour. Where
they cannot work, on a network file system or at a limit of the kernel, every look is a sweep.
"""

from __future__ import annotations

from dataclasses import dataclass

from masv_watch.model import Decision, Finding

#: seconds within which everything is looked at, whatever notifications tell (pains 10, 54). As
#: long as nobody would notice in what notifications miss, such as a page written by way of a
#: mapping that was never closed; a sweep of a million files an hour is a thousandth of a core
FULL_S = 3600.0
#: seconds that pass between two sweeps, however many notifications come
LEAST_PAUSE_S = 0.5
#: how often the time of a sweep goes by before the next, so that none takes more than a fifth of it
_BREATH = 4.0
#: known names that cost a sweep together what a new one does
_WEIGHT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a hot folder before a look."""

    #: whether a notification, a command or another room asked for it
    is_asked: bool
    #: whether notifications worked ever since the look before
    is_heard: bool
    #: whether nothing is settling and nothing has changed on its way
    is_at_rest: bool
    #: whether two sweeps, some seconds apart, found every folder as it is remembered
    is_known: bool
    #: seconds since everything was looked at; None when it never was
    full_ago_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle(Decision):
    """Which look is due."""

    is_full: bool


def choose(standing: Standing) -> Cycle:
    """Say whether everything has to be looked at, or the folders alone."""
    ago_s = standing.full_ago_s
    findings = (
        _finding("asked", not standing.is_asked, "a change was told of", "nothing was told of"),
        _finding("events", standing.is_heard, "notifications do not work", "notifications work"),
        _finding("rest", standing.is_at_rest, "something settles", "nothing settles"),
        _finding("folders", standing.is_known, "a folder changed lately", "no folder changed"),
        Finding(
            test="full_sweep",
            passed=ago_s is not None and ago_s < FULL_S,
            detail="nothing was swept yet" if ago_s is None else f"everything {ago_s:.0f} s ago",
        ),
    )
    return Cycle(is_full=not all(finding.passed for finding in findings), findings=findings)


def rest_s(took_s: float, *, names: int, new: int) -> float:
    """Give the seconds to rest after a sweep of so many seconds that met so many names.

    What it took for new ones asks for no rest: in a burst more are near, and the next sweep passes
    over these.
    """
    known = max(names - new, 1)
    return max(LEAST_PAUSE_S, _BREATH * took_s * known / (known + _WEIGHT * new))


def _finding(test: str, passed: bool, otherwise: str, detail: str) -> Finding:
    return Finding(test=test, passed=passed, detail=detail if passed else otherwise)
