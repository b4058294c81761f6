"""After a restart: what the ledger ended with is known again by its stat, and nothing else is."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from masv_watch.files import Root
from masv_watch.model import Depth, DropEvent, DropMode, Frames, LateDrops, Schedule, Wholeness
from masv_watch.watch.scan import Tree, changes
from masv_watch.watch.tops import Alike, Same
from tests.integration.rooms.watched import QUIET_S, Room

LONG = QUIET_S * 4


def write(room: Room, path: str, content: bytes = b"x") -> None:
    """Write a file below the hot folder."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)


def settle(room: Room) -> None:
    """Have everything looked at until it is taken."""
    room.intake.hurry()
    room.pass_time(LONG)


def rows(room: Room) -> list[tuple[bytes, int, str]]:
    """Give what the ledger says, row by row."""
    return [(each.path, each.generation, str(each.state)) for each in room.store.drops("hot")]


def restarted(room: Room) -> tuple[list[str], list[str]]:
    """Start anew; give what is known again, and what has to be looked at."""
    room.begin()
    entries = room.intake.entries
    entries.begin(room.intake.matcher)
    with Root.open(os.fsencode(room.hot)) as root:
        found = list(
            changes(root, room.intake.matcher, known=entries.concluded, marks=entries.marks)
        )
    known = [top for each in found if isinstance(each, Alike) for top in each.tops]
    looked = [each.top for each in found if isinstance(each, Tree) and each.is_drop]
    return sorted(map(os.fsdecode, known)), sorted(map(os.fsdecode, looked))


@pytest.mark.parametrize(
    "layout", [{"drop": DropMode.FILE, "depth": Depth.ANY}, {"drop": DropMode.EACH}]
)
def test_what_ended_is_known_again_and_everything_else_is_looked_at(make_met_room, layout):
    """Whatever a look could have something to say of gets one."""
    room = make_met_room(**layout)
    below = "day1/" if "depth" in layout else ""
    kinds = ["delivered", "grown", "touched", "cancelled", "forgotten", "left_out", "waiting"]
    for kind in kinds:
        write(room, f"{below}{kind}.mov", kind.encode())
    settle(room)
    for upload in room.taken():
        if room.files(upload) != [f"{below}waiting.mov"]:
            room.store.start_over()
            room.deliver(upload)
    write(room, f"{below}cancelled.mov", b"once more")
    settle(room)
    (again,) = [each for each in room.store.drops("hot", living=True) if b"cancelled" in each.path]
    room.store.advance_drop(again.id, DropEvent.CANCEL)
    room.store.forget_path("hot", os.fsencode(f"{below}forgotten.mov"))
    write(room, f"{below}grown.mov", b"grown now")
    os.utime(room.hot / below / "touched.mov", ns=(10**18, 10**18))
    write(room, f"{below}new.mov")
    (room.hot / below / "delivered.mov").chmod(0o600)

    known, looked = restarted(room)

    assert known == [f"{below}{kind}.mov" for kind in ("delivered", "left_out")]
    others = ("cancelled", "forgotten", "grown", "new", "touched", "waiting")
    assert looked == [f"{below}{kind}.mov" for kind in others]


@pytest.mark.parametrize(
    "setting",
    [
        {"ignore": ("left_out.mov",)},
        {"only": ("kept.mov",)},
        {"ignore_regex": ("left.*",)},
    ],
)
def test_what_the_rule_leaves_out_by_now_is_not_known_again(make_met_room, setting):
    """It is told of as left out, as it is without a restart."""
    room = make_met_room(drop=DropMode.FILE, depth=Depth.ANY)
    for path in ("day1/kept.mov", "day1/left_out.mov"):
        write(room, path)
    settle(room)
    for upload in room.taken():
        room.store.start_over()
        room.deliver(upload)
    room.rule = replace(room.rule, **setting)

    known, looked = restarted(room)

    assert (known, looked) == (["day1/kept.mov"], [])


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"whole": Wholeness(frames=Frames(patterns=("*.####.exr",)))},
        {"schedule": Schedule(late_drops=LateDrops.URGENT)},
        {"drop": DropMode.BATCH, "depth": Depth.TOP},
    ],
    ids=["plain", "frames", "marks", "batch"],
)
def test_ledger_is_the_same_after_a_restart(make_met_room, setting):
    """Nothing is sent again and no row is made; where more than a row counts, all is looked at."""
    room = make_met_room(**{"drop": DropMode.FILE, "depth": Depth.ANY, **setting})
    for number in range(3):
        write(room, f"a.000{number}.exr")
    settle(room)
    for upload in room.taken():
        room.store.start_over()
        room.deliver(upload)
    before = rows(room)

    known, looked = restarted(room)
    room.begin()
    settle(room)

    assert (len(known), len(looked)) == ((0, 3) if setting else (3, 0))
    assert len(before) == 3
    assert rows(room) == before
    assert room.intake.is_at_rest


