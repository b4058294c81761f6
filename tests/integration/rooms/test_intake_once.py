"""Drops that are announced, looked at and renamed over and over: each content goes once."""

from __future__ import annotations

import os

from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S
from tests.integration.rooms.watched import LOOK_S, QUIET_S


def test_drop_that_rings_again_and_again_is_one_drop_before_and_while_it_is_sent(make_room):
    """Notifications are hints into one row: settling, taken or delivered (pains 5, 34)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    seen = []
    for _ in range(4):
        for _ in range(10):
            room.intake.hurry()
            room.intake.tick()
            room.clock.advance(LOOK_S)
        seen.append([drop.state.value for drop in room.store.drops("hot")])
    room.begin()
    for _ in range(10):
        room.intake.hurry()
        room.pass_time(LOOK_S)
    (upload,) = room.taken()
    room.deliver(upload)
    for _ in range(3):
        room.begin()
        room.intake.hurry()
        room.pass_time(2 * LOOK_S)

    assert {len(states) for states in seen} == {1}
    assert seen[-1] == ["taken"]
    assert len(room.taken()) == 1
    assert [drop.state.value for drop in room.store.drops("hot")] == ["done"]


def test_file_moved_over_a_delivered_one_is_its_next_generation(make_room):
    """`mv new.mov a.mov` is no conflict and no other path (pain 29)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    room.deliver(room.taken()[0])
    other = room.top / "new.mov"
    other.write_bytes(b"other content")
    os.replace(other, room.hot / "a.mov")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)

    assert [upload.name for upload in room.taken()] == ["a.mov", "a.mov (2)"]
    assert [room.files(upload) for upload in room.taken()] == [["a.mov"], ["a.mov"]]
    assert room.drop("a.mov").generation == 2


def test_second_of_a_name_that_came_too_early_is_sent_whole_when_it_has_grown(make_room):
    """What was delivered is a content, never a name: the rest is not lost (pain 55)."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"a second of it")
    room.pass_time(QUIET_S + LOOK_S)
    room.deliver(room.taken()[0])
    with (room.hot / "a.mov").open("ab") as file:
        file.write(b", and the other hour")
    room.pass_time(PERIOD_S[Sight.DEGRADED] + QUIET_S + LOOK_S)
    whole = room.taken()[-1]

    assert [upload.name for upload in room.taken()] == ["a.mov", "a.mov (2)"]
    assert [file.identity.size for file in room.store.files(whole.id)] == [34]


def test_intake_file_dated_beyond_the_columns_goes_with_its_neighbours(make_room):
    """A camera's clock may say 2400; neither its file nor the one beside it stays."""
    room = make_room()
    far, near = room.hot / "far.mov", room.hot / "near.mov"
    for each in (far, near):
        each.write_bytes(b"abc")
    os.utime(far, (13_569_465_600, 13_569_465_600))
    room.pass_time(4 * QUIET_S)
    assert sorted(upload.name for upload in room.taken()) == ["far.mov", "near.mov"]
