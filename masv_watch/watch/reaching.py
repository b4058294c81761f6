"""What a caller who asks about a path of a hot folder reaches there himself.

Owns the opening of a root for a question: by the caller's rights to see whether he may ask, by the
daemon's own to answer. Never says what becomes of the path. Called by `explain`.

Law 1. Who is no owner is told nothing of what he may not read himself, not even that it is there
       (P8).
"""

from __future__ import annotations

from masv_watch import files
from masv_watch.errors import NotFound, SourceError
from masv_watch.files import Reach, Root, groups_of
from masv_watch.model import Caller, Finding
from masv_watch.names import shown
from masv_watch.watch.intake import Intake
from masv_watch.watch.sameness import RootState
from masv_watch.watch.scan import BUDGET

#: the test of a path in a root that is not believed to be the known one
STANDS = "there"


def opened(relative: bytes, caller: Caller, intake: Intake) -> Root:
    """Open the root as the intake does, once the caller is known to reach what he asks about.

    Raises:
        NotFound: he does not.
    """
    if not caller.is_owner:
        _demand_reach(relative, caller, intake)
    reach = Reach(roots=None, uid=None, gids=frozenset(), denied=intake.denied())
    is_fresh = files.filesystem_kind(intake.rule.path) == "network"
    root = Root.open(intake.rule.path, fresh=is_fresh, reach=reach, follow=intake.rule.follow)
    root.leave_out(intake.gate.unkept)
    return root


def standing(relative: bytes, caller: Caller, intake: Intake) -> tuple[Finding, ...]:
    """Say whether a path stands in the root that took the place of the known one.

    Nothing where no other is there, or where this caller may not learn it.
    """
    if intake.gate.root_state is not RootState.REPLACED or not relative:
        return ()
    try:
        with opened(relative, caller, intake) as root:
            is_there = root.observe(relative) is not None
    except (NotFound, SourceError):
        return ()
    detail = f"{shown(relative)} {'stands' if is_there else 'does not stand'} in what is there now"
    return (Finding(test=STANDS, passed=is_there, detail=detail),)


def reads_all(top: bytes, caller: Caller, intake: Intake) -> bool:
    """Say whether the caller may read everything in the drop, as its verdict may name any of it."""
    try:
        with _reached(caller, intake) as root:
            ahead, left = [root.observe(top)], BUDGET
            while ahead and left > 0:
                entry, left = ahead.pop(), left - 1
                if entry is None or entry.kind == "unreadable":
                    return False
                ahead += root.list_folder(entry.path) if entry.kind == "folder" else ()
            return not ahead
    except SourceError:
        return False


def _demand_reach(relative: bytes, caller: Caller, intake: Intake) -> None:
    try:
        with _reached(caller, intake) as root:
            seen = root.observe(relative)
    except SourceError:
        seen = None
    if seen is None or seen.kind == "unreadable":
        raise NotFound("there is no such file that the caller may read", hint="ask its owner")


def _reached(caller: Caller, intake: Intake) -> Root:
    uid = caller.uid
    reach = Reach(
        roots=(intake.rule.path,),
        uid=uid,
        gids=frozenset() if uid is None else groups_of(uid),
        denied=intake.denied(),
    )
    return Root.open(intake.rule.path, reach=reach, follow=intake.rule.follow)
