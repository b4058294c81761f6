"""The daemon was there before the mount: a bare mount point is told, and nothing of it is known."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from masv_watch import files
from masv_watch.model import Expect, Initial
from masv_watch.watch.gate import Gate
from masv_watch.watch.intake import REPROBE_S
from masv_watch.watch.sameness import RootState
from tests.integration.rooms.watched import LOOK_S, QUIET_S
from tests.mounted import Mounts

SETTLED_S = 4 * QUIET_S + LOOK_S


@pytest.fixture
def make_told(make_room: Any, tmp_path: Path) -> Any:
    """Give the way to a room whose hot folder is a mount point by a table of the machine's kind."""
    fstab = tmp_path / "fstab"
    fstab.write_text(f"nas:/hot {tmp_path / 'hot'} nfs4 nofail,_netdev 0 0\n")

    def make(**settings: Any) -> Any:
        room = make_room(initial=Initial.SEND, **settings)
        bare_point = partial(files.bare_point, fstab=bytes(fstab), units=bytes(tmp_path))
        room.intake.gate = Gate(room.rule, frozenset, store=room.store, bare_point=bare_point)
        return room

    return make


@pytest.mark.fault(8)
def test_bare_mount_point_at_the_first_start_waits_and_what_is_mounted_goes_by_itself(
    make_told: Any, mounts: Mounts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What somebody left there is not sent, gets no marker, and asks nobody afterwards."""
    room = make_told()
    (room.hot / "left-over.mov").write_bytes(b"abc")
    with caplog.at_level(logging.WARNING):
        room.pass_time(SETTLED_S)
    why, state = room.intake.gate.why, room.intake.gate.root_state
    untouched = [each.name for each in room.hot.iterdir()]

    mounts.tmpfs(room.hot)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + SETTLED_S)

    assert state is RootState.REPLACED
    assert why == (
        f"{room.hot} lies on a bare mount point: {tmp_path}/fstab names a file system for"
        f" {room.hot} and none is mounted there; mount what belongs there, or say masv-watch adopt"
        " hot if this one is to take its place"
    )
    assert [each.reason for each in caplog.records if each.message == "a hot folder waits"] == [why]
    assert untouched == ["left-over.mov"]
    assert room.intake.gate.why == ""
    assert [each.name for each in room.taken()] == ["a.mov"]


def test_bare_mount_point_that_a_person_adopts_is_watched_as_it_is(make_told: Any) -> None:
    """The table may be older than the disk."""
    room = make_told()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    before = room.taken()

    room.store.accept_root("hot")
    room.pass_time(REPROBE_S + SETTLED_S)

    assert before == []
    assert [each.name for each in room.taken()] == ["a.mov"]


@pytest.mark.parametrize(
    "settings",
    [{"expect": Expect(filesystems=("local",))}, {"removable": True}],
    ids=["said by the rule", "any volume is welcome"],
)
def test_bare_mount_point_is_looked_at_where_the_rule_says_what_belongs_there(
    make_told: Any, settings: dict[str, Any]
) -> None:
    """The table is asked only by whoever knows nothing better."""
    room = make_told(**settings)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)

    assert room.intake.gate.why == ""
    assert [each.name for each in room.taken()] == ["a.mov"]


def test_root_that_was_known_before_the_table_named_it_is_watched_on(
    make_told: Any, tmp_path: Path
) -> None:
    """What was noted of a root counts for more than what the machine is told."""
    room = make_told()
    room.begin()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / ".masv-watch").unlink()
    bare_point = partial(files.bare_point, fstab=bytes(tmp_path / "fstab"), units=bytes(tmp_path))

    room.begin().gate = Gate(room.rule, frozenset, store=room.store, bare_point=bare_point)
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + SETTLED_S)

    assert room.intake.gate.why == ""
    assert [each.name for each in room.taken()] == ["a.mov", "b.mov"]
