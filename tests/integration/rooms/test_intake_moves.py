"""Files and folders that are moved after they were delivered, with real files and a real ledger."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch.files import Hashing
from masv_watch.model import (
    After,
    Dedupe,
    Depth,
    DropMode,
    Late,
    Prospect,
    Redrop,
    TaskDraft,
    TaskEvent,
    TaskKind,
    To,
    Upload,
)
from masv_watch.watch import histories
from tests.integration.rooms.test_explain import ask
from tests.integration.rooms.watched import Room
from tests.rights import bound_by_modes

from .test_intake_redrops import LATE_S, SETTLED_S, delivered


def names(room: Room) -> list[str]:
    """List the packages by their names."""
    return sorted(upload.name for upload in room.taken())


def package(room: Room, name: str) -> Upload:
    """Give the upload of this name."""
    (found,) = (upload for upload in room.taken() if upload.name == name)
    return found


def fill(folder: Path, **contents: bytes) -> None:
    """Write these files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def card(make_room: Callable[..., Room]) -> Room:
    """Give a room with a delivered file and a delivered folder of three."""
    room = make_room(drop=DropMode.EACH)
    (room.hot / "loose").write_bytes(b"loose content")
    fill(room.hot / "CARD", a=b"first", b=b"second one", c=b"third")
    delivered(room)
    assert names(room) == ["CARD", "loose"]
    return room


def copied(source: Path, target: Path, *, keeps_time: bool = True) -> None:
    """Move as a server does that knows no rename: copy, then remove."""
    copy = shutil.copy2 if keeps_time else shutil.copyfile
    if source.is_dir():
        shutil.copytree(source, target, copy_function=copy)
        shutil.rmtree(source)
    else:
        copy(source, target)
        source.unlink()


def never(*_args: object, **_named: object) -> None:
    raise AssertionError("a source was read")


def test_delivered_file_moved_into_a_new_folder_is_not_sent_again(card, monkeypatch):
    """The ledger follows a file below the level of a drop, and the row says why."""
    monkeypatch.setattr(Hashing, "go_on", never)
    (card.hot / "sorted" / "deep").mkdir(parents=True)
    (card.hot / "loose").rename(card.hot / "sorted" / "deep" / "loose")
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "loose"]
    assert card.state("sorted") == ("duplicate", None)
    assert card.drop("sorted").note == "renamed: it was delivered as loose"
    for path in ("sorted", "sorted/deep/loose"):
        assert "renamed: it was delivered as loose" in ask(card, path).why
    # and once more, by a path that nothing was delivered under
    (card.hot / "sorted" / "deep" / "loose").rename(card.hot / "other")
    card.pass_time(SETTLED_S)
    assert names(card) == ["CARD", "loose"]


def test_delivered_folder_moved_into_a_new_folder_is_not_sent_again_and_explain_says_why(card):
    """One folder deeper it is another path of each file, and no other content."""
    (card.hot / "sorted").mkdir()
    (card.hot / "CARD").rename(card.hot / "sorted" / "CARD")
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "loose"]
    for path in ("sorted", "sorted/CARD", "sorted/CARD/b"):
        said = ask(card, path)
        assert said.prospect is Prospect.KNOWN
        assert "renamed: every file of it was delivered, 3 under other paths, as CARD/" in said.why


def test_file_moved_out_of_a_delivered_folder_is_not_sent_again_nor_is_the_rest(card):
    """Neither what went nor what stayed is new."""
    (card.hot / "CARD" / "b").rename(card.hot / "best take")
    card.pass_time(LATE_S)

    assert names(card) == ["CARD", "loose"]
    assert card.drop("best take").note == "renamed: it was delivered as CARD/b"
    assert "renamed: it was delivered as CARD/b" in ask(card, "best take").why
    assert card.state("CARD") == ("duplicate", None)
    assert not card.store.drops("hot", living=True)


