"""What is forgotten of the past, with real files: never that by which a standing file is known."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masv_watch.model import DropMode
from tests.integration.rooms.watched import QUIET_S, Room
from tests.searching import examples

DAY_S = 24 * 3600.0
KEPT_S = 400 * DAY_S
SETTLED_S = 5 * QUIET_S
#: longer than the longest time between two sweeps
SWEEP_S = 400.0


def keep_house(room: Room) -> int:
    """Look for what is missed, then remove all that may go; give how many rows."""
    room.intake.tidy(KEPT_S)
    room.pass_time(SWEEP_S)
    removed = 0
    for upload_id in room.store.over_uploads(KEPT_S, limit=100):
        while some := room.store.forget_upload(upload_id):
            removed += some
    while some := room.store.forget_drops():
        removed += some
    return removed


def deliver_all(room: Room) -> None:
    """Deliver what was taken and is not complete."""
    for upload in room.taken():
        if upload.state != "complete":
            # every lease of the one before has ended
            room.clock.advance(60)
            room.deliver(upload)


def with_one_delivered(make_room: Callable[..., Room]) -> Room:
    """Give a room in which a.mov was delivered, and stands still."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    deliver_all(room)
    return room


@given(fates=st.lists(st.sampled_from(["stay", "go", "go and come"]), min_size=1, max_size=6))
@settings(
    max_examples=examples(6),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_files_that_stand_are_never_sent_again_whatever_is_forgotten(tmp_path_factory, fates):
    """All that may go is removed, the daemon starts anew and sweeps: nothing is sent (pain 38)."""
    room = Room(tmp_path_factory.mktemp("room"))
    room.hot.mkdir()
    room.begin()
    try:
        for number, _ in enumerate(fates):
            (room.hot / f"{number}.mov").write_bytes(b"x" * (number + 1))
        room.pass_time(SETTLED_S)
        deliver_all(room)
        for number, fate in enumerate(fates):
            if fate != "stay":
                (room.hot / f"{number}.mov").rename(room.top / f"{number}.mov")
        room.pass_time(SETTLED_S)
        keep_house(room)
        room.clock.advance(KEPT_S / 2)
        for number, fate in enumerate(fates):
            if fate == "go and come":
                (room.top / f"{number}.mov").rename(room.hot / f"{number}.mov")
        room.pass_time(SETTLED_S)
        keep_house(room)
        room.clock.advance(KEPT_S / 2 + DAY_S)
        removed = keep_house(room)
        left = room.taken()
        room.begin()
        room.pass_time(2 * SETTLED_S)

        assert (removed > 0) is ("go" in fates)
        assert len(left) == len(fates) - fates.count("go")
        assert [upload.id for upload in room.taken()] == [upload.id for upload in left]
    finally:
        room.close()


@pytest.mark.parametrize("comes_back", [True, False], ids=["for one start", "for good"])
def test_clock_that_leaps_has_nothing_forgotten_that_was_missed_for_a_day(make_room, comes_back):
    """What was delivered and is gone for a day is known when it comes back in 2100 or 2026."""
    leap_s = 74 * 365 * DAY_S
    room = with_one_delivered(make_room)
    (room.hot / "a.mov").rename(room.top / "a.mov")
    keep_house(room)
    room.clock.advance(DAY_S)
    keep_house(room)
    room.clock.jump_wall(leap_s)
    room.restart()
    removed = keep_house(room)
    if comes_back:
        room.clock.jump_wall(-leap_s)
        room.restart()
        removed += keep_house(room)
    room.clock.advance(DAY_S)
    removed += keep_house(room)
    assert not room.store.ended_drops("hot", after=0, limit=9)[0].is_over
    (room.top / "a.mov").rename(room.hot / "a.mov")
    room.pass_time(SWEEP_S)

    assert removed == 0
    assert len(room.taken()) == 1


def test_machine_that_is_switched_on_after_years_forgets_what_was_missed_long_before(make_room):
    """The time in which it ran counts."""
    room = with_one_delivered(make_room)
    (room.hot / "a.mov").rename(room.top / "a.mov")
    keep_house(room)
    room.clock.advance(KEPT_S / 2)
    keep_house(room)
    room.restart(after_s=3 * KEPT_S)
    assert keep_house(room) == 0
    room.clock.advance(KEPT_S / 2 + DAY_S)

    assert keep_house(room) > 0


def test_folder_that_stands_is_known_though_files_in_it_are_gone(make_room):
    """A file of it that comes back after years is still the delivered one."""
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    for name in ("a.mov", "b.mov"):
        (room.hot / "CARD" / name).write_bytes(name.encode())
    room.pass_time(SETTLED_S)
    deliver_all(room)
    (room.hot / "CARD" / "a.mov").rename(room.top / "a.mov")
    for _ in range(3):
        keep_house(room)
        room.clock.advance(KEPT_S)
    removed = keep_house(room)
    (room.top / "a.mov").rename(room.hot / "CARD" / "a.mov")
    room.begin()
    room.pass_time(4 * SETTLED_S)

    assert removed == 0
    assert len(room.taken()) == 1


def test_hot_folder_that_is_away_misses_nothing_and_one_made_anew_forgets_nothing(make_room):
    """A root that is not there says nothing; what was missed counts only until it is back."""
    room = with_one_delivered(make_room)
    missed = []
    room.hot.rename(room.top / "elsewhere")
    keep_house(room)
    missed.append(room.store.ended_drops("hot", after=0, limit=9)[0].gone_at is not None)
    room.hot.mkdir()
    keep_house(room)
    missed.append(room.store.ended_drops("hot", after=0, limit=9)[0].gone_at is not None)
    shutil.rmtree(room.hot)
    (room.top / "elsewhere").rename(room.hot)
    room.pass_time(SWEEP_S)
    room.clock.advance(KEPT_S)
    removed = keep_house(room)

    assert missed == [False, True]
    assert removed == 0
    assert room.store.ended_drops("hot", after=0, limit=9)[0].gone_at is None
    assert len(room.taken()) == 1
