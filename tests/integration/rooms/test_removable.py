"""Cards and shuttle disks: real volumes that come and go at one path."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.lifecycle import REINSERT
from masv_watch.model import (
    Caller,
    DropEvent,
    DropMode,
    HoldReason,
    Initial,
    Limits,
    Prospect,
    To,
    Upload,
    UploadState,
)
from masv_watch.uploads import Records, cure_of
from masv_watch.watch.absence import ALARM_S
from masv_watch.watch.intake import REPROBE_S
from tests.integration.rooms.test_orphans import miss, roster_of
from tests.integration.rooms.watched import QUIET_S, Room
from tests.mounted import Mounts, make_image

ONE = "11111111-2222-3333-4444-555555555555"
TWO = "99999999-2222-3333-4444-555555555555"
OWNER = Caller(uid=0, is_owner=True)
SETTLED_S = REPROBE_S + 4 * QUIET_S


@pytest.fixture
def cards(tmp_path: Path, mounts: Mounts) -> tuple[Path, Path]:
    """Give two cards that hold the same names with other content."""
    images = []
    for number, uuid in enumerate((ONE, TWO)):
        image = make_image(tmp_path / f"card{number}", uuid, f"CARD{number}")
        mounts.image(tmp_path / "writer", image)
        (tmp_path / "writer" / "CLIP").mkdir()
        (tmp_path / "writer" / "CLIP" / "0001.mxf").write_bytes(b"%d" % number)
        mounts.leave(tmp_path / "writer")
        images.append(image)
    return images[0], images[1]


def test_two_cards_with_equal_names_are_both_sent_and_neither_twice(make_room, mounts, cards):
    """What is known of one card says nothing about the other; both come back to nothing new."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    for image in (*cards, *cards):
        mounts.image(room.hot, image)
        room.pass_time(SETTLED_S)
        for upload in room.taken():
            if upload.state == "transferring":
                room.store.start_over()
                room.deliver(upload)
        mounts.leave(room.hot)
        room.pass_time(SETTLED_S)
    drops = room.store.drops()

    assert [upload.hot_folder for upload in room.taken()] == ["hot", "hot"]
    assert [upload.name for upload in room.taken()] == ["CLIP", "CLIP"]
    assert [(drop.hot_folder, drop.path) for drop in drops] == [("hot", b"CLIP")] * 2
    assert sorted(drop.volume for drop in drops) == sorted(
        uuid.replace("-", "") for uuid in (ONE, TWO)
    )
    assert {drop.state for drop in drops} == {"done"}


def test_nothing_is_ever_written_on_a_card(make_room, mounts, cards):
    """Not a byte of the image differs when the card leaves; a mount itself is read-only here."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    mounts.image(room.hot, cards[0], "ro")
    before = hashlib.sha256(cards[0].read_bytes()).hexdigest()
    room.pass_time(SETTLED_S)
    mounts.leave(room.hot)
    mounts.image(room.hot, cards[1])
    room.pass_time(SETTLED_S)
    names = sorted(each.name for each in room.hot.iterdir())

    assert hashlib.sha256(cards[0].read_bytes()).hexdigest() == before
    assert names == ["CLIP", "lost+found"]
    assert len(room.taken()) == 2


def test_a_card_that_another_masv_watch_marked_is_welcome_as_it_is(make_room, mounts, cards):
    """What somebody else left on a card is neither obeyed nor touched."""
    mounts.image(cards[0].parent / "writer", cards[0])
    mark = '{"state": "another", "hot_folder": "theirs"}'
    (cards[0].parent / "writer" / ".masv-watch").write_text(mark)
    mounts.leave(cards[0].parent / "writer")
    room = make_room(removable=True, drop=DropMode.FOLDER)
    mounts.image(room.hot, cards[0])
    room.pass_time(SETTLED_S)

    assert [upload.name for upload in room.taken()] == ["CLIP"]
    assert (room.hot / ".masv-watch").read_text() == mark
    assert room.intake.gate.question == room.intake.gate.why == ""


def test_drops_of_a_card_that_left_wait_until_the_same_one_is_back(make_room, mounts, cards):
    """Neither an empty reader nor another card lets them go on."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    mounts.image(room.hot, cards[0])
    room.pass_time(SETTLED_S)
    (first,) = room.taken()
    mounts.leave(room.hot)
    room.hot.rmdir()
    room.pass_time(SETTLED_S)
    gone = [drop.hold for drop in room.store.drops_of(first.id)]
    mounts.image(room.hot, cards[1])
    room.pass_time(SETTLED_S)
    other = [drop.hold for drop in room.store.drops_of(first.id)]
    # a restart with the other card inside knows it, too
    room.begin()
    room.pass_time(SETTLED_S)
    second = room.taken()[1]
    mounts.leave(room.hot)
    mounts.image(room.hot, cards[0])
    room.pass_time(SETTLED_S)

    assert gone == other == ["root_unavailable"]
    assert [drop.hold for drop in room.store.drops_of(first.id)] == [None]
    assert [drop.hold for drop in room.store.drops_of(second.id)] == ["root_unavailable"]
    assert len(room.taken()) == 2


