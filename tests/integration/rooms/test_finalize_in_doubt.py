"""A finalize whose answer was lost: what became of it is learned, or told, and never guessed."""

from __future__ import annotations

import os

import pytest

from masv_watch.errors import IllegalTransition
from masv_watch.model import After, DropDraft, Terms, Upload, UploadType
from tests.integration.rooms.sent import FOLDER, Room

FINALIZE = "POST /v1/packages/[^/]+/finalize$"
READ = "GET /v1(.1)?/(teams/[^/]+/)?packages/[^/]+$"
HOUR_S = 3600.0
TEAM = Terms(type=UploadType.TEAM)
PORTAL = Terms(type=UploadType.PORTAL, portal="dailies", sender="a@example.com")
SUSPENDED = {"code": 4031, "message": "your account is suspended, payment is due"}


def _pass(room: Room, seconds: float, step_s: float) -> None:
    """Let time pass, with every step of the sender carried to its end."""
    end = room.store.now() + seconds
    while room.store.now() < end:
        room.clock.advance(step_s)
        room.turn()
        room.until(lambda: room.crew.busy == 0)


def _refuse(room: Room, says: str, status: int = 403) -> None:
    """Refuse to finalize and to tell, for ever."""
    for route in (FINALIZE, READ):
        if says == "page":
            room.sandbox.fault("html", route, status=status, times=None)
        else:
            room.sandbox.fault("status", route, status=status, body=SUSPENDED, times=None)


@pytest.mark.fault(62)
@pytest.mark.parametrize("terms", [TEAM, PORTAL], ids=["team", "portal"])
@pytest.mark.parametrize("says", ["page", "suspended"])
@pytest.mark.parametrize("status", [403, 409])
def test_finalize_that_is_refused_for_another_reason_is_no_delivery(
    room: Room, terms: Terms, says: str, status: int
):
    """A lost answer, then a refusal of everything: nobody got the package, and its source stays."""
    room.sandbox.fault("reset", FINALIZE)
    _refuse(room, says, status)
    room.build()
    owing = Terms(
        type=terms.type,
        portal=terms.portal,
        sender=terms.sender,
        after=After(delivered="delete"),
    )
    upload_id = room.drop(f"{says} {status}", 100, terms=owing)
    room.until(lambda: room.upload(upload_id).finalize_asked)
    _pass(room, 100.0, step_s=1.0)
    upload, owed = room.upload(upload_id), room.store.tasks(upload_id)

    assert room.package(upload_id)["state"] == "new"
    assert (upload.state == "complete", owed) == (False, [])
    # what may have been asked for is asked about first, whatever becomes of it
    assert upload.finalize_asked
    if says == "suspended":
        assert upload.state == "error"
        assert "it may be delivered already" in upload.error
        assert "payment is due" in upload.error
        assert f"masv-watch resume {upload_id}" in upload.error
    else:
        assert "a web page came instead of the cloud's answer" in upload.error


@pytest.mark.fault(62)
@pytest.mark.parametrize("terms", [TEAM, PORTAL], ids=["team", "portal"])
def test_finalize_that_the_cloud_says_was_done_is_a_delivery(room: Room, terms: Terms):
    """Where the package cannot be read, the cloud's own words tell that it is finalized (N7)."""
    room.sandbox.fault("after", FINALIZE)
    room.sandbox.fault("status", READ, status=403, times=None)
    room.build()
    upload_id = room.drop(f"told by words {terms.type}", 100, terms=terms)
    room.until_state(upload_id, "complete")

    assert room.package(upload_id)["finalize_calls"] == 2


@pytest.mark.fault(62)
@pytest.mark.parametrize("how", ["html", "status"])
def test_finalize_of_a_portal_that_has_no_call_to_read_a_package_is_asked_again(
    room: Room, how: str
):
    """That call is inferred: where it is not there, whatever answers must not hang an upload."""
    room.sandbox.fault("after", FINALIZE)
    room.sandbox.fault(how, "GET /v1/packages/[^/]+$", status=404, times=None)
    room.build()
    upload_id = room.drop(f"unknown call {how}", 100, terms=PORTAL)
    room.until_state(upload_id, "complete")

    assert room.package(upload_id)["finalize_calls"] == 2


@pytest.mark.fault(62)
def test_finalize_in_doubt_that_never_reached_the_cloud_delivers_when_asked_again(room: Room):
    """The second is the first that arrives, and the cloud takes it."""
    room.sandbox.fault("reset", FINALIZE)
    room.sandbox.fault("status", READ, status=403, times=None)
    room.build()
    upload_id = room.drop("first that arrives", 100, terms=PORTAL)
    room.until_state(upload_id, "complete")

    assert room.package(upload_id)["state"] == "finalized"


