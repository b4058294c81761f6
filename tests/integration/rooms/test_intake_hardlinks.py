"""Files with a second name on their file system: sent, or left out where the rule says so."""

from __future__ import annotations

import os
from typing import Any

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, DropMode, Prospect
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room

SETTLED_S = 2 * QUIET_S + LOOK_S
WHY = "has 2 names on its file system (hardlinks: skip)"


def put(room: Room) -> None:
    """Put a folder and a loose file, each with one file that is named outside as well."""
    (room.top / "outside").write_bytes(b"abc")
    (room.hot / "CARD").mkdir()
    for name in ("CARD/own.mov", "own.mov"):
        (room.hot / name).write_bytes(b"abc")
    os.link(room.top / "outside", room.hot / "CARD" / "linked.mov")
    (room.top / "another").write_bytes(b"abc")
    os.link(room.top / "another", room.hot / "linked.mov")


@pytest.mark.fault(25)
def test_hard_links_are_sent_as_any_file_unless_the_rule_skips_them(make_room: Any) -> None:
    """By default a second name changes nothing."""
    room = make_room()
    put(room)
    room.pass_time(SETTLED_S)

    sent = {one.name: room.files(one) for one in room.taken()}
    assert sent == {
        "CARD": ["CARD/linked.mov", "CARD/own.mov"],
        "linked.mov": ["linked.mov"],
        "own.mov": ["own.mov"],
    }


@pytest.mark.fault(25)
def test_hard_links_are_left_out_and_listed_where_the_rule_skips_them(make_room: Any) -> None:
    """The rest goes, what is left out is named with its reason, and `explain` says the same."""
    room = make_room(skips_hardlinks=True)
    put(room)
    room.pass_time(SETTLED_S)
    path = os.fsencode(room.hot / "linked.mov")
    question = Asked(path=path, relative=b"linked.mov", caller=Caller(uid=0, is_owner=True))
    found = explain(question, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)

    by_name = {one.name: one for one in room.taken()}
    assert {name: room.files(one) for name, one in by_name.items()} == {
        "CARD": ["CARD/own.mov"],
        "own.mov": ["own.mov"],
    }
    assert list(room.store.skipped(by_name["CARD"].id)) == [f"CARD/linked.mov {WHY}"]
    assert (found.prospect, found.findings[-1].detail) == (Prospect.LEFT_OUT, WHY)


def test_file_that_lost_its_other_name_is_sent_as_one_that_came(make_room: Any) -> None:
    """A copy by links whose source is removed is an ordinary file."""
    room = make_room(skips_hardlinks=True, drop=DropMode.FILE)
    put(room)
    room.pass_time(SETTLED_S)
    assert [one.name for one in room.taken()] == ["own.mov"]
    (room.top / "another").unlink()
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert sorted(one.name for one in room.taken()) == ["linked.mov", "own.mov"]
