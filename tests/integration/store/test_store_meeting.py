"""What was there when a hot folder was met first: held in parts, all of it even after a kill."""

from __future__ import annotations

import pytest

from masv_watch.model import HoldReason, Initial, Unread
from masv_watch.store import meeting
from masv_watch.store.contract import Store
from tests.integration.store.making import FOLDER

ASKED = HoldReason.INITIAL_ASK
FOUND = [(b"day1/%02d" % number, "s", 1, 1) for number in range(25)]
AT_ONCE, PARTS = 10, 3


class Killed(BaseException):
    """The process ended here."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold a few at once."""
    monkeypatch.setattr(meeting, "SOME", AT_ONCE)


def parts_of(store: Store, verb, *, but: int = 99) -> int:
    """Count the transactions of a verb, and kill it after so many."""
    write, parts = store.engine.write, 0

    def write_some(job):
        nonlocal parts
        if parts == but:
            raise Killed
        parts += 1
        return write(job)

    store.engine.write = write_some
    try:
        verb()
    except Killed:
        pass
    finally:
        store.engine.write = write
    return parts


def held(store: Store) -> int:
    """Count what is held to be asked about."""
    return sum(drop.hold is ASKED for drop in store.drops(FOLDER))


def unread(initial: Initial = Initial.AUTO, path: bytes = b"day1") -> Unread:
    """Make a path that could not be read at first."""
    return Unread(path=path, initial=initial, is_anew=False)


@pytest.mark.parametrize("killed_after", range(PARTS))
def test_hold_new_in_parts_is_known_as_begun_until_its_last_one(
    store: Store, killed_after: int
) -> None:
    """Others write in between, and who comes after a kill knows that there was more."""

    def hold() -> None:
        store.hold_new(FOLDER, FOUND, ASKED)

    assert parts_of(store, hold, but=killed_after) == killed_after
    assert held(store) == killed_after * AT_ONCE
    assert store.is_holding(FOLDER) == (killed_after > 0)
    assert not store.is_holding("other")
    assert parts_of(store, hold) == PARTS
    assert held(store) == len(FOUND)
    assert not store.is_holding(FOLDER)


@pytest.mark.parametrize("initial", [Initial.AUTO, Initial.ASK, Initial.IGNORE])
@pytest.mark.parametrize("killed_after", range(PARTS))
def test_meet_in_parts_leaves_a_path_as_unread_until_its_last_one(
    store: Store, killed_after: int, initial: Initial
) -> None:
    """What `auto` weighed was all of it: what a kill leaves is asked about, however little."""
    store.note_unread(FOLDER, [unread(initial)])
    rest = [unread(Initial.ASK, b"day1/rest")]

    def meet() -> None:
        store.meet(FOLDER, unread(initial), FOUND, rest=rest)

    assert parts_of(store, meet, but=killed_after) == killed_after
    assert held(store) == killed_after * AT_ONCE
    is_begun = killed_after > 0 and initial is Initial.AUTO
    assert store.unread(FOLDER) == [unread(Initial.ASK if is_begun else initial)]
    assert parts_of(store, meet) == PARTS
    assert held(store) == len(FOUND)
    assert store.unread(FOLDER) == rest


@pytest.mark.parametrize("found", [[], FOUND[:AT_ONCE]], ids=["none", "few"])
def test_few_are_held_at_once(store: Store, found) -> None:
    """One transaction, with nothing noted before it."""
    store.note_unread(FOLDER, [unread()])

    assert parts_of(store, lambda: store.hold_new(FOLDER, found, ASKED)) == 1
    assert parts_of(store, lambda: store.meet(FOLDER, unread(), found)) == 1
    assert held(store) == len(found)
    assert store.unread(FOLDER) == []
