"""After a restart: what the ledger ended with is known again by its stat, and nothing else is."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from masv_watch.files import Root
from masv_watch.model import Depth, DropEvent, DropMode, Frames, LateDrops, Schedule, Wholeness
from masv_watch.watch.scan import Tree, changes
from masv_watch.watch.tops import Alike
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
