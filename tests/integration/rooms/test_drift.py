"""Shares that show another inode or change time at every look, and drops that settle there."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.model import Settle
from tests.integration.rooms.watched import QUIET_S, Room

#: long enough for the share to be known and a drop to settle then
LONG_S = 200.0
#: seconds between two looks of a loop
STEP_S = 1.0


def on_a_share(room: Room) -> Room:
    """Let its root lie on a network file system, as far as the gate can tell."""
    room.intake.gate._volume_of = lambda root: replace(files.volume_of(root), is_network=True)
    return room


def change_time_drifts(path: Path) -> None:
    """Give a file another change time, and nothing else."""
    path.chmod(path.stat().st_mode & 0o777)


def inode_drifts(path: Path) -> None:
    """Give a file another inode, and with it another change time."""
    seen, beside = path.stat(), path.with_name(f".{path.name}~")
    beside.write_bytes(path.read_bytes())
    os.utime(beside, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    beside.rename(path)


def pass_time(room: Room, seconds: float, between: Callable[[], None]) -> None:
    """Tick as a loop does, with something happening before every look."""
    until = room.clock.monotonic() + seconds
    while room.clock.monotonic() < until:
        between()
        room.intake.tick()
        room.clock.advance(STEP_S)


def shaken(room: Room, drifts: Callable[[Path], None], *left_out: str) -> Callable[[], None]:
    """Give what has every file of a hot folder drift, but for some."""

    def shake() -> None:
        for path in room.hot.iterdir():
            if path.is_file() and path.name not in left_out:
                drifts(path)

    return shake


@pytest.mark.parametrize("drifts", [change_time_drifts, inode_drifts])
def test_drop_on_a_share_that_keeps_neither_settles_and_goes(make_room, caplog, drifts):
    """Without that it would be `growing` for ever."""
    room = on_a_share(make_room())
    (room.hot / "film.mov").write_bytes(b"abc")
    with caplog.at_level(logging.WARNING):
        pass_time(room, LONG_S, shaken(room, drifts))

    assert room.state("film.mov") == ("taken", None)
    (upload,) = room.taken()
    assert not room.store.files(upload.id)[0].identity.is_whole
    told = [each for each in caplog.records if each.message.startswith("a share does not keep")]
    drifting = "change time" if drifts is change_time_drifts else "inode and change time"
    assert told[-1].what == drifting


@pytest.mark.parametrize("is_network", [True, False])
def test_drop_whose_writer_keeps_its_size_and_time_is_waited_for(make_room, is_network):
    """A program that sets size and time first and fills it then: only its change time tells it.

    The marker beside it stands still, so that the share is an ordinary one (P2).
    """
    room = make_room()
    if is_network:
        on_a_share(room)
    (room.hot / "film.mov").write_bytes(b"abc")
    pass_time(room, LONG_S, shaken(room, change_time_drifts, ".masv-watch"))

    assert room.intake.gate.unkept == frozenset()
    assert room.state("film.mov") == ("settling", None)


def test_drift_on_a_local_disk_is_change(make_room):
    """There every look shows what is there."""
    room = make_room()
    (room.hot / "film.mov").write_bytes(b"abc")
    pass_time(room, LONG_S, shaken(room, change_time_drifts))

    assert room.state("film.mov") == ("settling", None)


def test_rewrite_on_such_a_share_restarts_the_quiet_time(make_room):
    """Size and modification time count there as everywhere."""
    room = on_a_share(make_room(settle=Settle(quiet_s=QUIET_S)))
    film = room.hot / "film.mov"
    film.write_bytes(b"abc")
    shake, moments = shaken(room, change_time_drifts), iter(range(10**6))

    def write() -> None:
        shake()
        os.utime(film, ns=(10**18, 10**18 + next(moments)))

    pass_time(room, LONG_S, write)

    assert room.intake.gate.unkept == {"ctime_ns"}
    assert room.state("film.mov") == ("settling", None)


def test_status_says_what_does_not_count_as_a_change(make_room):
    """It is the reason why files there are read twice."""
    room = on_a_share(make_room())
    (room.hot / "film.mov").write_bytes(b"abc")
    pass_time(room, LONG_S, shaken(room, change_time_drifts))

    assert room.intake.entries.assessor.shown.told_by.startswith("without change time")