def test_file_moved_from_one_delivered_folder_into_another_is_not_sent_again(card):
    """Nor is one that is moved within its folder."""
    fill(card.hot / "NEXT", d=b"fourth")
    delivered(card)
    (card.hot / "CARD" / "b").rename(card.hot / "NEXT" / "b")
    (card.hot / "CARD" / "sub").mkdir()
    (card.hot / "CARD" / "a").rename(card.hot / "CARD" / "sub" / "a")
    card.pass_time(LATE_S)

    assert names(card) == ["CARD", "NEXT", "loose"]
    note = "renamed: every file of it was delivered, 1 as CARD/b, the others as they are"
    assert card.drop("NEXT").note == note
    assert "1 as CARD/a" in card.drop("CARD").note


@pytest.mark.parametrize("keeps_inodes", [True, False])
@pytest.mark.parametrize("is_added", [True, False])
def test_delivered_folder_that_is_renamed_and_changed_sends_only_what_is_new(
    card, keeps_inodes, is_added
):
    """A file that went takes nothing along, and one that came goes alone (pains 21, 23)."""
    move = os.rename if keeps_inodes else copied
    move(card.hot / "CARD", card.hot / "BACKUP")
    (card.hot / "BACKUP" / "c").unlink()
    if is_added:
        (card.hot / "BACKUP" / "new").write_bytes(b"new")
    card.pass_time(LATE_S)

    assert names(card) == [*["BACKUP (added)"] * is_added, "CARD", "loose"]
    if is_added:
        assert card.files(package(card, "BACKUP (added)")) == ["BACKUP/new"]
    else:
        note = "renamed: it was delivered as CARD, with 1 more file"
        assert card.drop("BACKUP").note == note


@pytest.mark.parametrize("late", [Late.ASK, Late.IGNORE])
def test_new_files_beside_a_moved_one_in_a_new_folder_go_whatever_late_says(make_room, late):
    """No delivered folder is added to: what is new is never left unsent."""
    room = make_room(late=late)
    (room.hot / "loose").write_bytes(b"loose content")
    delivered(room)
    fill(room.hot / "NEW", a=b"a", b=b"b")
    (room.hot / "loose").rename(room.hot / "NEW" / "loose")
    room.pass_time(LATE_S)

    assert names(room) == ["NEW (added)", "loose"]
    assert room.files(package(room, "NEW (added)")) == ["NEW/a", "NEW/b"]
    assert "has 1 files that were delivered" in str(
        room.store.skipped(package(room, "NEW (added)").id)
    )


@pytest.mark.parametrize("late", [Late.ASK, Late.IGNORE])
def test_late_file_in_a_renamed_folder_is_answered_as_in_one_that_is_not(make_room, late):
    """It is the same delivered folder under another name."""
    room = make_room(late=late)
    fill(room.hot / "CARD", a=b"a", b=b"b")
    delivered(room)
    (room.hot / "CARD").rename(room.hot / "NEW")
    (room.hot / "NEW" / "c").write_bytes(b"c")
    room.pass_time(LATE_S)

    assert names(room) == ["CARD"]
    assert room.state("NEW")[0] == ("held" if late is Late.ASK else "ignored")


@pytest.mark.parametrize("keeps_time", [True, False])
@pytest.mark.parametrize("name", ["loose", "CARD"])
def test_delivered_drop_that_a_server_moved_by_copying_is_not_sent_again(card, name, keeps_time):
    """A NAS gives new inodes, some programs new times: then the content is compared."""
    copied(card.hot / name, card.hot / "moved", keeps_time=keeps_time)
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "loose"]
    assert card.drop("moved").note == f"renamed: it was delivered as {name}"
    assert f"renamed: it was delivered as {name}" in ask(card, "moved").why


