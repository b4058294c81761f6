"""What is looked at when a hot folder's period is over, on real files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from masv_watch.model import DropMode, Initial
from masv_watch.watch import ground
from masv_watch.watch.cycles import FULL_S, LEAST_PAUSE_S
from masv_watch.watch.hints import Hints, Mode, Sight
from masv_watch.watch.intake import PERIOD_S
from masv_watch.watch.turnstile import Turnstile
from tests.doubles import FakeClock
from tests.integration.rooms.watched import QUIET_S, Room

PERIOD = PERIOD_S[Sight.EVENTS]


class Deaf(Hints):
    """Notifications that seem to work, and of which none comes."""

    def __init__(self) -> None:
        super().__init__(lambda _name: None)
        self.sight = Sight.EVENTS

    def arm(self, hot_folder: str, path: bytes, **_more: Any) -> Mode:
        return Mode(sight=self.sight)

    def mode(self, hot_folder: str) -> Mode:
        return Mode(sight=self.sight)


class Turns(Turnstile):
    """Counts who asks for a turn."""

    def __init__(self, clock: FakeClock, *, wait_s: float = 0.0) -> None:
        super().__init__(monotonic=clock.monotonic)
        self._clock, self._late_s = clock, wait_s
        self.taken = 0

    @contextmanager
    def through(self, stop: Callable[[], bool]) -> Iterator[float]:
        self.taken += 1
        self._clock.advance(self._late_s)
        with super().through(stop) as waited_s:
            yield self._late_s + waited_s


class Quiet(Room):
    """A hot folder in which everything is concluded."""

    def __init__(self, top: Path, **settings: Any) -> None:
        (top / "hot" / "CARD" / "sub").mkdir(parents=True)
        (top / "hot" / "CARD" / "sub" / "clip").write_bytes(b"1")
        (top / "hot" / "loose").write_bytes(b"1")
        super().__init__(top, initial=Initial.IGNORE, **settings)
        self.hints.stop()
        self.hints = Deaf()
        self.begin()
        self.intake.tick()
        # the first sweep leaves its marker in the root, which changes it
        self.period()
        self.period()

    def period(self) -> bool:
        """Let a period pass; say whether the look after it was a sweep."""
        self.clock.advance(PERIOD)
        self.intake.tick()
        assert self.intake.cycle is not None
        return self.intake.cycle.is_full


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Quiet]:
    """Give a hot folder whose folders two sweeps found alike."""
    made = Quiet(tmp_path)
    yield made
    made.close()


def test_quiet_folder_is_swept_once_an_hour_and_looked_at_between(room: Quiet) -> None:
    """The periods between look at the folders alone, and count as looks (pain 30)."""
    swept = []
    for _ in range(int(2 * FULL_S / PERIOD)):
        swept.append(room.period())
        assert (room.intake.full_at == room.intake.looked_at) == swept[-1]

    assert sum(swept) == 2
    assert not swept[0]
    assert room.intake.last_sweep == room.clock.monotonic()


@pytest.mark.parametrize("where", ["new", "CARD/new", "CARD/sub/new"])
def test_new_name_that_nothing_told_of_is_found_at_the_next_period(room: Quiet, where: str) -> None:
    """A name that comes changes its folder, which is looked at (P1, fault 1)."""
    (room.hot / where).write_bytes(b"2")
    is_full = room.period()
    room.pass_time(5 * QUIET_S)

    # the choice was a look at the folders, and what that found made it a sweep
    assert not is_full
    assert [room.files(each) for each in room.taken()] == [[where]]


@pytest.mark.parametrize("where", ["loose", "CARD/sub/clip"])
def test_rewrite_in_place_that_nothing_told_of_is_found_within_the_hour(
    room: Quiet, where: str
) -> None:
    """What no folder shows is found by the sweep of the hour (P1, faults 1, 14)."""
    (room.hot / where).write_bytes(b"2")
    before = [room.period() for _ in range(3)]
    taken = room.taken()
    while not room.period():
        pass
    room.pass_time(5 * QUIET_S)

    assert (before, taken) == ([False] * 3, [])
    # of a folder that was only seen nobody knows what is new: a person says it
    state = {"loose": ("taken", None), "CARD/sub/clip": ("held", "redrop_ask")}[where]
    assert room.state(where.split("/", maxsplit=1)[0]) == state


def test_vanished_name_is_noticed_at_the_next_period(room: Quiet) -> None:
    """What was deleted behind our back is let go of by a sweep."""
    (room.hot / "CARD" / "sub" / "clip").unlink()
    room.period()

    assert room.intake.cycle is not None
    assert room.intake.last_sweep == room.clock.monotonic()
    assert room.intake.entries.due_at() is not None


def test_folder_that_cannot_be_heard_is_swept_at_every_period(room: Quiet) -> None:
    """Without notifications nothing but a sweep finds what was written in place (fault 3)."""
    room.hints.sight = Sight.DEGRADED  # type: ignore[attr-defined]

    assert [room.period() for _ in range(3)] == [True] * 3


def test_notification_makes_the_look_a_sweep(room: Quiet) -> None:
    """A change that was told of is looked for everywhere."""
    (room.hot / "loose").write_bytes(b"2")
    room.intake.hurry()

    assert room.period()


def test_sweep_that_nobody_waits_for_takes_its_turn_and_another_goes_at_once(room: Quiet) -> None:
    """After a start and once an hour all hot folders are swept: few at a time are no slower."""
    turns = room.turnstile = Turns(room.clock)
    room.begin()
    room.intake.tick()
    after_start = turns.taken
    (room.hot / "loose").write_bytes(b"2")
    room.intake.hurry()
    assert room.period()
    after_hint = turns.taken
    room.pass_time(5 * QUIET_S)
    swept = [room.period() for _ in range(int(2 * FULL_S / PERIOD))]

    assert (after_start, after_hint) == (1, 1)
    assert turns.taken == after_hint + sum(swept)
    assert 0 < sum(swept) < len(swept)


def test_wait_for_a_turn_keeps_no_later_sweep_off(room: Quiet) -> None:
    """The next one waits for what a sweep took, so that a change after a start is seen soon."""
    room.turnstile = Turns(room.clock, wait_s=40.0)
    room.begin()
    room.intake.tick()
    room.intake.hurry()

    assert room.intake.tick() <= LEAST_PAUSE_S


def test_drop_that_changed_on_its_way_is_swept_at_every_period(tmp_path: Path) -> None:
    """What the sender saw change has to be settled anew, whoever heard of it (fault 7)."""
    room = Quiet(tmp_path)
    (room.hot / "loose").write_bytes(b"22")
    room.intake.hurry()
    room.pass_time(5 * QUIET_S)
    room.period()
    before = room.period()
    drop = room.drop("loose")
    assert drop is not None
    room.store.note_change(drop.id, "seen by the sender")
    after = room.period()
    room.close()

    assert (before, after) == (False, True)


def test_sweeps_that_follow_each_other_at_once_are_not_relied_on(room: Quiet) -> None:
    """Within the grain of a file system's clock a folder may hide a change."""
    (room.hot / "CARD" / "new").mkdir()
    room.period()
    room.intake.hurry()
    room.clock.advance(ground.GRAIN_S / 2)
    room.intake.tick()
    first = room.period()
    second = room.period()

    assert (first, second) == (True, False)


def test_hot_folder_of_too_many_folders_is_always_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered of folders is bounded."""
    monkeypatch.setattr(ground, "MOST", 1)
    room = Quiet(tmp_path, drop=DropMode.EACH)

    assert [room.period() for _ in range(3)] == [True] * 3
    room.close()


def test_root_that_was_replaced_is_swept(room: Quiet) -> None:
    """Another folder at the path is another root, however alike."""
    os.rename(room.hot, room.top / "was")
    (room.hot).mkdir()

    assert room.period()


def test_folder_in_which_nothing_happens_asks_for_no_look_before_its_period(room: Quiet) -> None:
    """A wake-up of each hot folder each second would cost more than its sweeps."""
    assert room.intake.tick() == pytest.approx(PERIOD)


def test_row_that_somebody_else_has_to_move_is_asked_about_each_second(room: Quiet) -> None:
    """An answer is acted on soon, whether a bell rings for it or not."""
    room.store.pause_folder("hot")
    (room.hot / "other").write_bytes(b"2")
    room.intake.hurry()
    room.pass_time(5 * QUIET_S)

    assert room.state("other") == ("held", "paused")
    assert room.intake.tick() <= 1.0
