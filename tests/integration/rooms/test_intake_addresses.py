"""Subfolders that are addresses: what lies in them is a drop, and goes to those who are named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from masv_watch import files
from masv_watch.delivery.dispose import Source, carry_out, target_of
from masv_watch.errors import SourceUnreadable
from masv_watch.model import After, DropMode, Package, Settle, To
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import sweep
from tests.integration.rooms.sent import Door
from tests.integration.rooms.watched import QUIET_S, Room

LONG = QUIET_S * 3
ANNA, BOB, EDITOR = "anna@a.example", "bob@b.example", "editor@studio.example"
NAMED = To(by_subfolder=((b"studio-a", (ANNA,)), (b"studio-b", (BOB,))))


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[Callable[..., Room]]:
    """Give the way to a room whose hot folder was met before."""
    made: list[Room] = []

    def make(**settings: object) -> Room:
        (tmp_path / "hot").mkdir()
        room = Room(tmp_path, **{"to": NAMED, **settings})  # type: ignore[arg-type]
        made.append(room)
        room.store.adopt("hot", os.fsencode(room.hot))
        return room

    yield make
    for room in made:
        room.close()


def write(room: Room, path: str, content: bytes = b"x") -> Path:
    """Write a file below the hot folder."""
    whole = room.hot / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)
    return whole


def sent(room: Room) -> dict[str, tuple[str, ...]]:
    """Give the recipients of each upload by its name."""
    return {upload.name: upload.terms.recipients for upload in room.taken()}


@pytest.mark.parametrize("template", ["{ext}", " {ext} "])
def test_package_whose_name_comes_out_blank_is_called_what_was_dropped(make_room, template):
    """The cloud takes none without a name, and a folder has no ending."""
    room = make_room(package=Package(name=template))
    write(room, "studio-a/CARD/one.mov")

    room.pass_time(LONG)

    assert sent(room) == {"CARD": (ANNA,)}


def test_what_lies_in_an_address_goes_to_those_it_names(make_room):
    """Files and folders, each a drop of its own; the address itself is none."""
    room = make_room(package=Package(name="{subfolder}: {name}"))
    write(room, "studio-a/clip.mov")
    write(room, "studio-a/CARD/one.mov")
    write(room, "studio-b/clip.mov")

    room.pass_time(LONG)

    assert sent(room) == {
        "studio-a: clip.mov": (ANNA,),
        "studio-a: CARD": (ANNA,),
        "studio-b: clip.mov": (BOB,),
    }
    places = {
        (file.package_path, file.name)
        for upload in room.taken()
        for file in room.store.files(upload.id)
    }
    assert places == {("", "clip.mov"), ("CARD", "one.mov")}
    assert room.drop("studio-a") is None


@pytest.mark.parametrize("path", ["clip.mov", "studio-c/clip.mov", "studio-a.mov"])
def test_what_lies_outside_of_the_addresses_is_held_before_a_byte_of_it_goes(make_room, path):
    """Nobody is named for it, so that it goes to nobody; it goes once its folder is named."""
    room = make_room(drop=DropMode.EACH, early=True)
    write(room, path)
    top = path.partition("/")[0]

    room.pass_time(LONG * 2)

    assert room.state(top) == ("held", "no_recipient")
    assert room.taken() == []
    assert room.drop(top).note == f"{top} lies outside of the folders that to.by_subfolder names"


def test_what_lies_outside_goes_to_recipients_where_others_are_sent(make_room):
    """`others: send`; a file that is called as an address is no address."""
    room = make_room(to=replace(NAMED, recipients=(EDITOR,), sends_others=True))
    write(room, "clip.mov")
    write(room, "studio-c/clip.mov")
    write(room, "studio-a", b"a file")

    room.pass_time(LONG)

    assert sent(room) == {"clip.mov": (EDITOR,), "studio-c": (EDITOR,), "studio-a": (EDITOR,)}


def test_folder_that_becomes_an_address_is_no_drop_any_more(make_room):
    """A reload that names it lets what lies in it go, one by one."""
    room = make_room()
    write(room, "studio-c/one.mov")
    write(room, "studio-c/two.mov")
    room.pass_time(LONG)
    assert room.state("studio-c") == ("held", "no_recipient")

    named = (*NAMED.by_subfolder, (b"studio-c", (EDITOR,)))
    room.rule = replace(room.rule, to=replace(NAMED, by_subfolder=named))
    room.begin()
    room.pass_time(LONG)

    assert room.state("studio-c") == ("cancelled", None)
    assert sent(room) == {"one.mov": (EDITOR,), "two.mov": (EDITOR,)}


def test_done_marker_lies_beside_its_drop_inside_of_the_address(make_room):
    """It is no drop, and it names the drop that it stands beside."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, done_marker="{stem}.done"))
    write(room, "studio-a/clip.mov")
    write(room, "studio-b/clip.mov")
    room.pass_time(LONG)
    assert room.taken() == []

    write(room, "studio-b/clip.done")
    room.intake.hurry()
    room.pass_time(LONG)

    assert [upload.terms.recipients for upload in room.taken()] == [(BOB,)]