def test_files_that_were_copied_together_from_several_drops_are_not_sent_again(card):
    """Each of them was delivered; where is told."""
    fill(card.hot / "sorted")
    copied(card.hot / "loose", card.hot / "sorted" / "x")
    copied(card.hot / "CARD" / "a", card.hot / "sorted" / "y", keeps_time=False)
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "loose"]
    said = "renamed: every file of it was delivered, 2 under other paths"
    assert card.drop("sorted").note.startswith(said)
    assert "and more of 2 drops" in card.drop("sorted").note


def test_new_content_in_the_place_and_size_of_what_is_gone_is_sent(card):
    """Sizes make nothing a duplicate: what was read tells (pains 36, 37)."""
    (card.hot / "loose").unlink()
    shutil.rmtree(card.hot / "CARD")
    (card.hot / "other").write_bytes(b"LOOSE CONTENT")
    fill(card.hot / "NEXT", a=b"FIRST", b=b"SECOND ONE", c=b"THIRD")
    card.pass_time(2 * SETTLED_S)

    assert names(card) == ["CARD", "NEXT", "loose", "other"]
    assert card.files(package(card, "NEXT")) == [
        "NEXT/a", "NEXT/b", "NEXT/c",
    ]  # fmt: skip


def test_equal_file_among_new_ones_goes_with_them_when_its_first_copy_is_gone(card, monkeypatch):
    """A look-up table that comes with each card belongs to each package; nobody reads it."""
    monkeypatch.setattr(Hashing, "go_on", never)
    shutil.rmtree(card.hot / "CARD")
    fill(card.hot / "NEXT", a=b"first", d=b"another", e=b"one more")
    card.pass_time(2 * SETTLED_S)

    assert names(card) == ["CARD", "NEXT", "loose"]
    assert card.files(package(card, "NEXT")) == ["NEXT/a", "NEXT/d", "NEXT/e"]


def test_nothing_is_read_of_new_drops_of_which_no_size_is_missed(card, monkeypatch):
    """Ordinary new files cost no read, whatever stands beside them."""
    monkeypatch.setattr(Hashing, "go_on", never)
    (card.hot / "other").write_bytes(b"loose content")
    fill(card.hot / "NEXT", a=b"first", b=b"second one", c=b"third")
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "NEXT", "loose", "other"]


def test_new_version_of_a_folder_that_is_gone_is_not_read_to_its_end(make_room, monkeypatch):
    """Frames have the same names and sizes in every version: the first that differs tells."""
    monkeypatch.setattr(histories, "READ_AT_ONCE", 10)
    room = make_room()
    frames = {f"f{number:03}": b"%08d" % number for number in range(40)}
    fill(room.hot / "v1", **frames)
    delivered(room)
    shutil.rmtree(room.hot / "v1")
    fill(room.hot / "v2", **{name: b"x" + frame[1:] for name, frame in frames.items()})
    read = []
    real = Hashing._read

    def count(self, root, size, stop):
        read.append(size)
        real(self, root, size, stop)

    monkeypatch.setattr(Hashing, "_read", count)
    room.pass_time(2 * SETTLED_S)

    assert names(room) == ["v1", "v2"]
    assert 0 < sum(read) <= 20


@pytest.mark.parametrize("lost", ["package", "hash"])
def test_copy_whose_content_proves_nothing_any_more_is_sent(make_room, lost):
    """What nobody can download, or of which no hash was kept, is no delivery to rely on."""
    room = make_room()
    (room.hot / "loose").write_bytes(b"loose content")
    delivered(room, hashed=lost != "hash")
    if lost == "package":
        room.store.delete_upload(room.taken()[0].id, takes_package=True)
    copied(room.hot / "loose", room.hot / "moved")
    room.pass_time(SETTLED_S)

    assert room.state("moved") == ("taken", None)