@pytest.mark.fault(62)
def test_finalize_in_doubt_that_is_refused_for_missing_files_has_them_sent_again(room: Room):
    """These words tell as well: what misses files was not delivered."""
    room.sandbox.fault("reset", FINALIZE)
    room.sandbox.fault("status", READ, status=403, times=None)
    words = {"message": "package has unfinished files"}
    room.sandbox.fault("status", FINALIZE, status=400, body=words)
    room.build()
    upload_id = room.drop("missing", 100, terms=PORTAL)
    failed = room.until_state(upload_id, "error")

    # it had them all the same: a refusal as any other, of which no delivery is in doubt
    assert not failed.finalize_asked
    assert "may be delivered" not in failed.error


@pytest.mark.fault(62)
@pytest.mark.parametrize("how", ["changed", "removed"])
@pytest.mark.parametrize("loses", ["after", "reset"])
def test_finalize_in_doubt_whose_source_is_another_by_now_is_asked_again(
    room: Room, how: str, loses: str
):
    """What was sent was looked at before; nobody would see that it is tried for ever."""
    room.sandbox.fault(loses, FINALIZE)
    room.sandbox.fault("status", READ, status=403, times=None)
    room.build()
    upload_id = room.drop(f"{how} {loses}", 100, terms=PORTAL)
    room.until(lambda: room.upload(upload_id).retry_at > room.clock.wall())
    source = room.root / f"{how} {loses}" / "f0"
    if how == "changed":
        source.write_bytes(b"another version")
    else:
        source.unlink()
    room.until_state(upload_id, "complete")
    package = room.package(upload_id)

    assert (package["state"], [file["size"] for file in package["files"]]) == ("finalized", [100])


@pytest.mark.fault(62)
def test_finalize_in_doubt_whose_source_changed_and_that_is_refused_is_told(room: Room):
    """It fails, and says that it may be delivered: no upload is finalizing for ever."""
    room.sandbox.fault("after", FINALIZE)
    _refuse(room, "suspended")
    room.build()
    upload_id = room.drop("told", 100, terms=PORTAL)
    room.until(lambda: room.upload(upload_id).retry_at > room.clock.wall())
    (room.root / "told" / "f0").write_bytes(b"another version")
    failed = room.until_state(upload_id, "error")

    assert "it may be delivered already" in failed.error
    assert "ask the portal's owner" in failed.error


def _given_up(room: Room, upload_id: str) -> Upload:
    """Let nobody learn what became of a finalize that took effect, until it is given up."""
    room.sandbox.fault("after", FINALIZE, times=None)
    room.sandbox.fault("status", READ, status=502, times=None)
    room.build()
    _pass(room, 60.0, step_s=1.0)
    while room.upload(upload_id).state != "error":
        _pass(room, 300.0, step_s=60.0)
    assert room.package(upload_id)["state"] == "finalized"
    return room.upload(upload_id)


def _until_ended(room: Room, upload_id: str) -> Upload:
    def ended() -> bool:
        room.clock.advance(0.25)
        return room.upload(upload_id).state in ("complete", "error")

    room.until(ended)
    return room.upload(upload_id)


def _drop(room: Room, name: str) -> DropDraft:
    """Describe one more drop that settled."""
    drop = room.store.see_drop(FOLDER, os.fsencode(name))
    (room.root / name).mkdir()
    (room.root / name / "f0").write_bytes(b"another drop")
    return room.settled(name, drop.id)


IMPATIENT = Terms(type=UploadType.TEAM, give_up_after_s=HOUR_S)


def test_finalize_that_was_given_up_says_that_it_may_be_delivered(room: Room):
    """Whoever reads that nothing got through must not send it once more."""
    upload_id = room.drop("says", 100, terms=IMPATIENT)
    failed = _given_up(room, upload_id)

    assert failed.finalize_asked
    assert "it may be delivered already" in failed.error


