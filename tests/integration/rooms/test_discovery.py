"""What found each drop, with real files and the real observer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.model import To
from masv_watch.watch.discovery import GRACE_S, LATEST_S
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.intake import PERIOD_S, REPROBE_S
from masv_watch.watch.sameness import RootState
from tests.flooding import flooded
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room
from tests.mounted import Mounts
from tests.waiting import eventually


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """Give a room whose notifications are real."""
    (tmp_path / "hot").mkdir()
    made = Room(tmp_path)
    made.hints.stop()
    made.hints = Hints(lambda _name: made.intake.hurry(), monotonic=made.clock.monotonic)
    made.begin()
    yield made
    made.close()


def found(room: Room, path: str) -> str:
    """Give what found a drop."""
    drop = room.drop(path)
    return "" if drop is None else drop.found_by


def test_a_drop_is_found_by_an_event_or_by_the_first_sweep(room: Room) -> None:
    """What was there first no event could announce, and that is nobody's fault."""
    (room.hot / "first.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    (room.hot / "second.mov").write_bytes(b"abc")
    eventually(lambda: room.intake._dirty)
    room.pass_time(QUIET_S + LOOK_S)

    assert (found(room, "first.mov"), found(room, "second.mov")) == ("sweep", "event")
    assert room.hints.mode("hot").sight is Sight.EVENTS
    assert room.hints.last_event("hot") is not None


def test_a_drop_that_no_event_announced_makes_events_unhealthy_until_one_does(room: Room) -> None:
    """The sweep is a test of the events, and then comes every 15 s (pains 7, 14)."""
    room.pass_time(LOOK_S)
    # the hot folder's events get lost on the way
    hear, deaf = room.hints._hear, ["until it is mended"]
    room.hints._hear = lambda name, event: None if deaf else hear(name, event)
    room.hints.disarm("hot")
    room.intake.hurry()
    room.pass_time(2 * LOOK_S)
    (room.hot / "unheard.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.EVENTS] + QUIET_S + LOOK_S)
    silent = found(room, "unheard.mov"), room.hints.mode("hot")
    deaf.clear()
    room.pass_time(PERIOD_S[Sight.DEGRADED])
    (room.hot / "heard.mov").write_bytes(b"abc")
    eventually(lambda: room.intake._dirty)
    room.pass_time(QUIET_S + LOOK_S)

    assert silent[0] == "sweep"
    assert silent[1].sight is Sight.DEGRADED
    assert "unheard.mov was found by the sweep" in silent[1].why
    assert found(room, "heard.mov") == "event"
    assert room.hints.mode("hot").sight is Sight.EVENTS


def test_drops_that_no_event_announced_are_told_of_together(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """Sixty thousand lines of them would hide every other."""
    room.pass_time(LOOK_S)
    room.hints._hear = lambda _name, _event: None
    room.hints.disarm("hot")
    room.intake.hurry()
    room.pass_time(2 * LOOK_S)
    for number in range(3):
        (room.hot / f"unheard{number}.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.EVENTS] + QUIET_S + LOOK_S)

    told = [one for one in caplog.records if "no event announced" in one.getMessage()]
    assert [one.drops for one in told] == [3]  # type: ignore[attr-defined]
    why = room.hints.mode("hot").why
    assert "and 2 others were found by the sweep and announced by no event" in why


def test_drop_whose_event_is_behind_in_a_long_queue_is_no_proof_that_it_was_lost(
    room: Room,
) -> None:
    """While others are announced its own may come; after a minute it will not."""
    room.pass_time(LOOK_S)
    hear = room.hints._hear
    room.hints._hear = lambda name, event: (
        None if b"behind" in os.fsencode(event.src_path) else hear(name, event)
    )
    room.hints.disarm("hot")
    room.intake.hurry()
    room.pass_time(2 * LOOK_S)
    (room.hot / "behind.mov").write_bytes(b"abc")
    sights = []
    for number in range(round(LATEST_S / (GRACE_S - LOOK_S)) + 4):
        (room.hot / f"heard{number}.mov").write_bytes(b"abc")
        eventually(lambda: room.intake._dirty)
        room.pass_time(GRACE_S - LOOK_S)
        sights.append(room.hints.mode("hot").sight)

    first = sights.index(Sight.DEGRADED) * (GRACE_S - LOOK_S)
    assert LATEST_S - GRACE_S <= first <= LATEST_S + 2 * GRACE_S


@pytest.mark.fault(1)
def test_drops_whose_events_the_kernel_lost_are_all_found_by_the_sweep_that_follows(
    room: Room,
) -> None:
    """The flood is in another hot folder: of this one not a word is left, and nobody is blamed."""
    flooding = room.top / "flooding"
    flooding.mkdir()
    room.hints.stop()
    room.hints = Hints(lambda name: room.intake.hurry() if name == "hot" else None)
    room.begin()
    room.hints.arm("flooding", os.fsencode(flooding))
    room.pass_time(LOOK_S)
    with flooded(room.hints, flooding):
        for number in range(20):
            (room.hot / f"CARD{number}" / "deep").mkdir(parents=True)
            (room.hot / f"CARD{number}" / "deep" / "a.mov").write_bytes(b"abc")
    eventually(lambda: room.intake._dirty)
    room.pass_time(QUIET_S + 4 * LOOK_S)

    names = [f"CARD{number}" for number in range(20)]
    assert sorted(upload.name for upload in room.taken()) == sorted(names)
    assert {found(room, name) for name in names} == {"sweep"}
    assert room.hints.mode("hot").sight is Sight.EVENTS


def test_a_drop_in_an_address_is_announced_by_what_happens_there(tmp_path: Path) -> None:
    """With `to.by_subfolder` a drop lies one folder deeper than the name that events tell."""
    (tmp_path / "hot" / "alice").mkdir(parents=True)
    room = Room(
        tmp_path,
        to=To(by_subfolder=((b"alice", ("a@example.com",)), (b"bob", ("b@example.com",)))),
    )
    room.hints.stop()
    room.hints = Hints(lambda _name: room.intake.hurry(), monotonic=room.clock.monotonic)
    room.begin()
    try:
        room.pass_time(LOOK_S)
        (room.hot / "alice" / "CARD").mkdir()
        (room.hot / "alice" / "CARD" / "a.mov").write_bytes(b"abc")
        eventually(lambda: room.intake._dirty)
        room.pass_time(QUIET_S + 4 * LOOK_S)
        (room.hot / "bob").mkdir()
        eventually(lambda: room.intake._dirty)
        (room.hot / "bob" / "b.mov").write_bytes(b"abc")
        room.pass_time(QUIET_S + 4 * LOOK_S)
        sight = room.hints.mode("hot")
        by = found(room, "alice/CARD"), found(room, "bob/b.mov")
    finally:
        room.close()

    assert by == ("event", "event")
    assert sight.sight is Sight.EVENTS, sight.why


@pytest.mark.fault(6)
def test_a_root_made_anew_while_the_word_of_its_end_is_on_its_way_is_let_in(room: Room) -> None:
    """Whether the sweep or the notification sees the end of the root first decides nothing."""
    (room.hot / "first.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)
    assert room.store.root("hot").is_marked
    # an open descriptor keeps the kernel from telling of the end, and the number from coming back
    with os.scandir(room.hot):
        shutil.rmtree(room.hot)
        # as if the word of its files had come: no thread of the observer decides when
        room.intake.hurry()
        room.pass_time(REPROBE_S)
        missing = room.intake.gate.root_state
        room.hot.mkdir()
        (room.hot / "second.mov").write_bytes(b"defg")
        room.pass_time(REPROBE_S)
        doubted = room.intake.gate.root_state
    eventually(lambda: room.hints.was_removed("hot"))
    room.pass_time(QUIET_S + 2 * LOOK_S + REPROBE_S)

    assert (missing, doubted) == (RootState.MISSING, RootState.REPLACED)
    assert room.intake.gate.root_state is RootState.PRESENT
    assert sorted(upload.name for upload in room.taken()) == ["first.mov", "second.mov"]


@pytest.mark.fault(9)
def test_a_volume_that_another_one_replaced_is_noticed_at_the_next_look(room: Room) -> None:
    """No notification tells of an unmount: whoever waits for the sweep believes the old one."""
    mounts = Mounts()
    try:
        mounts.tmpfs(room.hot)
        (room.hot / "first.mov").write_bytes(b"abc")
        room.intake.hurry()
        room.pass_time(QUIET_S + 4 * LOOK_S)
        heard = room.hints.mode("hot").sight
        mounts.leave(room.hot)
        mounts.tmpfs(room.hot)
        (room.hot / "others.mov").write_bytes(b"of somebody else")
        eventually(lambda: room.hints.mode("hot").sight is not Sight.EVENTS)
        room.pass_time(4 * LOOK_S)
        state = room.intake.gate.root_state
    finally:
        room.hints.stop()
        mounts.end()

    assert heard is Sight.EVENTS
    assert state is RootState.REPLACED
    assert [upload.name for upload in room.taken()] == ["first.mov"]


@pytest.mark.fault(7)
def test_a_folder_that_took_the_path_of_another_is_noticed_at_the_next_look(room: Room) -> None:
    """What happens above the root, nobody below it is told of."""
    (room.hot / "first.mov").write_bytes(b"abc")
    room.pass_time(QUIET_S + 4 * LOOK_S)
    # as if no word of the root's own move had come
    room.hints._hear = lambda _name, _event: None
    room.hints.disarm("hot")
    room.intake.hurry()
    room.pass_time(4 * LOOK_S)
    room.hot.rename(room.top / "away")
    room.hot.mkdir()
    (room.hot / "others.mov").write_bytes(b"of somebody else")
    room.pass_time(4 * LOOK_S)

    assert room.intake.gate.root_state is RootState.REPLACED
    assert [upload.name for upload in room.taken()] == ["first.mov"]


def test_a_drop_without_notifications_is_found_by_the_sweep_and_blames_nobody(make_room) -> None:
    """Where events cannot work by rule there is nothing to doubt."""
    room = make_room(sight=Sight.BLIND)
    room.pass_time(LOOK_S)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(PERIOD_S[Sight.BLIND] + QUIET_S + LOOK_S)

    assert found(room, "a.mov") == "sweep"
    assert room.hints.mode("hot").sight is Sight.BLIND