def test_file_moved_to_another_address_is_sent_to_whom_that_names(make_room):
    """What went to one studio is not delivered to another."""
    room = make_room(
        to=To(by_subfolder=((b"a", ("a@example.com",)), (b"b", ("b@example.com",)))),
    )
    for studio in ("a", "b"):
        (room.hot / studio).mkdir()
    (room.hot / "a" / "one").write_bytes(b"abc")
    delivered(room)
    (room.hot / "a" / "one").rename(room.hot / "a" / "two")
    room.pass_time(SETTLED_S)
    assert room.state("a/two") == ("duplicate", None)
    (room.hot / "a" / "two").rename(room.hot / "b" / "two")
    room.pass_time(SETTLED_S)

    assert [upload.terms.recipients for upload in room.taken()] == [
        ("a@example.com",),
        ("b@example.com",),
    ]


def dispose(room: Room, key: str) -> None:
    """Do as the outbox does with what a delivered source is owed."""
    task = next(each for each in room.store.tasks(room.taken()[0].id) if each.key == key)
    claimed = room.store.claim_task([TaskKind.DISPOSE], lease_s=30)
    assert claimed is not None
    assert claimed.id == task.id
    room.store.advance_task(claimed, TaskEvent.DONE)


def test_content_that_comes_again_after_we_took_it_away_is_sent(make_room):
    """Nobody moved it: it was dropped once more, under another name."""
    room = make_room(after=After(delivered="delete"))
    (room.hot / "loose").write_bytes(b"loose content")
    room.pass_time(SETTLED_S)
    drop = room.drop("loose")
    room.deliver(room.taken()[0], TaskDraft(kind=TaskKind.DISPOSE, key=str(drop.id)))
    shutil.copy2(room.hot / "loose", room.top / "kept")
    (room.hot / "loose").unlink()
    dispose(room, str(drop.id))
    (room.top / "kept").rename(room.hot / "again")
    room.pass_time(SETTLED_S)

    assert names(room) == ["again", "loose"]


def test_content_that_comes_again_after_we_took_its_renamed_source_away_is_sent(make_room):
    """What is owed for a renamed source hangs on the upload that delivered it."""
    room = make_room(after=After(delivered="delete"))
    (room.hot / "loose").write_bytes(b"loose content")
    delivered(room)
    shutil.copy2(room.hot / "loose", room.top / "kept")
    (room.hot / "loose").rename(room.hot / "moved")
    room.pass_time(SETTLED_S)
    dispose(room, str(room.drop("moved").id))
    (room.hot / "moved").unlink()
    (room.top / "kept").rename(room.hot / "again")
    room.pass_time(SETTLED_S)

    assert names(room) == ["again", "loose"]


def test_name_that_is_used_again_after_its_file_was_renamed_is_new(card, monkeypatch):
    """The earlier file is known by its inode although something stands at its old path."""
    monkeypatch.setattr(Hashing, "go_on", never)
    (card.hot / "loose").rename(card.hot / "loose v1")
    (card.hot / "loose").write_bytes(b"the second version")
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "loose", "loose (2)"]
    assert card.state("loose v1") == ("duplicate", None)


def test_hard_link_beside_a_delivered_file_is_a_copy_and_goes(card):
    """The old path is still there (pain 36)."""
    os.link(card.hot / "loose", card.hot / "link")
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "link", "loose"]


@pytest.mark.parametrize("redrop", list(Redrop))
def test_moved_file_is_nothing_new_whatever_comes_of_the_same_name(make_room, redrop):
    """`redrop` answers for other content under a name, and there is none."""
    room = make_room(redrop=redrop, dedupe=Dedupe.SKIP)
    fill(room.hot / "CARD", a=b"first", b=b"second")
    delivered(room)
    (room.hot / "CARD" / "a").rename(room.hot / "a")
    room.pass_time(LATE_S)

    assert names(room) == ["CARD"]
    assert room.state("a") == ("duplicate", None)


