"""Files that were found through a link: sent by the same walk, and looked at by it at the end."""

from __future__ import annotations

import os

import pytest

from masv_watch import files
from masv_watch.model import Draft, DropDraft, FileDraft, Follow, Terms, UploadType
from tests.integration.rooms.sent import CHUNK, FOLDER, Room


def linked(room: Room, follow: Follow, *, idle_s: float | None = 0.0) -> str:
    """Make a drop of links to a large and a small file an upload; give its id."""
    for folder in ("CARD", "store"):
        (room.root / folder).mkdir()
    found = []
    for name, content in {"large": b"l" * (CHUNK + 10), "small": b"s"}.items():
        (room.root / "store" / name).write_bytes(content)
        (room.root / "CARD" / name).symlink_to(f"../store/{name}")
        path = os.fsencode(f"CARD/{name}")
        with files.Root.open(os.fsencode(room.root), follow=Follow.INSIDE) as root:
            identity = root.identify(path)
        found.append(FileDraft(path=path, package_path="CARD", name=name, identity=identity))
    drop = room.store.see_drop(FOLDER, b"CARD")
    return room.store.create_upload(
        Draft(
            hot_folder=FOLDER,
            root=os.fsencode(room.root),
            name="CARD",
            message="",
            terms=Terms(type=UploadType.TEAM, follow=follow, idle_s=idle_s),
            drops=(DropDraft(drop_id=drop.id, signature="s", files=tuple(found)),),
        )
    )


@pytest.mark.fault(23)
def test_files_of_links_are_sent_as_what_the_links_point_to(room: Room) -> None:
    """Under the links' own names."""
    upload_id = linked(room, Follow.INSIDE)
    room.build()
    package = room.until_complete(upload_id)

    sent = {(each["path"], each["name"], each["size"]) for each in package["files"]}
    assert sent == {("CARD", "large", CHUNK + 10), ("CARD", "small", 1)}


@pytest.mark.fault(24)
def test_link_that_leads_elsewhere_after_it_was_sent_stops_the_finalize(room: Room) -> None:
    """The last look follows the link, too: what was sent is not what it shows."""
    upload_id = linked(room, Follow.INSIDE, idle_s=None)
    room.build()
    room.until(lambda: room.upload(upload_id).state == "idle")
    (room.root / "store" / "other").write_bytes(b"s")
    (room.root / "CARD" / "small").unlink()
    (room.root / "CARD" / "small").symlink_to("../store/other")
    room.desk.finalize(upload_id)
    room.until(lambda: room.told)

    assert room.upload(upload_id).state != "complete"
    assert room.package(upload_id)["finalize_calls"] == 0


def test_files_of_links_are_not_sent_where_the_terms_follow_none(room: Room) -> None:
    """Whatever the rule says by now: what an upload froze decides."""
    upload_id = linked(room, Follow.NONE)
    room.build()
    room.until(lambda: room.told or room.upload(upload_id).state == "error")

    assert room.package(upload_id)["finalize_calls"] == 0
    assert not any(each["size"] for each in room.package(upload_id)["files"])


def test_rebound_upload_still_finds_its_files_through_the_links(room: Room) -> None:
    """Whom it goes to changes, not where its files lie, whatever the new rule follows."""
    upload_id = linked(room, Follow.INSIDE)
    room.store.rebind_upload(upload_id, Terms(type=UploadType.TEAM, recipients=("b@example.com",)))
    room.build()
    package = room.until_complete(upload_id)

    assert (package["recipients"], len(package["files"])) == (["b@example.com"], 2)
