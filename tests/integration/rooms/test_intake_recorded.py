"""What was recorded and not sent, when something comes beside it, with real files and a ledger."""

from __future__ import annotations

import pytest

from masv_watch.model import DropMode, Initial

from .test_intake_redrops import LATE_S, SETTLED_S, delivered, names


@pytest.mark.parametrize("drop", [DropMode.EACH, DropMode.FOLDER])
def test_file_that_comes_into_a_folder_recorded_as_seen_goes_alone(make_room, drop):
    """What a person said is not to be sent is not sent because something came beside it."""
    room = make_room(drop=drop, initial=Initial.IGNORE)
    (room.hot / "old").mkdir()
    for name in ("f1", "f2", "f3"):
        (room.hot / "old" / name).write_bytes(name.encode())
    room.pass_time(SETTLED_S)
    assert room.state("old") == ("ignored", None)
    (room.hot / "old" / "new").write_bytes(b"late")
    room.begin()
    room.pass_time(LATE_S)

    assert names(room) == ["old (added)"]
    assert room.files(room.taken()[0]) == ["old/new"]
    delivered(room)
    (room.hot / "old" / "f1").write_bytes(b"other")
    room.pass_time(LATE_S)
    assert room.state("old") == ("held", "redrop_ask")
    assert "3 with 6 bytes" in room.drop("old").note
    assert len(names(room)) == 1


def test_late_file_in_a_delivered_folder_that_was_renamed_goes_alone(make_room):
    """The ledger follows the name: what was delivered under the first is not sent again."""
    room = make_room(drop=DropMode.EACH)
    (room.hot / "R").mkdir()
    for name in ("a", "b"):
        (room.hot / "R" / name).write_bytes(name.encode())
    delivered(room)
    (room.hot / "R").rename(room.hot / "S")
    room.pass_time(SETTLED_S)
    assert room.state("S") == ("duplicate", None)
    (room.hot / "S" / "c").write_bytes(b"c")
    room.pass_time(LATE_S)

    assert names(room) == ["R", "S (added)"]
    assert room.files(room.taken()[1]) == ["S/c"]
    delivered(room)
    room.clock.advance(2 * 86400)
    (room.hot / "S" / "d").write_bytes(b"d")
    room.pass_time(2 * LATE_S)
    assert names(room)[2].startswith("S (added")
    assert room.files(room.taken()[2]) == ["S/d"]
