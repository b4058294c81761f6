"""What arrives in a hot folder that is removed or moved, as the roster sees it at a start."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import Any

import pytest

from masv_watch.lifecycle import is_arriving
from masv_watch.metrics import Metrics
from masv_watch.model import DropMode, Limits, Rule, UploadState
from masv_watch.roster import Roster
from tests.integration.rooms.test_early import FOUND_S, SETTLED_S, Writer
from tests.integration.rooms.watched import QUIET_S, SPACING_S, Room
from tests.integration.store.making import claim, open_package, send_files


def arriving(make_room: Any, **settings: Any) -> Room:
    """Give a room in which one file of a card went up and another is being written."""
    room = make_room(drop=DropMode.FOLDER, **settings)
    room.pass_time(1)
    card = room.hot / "CARD"
    card.mkdir()
    (card / "a.mov").write_bytes(b"abc")
    room.intake.hurry()
    with (card / "growing.mov").open("ab", buffering=0) as growing:
        for _ in range(round((QUIET_S + 3 * SPACING_S) / 2)):
            growing.write(b"more")
            room.pass_time(2)
    (upload,) = room.taken()
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    send_files(room.store, claimed)
    room.store.let_go(upload.id, claimed.fence)
    return room


def begin(room: Room, *rules: Rule) -> None:
    """Build the roster of a daemon with these rules, as its start does."""
    Roster(
        rules,
        room.store,
        room.uploads,
        denied=frozenset,
        canary=os.fsencode(room.top / "canary"),
        clock=room.clock,
        metrics=Metrics(),
    ).stop_listening()


@pytest.mark.parametrize("is_moved", [True, False])
def test_drop_that_arrived_where_nobody_looks_any_more_ends_with_its_upload(
    make_room, caplog, is_moved
):
    """It could never be whole: its upload is deleted, a line says so, and nothing is given up."""
    room = arriving(make_room)
    (upload,) = room.taken()
    elsewhere = replace(room.rule, path=os.fsencode(room.top / "elsewhere"))
    with caplog.at_level(logging.WARNING):
        begin(room, *([elsewhere] if is_moved else []))

    assert room.store.upload(upload.id).state is UploadState.DELETING
    assert room.state("CARD") == ("cancelled", None)
    assert room.store.given_up("hot") == []
    (line,) = [each for each in caplog.records if each.message.startswith("an upload ends")]
    assert (line.upload, line.drop) == (upload.id, "CARD")
    room.begin()
    room.pass_time(3 * QUIET_S)
    (again,) = [each for each in room.taken() if each.id != upload.id]
    assert room.files(again) == ["CARD/a.mov", "CARD/growing.mov"]


def test_drop_that_arrives_is_left_to_the_rule_that_looks_at_it(make_room):
    """A start with the same folder changes nothing, whatever else the rule says."""
    room = arriving(make_room)
    begin(room, replace(room.rule, early=False, drop=DropMode.EACH))

    assert is_arriving(room.drop("CARD"))
    (upload,) = room.taken()
    assert upload.state is UploadState.TRANSFERRING


def test_drop_that_was_whole_goes_on_without_its_hot_folder(make_room):
    """What settled is delivered even when its rule is gone."""
    room = arriving(make_room)
    room.pass_time(3 * QUIET_S)
    assert room.drop("CARD").whole
    begin(room)

    (upload,) = room.taken()
    assert upload.state is UploadState.TRANSFERRING


def test_limit_that_comes_while_a_folder_settles_keeps_it_whole_first(make_room):
    """Every state before queued follows the new rule at once (behaviour 7.1)."""
    room = make_room(drop=DropMode.FOLDER)
    room.pass_time(1)
    writer = Writer(room)
    writer.write("a.mov")
    room.intake.hurry()
    writer.grow(4)
    assert room.state("CARD") == ("settling", None)
    room.intake.adopt(replace(room.rule, limits=Limits(size=10**12, is_own=True)))
    writer.grow(FOUND_S + SETTLED_S)
    meanwhile = room.taken(), room.state("CARD")
    room.pass_time(FOUND_S + SETTLED_S)

    assert meanwhile == ([], ("settling", None))
    assert [room.files(each) for each in room.taken()] == [["CARD/a.mov", "CARD/growing.mov"]]


def test_drop_that_the_new_rule_leaves_out_is_not_said_to_have_vanished(make_room):
    """It stands there: to put it back helps nobody."""
    room = arriving(make_room)
    (upload,) = room.taken()
    kept = room.rule
    room.rule = replace(room.rule, ignore=("/CARD/",))
    room.begin()
    room.pass_time(FOUND_S + SETTLED_S)
    failed = room.store.upload(upload.id)
    room.rule = kept
    room.begin()
    room.uploads.resume(upload.id)
    room.pass_time(FOUND_S + SETTLED_S)

    assert failed.state is UploadState.ERROR
    assert "CARD is still there, but its rule leaves it out by now" in failed.error
    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING
    assert room.drop("CARD").whole
