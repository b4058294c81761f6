"""Very many loose files at once: known soon, each once, and not looked at more than is of use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch.model import DropState
from masv_watch.watch import foresight, intake
from tests.integration.rooms.watched import QUIET_S, SPACING_S, Room


class Counting:
    """A store that counts what it is asked; everything goes on to a real one."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._store, name)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """Give a room over an empty hot folder, with a store that counts."""
    (tmp_path / "hot").mkdir()
    made = Room(tmp_path)
    made.store = Counting(made.store)  # type: ignore[assignment]
    made.begin()
    made.intake.tick()
    made.clock.advance(1)
    yield made
    made.close()


def fall(room: Room, count: int, name: str = "clip") -> None:
    """Let so many loose files fall into the hot folder."""
    for number in range(count):
        (room.hot / f"{name}{number}").write_bytes(b"x")


def look(room: Room) -> Counter[str]:
    """Sweep; give what the store was asked meanwhile."""
    room.store.calls.clear()  # type: ignore[attr-defined]
    room.intake.hurry()
    room.intake.tick()
    return Counter(room.store.calls)  # type: ignore[attr-defined]


def test_burst_is_written_down_by_the_hundreds(room: Room) -> None:
    """A transaction for each file would take minutes for tens of thousands of them."""
    count = 2 * foresight.AT_ONCE + 10
    fall(room, count)
    asked = look(room)

    assert asked["see_drops"] == asked["latest_drops"] == 3
    assert asked["see_drop"] == asked["latest_drop"] == 0
    drops = room.store.drops("hot")
    assert len({drop.path for drop in drops}) == len(drops) == count
    assert {drop.state for drop in drops} == {DropState.SETTLING}


def test_burst_settles_and_is_sent_each_file_once(room: Room) -> None:
    """What was fetched ahead leads where a look alone leads."""
    fall(room, 5)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a").write_bytes(b"x")
    look(room)
    room.pass_time(3 * QUIET_S)

    assert sorted(each.name for each in room.taken()) == ["CARD", *(f"clip{n}" for n in range(5))]


def test_file_that_is_not_due_costs_no_question(room: Room) -> None:
    """While a burst goes on, what was found a moment ago is not judged again."""
    fall(room, 10)
    look(room)
    room.clock.advance(SPACING_S / 2)
    fall(room, 1, "more")
    asked = look(room)

    assert (asked["latest_drops"], asked["latest_drop"]) == (0, 1)


def test_file_that_changed_before_it_is_due_is_judged_at_once(room: Room) -> None:
    """Its quiet time begins with the look that showed the change."""
    fall(room, 2)
    look(room)
    room.clock.advance(SPACING_S / 2)
    (room.hot / "clip0").write_bytes(b"xx")
    look(room)
    room.pass_time(QUIET_S - SPACING_S / 4)
    first = [each.name for each in room.taken()]
    room.pass_time(SPACING_S / 2)

    assert first == ["clip1"]
    assert [each.name for each in room.taken()] == ["clip1", "clip0"]


def test_next_sweep_of_a_burst_comes_as_soon_as_this_one_took(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More files are near; a sweep that found nothing new waits longer for its turn."""
    monkeypatch.setattr(intake, "FLOOD", 3)
    ticking = room.store.living_paths

    def slow(*words: Any, **more: Any) -> Any:
        room.clock.advance(2)
        return ticking(*words, **more)

    monkeypatch.setattr(room.store, "living_paths", slow, raising=False)
    pauses = []
    for count in (3, 0):
        fall(room, count, f"w{count}")
        began = room.clock.monotonic()
        room.intake.hurry()
        room.intake.tick()
        took = room.clock.monotonic() - began
        pauses.append((room.intake._not_before - room.clock.monotonic()) / took)
        room.clock.advance(100)

    assert pauses == [1.0, 4.0]
