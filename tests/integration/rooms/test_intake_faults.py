"""A fault of our own at one entry of a hot folder, and all that lies beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from masv_watch import files
from masv_watch.errors import SourceUnreadable, StoreError, StoreFull
from masv_watch.explain import Asked, explain
from masv_watch.metrics import Metrics
from masv_watch.model import Caller, DropMode, Prospect, Settle
from masv_watch.watch import intake, scan
from masv_watch.watch.assessing import Assessor
from masv_watch.watch.entries import Entries
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S
from masv_watch.watch.troubles import FIRST_PAUSE_S, LONGEST_PAUSE_S, Troubles
from tests.integration.rooms.watched import QUIET_S, Room

from .test_intake_redrops import SETTLED_S

OWNER = Caller(uid=0, is_owner=True)


@pytest.fixture
def faulty(make_room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a room in which the tests of one entry raise as long as they are told to."""

    def make(error: Exception, name: str = "bad") -> tuple[Room, list[float]]:
        room = make_room(drop=DropMode.EACH)
        for each in ("before", name, "zebra"):
            (room.hot / each).write_bytes(each.encode())
        met: list[float] = []
        real = Assessor.assess

        def assess(self: Assessor, root: files.Root, tree: scan.Tree, *rest: Any, **said: Any):
            if tree.top == name.encode() and error.args:
                met.append(room.clock.monotonic())
                raise error
            return real(self, root, tree, *rest, **said)

        monkeypatch.setattr(Assessor, "assess", assess)
        return room, met

    return make


@pytest.mark.parametrize(
    "error",
    [
        ValueError("beyond the column"),
        SourceUnreadable("its marker may not be looked at"),
        StoreError("does not take this row"),
    ],
)
def test_fault_at_one_entry_costs_its_neighbours_nothing_and_is_told_at_once(faulty, error, caplog):
    """From the first time on it is in the log, with code and cure, and in what needs a person."""
    room, met = faulty(error)
    room.pass_time(1)
    (need,) = room.intake.troubles.needs()
    assert f"bad could not be judged ({type(error).__name__}: " in need.text
    assert need.cure
    room.pass_time(SETTLED_S)

    assert sorted(upload.name for upload in room.taken()) == ["before", "zebra"]
    assert room.intake.last_sweep is not None
    told = [one for one in caplog.records if "could not be judged" in one.message]
    assert [(one.entry, one.code, bool(one.cure)) for one in told] == [("bad", 1105, True)] * len(
        met
    )
    assert all(one.levelno == logging.ERROR and one.exc_info for one in told)


def test_entry_that_could_not_be_judged_is_explained_as_held_by_a_fault(faulty):
    """Who asks why gets the fault and what to do, and no error of the server."""
    room, _ = faulty(ValueError("odd"))
    asked = Asked(path=bytes(room.hot / "bad"), relative=b"bad", caller=OWNER)
    said = explain(asked, room.intake, store=room.store, clock=room.clock, uploads=room.uploads)

    assert (said.prospect, said.why) == (Prospect.HELD, "bad could not be judged: ValueError: odd")
    assert "please report it" in said.cure