@pytest.mark.parametrize("by", ["a person", "itself"])
def test_change_after_a_finalize_that_was_given_up_enters_no_delivered_package(room: Room, by: str):
    """What may be delivered takes no other content; what became of it is learned first."""
    upload_id = room.drop(f"given up, {by}", 100, terms=IMPATIENT)
    _given_up(room, upload_id)
    (room.root / f"given up, {by}" / "f0").write_bytes(b"another version")
    (drop,) = room.store.drops_of(upload_id)
    room.store.note_change(drop.id, "changed")
    stays = room.store.drops_of(upload_id) == [drop]
    room.sandbox.heal()
    if by == "itself":
        room.clock.advance(HOUR_S)
    else:
        room.desk.resume(upload_id)
    again = room.upload(upload_id).state
    complete = room.until_state(upload_id, "complete")
    known = [file.size for file in room.store.delivered_files(FOLDER, drop.path).values()]

    assert stays
    assert again == ("error" if by == "itself" else "finalizing")
    assert (complete.finalize_asked, room.package(upload_id)["finalize_calls"]) == (True, 1)
    # what was never sent is not taken for delivered (P1)
    assert known == [100]


def test_finalize_that_was_given_up_and_never_arrived_sends_what_changed_since(room: Room):
    """The cloud says that nothing was finalized: the change counts, and its content goes."""
    room.sandbox.fault("reset", FINALIZE)
    room.sandbox.fault("status", READ, status=502, times=None)
    room.build()
    upload_id = room.drop("not arrived", 100, terms=IMPATIENT)
    room.until(lambda: room.upload(upload_id).finalize_asked)
    while room.upload(upload_id).state != "error":
        _pass(room, 300.0, step_s=60.0)
    (room.root / "not arrived" / "f0").write_bytes(b"another version")
    room.sandbox.heal()
    room.desk.resume(upload_id)
    room.until(lambda: room.upload(upload_id).state == "transferring")
    room.store.settle_again(room.settled("not arrived", room.store.drops_of(upload_id)[0].id))
    room.until_state(upload_id, "complete")
    (file,) = room.package(upload_id)["files"]

    assert file["size"] == len(b"another version")


def test_files_for_an_upload_whose_finalize_was_given_up_are_refused(room: Room):
    """A caller adds nothing to what may be delivered."""
    terms = Terms(type=UploadType.TEAM, idle_s=0.0, give_up_after_s=HOUR_S)
    upload_id = room.call(room.source("a.mov", 10), terms=terms)
    _given_up(room, upload_id)
    with pytest.raises(IllegalTransition, match="may be delivered already"):
        room.store.add_files(upload_id, room.named(room.source("b.mov", 10)), (), reader=None)
    room.sandbox.heal()
    room.desk.resume(upload_id)

    assert _until_ended(room, upload_id).state == "complete"


def test_batch_whose_finalize_was_given_up_takes_no_further_drop(room: Room):
    """What joined it would be added to a package that may be delivered, and stop both."""
    terms = Terms(type=UploadType.TEAM, batch=True, idle_s=60.0, give_up_after_s=HOUR_S)
    upload_id = room.drop("first", 100, terms=terms)
    _given_up(room, upload_id)
    room.desk.resume(upload_id)
    second = _drop(room, "second")
    found = room.store.open_batch(FOLDER)
    with pytest.raises(IllegalTransition):
        room.store.join_upload(upload_id, second)
    room.sandbox.heal()

    assert found is None
    assert _until_ended(room, upload_id).state == "complete"


@pytest.mark.fault(62)
def test_finalize_in_doubt_of_a_portal_whose_token_expired_is_told_before_it_is_sent_again(
    room: Room,
):
    """Who drops it once more without a question sends it twice."""
    room.sandbox.fault("after", FINALIZE)
    room.sandbox.fault("status", READ, status=401, times=None)
    room.sandbox.fault("status", FINALIZE, status=401, times=None)
    room.build()
    upload_id = room.drop("expired", 100, terms=PORTAL)
    failed = room.until_state(upload_id, "error")

    assert room.package(upload_id)["state"] == "finalized"
    assert failed.error.startswith("it may be delivered already: the portal's package token")
    assert f"ask the portal's owner whether package {failed.package_id} was" in failed.error


@pytest.mark.fault(59)
@pytest.mark.parametrize("terms", [TEAM, PORTAL], ids=["team", "portal"])
def test_finalize_in_doubt_whose_package_is_gone_is_told_before_it_is_sent_again(
    room: Room, terms: Terms
):
    """It may have been delivered, and deleted by a person after that."""
    room.sandbox.fault("after", FINALIZE)
    for route in (READ, FINALIZE):
        room.sandbox.fault("status", route, status=404, times=None)
    room.build()
    upload_id = room.drop(f"gone {terms.type}", 100, terms=terms)
    failed = room.until_state(upload_id, "error")

    assert failed.error.startswith("it may be delivered already: ")
    assert f"whether package {failed.package_id} was delivered; only if not" in failed.error