def both_on_their_way(room: Room, mounts: Mounts, cards: tuple[Path, Path]) -> list[Upload]:
    """Let each card be taken; the second one stays."""
    mounts.image(room.hot, cards[0])
    room.pass_time(SETTLED_S)
    mounts.leave(room.hot)
    room.pass_time(SETTLED_S)
    mounts.image(room.hot, cards[1])
    room.pass_time(SETTLED_S)
    return room.taken()


def test_each_card_of_a_removed_hot_folder_waits_for_itself_alone(make_room, mounts, cards):
    """One that is away holds no other up, and nothing of one is looked for on another."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    first, second = both_on_their_way(room, mounts, cards)
    roster = roster_of(room)
    roster.untended.tick()
    with_second = [room.store.drops_of(each.id)[0].hold for each in (first, second)]
    mounts.leave(room.hot)
    mounts.image(room.hot, cards[0])
    miss(room, second, roster)
    roster.untended.tick()
    with_first = [room.store.drops_of(each.id)[0].hold for each in (first, second)]
    kept = room.store.upload(second.id).state
    mounts.leave(room.hot)
    mounts.image(room.hot, cards[1])
    roster.untended.tick()

    assert with_second == ["root_unavailable", None]
    assert with_first == [None, "root_unavailable"]
    assert kept is UploadState.TRANSFERRING
    assert room.store.drops_of(second.id)[0].whole


def test_each_card_of_a_removed_hot_folder_that_is_away_is_told_of(make_room, mounts, cards):
    """An alarm knows each by a name of its own."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    both_on_their_way(room, mounts, cards)
    untended = roster_of(room).untended
    mounts.leave(room.hot)
    untended.tick()
    room.clock.advance(ALARM_S)

    assert len({need.key for need in untended.needs()}) == 2