def folders_again(room: Room) -> tuple[list[str], list[str]]:
    """Start anew; give the folders that are known again, and those that have to be looked at."""
    room.begin()
    entries = room.intake.entries
    entries.begin(room.intake.matcher)
    with Root.open(os.fsencode(room.hot)) as root:
        found = list(changes(root, room.intake.matcher, known=entries.concluded, kept=entries.kept))
    known = [os.fsdecode(each.top) for each in found if isinstance(each, Same)]
    looked = [os.fsdecode(each.top) for each in found if isinstance(each, Tree) and each.is_drop]
    return sorted(known), sorted(looked)


def test_folder_that_ended_or_is_on_its_way_is_known_again_and_any_other_is_looked_at(
    make_met_room,
):
    """No list is made of what the ledger knows by its signature."""
    room = make_met_room(drop=DropMode.FOLDER)
    kinds = ["delivered", "private", "grown", "touched", "cancelled", "forgotten", "taken"]
    for kind in kinds:
        write(room, f"{kind}/a.mov", kind.encode())
        write(room, f"{kind}/b/c.mov")
    settle(room)
    for upload in room.taken():
        if "taken/a.mov" not in room.files(upload):
            room.store.start_over()
            room.deliver(upload)
    write(room, "cancelled/d.mov", b"once more")
    settle(room)
    (again,) = [each for each in room.store.drops("hot", living=True) if each.path == b"cancelled"]
    room.store.advance_drop(again.id, DropEvent.CANCEL)
    room.store.forget_path("hot", b"forgotten")
    write(room, "grown/a.mov", b"grown now")
    write(room, "new/a.mov")
    os.utime(room.hot / "touched" / "b" / "c.mov", ns=(10**18, 10**18))
    (room.hot / "private" / "a.mov").chmod(0o600)

    known, looked = folders_again(room)

    assert known == ["delivered", "private", "taken"]
    assert looked == ["cancelled", "forgotten", "grown", "new", "touched"]


@pytest.mark.parametrize(
    "setting",
    [
        {"schedule": Schedule(late_drops=LateDrops.URGENT)},
        {"drop": DropMode.BATCH},
        {"drop": DropMode.FILE},
    ],
    ids=["marks", "batch", "file"],
)
def test_folder_is_looked_at_after_a_restart_where_more_than_its_row_counts(make_met_room, setting):
    """A marker beside it, its neighbours in one package, or that no folder is sent by now."""
    room = make_met_room(drop=DropMode.FOLDER)
    write(room, "CARD/a.mov")
    settle(room)
    room.rule = replace(room.rule, **setting)

    known, looked = folders_again(room)

    assert (known, looked) == ([], ["CARD"])


def test_folder_that_is_on_its_way_from_another_path_is_looked_at_where_its_copy_stands(
    make_met_room,
):
    """Its row is that of the other one: nothing tells yet what this one is to it."""
    room = make_met_room(drop=DropMode.FOLDER)
    write(room, "CARD/a.mov")
    settle(room)
    shutil.copytree(room.hot, room.top / "moved")
    room.hot = room.top / "moved"
    room.rule = replace(room.rule, path=os.fsencode(room.hot))

    known, looked = folders_again(room)

    assert (known, looked) == ([], ["CARD"])


def test_folders_leave_the_ledger_as_it_is_after_a_restart(make_met_room):
    """What is known again is concluded: it is not looked at once more, and what changes then is."""
    room = make_met_room(drop=DropMode.FOLDER)
    for top in ("first", "second"):
        write(room, f"{top}/a.mov", top.encode())
    settle(room)
    room.store.start_over()
    room.deliver(next(each for each in room.taken() if room.files(each) == ["first/a.mov"]))
    before = rows(room)

    room.begin()
    room.intake.tick()

    assert rows(room) == before
    assert room.intake.is_at_rest
    assert {*room.intake.entries._memory.concluded} == {b"first", b"second"}
    write(room, "first/b.mov", b"late")
    settle(room)
    assert [each for each in rows(room) if each not in before]


def test_folder_whose_row_moves_while_it_is_walked_is_looked_at_by_the_next_sweep(make_met_room):
    """A person had it forgotten just then: it goes again, as he asked for."""
    room = make_met_room(drop=DropMode.FOLDER)
    write(room, "CARD/a.mov")
    settle(room)
    room.store.start_over()
    room.deliver(room.taken()[0])
    room.begin()
    entries = room.intake.entries
    entries.begin(room.intake.matcher)
    with Root.open(os.fsencode(room.hot)) as root:
        found = changes(root, room.intake.matcher, known=entries.concluded, kept=entries.kept)
        (seen,) = (each for each in found if isinstance(each, Same))
        room.store.forget_path("hot", b"CARD")
        assert entries.look_at(root, seen)

    assert entries.take_dirt()
    assert not entries.concluded(b"CARD")
    settle(room)
    assert len(room.taken()) == 2
