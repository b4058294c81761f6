"""How long a deleted source lies in the trash of its hot folder before it is gone for good."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from masv_watch.model import After
from tests.integration.rooms.watched import Room

HOUR_S = 3600.0
DELETE = After(delivered="delete")


def trashed(room: Room, name: str) -> bool:
    """Put a file into the trash as a delivery does, or say whether it still lies there."""
    place = room.hot / ".masv-trash" / "one"
    if not (room.hot / ".masv-trash").exists():
        place.mkdir(parents=True)
        (place / name).write_bytes(b"x")
        now = room.clock.wall()
        os.utime(place, (now, now))
    return (place / name).exists()


@pytest.mark.parametrize(("said", "kept_s"), [({}, 24 * HOUR_S), ({"trash_for_s": 2.0}, 2.0)])
def test_source_in_the_trash_is_gone_after_trash_for_and_not_before(
    make_room: Callable[..., Room], said: dict[str, float], kept_s: float
):
    """A wrong rule can be undone for as long as it says (behaviour 10)."""
    room = make_room(after=DELETE, **said)
    trashed(room, "a.mov")
    room.pass_time(1.0)
    at_once = trashed(room, "a.mov")

    room.clock.advance(kept_s)
    room.intake.tidy(HOUR_S)
    room.pass_time(1.0)

    assert at_once
    assert not trashed(room, "a.mov")


def test_time_in_the_trash_follows_the_rule_as_it_is_now(make_room: Callable[..., Room]):
    """Who finds out too late that it is too short has it longer by a reload."""
    room = make_room(after=DELETE, trash_for_s=2 * HOUR_S)
    trashed(room, "a.mov")
    room.intake.adopt(replace(room.intake.rule, trash_for_s=72 * HOUR_S))

    room.clock.advance(48 * HOUR_S)
    room.intake.tidy(HOUR_S)
    room.pass_time(1.0)

    assert trashed(room, "a.mov")


def test_trash_survives_a_clock_that_is_decades_ahead(make_room: Callable[..., Room]):
    """A wrong rule can be undone for a day, whatever a clock says for an hour (behaviour 10)."""
    room = make_room(after=DELETE)
    trashed(room, "a.mov")
    room.clock.jump_wall(74 * 365 * 24 * HOUR_S)
    room.begin()
    room.intake.tidy(HOUR_S)
    room.pass_time(1.0)

    assert trashed(room, "a.mov")


def test_trash_that_is_overdue_by_years_goes_once_it_was_watched_for_its_time(
    make_room: Callable[..., Room],
):
    """Nothing stays for ever where nobody was for long."""
    room = make_room(after=DELETE)
    trashed(room, "a.mov")
    room.clock.jump_wall(3 * 365 * 24 * HOUR_S)
    room.clock.advance(24 * HOUR_S)
    room.intake.tidy(HOUR_S)
    room.pass_time(1.0)

    assert not trashed(room, "a.mov")