def test_what_waits_for_its_card_is_told_with_a_cure_that_can_be_carried_out(
    make_room, mounts, cards
):
    """`adopt` would be refused; explain says what status says, before an empty reader too."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    mounts.image(room.hot, cards[0])
    room.pass_time(SETTLED_S)
    mounts.leave(room.hot)
    room.pass_time(SETTLED_S)
    (drop,) = room.store.drops(living=True)
    asked = Asked(path=bytes(room.hot / "CLIP"), relative=b"CLIP", caller=OWNER)
    said = explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)

    assert (drop.hold, cure_of(drop, bytes(room.hot))) == ("root_unavailable", REINSERT)
    assert drop.note == "its volume is not there; insert the one that it came on"
    assert (said.prospect, said.drop, said.cure) == (Prospect.HELD, drop, REINSERT)
    assert f"drop {drop.id} came on volume {drop.volume}" in said.why


@pytest.mark.parametrize("is_there", [True, False])
def test_drop_on_its_way_goes_on_when_its_hot_folder_becomes_removable(
    make_room, mounts, tmp_path, cards, is_there
):
    """It came before volumes had ledgers of their own, from the one that was there by then."""
    room = make_room()
    image = make_image(tmp_path / "disk", "33333333-2222-3333-4444-555555555555", "MEDIA")
    mounts.image(room.hot, image)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    assert room.state("a.mov") == ("taken", None)
    room.rule = replace(room.rule, removable=True)
    if not is_there:
        mounts.leave(room.hot)
        mounts.image(room.hot, cards[0])
    room.begin()
    room.pass_time(SETTLED_S)
    meanwhile = room.state("a.mov")
    if not is_there:
        mounts.leave(room.hot)
        mounts.image(room.hot, image)
        room.pass_time(SETTLED_S)

    assert meanwhile == ("taken", None if is_there else "root_unavailable")
    assert room.state("a.mov") == ("taken", None)


def test_a_full_card_is_sent_without_being_asked_unless_the_rule_asks(make_room, mounts, cards):
    """An inserted card is what arrives; `initial: ask` asks of each one."""
    room = make_room(removable=True, drop=DropMode.FOLDER, initial=Initial.ASK)
    for image in cards:
        mounts.image(room.hot, image)
        room.pass_time(SETTLED_S)
        mounts.leave(room.hot)
        room.pass_time(SETTLED_S)

    assert [(drop.state, drop.hold) for drop in room.store.drops()] == [
        ("held", "initial_ask"),
    ] * 2
    assert room.store.release("hot", room.store.drops()[0].hold) == 2


def test_domain_that_one_card_was_delivered_to_is_not_asked_about_for_the_next(
    make_room, mounts, cards
):
    """Whom a hot folder reached is known of it, whatever volume stands there."""
    room = make_room(
        removable=True,
        drop=DropMode.FOLDER,
        to=To(recipients=("a@new.example",)),
        limits=Limits(asks_new_domains=True),
    )
    mounts.image(room.hot, cards[0])
    room.pass_time(SETTLED_S)
    (asked,) = room.store.drops()
    assert asked.hold is HoldReason.LIMIT_EXCEEDED
    room.store.release_drop(asked.id)
    room.intake.hurry()
    room.pass_time(SETTLED_S)
    room.deliver(room.taken()[0])
    mounts.leave(room.hot)
    room.pass_time(SETTLED_S)
    mounts.image(room.hot, cards[1])
    room.pass_time(SETTLED_S)

    assert len(room.taken()) == 2


def test_an_empty_reader_alarms_nobody(make_room, caplog):
    """A reader without a card is the rule, not a fault."""
    room = make_room(removable=True, there=False)
    with caplog.at_level(logging.ERROR):
        room.pass_time(3 * ALARM_S)

    assert not caplog.records


def test_forget_reaches_every_volume_and_no_other_hot_folder(make_room, mounts, cards):
    """A person names the path, not the card; the card that comes back is sent anew."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    for image in cards:
        mounts.image(room.hot, image)
        room.pass_time(SETTLED_S)
        for upload in room.taken():
            if upload.state == "transferring":
                room.store.start_over()
                room.deliver(upload)
        mounts.leave(room.hot)
        room.pass_time(SETTLED_S)
    other = room.store.see_drop("hotter", b"CLIP")
    room.store.advance_drop(other.id, DropEvent.CANCEL)
    records = Records(room.store, hurry=lambda _name: None, terms=lambda *_: None)

    assert records.forget("hot", b"CLIP") == 2
    assert not room.store.forgotten_paths("hotter")
    mounts.image(room.hot, cards[0])
    room.pass_time(SETTLED_S)
    assert len(room.taken()) == 3


@pytest.mark.parametrize(("age_s", "state"), [(0, ("taken", None)), (9e5, ("held", "initial_ask"))])
def test_card_that_a_restored_state_never_saw_is_asked_about_where_it_may_have_been_sent(
    make_room, mounts, tmp_path, age_s, state
):
    """What was written since the restore was sent by no earlier life of the state."""
    room = make_room(removable=True, drop=DropMode.FOLDER)
    restored_at = str(int(time.time()) - 3600)
    room.store.engine.write(lambda tx: tx.run("set_meta", key="restored", value=restored_at))
    mounts.image(room.hot, make_image(tmp_path / "card", ONE, "CARD"))
    clip = room.hot / "DAY" / "a.mov"
    clip.parent.mkdir()
    clip.write_bytes(b"abc")
    os.utime(clip, (time.time() - age_s, time.time() - age_s))
    room.pass_time(SETTLED_S)
    first = [(drop.state.value, drop.hold) for drop in room.store.drops() if drop.path == b"DAY"]
    # the card comes back with more, and is known by now
    (room.hot / "NEXT").mkdir()
    (room.hot / "NEXT" / "b.mov").write_bytes(b"abc")
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert first == [state]
    assert [drop.state for drop in room.store.drops() if drop.path == b"NEXT"] == ["taken"]