def test_source_stays_when_the_package_of_a_file_moved_into_it_is_gone(make_room):
    """It may be the last copy of what was moved in (P5)."""
    room = make_room(after=After(delivered="delete"))
    (room.hot / "one").write_bytes(b"one")
    (room.hot / "two").write_bytes(b"two 2")
    delivered(room)
    fill(room.hot / "both")
    for name in ("one", "two"):
        (room.hot / name).rename(room.hot / "both" / name)
    room.pass_time(1)
    gone = next(each for each in room.taken() if each.name == "two")
    room.store.delete_upload(gone.id, takes_package=True)
    room.pass_time(SETTLED_S)
    assert room.state("both") == ("duplicate", None)
    assert not [task for each in room.taken() for task in room.store.tasks(each.id)]

    (room.hot / "both" / "one").rename(room.hot / "first")
    room.pass_time(SETTLED_S)
    owed = [task for each in room.taken() for task in room.store.tasks(each.id)]
    assert [task.kind for task in owed] == [TaskKind.DISPOSE]


def test_moved_files_do_not_go_early_while_others_still_come_beside_them(make_room):
    """`drop: folder` sends what settled of a card: not what was delivered before."""
    room = make_room(drop=DropMode.FOLDER)
    fill(room.hot / "CARD", a=b"first", b=b"second")
    delivered(room)
    (room.hot / "CARD").rename(room.hot / "NEW")
    for _ in range(40):
        with (room.hot / "NEW" / "growing").open("ab") as file:
            file.write(b"x")
        room.intake.hurry()
        room.pass_time(2)
    assert names(room) == ["CARD"]
    room.pass_time(LATE_S)

    assert room.files(package(room, "NEW (added)")) == ["NEW/growing"]


def test_moved_file_whose_time_was_rounded_is_known_by_its_content(make_room):
    """A volume that keeps every second second shows another time after it was put in again."""
    room = make_room(mtime_grain_s=2.0)
    source = room.hot / "loose"
    source.write_bytes(b"loose content")
    os.utime(source, ns=(10**18 + 1_700_000_000, 10**18 + 1_700_000_000))
    delivered(room)
    os.utime(source, ns=(10**18, 10**18))
    source.rename(room.hot / "moved")
    room.pass_time(SETTLED_S)

    assert names(room) == ["loose"]


def test_file_moved_into_a_drop_that_is_on_its_way_goes_with_it(card):
    """What was begun as a whole is sent as a whole."""
    fill(card.hot / "NEXT", d=b"fourth")
    card.pass_time(SETTLED_S)
    (card.hot / "CARD" / "b").rename(card.hot / "NEXT" / "b")
    card.pass_time(LATE_S)

    assert names(card) == ["CARD", "NEXT", "loose"]
    assert card.files(package(card, "NEXT")) == ["NEXT/b", "NEXT/d"]


def test_late_package_of_a_renamed_folder_stays_late_when_it_settles_again(card):
    """What was moved does not join what is new, however often that changes on its way."""
    (card.hot / "CARD").rename(card.hot / "BACKUP")
    (card.hot / "BACKUP" / "new").write_bytes(b"new")
    card.pass_time(LATE_S)
    (card.hot / "BACKUP" / "newer").write_bytes(b"newer")
    card.pass_time(LATE_S)

    assert names(card) == ["BACKUP (added)", "CARD", "loose"]
    files = card.files(package(card, "BACKUP (added)"))
    assert files == ["BACKUP/new", "BACKUP/newer"]


def test_file_that_changes_after_it_was_moved_is_sent(card):
    """Known is a content, never a name."""
    (card.hot / "loose").rename(card.hot / "moved")
    card.pass_time(SETTLED_S)
    (card.hot / "moved").write_bytes(b"something else")
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "loose", "moved"]


def test_path_that_was_forgotten_is_no_origin(card):
    """Whoever has it forgotten wants it sent (pain 48)."""
    card.store.forget_path("hot", b"loose")
    (card.hot / "loose").rename(card.hot / "moved")
    card.pass_time(SETTLED_S)

    assert names(card) == ["CARD", "loose", "moved"]


