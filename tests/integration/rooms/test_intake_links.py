"""Symbolic links in a drop: listed with their reason, or sent as what they point to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, DropMode, Follow, Prospect
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room

SETTLED_S = 2 * QUIET_S + LOOK_S


def lay(hot: Path) -> None:
    """Lay out a drop with links of every kind, and what they lead to."""
    (hot / "CARD").mkdir()
    (hot / "store" / "private").mkdir(parents=True)
    (hot / "CARD" / "own.mov").write_bytes(b"own")
    (hot / "store" / "a.mov").write_bytes(b"a of the store")
    (hot / "store" / "private" / "b.mov").write_bytes(b"b")
    (hot / "store" / "c.tmp").write_bytes(b"c")
    (hot.parent / "outside").write_bytes(b"outside")
    for name, target in {
        "file.mov": "../store/a.mov",
        "tree": "../store",
        "private.mov": "../store/private/b.mov",
        "growing.mov": "../store/c.tmp",
        "out.mov": "../../outside",
        "nothing.mov": "nowhere",
        "loop": "..",
    }.items():
        (hot / "CARD" / name).symlink_to(target)
    (hot / "top.mov").symlink_to("store/a.mov")


RULE: dict[str, Any] = {"follow": Follow.INSIDE, "ignore": ("private/",), "drop": DropMode.FOLDER}


def asked(room: Room, path: str) -> Any:
    """Ask why a path is sent or not."""
    question = Asked(
        path=os.fsencode(room.hot / path),
        relative=os.fsencode(path),
        caller=Caller(uid=0, is_owner=True),
    )
    return explain(question, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)


@pytest.mark.fault(23)
def test_links_to_what_lies_in_the_hot_folder_are_sent_as_that(make_room: Any) -> None:
    """All others are left out, each with its reason; what is left out there is so here."""
    room = make_room(**RULE)
    lay(room.hot)
    # a temporary name stands in it
    room.pass_time(4 * SETTLED_S)
    (card,) = [each for each in room.taken() if each.name == "CARD"]

    assert room.files(card) == ["CARD/file.mov", "CARD/own.mov", "CARD/tree/a.mov"]
    assert card.terms.follow is Follow.INSIDE
    assert sorted(room.store.skipped(card.id)) == [
        "CARD/growing.mov leads to store/c.tmp, which matches `*.tmp` of the built-in list",
        "CARD/loop is a symbolic link that leads back into itself",
        "CARD/nothing.mov is a symbolic link to nothing that is there",
        "CARD/out.mov is a symbolic link that leads above the hot folder",
        "CARD/private.mov leads to store/private/b.mov, which matches `private/` of the rule",
        "CARD/tree/c.tmp matches `*.tmp` of the built-in list",
        "CARD/tree/private matches `private/` of the rule",
    ]
    assert room.drop("top.mov") is None


@pytest.mark.fault(23)
def test_links_are_left_out_and_listed_unless_the_rule_follows_them(make_room: Any) -> None:
    """None is followed by default."""
    room = make_room(drop=DropMode.FOLDER)
    lay(room.hot)
    room.pass_time(SETTLED_S)
    (card,) = [each for each in room.taken() if each.name == "CARD"]

    assert room.files(card) == ["CARD/own.mov"]
    skipped = list(room.store.skipped(card.id))
    assert len(skipped) == 7
    assert all(each.endswith(" is a symbolic link") for each in skipped)


def test_drop_waits_for_what_its_link_leads_to(make_room: Any) -> None:
    """What changes elsewhere changes the drop that has a link to it."""
    room = make_room(**RULE)
    (room.hot / "CARD").mkdir()
    (room.hot / "store").mkdir()
    target = room.hot / "store" / "a.mov"
    target.write_bytes(b"a")
    (room.hot / "CARD" / "a.mov").symlink_to("../store/a.mov")
    for _ in range(3):
        room.pass_time(QUIET_S * 0.9)
        with target.open("ab") as file:
            file.write(b"more")
        room.intake.hurry()
    assert room.drop("CARD").state == "settling"
    room.pass_time(SETTLED_S)
    (card,) = [each for each in room.taken() if each.name == "CARD"]

    assert [file.identity.size for file in room.store.files(card.id)] == [13]


def test_explain_says_where_a_link_leads_and_what_of_it(make_room: Any) -> None:
    """The reason in the list of what is left out is the one that is told."""
    room = make_room(**RULE)
    lay(room.hot)
    room.pass_time(SETTLED_S)

    left_out = {path: asked(room, path) for path in ("CARD/private.mov", "CARD/loop", "top.mov")}
    assert {path: (each.prospect, each.findings[-1].detail) for path, each in left_out.items()} == {
        "CARD/private.mov": (
            Prospect.LEFT_OUT,
            "leads to store/private/b.mov, which matches `private/` of the rule",
        ),
        "CARD/loop": (Prospect.LEFT_OUT, "is a symbolic link that leads back into itself"),
        "top.mov": (Prospect.LEFT_OUT, "is a symbolic link"),
    }
    assert asked(room, "CARD/file.mov").prospect is not Prospect.LEFT_OUT
