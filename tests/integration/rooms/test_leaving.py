"""An upload that leaves its package for another: whom it goes to changes, or it ends before.

Law of all of it: what is left is cancelled and never finalized, and nothing is delivered twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from masv_watch.errors import (
    CloudRefused,
    CloudUnreachable,
    IllegalTransition,
    NoSession,
    TokenExpired,
)
from masv_watch.login import Login
from masv_watch.metrics import Metrics
from masv_watch.model import After, Masv, Secret, Terms, Turns, UploadEvent, UploadType
from masv_watch.transfer.leaving import LOOK_S, Leaving
from masv_watch.uploads import Records, undeleted
from tests.integration.rooms.sent import CHUNK, FOLDER, Door, Hold, Nth, Room, raising

OLD = Terms(type=UploadType.TEAM, recipients=("old@example.com",))
NEW = replace(OLD, recipients=("new@example.com",))
KEPT = Turns(undelivered={FOLDER: None})


def rebind(room: Room, upload_id: str, terms: Terms = NEW) -> None:
    """Have the only drop of an upload go to whom its rule names now."""
    (drop,) = room.store.drops_of(upload_id)
    Records(room.store, hurry=lambda _name: None, terms=lambda *_: terms).rebind(drop.id)


def leaving(room: Room, *, cloud: Any = None) -> Leaving:
    """Give what cancels the packages that are left."""
    masv = Masv(api_url=room.sandbox.api, team="acme", api_key=Secret("sandbox-key"))
    login = Login(room.cloud, masv, clock=room.clock, metrics=Metrics())
    return Leaving(room.store, cloud or room.cloud, login, luck=lambda: 0.5)


def known(room: Room, package_id: str | None) -> dict[str, Any]:
    """Give a package as the cloud has it."""
    return next(each for each in room.sandbox.witness("packages") if each["id"] == package_id)


def sending(room: Room) -> tuple[str, str]:
    """Give an upload of three chunks with one of them sent, and its package."""
    room.workers = 1
    put = Hold(room.cloud.put_chunk, 2)
    room.build(cloud=Door(room.cloud, put_chunk=put))
    upload_id = room.drop("card", 3 * CHUNK, terms=OLD)
    room.until(put.reached.is_set)
    put.go_on.set()
    package_id = room.upload(upload_id).package_id
    assert package_id is not None
    return upload_id, package_id


def test_rebound_upload_goes_whole_to_the_new_recipients_and_never_to_the_old(room: Room):
    """While it is not finalizing a person may say otherwise (behaviour 7.7)."""
    upload_id, old = sending(room)

    rebind(room, upload_id)
    after = room.upload(upload_id)
    made = room.until_complete(upload_id)
    leaving(room).tick()

    assert (after.package_id, after.package_token, after.sent) == (None, None, 0)
    assert after.resent >= CHUNK
    assert [made["recipients"], made["finalize_calls"]] == [["new@example.com"], 1]
    assert [each["size"] for each in made["files"]] == [3 * CHUNK]
    assert known(room, old)["state"] == "archived"
    assert known(room, old)["finalize_calls"] == 0
    assert room.store.left_packages() == []


def test_package_that_is_being_made_while_its_upload_is_rebound_is_cancelled(room: Room):
    """No row names it, and it was made for the old recipients: it does not stay behind empty."""
    room.workers = 1
    made = []

    def create(*given, **named):
        made.append(room.cloud.create_team_package(*given, **named))
        if len(made) == 1:
            rebind(room, upload_id)
        return made[-1]

    room.build(cloud=Door(room.cloud, create_team_package=create))
    upload_id = room.drop("card", 1000, terms=OLD)
    package = room.until_complete(upload_id)
    old, new = (each.id for each in made)
    assert [left.id for left in room.store.left_packages()] == [old]
    leaving(room).tick()

    assert (package["id"], package["recipients"]) == (new, ["new@example.com"])
    assert known(room, old)["state"] == "archived"
    assert known(room, old)["finalize_calls"] == 0
    assert room.store.left_packages() == []


def test_rebound_upload_that_is_all_up_is_sent_again(room: Room):
    """Idle is not finalizing yet."""
    room.turns = KEPT
    room.build()
    upload_id = room.drop("card", CHUNK, 1000, 0, terms=OLD)
    room.until(lambda: room.upload(upload_id).state == "idle")
    old = room.upload(upload_id).package_id

    rebind(room, upload_id)
    assert room.upload(upload_id).state == "transferring"
    room.until(lambda: room.upload(upload_id).state == "idle")
    room.turns = Turns()
    made = room.until_complete(upload_id)

    assert made["id"] != old
    assert len(made["files"]) == 3
    assert known(room, old)["finalize_calls"] == 0


@pytest.mark.parametrize(
    "terms",
    [
        replace(OLD, mail_to=("producer@example.com",)),
        replace(OLD, after=After(delivered="delete")),
    ],
)
def test_rebound_upload_keeps_its_package_where_the_cloud_was_told_nothing_that_changes(
    room: Room, terms: Terms
):
    """Our letter and what becomes of the source are no reason to send anything again."""
    upload_id, old = sending(room)

    rebind(room, upload_id, terms)

    assert room.until_complete(upload_id)["id"] == old
    assert room.upload(upload_id).terms == terms
    assert room.upload(upload_id).resent == 0


def test_rebound_upload_cleans_nothing_up_in_the_package_that_it_left(room: Room):
    """All of that goes at once."""
    upload_id, _ = sending(room)
    room.store.note_file_lost(room.file(upload_id), room.upload(upload_id).fence)
    owed = room.store.leftovers(upload_id)

    rebind(room, upload_id)

    assert len(owed) == 1
    assert room.store.leftovers(upload_id) == []


def test_rebound_upload_without_a_package_only_changes_its_terms(room: Room):
    """Nobody was told anything yet."""
    upload_id = room.drop("card", 1000, terms=OLD)
    rebind(room, upload_id)
    room.build()

    assert room.until_complete(upload_id)["recipients"] == ["new@example.com"]
    assert room.store.left_packages() == []


@pytest.mark.parametrize("event", [UploadEvent.PAUSE, UploadEvent.FAIL])
def test_rebound_upload_that_a_person_must_resume_waits_for_him(room: Room, event: UploadEvent):
    """Rebinding changes whom it goes to and nothing else."""
    upload_id, old = sending(room)
    before = room.store.advance_upload(upload_id, event, error="why")

    rebind(room, upload_id)
    leaving(room).tick()

    assert room.upload(upload_id).state == before
    assert room.upload(upload_id).error == "why"
    assert known(room, old)["state"] == "archived"
    room.store.advance_upload(upload_id, UploadEvent.RESUME)
    assert room.until_complete(upload_id)["recipients"] == ["new@example.com"]


def test_rebind_of_an_upload_that_is_being_delivered_is_refused(room: Room):
    """Its old recipients may know already (behaviour 7.7)."""
    lost = Hold(room.cloud.finalize_package, 1, then=CloudUnreachable("lost"))
    room.build(cloud=Door(room.cloud, finalize_package=lost))
    upload_id = room.drop("card", 1000, terms=OLD)
    room.until(lost.reached.is_set)
    with pytest.raises(IllegalTransition):
        rebind(room, upload_id)
    lost.go_on.set()
    room.until(lambda: room.upload(upload_id).lease_until == 0)
    room.store.advance_upload(upload_id, UploadEvent.FAIL, error="given up")

    with pytest.raises(IllegalTransition, match="may be delivered already"):
        rebind(room, upload_id)

    assert room.upload(upload_id).terms == OLD


def test_rebind_while_the_package_is_being_made_leaves_nobody_the_files(room: Room):
    """A create that is answered too late makes an empty package, which is never delivered."""
    create = Hold(room.cloud.create_team_package)
    room.build(cloud=Door(room.cloud, create_team_package=create))
    upload_id = room.drop("racing", 1000, terms=OLD)
    room.until(create.reached.is_set)
    rebind(room, upload_id)
    create.go_on.set()
    made = room.until_complete(upload_id)

    assert made["recipients"] == ["new@example.com"]
    others = [each for each in room.sandbox.witness("packages") if each["name"] == "racing"]
    (orphan,) = [each for each in others if each["id"] != made["id"]]
    assert (orphan["files"], orphan["finalize_calls"]) == ([], 0)


def test_package_that_was_left_goes_though_its_upload_is_deleted(room: Room):
    """And though the daemon was killed in between: the wish is a row of its own."""
    upload_id, old = sending(room)
    rebind(room, upload_id)
    room.restart()
    room.store.delete_upload(upload_id, takes_package=False)
    room.until(lambda: room.upload(upload_id).state == "gone")

    leaving(room).tick()

    assert known(room, old)["state"] == "archived"


def test_package_that_was_left_is_tried_again_until_it_is_gone(room: Room):
    """Network class without limit, by the one owner of retries; 404 is as good as done."""
    upload_id, old = sending(room)
    rebind(room, upload_id)
    delete = Nth(room.cloud.delete_package, 1, raising(CloudUnreachable("no route")))
    one = leaving(room, cloud=Door(room.cloud, delete_package=delete))

    one.tick()
    assert room.store.left_packages() == []
    one.tick()
    assert delete.calls == 1
    room.clock.advance(5.0)
    room.cloud.delete_package(old, room.store.left_packages()[0].token)
    one.tick()

    assert delete.calls == 2
    room.clock.advance(1000.0)
    assert room.store.left_packages() == []
    assert known(room, old)["state"] == "archived"


def test_package_that_was_left_is_looked_at_often_until_it_is_gone(room: Room):
    """The loop that cancels it rests for longer where nothing is owed."""
    upload_id, _ = sending(room)
    rebind(room, upload_id)
    delete = Nth(room.cloud.delete_package, 1, raising(CloudUnreachable("no route")))
    both = leaving(room, cloud=Door(room.cloud, delete_package=delete)).before(lambda: 60.0)

    assert both() == LOOK_S
    room.clock.advance(3600)
    assert both() == 60.0


def test_package_that_was_left_waits_for_a_key_that_is_believed(room: Room):
    """Nothing is given up for it."""
    upload_id, old = sending(room)
    rebind(room, upload_id)
    delete = Nth(room.cloud.delete_package, 1, raising(NoSession("refused")))
    one = leaving(room, cloud=Door(room.cloud, delete_package=delete))

    one.tick()
    room.clock.advance(61.0)
    one.tick()

    assert known(room, old)["state"] == "archived"


def test_package_that_was_left_is_cancelled_with_a_fresh_token_where_its_own_expired(room: Room):
    """It may have waited for days."""
    upload_id, old = sending(room)
    rebind(room, upload_id)
    delete = Nth(room.cloud.delete_package, 1, raising(TokenExpired("expired")))

    leaving(room, cloud=Door(room.cloud, delete_package=delete)).tick()

    assert delete.calls == 2
    assert known(room, old)["state"] == "archived"


def test_package_that_the_cloud_keeps_is_told_once_and_never_finalized(room: Room, caplog: Any):
    """Only a person can delete it then."""
    upload_id, old = sending(room)
    rebind(room, upload_id)
    refuse = Nth(room.cloud.delete_package, 1, raising(CloudRefused("no", status=403)))

    leaving(room, cloud=Door(room.cloud, delete_package=refuse)).tick()

    (told,) = [one for one in caplog.records if "stays in the cloud" in one.message]
    assert (told.package, told.cure) == (old, "delete the package at MASV")
    (need,) = undeleted(room.store)
    assert f"package {old} of upload {upload_id}: it was left for another one" in need.text
    room.clock.advance(1e6)
    assert room.store.left_packages() == []
    assert known(room, old)["finalize_calls"] == 0


def test_upload_whose_source_vanished_leaves_its_package_and_begins_anew_when_resumed(room: Room):
    """The remote package is cancelled (behaviour 11); what is put back goes to a new one."""
    upload_id, old = sending(room)
    room.store.fail_vanished(upload_id, code=7, error="vanished")
    leaving(room).tick()
    upload = room.upload(upload_id)

    assert (upload.state, upload.error_code, upload.package_id) == ("error", 7, None)
    assert known(room, old)["state"] == "archived"
    room.store.advance_upload(upload_id, UploadEvent.RESUME)
    assert room.until_complete(upload_id)["id"] != old
