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
from masv_watch.watch.gate import MISSED_S
from tests.integration.rooms.test_early import arriving, only, send
from tests.integration.rooms.test_orphans import roster_of
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


def test_drop_that_arrives_on_such_a_share_is_not_sent_again_while_its_marker_is_missing(
    make_room,
):
    """What the share was found not to keep is known of it, whoever deletes the marker."""
    room, writer = arriving(make_room)
    on_a_share(room)
    moments = iter(range(10**6))

    def shake() -> None:
        for path in (room.hot / ".masv-watch", *writer.card.iterdir()):
            if path.exists():
                change_time_drifts(path)
        with (writer.card / "growing.mov").open("ab") as file:
            file.write(b"more" * (next(moments) % 2))

    pass_time(room, LONG_S, shake)
    send(room, only(room))
    (room.hot / ".masv-watch").unlink()
    pass_time(room, MISSED_S - 2 * STEP_S, shake)
    (without_marker,) = room.store.files(only(room).id)
    pass_time(room, LONG_S, shake)
    (with_marker,) = room.store.files(only(room).id)

    assert room.intake.gate.unkept == {"ctime_ns"}
    assert (without_marker.closed, without_marker.stale) == (True, False)
    assert (with_marker.closed, with_marker.stale) == (True, False)


def test_share_is_shown_without_what_it_does_not_keep_while_its_marker_is_missing(make_room):
    """What settles there meanwhile would begin anew at every look."""
    room = on_a_share(make_room())
    (room.hot / "film.mov").write_bytes(b"abc")
    pass_time(room, LONG_S, shaken(room, change_time_drifts))
    (room.hot / ".masv-watch").unlink()
    root = room.intake.gate.open(room.clock.monotonic(), expects=lambda: False)

    assert root is not None
    with root:
        assert not root.observe(b"film.mov").identity.is_whole


def test_drop_that_arrives_is_not_sent_again_once_the_share_keeps_everything(make_room):
    """Twenty looks that show no drift are no change of any file."""
    room, writer = arriving(make_room)
    on_a_share(room)
    growing = writer.card / "growing.mov"
    is_odd = iter([False, True] * 10**5)

    def write() -> None:
        with growing.open("ab") as file:
            file.write(b"more" * next(is_odd))

    def drift() -> None:
        write()
        change_time_drifts(room.hot / ".masv-watch")

    pass_time(room, LONG_S, drift)
    writer.write("late.mov")
    pass_time(room, LONG_S, drift)
    send(room, only(room))
    kept = [file.identity.is_whole for file in room.store.files(only(room).id)]
    pass_time(room, 2 * LONG_S, write)

    assert kept == [True, False]
    assert room.intake.gate.unkept == frozenset()
    assert {file.closed for file in room.store.files(only(room).id)} == {True}


def test_what_one_hot_folder_learned_counts_for_every_file_of_its_share(make_room):
    """What a caller names there has no marker of its own beside it."""
    room = on_a_share(make_room())
    (room.hot / "film.mov").write_bytes(b"abc")
    pass_time(room, LONG_S, shaken(room, change_time_drifts))
    roster = roster_of(room, room.rule)
    roster._watched["hot"].intake = room.intake
    outside = room.top / "film.mov"
    outside.write_bytes(b"abc")
    with files.Root.open(os.fsencode(room.top)) as root:
        seen = root.identify(b"film.mov")

    assert roster.as_kept(seen) == files.without(seen, frozenset({"ctime_ns"}))
    elsewhere = replace(seen, device=seen.device + 1)
    assert roster.as_kept(elsewhere) == elsewhere


def test_status_says_what_does_not_count_as_a_change(make_room):
    """It is the reason why files there are read twice."""
    room = on_a_share(make_room())
    (room.hot / "film.mov").write_bytes(b"abc")
    pass_time(room, LONG_S, shaken(room, change_time_drifts))

    assert room.intake.entries.assessor.shown.told_by.startswith("without change time")