def test_two_hundred_moved_drops_send_and_read_nothing(make_room, monkeypatch):
    """A delivered hot folder that is put in order (the rest: test_intake_redrops)."""
    room = make_room()
    for number in range(200):
        (room.hot / f"{number}.mov").write_bytes(b"%d" % number)
    room.store.adopt("hot", room.rule.path)
    delivered(room)
    monkeypatch.setattr(os, "pread", never)
    monkeypatch.setattr(os, "preadv", never)
    (room.hot / "old").mkdir()
    for number in range(200):
        target = room.hot / ("old" if number % 2 else ".") / f"{number}.old"
        (room.hot / f"{number}.mov").rename(target)
    room.begin()
    room.pass_time(2 * SETTLED_S)

    assert len(names(room)) == 200
    assert not room.store.drops("hot", living=True)


WHOLE_NS = 1_700_000_000 * 10**9
BETWEEN_NS = WHOLE_NS + 123_456_789


def kept_inode(source: Path, target: Path, content: bytes) -> None:
    """Make a file of other content with the inode, size and time of one that is gone by that.

    A file system that gives a freed inode out again does the same, if it likes.
    """
    was = source.stat()
    source.rename(target)
    target.write_bytes(content)
    os.utime(target, ns=(was.st_mtime_ns, was.st_mtime_ns))
    now = target.stat()
    assert (now.st_ino, now.st_size, now.st_mtime_ns) == (was.st_ino, was.st_size, was.st_mtime_ns)


@pytest.mark.parametrize("after", ["keep", "delete"])
@pytest.mark.parametrize("hashed", [True, False])
def test_new_frame_with_the_inode_size_and_time_of_one_that_is_gone_is_sent(
    make_room, after, hashed
):
    """Frames have one size and whole seconds, and a freed inode is given out again (P1)."""
    room = make_room(after=After(delivered=after))
    (room.hot / "f1.dpx").write_bytes(b"frame 1")
    os.utime(room.hot / "f1.dpx", ns=(WHOLE_NS, WHOLE_NS))
    delivered(room, hashed=hashed)
    kept_inode(room.hot / "f1.dpx", room.hot / "f2.dpx", b"frame 2")
    room.pass_time(2 * SETTLED_S)

    assert names(room) == ["f1.dpx", "f2.dpx"]


def test_new_folder_with_the_inodes_of_one_that_is_gone_is_sent_as_a_whole(make_room):
    """None of its frames was delivered: no part of it goes as an addition."""
    room = make_room()
    frames = {f"f{number}": b"A%d" % number for number in range(4)}
    fill(room.hot / "A", **frames)
    for name in frames:
        os.utime(room.hot / "A" / name, ns=(WHOLE_NS, WHOLE_NS))
    delivered(room)
    fill(room.hot / "B", new=b"new one")
    for name, content in frames.items():
        kept_inode(room.hot / "A" / name, room.hot / "B" / name, content.replace(b"A", b"B"))
    (room.hot / "A").rmdir()
    room.pass_time(2 * SETTLED_S)

    assert names(room) == ["A", "B"]
    assert len(room.files(package(room, "B"))) == 5


def test_source_is_taken_away_only_for_a_content_that_was_compared(make_room):
    """Whatever a time tells, a file that nobody read may be the last copy (P5)."""
    room = make_room(after=After(delivered="delete"))
    for name in ("one", "two", "three"):
        (room.hot / name).write_bytes(name.encode())
        os.utime(room.hot / name, ns=(BETWEEN_NS, BETWEEN_NS))
        delivered(room, hashed=name != "three")
    kept_inode(room.hot / "one", room.hot / "other", b"1on")
    (room.hot / "two").rename(room.hot / "two moved")
    (room.hot / "three").rename(room.hot / "three moved")
    room.pass_time(2 * SETTLED_S)

    assert names(room) == ["one", "other", "three", "two"]
    owed = {task.key for each in room.taken() for task in room.store.tasks(each.id)}
    assert owed == {str(room.drop("two moved").id)}
    assert room.state("three moved") == ("duplicate", None)


