"""What changes while it is on its way, beside what was delivered of it before."""

from __future__ import annotations

import pytest

from masv_watch.explain import Asked, explain
from masv_watch.model import Caller, DropMode, Prospect, Redrop, Settle, UploadState
from masv_watch.watch.redrops import LATE_FACTOR
from tests.integration.rooms.watched import LOOK_S, QUIET_S, Room
from tests.integration.store.making import claim, open_package

SETTLED_S = 15.0 + QUIET_S + 2 * LOOK_S
LATE_S = 15.0 + LATE_FACTOR * QUIET_S + 3 * LOOK_S
OWNER = Caller(uid=0, is_owner=True)


def delivered(room: Room) -> None:
    """Wait until everything settled, then deliver it."""
    room.pass_time(SETTLED_S)
    for upload in room.taken():
        if upload.state is UploadState.TRANSFERRING:
            room.store.start_over()
            room.deliver(upload)
    room.pass_time(SETTLED_S)


def under_way(room: Room) -> list[list[str]]:
    """List what the uploads hold that are not delivered."""
    return [
        room.files(upload)
        for upload in room.taken()
        if upload.state is not UploadState.COMPLETE and upload.state is not UploadState.DELETING
    ]


@pytest.fixture
def card(make_room):
    """Give a room with a delivered folder of two files, and one on its way that came late."""
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    for name in ("a", "b"):
        (room.hot / "CARD" / name).write_bytes(name.encode())
    delivered(room)
    (room.hot / "CARD" / "late").write_bytes(b"late")
    room.pass_time(LATE_S)
    assert under_way(room) == [["CARD/late"]]
    return room


def test_late_file_that_changes_on_its_way_goes_alone_all_the_same(card):
    """What was delivered is not sent again because a late file beside it changed (P3)."""
    (card.hot / "CARD" / "late").write_bytes(b"later")
    card.pass_time(LATE_S)

    assert under_way(card) == [["CARD/late"]]
    assert card.drop("CARD").is_late
    assert card.drop("CARD").size == len(b"later")


def test_late_file_that_goes_away_on_its_way_sends_nothing(card):
    """Without it every file of the folder was delivered."""
    (card.hot / "CARD" / "late").unlink()
    card.pass_time(LATE_S)

    assert under_way(card) == []
    assert card.state("CARD") == ("duplicate", None)


def test_file_that_goes_back_to_what_was_delivered_leaves_its_upload(make_room):
    """Nobody gets the same bytes twice because other ones stood there for a while (P3)."""
    room = make_room(drop=DropMode.FILE)
    file, aside = room.hot / "a.mov", room.top / "aside"
    file.write_bytes(b"first")
    delivered(room)
    file.rename(aside)
    file.write_bytes(b"the second")
    room.pass_time(SETTLED_S)
    assert under_way(room) == [["a.mov"]]
    file.unlink()
    aside.rename(file)
    room.pass_time(SETTLED_S)

    assert under_way(room) == []
    assert room.state("a.mov") == ("duplicate", None)
    file.write_bytes(b"the third")
    room.pass_time(SETTLED_S)
    assert under_way(room) == [["a.mov"]]


def test_drop_that_waits_for_a_newer_marker_is_explained_as_held(make_room):
    """`explain` says what status says: only a person's touch brings it further."""
    room = make_room(drop=DropMode.FILE, settle=Settle(quiet_s=QUIET_S, done_marker="{name}.done"))
    file = room.hot / "a.mov"
    file.write_bytes(b"first")
    (room.hot / "a.mov.done").touch()
    delivered(room)
    file.write_bytes(b"the second")
    room.pass_time(SETTLED_S)

    asked = Asked(path=bytes(room.hot / "a.mov"), relative=b"a.mov", caller=OWNER)
    said = explain(asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock)
    assert room.state("a.mov") == ("held", "marker_missing")
    assert said.prospect is Prospect.HELD
    assert "a.mov.done is older" in said.why


def test_changed_file_that_goes_back_leaves_the_late_files_that_it_went_with(card):
    """It is neither sent again nor told as vanished: the upload goes on without it."""
    was = (card.hot / "CARD" / "a").stat()
    aside = card.top / "aside"
    (card.hot / "CARD" / "a").rename(aside)
    (card.hot / "CARD" / "a").write_bytes(b"other")
    card.pass_time(LATE_S)
    assert under_way(card) == [["CARD/a", "CARD/late"]]
    (upload,) = [each for each in card.taken() if each.state is UploadState.TRANSFERRING]
    card.store.start_over()
    claimed = claim(card.store, upload.id)
    open_package(card.store, claimed)
    card.store.note_files_asked(
        upload.id, claimed.fence, [file.id for file in card.store.files(upload.id)]
    )
    (card.hot / "CARD" / "a").unlink()
    aside.rename(card.hot / "CARD" / "a")
    card.pass_time(LATE_S)

    assert (card.hot / "CARD" / "a").stat().st_mtime_ns == was.st_mtime_ns
    assert under_way(card) == [["CARD/late"]]
    assert card.drop("CARD").is_late


def test_second_version_of_which_a_file_goes_back_stays_whole(make_room):
    """It may replace the first, so that it has to hold all of it."""
    room = make_room(drop=DropMode.FOLDER, redrop=Redrop.REPLACE)
    card, aside = room.hot / "CARD", room.top / "aside"
    card.mkdir()
    for name in ("a", "b"):
        (card / name).write_bytes(name.encode())
    delivered(room)
    (card / "a").rename(aside)
    for name in ("a", "b"):
        (card / name).write_bytes(b"second")
    room.pass_time(LATE_S)
    assert under_way(room) == [["CARD/a", "CARD/b"]]
    (card / "a").unlink()
    aside.rename(card / "a")
    room.pass_time(LATE_S)

    assert under_way(room) == [["CARD/a", "CARD/b"]]
    assert not room.drop("CARD").is_late
