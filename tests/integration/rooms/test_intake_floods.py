"""Very many loose files at once: known soon, each once, and not looked at more than is of use."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch.model import DropState
from masv_watch.watch import cycles, foresight, intake
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

    assert (asked["see_drops"], asked["see_firsts"], asked["latest_drops"]) == (2, 1, 3)
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


def rests(room: Room, seconds: float) -> float:
    """Have a sweep take so long; give for how many times that the next one waits."""
    look = room.store.living_paths

    def slow(*words: Any, **more: Any) -> Any:
        room.clock.advance(seconds)
        return look(*words, **more)

    room.store.living_paths = slow  # type: ignore[method-assign]
    room.intake.hurry()
    room.intake.tick()
    del room.store.living_paths
    rest = (room.intake._not_before - room.clock.monotonic()) / seconds
    room.clock.advance(100)
    return rest


def test_next_sweep_of_a_burst_comes_at_once_and_other_sweeps_take_a_fifth_of_the_time(
    room: Room,
) -> None:
    """More files are near, however few there were: it was finding them that took long."""
    fall(room, 3)
    first = rests(room, 2.0)
    quiet = rests(room, 2.0)

    assert first == cycles.LEAST_PAUSE_S / 2.0
    assert quiet == 4.0


def test_few_new_files_beside_many_known_ones_make_no_sweep_come_sooner(room: Room) -> None:
    """A million files cost seconds of each sweep; one that is copied is announced many times."""
    fall(room, 200)
    room.pass_time(3 * QUIET_S)
    assert len(room.taken()) == 200
    fall(room, 2, "more")

    assert 3.0 < rests(room, 2.0) < 4.0


@pytest.fixture
def small_flood(monkeypatch: pytest.MonkeyPatch) -> int:
    """Have a sweep write down what is new beyond a few files; give how many are judged at once."""
    monkeypatch.setattr(foresight, "FLOOD", 3)
    monkeypatch.setattr(foresight, "AT_ONCE", 4)
    return 4


def judged(room: Room) -> set[bytes]:
    """Give the files of which there is a sample."""
    growing = room.intake.entries._memory.growing
    return {top for top, known in growing.items() if known.entry is not None}


def test_flood_is_written_down_whole_before_the_rest_of_it_is_judged(
    room: Room, small_flood: int
) -> None:
    """Everybody sees what came within seconds; then it settles as everything does, and goes."""
    fall(room, 20)
    look(room)
    known, at_once = room.store.drops("hot"), judged(room)
    room.intake.tick()
    later = judged(room)
    room.pass_time(3 * QUIET_S)

    assert (len(known), len(at_once), len(later)) == (20, small_flood, 20)
    assert sorted(each.name for each in room.taken()) == sorted(f"clip{n}" for n in range(20))


@pytest.mark.usefixtures("small_flood")
def test_sweep_in_a_flood_judges_nothing_that_was_written_down(room: Room) -> None:
    """It looks for what is new; samples do the rest."""
    fall(room, 20)
    look(room)
    at_once = judged(room)
    room.clock.advance(cycles.LEAST_PAUSE_S)
    fall(room, 1, "more")
    look(room)

    assert judged(room) == at_once | {b"more0"}


@pytest.mark.usefixtures("small_flood")
def test_quiet_time_of_what_was_written_down_begins_with_its_first_sample(room: Room) -> None:
    """Nobody saw before whether it still grows."""
    fall(room, 12)
    look(room)
    at_once = {os.fsdecode(top) for top in judged(room)}
    room.clock.advance(2 * QUIET_S)
    room.intake.tick()
    room.pass_time(QUIET_S / 2)
    early = {each.name for each in room.taken()}
    room.pass_time(QUIET_S)

    assert early == at_once
    assert len(room.taken()) == 12


@pytest.mark.usefixtures("small_flood")
def test_flood_that_a_restart_cuts_short_goes_on_from_the_ledger(room: Room) -> None:
    """What was written down and not judged is judged by the next process."""
    fall(room, 9)
    look(room)
    room.begin()
    room.pass_time(3 * QUIET_S)

    assert sorted(each.name for each in room.taken()) == sorted(f"clip{n}" for n in range(9))


@pytest.mark.usefixtures("small_flood")
def test_file_of_a_flood_that_goes_before_it_was_judged_is_let_go(room: Room) -> None:
    """A whole sweep proves that it is gone, as of everything."""
    fall(room, 9)
    look(room)
    (room.hot / "clip8").unlink()
    room.pass_time(3 * QUIET_S)

    assert len(room.taken()) == 8
    assert room.drop("clip8").state is DropState.CANCELLED


def test_samples_end_for_what_is_new_and_go_on_with_what_waited_longest(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty thousand samples take half a minute, and the next burst is found meanwhile."""
    monkeypatch.setattr(foresight, "AT_ONCE", 4)
    fall(room, 12)
    look(room)
    room.clock.advance(SPACING_S)
    seen: list[bytes] = []
    sample = room.intake.entries.look_at

    def slow(root: Any, tree: Any) -> bool:
        seen.append(tree.top)
        room.clock.advance(intake.SLICE_S / 3)
        room.intake.hurry()
        return sample(root, tree)

    monkeypatch.setattr(room.intake.entries, "look_at", slow)
    due = room.intake.entries.due(room.clock.monotonic())
    room.intake._sample(room.clock.monotonic())
    first = list(seen)
    # the first of them are due once more by then
    left = room.intake.entries.due(room.clock.monotonic() + 2 * SPACING_S)

    assert (len(due), first) == (12, due[:4])
    assert left == due[4:] + due[:4]


def test_sweep_passes_over_what_settles_as_it_is_and_is_not_due(room: Room) -> None:
    """It costs no more than its stat, as everything that is known."""
    fall(room, 5)
    look(room)
    looks: list[bytes] = []
    sample = room.intake.entries.look_at
    room.intake.entries.look_at = lambda root, tree: (  # type: ignore[method-assign]
        looks.append(tree.top) or sample(root, tree)
    )
    room.clock.advance(SPACING_S / 2)
    (room.hot / "clip3").write_bytes(b"more")
    look(room)
    not_due = {top for top in looks if top.startswith(b"clip")}
    looks.clear()
    room.clock.advance(SPACING_S)
    look(room)

    assert not_due == {b"clip3"}
    assert {b"clip0", b"clip1", b"clip2", b"clip4"} <= set(looks)


def test_sweep_ends_no_trouble_of_a_file_that_it_passes_over(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a look at it says that it can be judged again."""
    fall(room, 3)
    look(room)
    room.clock.advance(SPACING_S)
    with monkeypatch.context() as broken:
        broken.setattr(room.intake.entries.assessor, "assess", _fails)
        room.intake.tick()
    troubled = set(room.intake.troubles.tops)
    # their next samples are put off until they are tried again
    room.intake.tick()
    room.clock.advance(cycles.LEAST_PAUSE_S)
    look(room)

    assert troubled == set(room.intake.troubles.tops) == {b"clip0", b"clip1", b"clip2"}


def _fails(*_: object, **__: object) -> None:
    raise RuntimeError("a mistake of ours")
