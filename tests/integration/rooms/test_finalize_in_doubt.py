"""A finalize whose answer was lost: what became of it is learned, or told, and never guessed."""

from __future__ import annotations

import pytest

from masv_watch.model import After, Terms, UploadType
from tests.integration.rooms.sent import Room

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
