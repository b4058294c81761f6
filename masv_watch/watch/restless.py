"""What is asked of a drop that changes again and again after it was taken.

Owns the growth of its quiet time. Never counts: the store hands in the changes of the last day.
Called by the tests of an entry.
"""

from __future__ import annotations

from dataclasses import replace

from masv_watch.watch.gaps import CAP_S, Quiet

#: changes within a day from which on each doubles the quiet time
MANY = 5
#: seconds within which changes count
WITHIN_S = 24 * 3600.0


def restless(quiet: Quiet, changes: int) -> Quiet:
    """Give the quiet time of a drop that changed so often within a day."""
    if changes < MANY:
        return quiet
    doubled = quiet.seconds * 2 ** min(changes - MANY + 1, 16)
    seconds = max(min(doubled, CAP_S), quiet.seconds)
    why = f"it changed {changes} times within a day after it had settled: {seconds:g} s of quiet"
    finding = replace(quiet.findings[0], detail=why) if quiet.findings else None
    return Quiet(
        seconds=seconds, why=why, is_restless=True, findings=() if finding is None else (finding,)
    )
