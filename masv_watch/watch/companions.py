"""Which files that were left out of a drop go along with it once it was delivered.

Owns that choice. Never looks at a disk. Called by `roster` for whoever moves or deletes a source.

Law 1. Nothing of anybody's is deleted that was not delivered (P5).
"""

from __future__ import annotations

from masv_watch.watch.rules import Fate, Match

#: tests that leave out what belongs to a drop all the same
_ALONG = {"ours", "marker", "sidecar", "litter"}


def goes_along(match: Match) -> bool:
    """Say whether a file that was left out is moved with its drop."""
    # under a temporary name something is still being written: it is neither moved nor removed
    return match.fate is Fate.SKIP and not match.temporary


def goes_into_trash(match: Match, size: int) -> bool:
    """Say whether a file of so many bytes that was left out is deleted with its drop."""
    test = match.findings[-1].test
    if match.fate is not Fate.SKIP or test not in _ALONG:
        return False
    # what somebody wrote into a marker was not sent
    return test != "marker" or not size