def test_address_that_cannot_be_listed_keeps_nothing_else_and_proves_nothing(make_room):
    """The rest is seen as ever; of what lies in it no list was had, which is told in its place."""
    room = make_room()
    write(room, "studio-a/clip.mov")
    write(room, "studio-b/clip.mov")
    write(room, "clip.mov")

    def stat_folder(relative: bytes = b"") -> Iterator[Any]:
        if relative == b"studio-a":
            raise SourceUnreadable("studio-a cannot be listed", path=relative)
        return root.stat_folder(relative)

    with files.Root.open(os.fsencode(room.hot)) as root:
        door: Any = Door(root, stat_folder=stat_folder)
        trees = {tree.top: tree.unreadable for tree in sweep(door, Matcher(room.rule))}

    assert sorted(trees) == [b"clip.mov", b"studio-a", b"studio-b/clip.mov"]
    assert [str(each) for each in trees[b"studio-a"]] == ["studio-a cannot be listed"]


def test_address_that_went_takes_its_waiting_drops_along(make_room):
    """A whole sweep of a present root proves it."""
    room = make_room(settle=Settle(quiet_s=600.0))
    clip = write(room, "studio-a/clip.mov")
    write(room, "studio-b/clip.mov")
    room.pass_time(LONG)
    clip.unlink()
    clip.parent.rmdir()

    room.pass_time(60.0)

    assert room.state("studio-a/clip.mov") == ("cancelled", None)
    assert room.state("studio-b/clip.mov") == ("settling", None)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("{root}/_sent/{subfolder}/{name}", "_sent/studio-a/CARD/one.mov"),
        ("{root}/_sent/{name}", "_sent/CARD/one.mov"),
    ],
)
def test_delivered_drop_is_moved_out_of_its_address_which_stays(make_room, target, found):
    """Law 1: an address is never moved or removed, also when it is empty."""
    after = After(delivered="move", move_to=target)
    room = make_room(after=after)
    write(room, "studio-a/CARD/one.mov")
    room.pass_time(LONG)
    (upload,) = room.taken()
    room.deliver(upload)
    (drop,) = room.store.drops_of(upload.id)
    expected = {file.path: file.identity for file in room.store.files(upload.id)}
    source = Source(
        root=upload.root,
        after=after,
        drop=drop,
        expected=expected,
        finalized=room.clock.local(room.clock.wall()),
        ignored=lambda *_: False,
    )

    with files.Root.open(source.root) as root:
        carry_out(root, source)

    assert (room.hot / found).read_bytes() == b"x"
    assert (room.hot / "studio-a").is_dir()
    assert list((room.hot / "studio-a").iterdir()) == []
    beside = replace(source, drop=replace(drop, path=b"CARD"))
    whole = target_of(beside, b"{root}/_sent/{subfolder}/{name}")
    assert whole == os.fsencode(room.hot) + b"/_sent/CARD"
