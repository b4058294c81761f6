"""Whether what stands at a hot folder's path is what its delivered sources came from."""

from __future__ import annotations

import os

import pytest

from masv_watch import files
from masv_watch.model import After, RootRow, TaskKind, TaskState
from tests.integration.rooms.delivered import FOLDER

MOVE = After(delivered="move", move_to="{root}/_sent/{name}")
DELETE = After(delivered="delete")


@pytest.fixture
def disk(world, mounts):
    """Give a folder that is mounted as the hot folder."""
    folder = world.top / "disk"
    folder.mkdir()
    mounts.bind(world.root, folder)
    return folder


def know(world, *, marked):
    """Note of the root what its watcher does once something arrived in it."""
    path = os.fsencode(world.root)
    with files.Root.open(path) as root:
        if marked:
            marker = files.RootMarker(state=world.store.state_id(), hot_folder=FOLDER)
            assert files.write_marker(root, marker) == ""
        volume = files.volume_of(root)
    world.store.adopt(FOLDER, path)
    row = RootRow(
        path=path, is_marked=marked, uuid=volume.uuid, place=volume.place, boot=volume.boot
    )
    world.store.note_root(FOLDER, row)


@pytest.mark.parametrize("after", [MOVE, DELETE])
@pytest.mark.parametrize("marked", [True, False])
def test_source_waits_while_its_file_system_is_not_mounted(world, mounts, disk, after, marked):
    """Nothing is lost, and nothing is made in the bare mount point; it goes on by itself."""
    know(world, marked=marked)
    upload = world.deliver({"a.mov": b"a"}, after=after)
    mounts.leave(world.root)
    world.work()
    task = world.task(upload, TaskKind.DISPOSE)
    left = sorted(each.name for each in world.root.iterdir())
    mounts.bind(world.root, disk)
    world.work_for(0.1)

    assert left == []
    assert task.state is TaskState.DUE
    assert f"masv-watch adopt {FOLDER}" in task.note
    assert world.task(upload, TaskKind.DISPOSE).state is TaskState.DONE
    assert not (world.root / "a.mov").exists()


def test_source_that_somebody_took_from_a_root_that_is_there_is_not_waited_for(world):
    """An emptied hot folder is the one that it was: no marker, the same folder."""
    know(world, marked=False)
    upload = world.deliver({"a.mov": b"a"}, after=MOVE)
    (world.root / "a.mov").unlink()
    world.work()

    assert world.task(upload, TaskKind.DISPOSE).state is TaskState.REFUSED
    assert list(world.root.iterdir()) == []


def test_source_goes_from_a_root_whose_marker_was_taken_away(world):
    """What stands there as it was delivered tells more than a marker."""
    know(world, marked=True)
    upload = world.deliver({"a.mov": b"a"}, after=MOVE)
    (world.root / os.fsdecode(files.MARKER_NAME)).unlink()
    world.work()

    assert world.task(upload, TaskKind.DISPOSE).state is TaskState.DONE