def test_entry_that_could_not_be_judged_is_tried_again_with_longer_and_longer_pauses(faulty):
    """Never forgotten, and no busy loop: one that changed is tried again at once."""
    error = ValueError("odd")
    room, met = faulty(error)
    room.pass_time(10 * FIRST_PAUSE_S)
    pauses = [later - earlier for earlier, later in pairwise(met)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= FIRST_PAUSE_S
    assert 3 <= len(met) <= 5

    (room.hot / "bad").write_bytes(b"something else")
    before = len(met)
    room.intake.hurry()
    room.pass_time(2)
    assert len(met) == before + 1
    error.args = ()
    room.pass_time(LONGEST_PAUSE_S / 8)
    assert sorted(upload.name for upload in room.taken()) == ["bad", "before", "zebra"]
    assert room.intake.troubles.needs() == []


def test_entry_that_waits_is_not_looked_at_again_and_again(faulty, monkeypatch):
    """Nothing warms the disk during its pause, and the next sweep is not waited for after it."""
    room, met = faulty(ValueError("odd"))
    room.pass_time(LONGEST_PAUSE_S / 12)
    looks: list[float] = []
    real = scan.one
    monkeypatch.setattr(
        intake, "one", lambda *said, **more: looks.append(1.0) or real(*said, **more)
    )
    began = room.clock.monotonic()
    (again_at,) = [room.intake.troubles.due_at()]
    assert again_at is not None
    assert again_at - began > 60
    room.pass_time(30)
    assert len(looks) <= 1
    room.pass_time(again_at - room.clock.monotonic() + 1)
    assert met[-1] >= again_at


def test_entry_that_was_never_remembered_is_tried_again_before_the_next_sweep(
    make_room, monkeypatch
):
    """No sample is due of what could not even be found in the ledger."""
    room = make_room(sight=Sight.BLIND)
    (room.hot / "bad").write_bytes(b"bad")
    met: list[float] = []

    def relate(*_args: object, **_said: object) -> None:
        met.append(room.clock.monotonic())
        raise ValueError("odd")

    monkeypatch.setattr(Entries, "relate", relate)
    room.pass_time(1)
    assert room.intake.tick() <= FIRST_PAUSE_S
    room.pass_time(FIRST_PAUSE_S + 1)

    assert PERIOD_S[Sight.BLIND] > FIRST_PAUSE_S + 2
    assert len(met) == 2


def test_restart_tries_at_once_what_could_not_be_judged(faulty):
    """A version that has mended the fault does not wait for the pause of the one before."""
    error = ValueError("odd")
    room, _ = faulty(error)
    room.pass_time(60)
    error.args = ()
    room.begin()
    room.pass_time(SETTLED_S)

    assert len(room.taken()) == 3


def test_entry_that_goes_away_is_no_trouble_any_more(faulty):
    """Whoever takes it out of the hot folder has done what helps."""
    room, _ = faulty(ValueError("odd"))
    room.pass_time(1)
    (room.hot / "bad").unlink()
    room.pass_time(SETTLED_S)

    assert room.intake.troubles.needs() == []


def test_trouble_of_the_store_is_everybodys(faulty):
    """A full disk is no fault of the entry at which it was met."""
    room, _ = faulty(StoreFull("the disk is full"))
    with pytest.raises(StoreFull):
        room.pass_time(1)
    assert room.intake.troubles.needs() == []


def test_root_that_goes_away_while_an_entry_is_judged_is_no_fault_of_it(faulty):
    """The look breaks off, as any at a root that is not there (fault 7)."""
    room, _ = faulty(SourceUnreadable("gone"))
    room.hot.rename(room.top / "away")
    (room.top / "away").rename(room.hot)
    real = files.Root.observe

    def gone(self: files.Root, path: bytes) -> Any:
        if path == files.MARKER_NAME:
            raise SourceUnreadable("the root is gone")
        return real(self, path)

    files.Root.observe = gone
    try:
        room.pass_time(3)
    finally:
        files.Root.observe = real
    assert room.intake.troubles.needs() == []


def test_fault_in_the_walk_of_one_folder_holds_it_and_nothing_else(make_room, monkeypatch):
    """Nothing is known of what is in it: it is held, and tried again."""
    room = make_room(drop=DropMode.EACH)
    for name in ("bad", "good"):
        (room.hot / name).mkdir()
        (room.hot / name / "a").write_bytes(name.encode())
    real = files.Root.stat_folder

    def broken(self: files.Root, folder: bytes) -> Any:
        if folder == b"bad":
            raise ValueError("a name that nobody thought of")
        return real(self, folder)

    monkeypatch.setattr(files.Root, "stat_folder", broken)
    room.pass_time(SETTLED_S)
    assert [upload.name for upload in room.taken()] == ["good"]
    assert room.state("bad") == ("held", "unreadable")
    assert "ValueError: a name that nobody thought of" in room.drop("bad").note
    (need,) = room.intake.troubles.needs()
    assert "bad could not be judged" in need.text
    monkeypatch.setattr(files.Root, "stat_folder", real)
    room.pass_time(120 + 4 * QUIET_S)

    assert sorted(upload.name for upload in room.taken()) == ["bad", "good"]
    assert room.intake.troubles.needs() == []


def test_folder_that_may_not_be_entered_stops_no_neighbour_when_its_marker_is_looked_for(
    make_room, monkeypatch
):
    """A marker inside of a folder is behind the folder's rights: that is said, and is no fault."""
    room = make_room(settle=Settle(quiet_s=QUIET_S, done_marker="{name}/DONE"), drop=DropMode.EACH)
    for name in ("aaa", "shut", "zzz"):
        (room.hot / name).mkdir()
        (room.hot / name / "a").write_bytes(b"a")
        (room.hot / name / "DONE").touch()
    real = files.Root.observe

    def shut(self: files.Root, path: bytes) -> Any:
        if path == b"shut/DONE":
            raise SourceUnreadable("shut: permission denied")
        return real(self, path)

    monkeypatch.setattr(files.Root, "observe", shut)
    room.pass_time(2 * SETTLED_S)

    assert sorted(upload.name for upload in room.taken()) == ["aaa", "zzz"]
    assert room.state("shut") == ("held", "marker_missing")
    assert "shut: permission denied, as done_marker {name}/DONE asks" in room.drop("shut").note
    assert room.intake.troubles.needs() == []


def test_many_entries_that_cannot_be_judged_are_named_up_to_a_number(make_room):
    """A list that nobody reads names nothing."""
    room = make_room()
    troubles = Troubles(room.rule, Metrics())
    for number in range(25):
        troubles.note(b"%d" % number, ValueError("odd\n\x1b[31m"), 0.0)

    needs = troubles.needs()
    assert len(needs) == 21
    assert "5 more entries" in needs[-1].text
    assert not any(sign in need.text for need in needs for sign in ("\n", "\x1b"))
