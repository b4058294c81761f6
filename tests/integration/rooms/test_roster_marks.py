"""Which markers go with a source whose hot folder is disabled by now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.model import DropMode, Finalize, Settle
from tests.integration.rooms.rostered import roster
from tests.integration.rooms.watched import QUIET_S

LONG = 5 * QUIET_S


@pytest.mark.parametrize("is_enabled", [True, False])
def test_marks_of_a_drop_are_those_of_its_rule_whether_it_is_watched_or_not(
    make_met_room, is_enabled
):
    """What was on its way when its hot folder was disabled takes its markers along."""
    room = make_met_room(settle=Settle(quiet_s=QUIET_S, done_marker="{name}.done"))
    watched = roster(room, replace(room.rule, is_enabled=is_enabled))

    assert watched.marks("hot", b"a.mov", "file") == (b"a.mov.done",)
    assert watched.marks("another", b"a.mov", "file") == ()


def test_used_marker_of_a_batch_goes_with_it_from_a_disabled_hot_folder(make_met_room):
    """It was used up while the hot folder was watched; one that was touched since stays."""
    settle = Settle(quiet_s=QUIET_S, done_marker="DONE")
    finalize = Finalize(idle_s=86400.0)
    room = make_met_room(drop=DropMode.BATCH, settle=settle, finalize=finalize)
    (room.hot / "a.mov").write_bytes(b"a")
    room.pass_time(1)
    (room.hot / "DONE").touch()
    room.intake.hurry()
    room.pass_time(LONG)
    watched = roster(room, replace(room.rule, is_enabled=False))
    mark = room.store.batch_mark("hot")

    assert mark is not None
    assert mark.is_used
    assert watched.marks("hot", b"a.mov", "file") == (b"DONE",)
    (room.hot / "DONE").write_bytes(b"again")
    assert watched.marks("hot", b"a.mov", "file") == ()
