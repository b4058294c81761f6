"""What is said of a path before a look, beside what that very look does with it.

Owns the question and the comparison: explain says that a drop goes exactly when the intake's next
look takes it whole. Never decides when to look. Used by the machines of the intake.
"""

from __future__ import annotations

import os

from masv_watch import files
from masv_watch.errors import NotFound
from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, Drop, DropState, Prospect
from masv_watch.watch.scan import one
from tests.integration.rooms.watched import Room

OWNER = Caller(uid=0, is_owner=True)


def foretold(room: Room, name: str) -> Prospect | None:
    """Ask why a path is sent or not; None when nothing knows it."""
    path = os.fsencode(name)
    whole = os.fsencode(room.hot) + b"/" + path
    asked = Asked(path=whole, relative=path, caller=OWNER)
    try:
        return explain(
            asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock
        ).prospect
    except NotFound:
        return None


def is_going(drop: Drop | None) -> bool:
    """Say whether all of a drop is taken."""
    return drop is not None and drop.whole and drop.state is DropState.TAKEN


def look_as_foretold(room: Room, name: str, *, passed: tuple[Prospect, ...] = ()) -> None:
    """Ask about a path, let the intake look at it, and compare.

    `passed` is what may be said, too, of a path at which no drop can stand.
    """
    before, said = room.drop(name), foretold(room, name)
    with files.Root.open(os.fsencode(room.hot)) as root:
        tree = one(root, os.fsencode(name), room.intake.matcher)
        if tree is None:
            assert said in (None, Prospect.MISSING, *passed), (name, said)
            return
        room.intake._look_at(root, tree)
    after = room.drop(name)
    took = is_going(after) and not is_going(before)
    assert took == (said is Prospect.GOES), (name, said, before, after)
