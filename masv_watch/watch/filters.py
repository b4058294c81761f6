"""What a rule sends of what is there, by its size and its age.

Owns the meaning of `size` and `age`. Never looks at a disk or a clock: sizes and times are handed
in. Called by the matcher for each file, and by intake and whoever explains for each drop.

Law 1. A size is asked of each file, an age of a whole drop: an age moves by itself, and a folder
       whose files grew too old one after the other would look like new content each time.
Law 2. A drop is as old as it was when it was seen first: what waited for a window or a person is
       never too old for that.
       Only a clock that went back by more than a day since makes it be judged again, and only where
       the times of its files are none of the future.
Law 3. A time that cannot be believed keeps nothing for ever. Each file is at least as old as it was
       seen unchanged, also one from the future; one from before 1980 is never too old.
"""

from __future__ import annotations

from collections.abc import Iterable

from masv_watch.model import Age, Finding, HoldReason, Identity, Objection, Sizes
from masv_watch.watch.amounts import human_size, human_time

#: seconds since 1970: FAT, the oldest clock that files come from, begins here
_BELIEVED_S = 315_532_800.0
#: seconds by which a clock that is set right does not go back
WENT_BACK_S = 86400.0
#: seconds by which the clock of a writer may be ahead of this machine's
_AHEAD_S = 3600.0


def misfits(size: int, wants: Sizes) -> str:
    """Say why a file of this size is left out, as a clause that follows its name; "" when not."""
    if size < wants.least:
        return f"is smaller than {human_size(wants.least)}"
    if size > wants.most:
        return f"is larger than {human_size(wants.most)}"
    return ""


def too_old(files: Iterable[Identity], wants: Age, *, arrived_at: float, at: str) -> Finding:
    """Test whether a drop was too old already when it was seen first (wall clock, seconds)."""
    newest = max((identity.mtime_ns for identity in files), default=0) / 1e9
    if wants.max_s is None or newest < _BELIEVED_S:
        return _finding(True, "no file is too old", at)
    passed = arrived_at - newest <= wants.max_s
    limit = human_time(wants.max_s)
    detail = f"was {'not ' if passed else ''}older than {limit} when it was seen first"
    return _finding(passed, detail, at)


def is_misjudged(
    files: Iterable[Identity], wants: Age, *, judged_at: float, arrived_at: float, wall: float
) -> bool:
    """Say whether what was found too old was so by a clock that ran ahead (wall clock, seconds).

    `judged_at` is what the clock showed then, `arrived_at` when the drop was seen first by the
    clock as it runs now.
    """
    newest = max((identity.mtime_ns for identity in files), default=0) / 1e9
    if wants.max_s is None or wall >= judged_at - WENT_BACK_S:
        return False
    # a clock that lost its battery shows 1970: by that one nothing is judged anew
    return -_AHEAD_S <= arrived_at - newest <= wants.max_s


def too_young(
    files: Iterable[Identity], wants: Age, *, wall: float, unchanged_s: float, at: str
) -> Objection:
    """Say whether a drop has to wait until its youngest file is old enough.

    `unchanged_s` are the seconds for which it was seen unchanged. The objection's time is counted
    from now, seconds.
    """
    ages = [_age(identity, wall, unchanged_s) for identity in files]
    left = wants.min_s - min(ages, default=wants.min_s)
    if left <= 0:
        return Objection(findings=(_finding(True, "every file is old enough", at),))
    detail = f"its youngest file is not yet {human_time(wants.min_s)} old"
    return Objection(
        hold=HoldReason.GROWING,
        note=detail,
        retry_at=left,
        findings=(_finding(False, detail, at),),
    )


def _age(identity: Identity, wall: float, unchanged_s: float) -> float:
    # what was seen unchanged for so long is at least that old, whatever its time says
    return max(wall - identity.mtime_ns / 1e9, unchanged_s)


def _finding(passed: bool, detail: str, at: str) -> Finding:
    return Finding(test="age", passed=passed, detail=detail, rule_at=at)
