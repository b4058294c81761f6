"""A watched room whose rules a roster takes over, as a daemon's start and its reload do.

Owns how a roster is built over a room, and a hot folder with a drop of each age. Never part of the
product. Used by the tests of reloads and of renamed hot folders.
"""

from __future__ import annotations

import os

from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import Rule
from masv_watch.roster import Roster
from masv_watch.uploads import Uploads
from tests.integration.rooms.test_intake_redrops import SETTLED_S, delivered
from tests.integration.rooms.watched import Room


def roster(room: Room, *rules: Rule) -> Roster:
    """Build what watches these rules; nothing runs."""
    return Roster(
        rules,
        room.store,
        Uploads(room.store, auth_until=lambda: None),
        denied=frozenset,
        canary=os.fsencode(room.hot.parent / "canary"),
        clock=SystemClock(),
        metrics=Metrics(),
    )


def busy(room: Room) -> Room:
    """Let one drop be delivered, another be on its way, and a third still settle."""
    (room.hot / "done.mov").write_bytes(b"done")
    delivered(room)
    (room.hot / "running.mov").write_bytes(b"running")
    room.intake.hurry()
    room.pass_time(SETTLED_S)
    settling(room)
    return room


def settling(room: Room) -> None:
    """Let a drop be seen and not settle yet."""
    (room.hot / "settling.mov").write_bytes(b"settling")
    room.intake.hurry()
    room.pass_time(1)