def test_file_of_whole_seconds_that_was_moved_among_new_ones_is_known_by_its_content(make_room):
    """It is read, and the new ones go alone."""
    room = make_room()
    (room.hot / "frame").write_bytes(b"frame 1")
    os.utime(room.hot / "frame", ns=(WHOLE_NS, WHOLE_NS))
    delivered(room)
    fill(room.hot / "NEW", a=b"a", b=b"b")
    (room.hot / "frame").rename(room.hot / "NEW" / "frame")
    room.pass_time(LATE_S)

    assert names(room) == ["NEW (added)", "frame"]
    assert room.files(package(room, "NEW (added)")) == ["NEW/a", "NEW/b"]


def test_search_after_a_batch_whose_sources_we_took_away_reads_no_list_of_it(
    make_room, monkeypatch
):
    """A batch may hold thousands of drops, and each new file of their size asks (P1)."""
    room = make_room(drop=DropMode.BATCH, after=After(delivered="delete"))
    frames = [room.hot / f"f{number:02}.dpx" for number in range(20)]
    for frame in frames:
        frame.write_bytes(b"frame")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    drops = room.store.drops_of(upload.id)
    owed = [TaskDraft(kind=TaskKind.DISPOSE, key=str(drop.id)) for drop in drops]
    room.store.start_over()
    room.deliver(upload, *owed)
    for drop, frame in zip(drops, frames, strict=True):
        dispose(room, str(drop.id))
        frame.unlink()
    room.pass_time(SETTLED_S)
    asked: list[int] = []
    real = room.store.was_disposed

    def count(drop_id: int, upload_id: str) -> bool:
        asked.append(drop_id)
        return real(drop_id, upload_id)

    monkeypatch.setattr(room.store, "was_disposed", count, raising=False)
    monkeypatch.setattr(room.store, "tasks", never)
    monkeypatch.setattr(room.store, "drops_of", never)
    # none of it was moved, so nothing is read
    monkeypatch.setattr(Hashing, "go_on", never)
    for number in range(20, 30):
        (room.hot / f"f{number:02}.dpx").write_bytes(b"FRAME")
    room.pass_time(SETTLED_S)

    assert len(room.taken()) == 2
    assert room.taken()[1].file_count == 10
    assert 0 < len(asked) < 100


EACH = {"drop": DropMode.EACH, "depth": Depth.TOP}
DEEP = {"drop": DropMode.FILE, "depth": Depth.ANY}


def of_address(*recipients: str) -> dict[str, object]:
    """Give what makes CARD an address, and sends all else as before."""
    return {
        "to": To(by_subfolder=((b"CARD", recipients),), recipients=("a@x.com",), sends_others=True)
    }


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        (EACH, DEEP, ["new"]),
        (DEEP, EACH, ["CARD (added)"]),
        (EACH, of_address("a@x.com"), ["new"]),
        (EACH, of_address("b@x.com"), ["a", "new", "sub"]),
    ],
)
def test_what_stands_where_it_was_delivered_is_not_sent_when_other_things_become_drops(
    make_room, monkeypatch, before, after, sent
):
    """Only what is new goes, and to whom it did not go (P3)."""
    monkeypatch.setattr(Hashing, "go_on", never)
    room = make_room(**{"to": To(recipients=("a@x.com",)), **before})
    fill(room.hot / "CARD", a=b"first")
    fill(room.hot / "CARD" / "sub", b=b"second")
    os.utime(room.hot / "CARD" / "a", ns=(WHOLE_NS, WHOLE_NS))
    (room.hot / "loose").write_bytes(b"loose content")
    room.store.adopt("hot", room.rule.path)
    delivered(room)
    so_far = names(room)
    room.rule = replace(room.rule, **after)
    room.begin()
    room.pass_time(LATE_S)
    (room.hot / "CARD" / "new").write_bytes(b"new")
    room.pass_time(LATE_S)

    assert sorted(names(room)) == sorted([*so_far, *sent])


