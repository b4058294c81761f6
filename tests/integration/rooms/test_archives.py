"""What stands where delivered sources are moved to, while disks come and go."""

from __future__ import annotations

import shutil

import pytest

from masv_watch.model import After, TaskEvent, TaskKind, TaskState
from masv_watch.uploads import archives_away
from tests.integration.rooms.delivered import FOLDER

CURE = f"masv-watch adopt {FOLDER} --archive"


@pytest.fixture
def disk(mounts, tmp_path):
    """Give a file system of its own, which can be mounted elsewhere."""
    mounts.tmpfs(tmp_path / "disk")
    return tmp_path / "disk"


@pytest.fixture
def nas(mounts, disk, tmp_path):
    """Give the place of an archive, with its file system mounted there."""
    mounts.bind(tmp_path / "nas", disk)
    return tmp_path / "nas"


def disposed(world, name, folder):
    """Deliver one file that is moved below a folder, do what is owed, and give that task."""
    after = After(delivered="move", move_to=f"{folder}/sent/{{date}}/{{name}}")
    upload = world.deliver({f"{name}.mov": name.encode()}, name=name, after=after)
    world.work()
    return task_of(world, upload.id)


def task_of(world, upload_id):
    """Give the task about the source of an upload as it stands now."""
    return world.task(world.upload(upload_id), TaskKind.DISPOSE)


def is_moved(world, name, folder):
    """Say whether a file went to its archive, whole."""
    found = list(folder.glob(f"sent/*/{name}.mov"))
    return not (world.root / f"{name}.mov").exists() and found[0].read_bytes() == name.encode()


def test_source_stays_while_the_file_system_of_its_archive_is_away(world, mounts, nas, caplog):
    """No bare mount point gets it, and nothing is made there; everywhere stands what helps."""
    before = disposed(world, "first", nas)
    mounts.leave(nas)
    caplog.clear()
    task = disposed(world, "second", nas)
    (need,) = archives_away(world.store)

    assert before.state is TaskState.DONE
    assert (world.root / "second.mov").read_bytes() == b"second"
    assert task.state is TaskState.DUE
    assert list(nas.iterdir()) == []
    assert f"{nas}/sent would be on the file system of /" in need.text
    assert CURE in need.text
    assert CURE in task.note
    assert [CURE in line.cure for line in caplog.records if hasattr(line, "cure")] == [True]


def test_sources_go_on_once_the_file_system_of_their_archive_is_back(world, mounts, nas, disk):
    """The first that gets there takes along the others, which were to wait for longer."""
    disposed(world, "first", nas)
    mounts.leave(nas)
    second = disposed(world, "second", nas)
    world.work_for(0.1)
    third = disposed(world, "third", nas)
    waits = task_of(world, second.upload_id).retry_at - task_of(world, third.upload_id).retry_at
    mounts.bind(nas, disk)
    world.clock.advance(61.0)
    world.work()

    assert waits > 0
    assert is_moved(world, "second", nas)
    assert is_moved(world, "third", nas)
    assert list(archives_away(world.store)) == []


def test_another_file_system_gets_nothing_until_a_person_adopts_it(world, mounts, nas):
    """A new disk at the same place; the word of a person takes it at once, and for later moves."""
    disposed(world, "first", nas)
    mounts.leave(nas)
    mounts.tmpfs(nas)
    if not world.store.archive(FOLDER, bytes(nas / "sent")).footing.uuid:
        pytest.skip("this kernel tells no UUID of a tmpfs")
    second = disposed(world, "second", nas)
    asked = [need.text for need in archives_away(world.store)]
    world.store.adopt_archives(FOLDER)
    world.work()
    disposed(world, "third", nas)

    assert second.state is TaskState.DUE
    assert CURE in asked[0]
    assert is_moved(world, "second", nas)
    assert is_moved(world, "third", nas)
    assert list(archives_away(world.store)) == []


def test_plain_disk_that_takes_the_place_of_a_share_for_good_is_adopted(world, mounts, nas):
    """What the cure names makes the moves go on, though nothing is mounted there any more."""
    disposed(world, "first", nas)
    mounts.leave(nas)
    disposed(world, "second", nas)
    world.store.adopt_archives(FOLDER)
    world.work()

    assert is_moved(world, "second", nas)


def test_archive_on_the_disk_of_its_hot_folder_is_made_as_often_as_it_is_removed(world, tmp_path):
    """Without any mount no step is ever asked for, whoever clears the archive away."""
    ends = []
    for name in ("first", "second"):
        ends.append(disposed(world, name, tmp_path / "deep" / "archive").state)
        assert is_moved(world, name, tmp_path / "deep" / "archive")
        shutil.rmtree(tmp_path / "deep")

    assert ends == [TaskState.DONE] * 2


def test_archive_on_another_disk_than_its_hot_folder_is_made_as_often_as_it_is_removed(world, nas):
    """What counts is the file system that is mounted, not the folder on it."""
    disposed(world, "first", nas)
    shutil.rmtree(nas / "sent")
    disposed(world, "second", nas)

    assert is_moved(world, "second", nas)


def test_file_system_that_comes_over_an_archive_is_taken_and_missed_afterwards(
    world, mounts, tmp_path
):
    """The first move found the bare mount point; once mounted, only the mounted one counts."""
    place = tmp_path / "late"
    place.mkdir()
    disposed(world, "first", place)
    mounts.tmpfs(place)
    disposed(world, "second", place)
    was_moved = is_moved(world, "second", place)
    mounts.leave(place)
    third = disposed(world, "third", place)

    assert was_moved
    assert third.state is TaskState.DUE
    assert (world.root / "third.mov").exists()


def test_need_of_an_archive_ends_with_the_last_source_that_was_to_go_there(world, mounts, nas):
    """What nobody waits for needs no person."""
    disposed(world, "first", nas)
    mounts.leave(nas)
    owed = disposed(world, "second", nas)
    before = len(list(archives_away(world.store)))
    world.store.advance_task(owed, TaskEvent.WITHDRAWN, note="it is to be sent again")

    assert before == 1
    assert list(archives_away(world.store)) == []


def test_archive_of_a_renamed_hot_folder_is_known_by_its_new_name(world, mounts, nas):
    """`was:` keeps what was noted: else the next move would go to the bare mount point."""
    disposed(world, "first", nas)
    assert world.store.rename_folder(FOLDER, "renamed")
    mounts.leave(nas)

    assert world.store.archive(FOLDER, bytes(nas / "sent")) is None
    assert world.store.archive("renamed", bytes(nas / "sent")) is not None
