"""An upload of which files vanish or are refused: it stops, or the rest goes, as the rule says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from masv_watch.errors import CloudRefused
from masv_watch.model import OnVanish, Partial, SourceFile, Terms, UploadEvent, UploadType
from tests.integration.rooms.sent import CHUNK, FOLDER, Door, Hold, Nth, Room, raising

REST = Terms(type=UploadType.TEAM, on_vanish=OnVanish.SEND_REST, partial=Partial.SEND_REST)


def names(package: dict[str, Any]) -> list[str]:
    """Give the names of the files that a package was delivered with."""
    return sorted(each["name"] for each in package["files"])


def sent(room: Room) -> SourceFile:
    """Give the second file of the only upload."""
    (upload,) = room.store.uploads()
    return room.store.files(upload.id)[1]


@pytest.mark.fault(17)
def test_file_that_vanishes_while_it_is_sent_is_left_out_where_the_rule_says_send_rest(room: Room):
    """The rest is delivered once, and the letter names what is missing (behaviour 11)."""
    room.workers = 1
    room.build()
    upload_id = room.drop("card", 1000, 4 * CHUNK, 1000, terms=REST)
    room.until(lambda: any(each.size > 1000 for each in room.store.chunks(sent(room).id)))
    (room.root / "card" / "f1").unlink()

    room.settle_again(upload_id)

    package = room.until_complete(upload_id)
    assert names(package) == ["f0", "f2"]
    assert package["finalize_calls"] == 1
    assert room.store.skipped(upload_id) == ["card/f1: vanished while it was sent"]
    assert room.upload(upload_id).file_count == 2


@pytest.mark.fault(17)
def test_file_that_vanishes_while_it_is_added_leaves_nothing_in_the_package(room: Room):
    """Its add is answered after the row is gone: nobody gets a piece of it."""
    room.workers = 1
    add = Hold(room.cloud.add_file, 2)
    room.build(cloud=Door(room.cloud, add_file=add))
    upload_id = room.drop("card", 2 * CHUNK, 2 * CHUNK, terms=REST)
    room.until(add.reached.is_set)
    (room.root / "card" / "f1").unlink()
    room.settle_again(upload_id)
    add.go_on.set()

    package = room.until_complete(upload_id)

    assert names(package) == ["f0"]
    assert room.store.skipped(upload_id) == ["card/f1: vanished while it was sent"]
    assert room.store.leftovers(upload_id) == []


def test_note_of_a_file_that_vanished_stays_until_it_comes_back(room: Room):
    """It may vanish in one change and the drop change once more."""
    upload_id = room.drop("card", 1000, 1000, 1000)
    (room.root / "card" / "f1").rename(room.top / "kept")
    room.settle_again(upload_id)
    noted = room.store.skipped(upload_id)
    (room.root / "card" / "f2").write_bytes(b"changed")
    room.settle_again(upload_id)
    still = room.store.skipped(upload_id)
    (room.top / "kept").rename(room.root / "card" / "f1")
    room.settle_again(upload_id)

    assert noted == still == ["card/f1: vanished before it was sent"]
    assert room.store.skipped(upload_id) == []


def test_drop_of_a_batch_that_vanishes_goes_alone_where_the_rule_says_send_rest(room: Room):
    """The batch is delivered without it; the last one of an upload cannot go like that."""
    room.build()
    upload_id = room.drop("one", 1000, terms=REST)
    two = room.store.see_drop(FOLDER, b"two")
    (room.root / "two").mkdir()
    (room.root / "two" / "f9").write_bytes(b"two")
    room.store.join_upload(upload_id, room.settled("two", two.id))
    room.until(lambda: room.upload(upload_id).sent == 1003)
    one = next(each for each in room.store.drops_of(upload_id) if each.id != two.id)

    assert room.store.drop_vanished(two.id, "vanished while it was sent")
    assert not room.store.drop_vanished(one.id, "vanished while it was sent")

    assert names(room.until_complete(upload_id)) == ["f0"]
    assert room.store.skipped(upload_id) == ["two: vanished while it was sent"]
    assert room.store.latest_drop(FOLDER, b"two").state == "cancelled"


class Picky:
    """A cloud that refuses files of some names for good."""

    def __init__(self, room: Room, *refused: str) -> None:
        """Refuse these."""
        self._real, self.refused, self.asked = room.cloud.add_file, set(refused), 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Answer as the cloud does, but for the refused ones."""
        if named["name"] in self.refused:
            self.asked += 1
            raise CloudRefused(f"no file may be called {named['name']}", status=422)
        return self._real(*given, **named)


@pytest.fixture(params=[1000, CHUNK + 1])
def size(request: pytest.FixtureRequest) -> Iterator[int]:
    """Give the size of a file of each lane."""
    return request.param


def test_file_that_is_refused_for_good_holds_all_by_default(room: Room, size: int):
    """Some files refused for good: nothing is finalized (behaviour 11)."""
    room.build(cloud=Door(room.cloud, add_file=Picky(room, "f1")))
    upload_id = room.drop("card", size, size, size)
    room.until_state(upload_id, "error")

    assert room.package(upload_id)["finalize_calls"] == 0
    assert "no file may be called f1" in room.upload(upload_id).error


def test_file_that_is_refused_for_good_is_left_out_where_the_rule_says_send_rest(
    room: Room, size: int
):
    """Asked for once, not again at every look; the letter names it with the cloud's words."""
    picky = Picky(room, "f1")
    room.build(cloud=Door(room.cloud, add_file=picky))
    upload_id = room.drop("card", size, size, size, terms=REST)

    package = room.until_complete(upload_id)

    assert names(package) == ["f0", "f2"]
    assert package["finalize_calls"] == 1
    assert room.store.skipped(upload_id) == ["card/f1: no file may be called f1"]
    assert picky.asked == 1


def test_upload_of_which_every_file_is_refused_fails_whole_and_keeps_all_of_them(
    room: Room, size: int
):
    """A quota that is exhausted is no reason to deliver nothing, or one file of many later."""
    picky = Picky(room, "f0", "f1", "f2")
    room.build(cloud=Door(room.cloud, add_file=picky))
    upload_id = room.drop("card", size, size, size, terms=REST)
    upload = room.until_state(upload_id, "error")

    assert "the cloud takes no file of it: no file may be called f0" in upload.error
    assert upload.file_count == 3
    picky.refused.clear()
    room.store.advance_upload(upload_id, UploadEvent.RESUME)
    assert names(room.until_complete(upload_id)) == ["f0", "f1", "f2"]
    assert room.store.skipped(upload_id) == []


def test_refusal_of_the_package_itself_is_no_refusal_of_a_file(room: Room):
    """There is no rest without a package."""
    refuse = Nth(room.cloud.create_team_package, 1, raising(CloudRefused("no", status=402)))
    room.build(cloud=Door(room.cloud, create_team_package=refuse))
    upload_id = room.drop("card", 1000, terms=REST)

    room.until_state(upload_id, "error")

    assert os.listdir(room.root / "card") == ["f0"]