def test_drop_of_files_that_were_delivered_one_by_one_is_told_as_such(make_room):
    """It was not renamed; one of them that changes is asked about, as in a renamed folder."""
    room = make_room(**DEEP)
    fill(room.hot / "CARD", a=b"first", b=b"second")
    delivered(room)
    room.rule = replace(room.rule, **EACH)
    room.begin()
    room.pass_time(SETTLED_S)
    said = "every file of it was delivered as it is, with CARD/a and 1 more"
    assert room.drop("CARD").note == said
    (room.hot / "CARD" / "b").write_bytes(b"changed")
    room.pass_time(LATE_S)

    assert room.state("CARD") == ("held", "redrop_ask")


def test_file_moved_between_addresses_that_name_others_now_is_sent_to_them(make_room):
    """Whom both name today is not whom the delivery reached."""
    room = make_room(to=To(by_subfolder=((b"a", ("x@a.com",)), (b"b", ("y@b.com",)))))
    for studio in ("a", "b"):
        (room.hot / studio).mkdir()
    for name in ("one", "two"):
        (room.hot / "a" / name).write_bytes(name.encode())
    delivered(room)
    to = To(by_subfolder=((b"a", ("y@b.com",)), (b"b", ("y@b.com",))))
    room.rule = replace(room.rule, to=to)
    room.begin()
    (room.hot / "a" / "one").rename(room.hot / "b" / "one")
    # within its address it is the same delivery, whom that names by now
    (room.hot / "a" / "two").rename(room.hot / "a" / "renamed")
    room.pass_time(SETTLED_S)

    assert room.state("b/one") == ("taken", None)
    assert room.state("a/renamed") == ("duplicate", None)


def test_folder_moved_from_several_deliveries_serves_only_what_each_of_them_reached(make_room):
    """Two deliveries of one name went to different people."""
    room = make_room(to=To(by_subfolder=((b"a", ("x@a.com",)), (b"b", ("y@b.com",)))))
    for studio in ("a", "b"):
        (room.hot / studio).mkdir()
    fill(room.hot / "a" / "CARD", one=b"first")
    delivered(room)
    both = To(by_subfolder=((b"a", ("y@b.com",)), (b"b", ("y@b.com",))))
    room.rule = replace(room.rule, to=both)
    room.begin()
    fill(room.hot / "a" / "CARD", two=b"second")
    room.pass_time(LATE_S)
    delivered(room)
    room.clock.advance(25 * 3600)
    fill(room.hot / "b" / "NEW")
    for name in ("two", "one"):
        (room.hot / "a" / "CARD" / name).rename(room.hot / "b" / "NEW" / name)
    room.pass_time(LATE_S)

    assert names(room) == ["CARD", "CARD (added)", "NEW (added)"]
    assert room.files(package(room, "NEW (added)")) == ["b/NEW/one"]


@pytest.mark.parametrize(("is_linked", "sent"), [(False, []), (True, ["b"])])
def test_file_that_left_a_folder_nobody_can_look_into_is_known_by_its_one_name(
    make_room, is_linked, sent
):
    """With a second name it may stand where it was delivered, and is then one more drop."""
    room = make_room(**DEEP)
    fill(room.hot / "d", a=b"first")
    delivered(room)
    (room.hot / "d" / "a").rename(room.hot / "b")
    if is_linked:
        os.link(room.hot / "b", room.hot / "d" / "a")
    with bound_by_modes():
        (room.hot / "d").chmod(0o000)
        room.pass_time(SETTLED_S)
        (room.hot / "d").chmod(0o755)

    assert sorted(names(room)) == ["a", *sent]
    if not is_linked:
        assert room.drop("b").note == "renamed: it was delivered as d/a"
