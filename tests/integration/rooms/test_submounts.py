"""File systems that are mounted below a hot folder, while they come and go."""

from __future__ import annotations

import pytest

from masv_watch.model import Depth, DropMode, Initial, UploadState
from tests.integration.rooms.watched import QUIET_S
from tests.integration.store.making import claim, open_package

LONG = 5 * QUIET_S


def test_held_content_of_a_file_system_below_is_asked_about_when_it_is_mounted_again(
    make_room, mounts, tmp_path
):
    """A bare mount point proves nothing of what is to be mounted there."""
    disk, point = tmp_path / "disk", tmp_path / "hot" / "day1"
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY, initial=Initial.ASK)
    mounts.tmpfs(disk)
    (disk / "old.mov").write_bytes(b"x")
    (room.hot / "other.mov").write_bytes(b"x")
    point.mkdir()
    mounts.bind(point, disk)
    room.pass_time(LONG)
    assert room.state("day1/old.mov") == ("held", "initial_ask")
    mounts.leave(point)
    room.intake.hurry()
    room.pass_time(LONG)
    mounts.bind(point, disk)
    room.intake.hurry()
    room.pass_time(2 * LONG)

    assert room.state("day1/old.mov") == ("held", "initial_ask")


@pytest.mark.parametrize("is_known", [True, False])
def test_upload_from_a_file_system_below_goes_on_when_it_is_mounted_again(
    make_room, mounts, tmp_path, is_known
):
    """What is not mounted for a minute is not deleted, and needs nobody."""
    disk, point = tmp_path / "disk", tmp_path / "hot" / "day1"
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY)
    mounts.tmpfs(disk)
    point.mkdir()
    mounts.bind(point, disk)
    (disk / "a.mov").write_bytes(b"abc")
    (room.hot / "other.mov").write_bytes(b"x")
    room.pass_time(LONG)
    upload = next(each for each in room.taken() if each.name == "a.mov")
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    (file,) = room.store.files(upload.id)
    room.store.note_files_asked(upload.id, claimed.fence, [file.id])
    mounts.leave(point)
    if is_known:
        # the sender meets it first
        room.store.note_source_changed(file, claimed.fence, "day1/a.mov is not there any more")
    room.store.let_go(upload.id, claimed.fence)
    room.intake.hurry()
    room.pass_time(LONG)
    mounts.bind(point, disk)
    room.intake.hurry()
    room.pass_time(2 * LONG)

    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING


def test_cancelled_file_of_a_file_system_below_stays_cancelled_when_it_is_mounted_again(
    make_room, mounts, tmp_path
):
    """Nobody took it away, and nobody wants it."""
    disk, point = tmp_path / "disk", tmp_path / "hot" / "day1"
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY)
    mounts.tmpfs(disk)
    point.mkdir()
    mounts.bind(point, disk)
    (room.hot / "other.mov").write_bytes(b"x")
    room.pass_time(LONG)
    (disk / "a.mov").write_bytes(b"abc")
    room.intake.hurry()
    room.pass_time(1)
    room.store.cancel_drop(room.drop("day1/a.mov").id, "cancelled")
    mounts.leave(point)
    room.intake.hurry()
    room.pass_time(LONG)
    mounts.bind(point, disk)
    room.intake.hurry()
    room.pass_time(2 * LONG)

    assert room.state("day1/a.mov") == ("cancelled", None)


def test_mount_point_that_stays_bare_is_told_of_with_its_cure(make_room, mounts, tmp_path):
    """Nothing of its neighbours waits, and one command lets what stands there now count."""
    disk, point = tmp_path / "disk", tmp_path / "hot" / "day1"
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY)
    mounts.tmpfs(disk)
    point.mkdir()
    mounts.bind(point, disk)
    (disk / "a.mov").write_bytes(b"abc")
    room.pass_time(LONG)
    mounts.leave(point)
    room.begin()
    (point / "c.mov").write_bytes(b"in its place")
    (room.hot / "other.mov").write_bytes(b"x")
    room.pass_time(LONG)
    before = room.state("day1"), room.state("day1/c.mov"), room.state("other.mov")
    note = room.drop("day1").note
    room.store.accept_root("hot")
    room.intake.hurry()
    room.pass_time(2 * LONG)

    assert before == (("held", "unreadable"), None, ("taken", None))
    assert "masv-watch adopt hot" in note
    assert room.state("day1/c.mov") == ("taken", None)
    assert room.state("day1") == ("cancelled", None)


def test_folder_that_holds_a_mount_point_waits_whole_until_it_is_mounted_again(
    make_room, mounts, tmp_path
):
    """No drop goes without what lies on the file system that is away."""
    disk, point = tmp_path / "disk", tmp_path / "hot" / "CARD" / "day1"
    room = make_room(drop=DropMode.FOLDER)
    mounts.tmpfs(disk)
    point.parent.mkdir()
    (point.parent / "x.mov").write_bytes(b"x")
    point.mkdir()
    mounts.bind(point, disk)
    (disk / "a.mov").write_bytes(b"abc")
    room.pass_time(1)
    mounts.leave(point)
    room.intake.hurry()
    room.pass_time(2 * LONG)
    away = room.state("CARD")
    mounts.bind(point, disk)
    room.intake.hurry()
    room.pass_time(2 * LONG)

    assert away == ("taken", "unreadable")
    assert room.files(room.taken()[0]) == ["CARD/day1/a.mov", "CARD/x.mov"]


def test_mount_point_that_was_removed_took_along_what_it_held(make_room, mounts, tmp_path):
    """Nothing that nobody can mount again is waited for."""
    disk, point = tmp_path / "disk", tmp_path / "hot" / "day1"
    room = make_room(drop=DropMode.FILE, depth=Depth.ANY)
    mounts.tmpfs(disk)
    point.mkdir()
    mounts.bind(point, disk)
    (room.hot / "other.mov").write_bytes(b"x")
    room.pass_time(LONG)
    (disk / "a.mov").write_bytes(b"abc")
    room.intake.hurry()
    room.pass_time(1)
    mounts.leave(point)
    point.rmdir()
    room.intake.hurry()
    room.pass_time(LONG)

    assert room.state("day1/a.mov") == ("cancelled", None)
    assert room.store.submounts("hot", room.rule.path) == []
