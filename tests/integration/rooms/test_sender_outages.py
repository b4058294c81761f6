"""An upload of which nothing gets through: given up after its time, tried again every hour."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.errors import NetworkDown
from masv_watch.model import Terms, UploadEvent, UploadType
from masv_watch.retry import REVIVE_S, REVIVED_FOR_S
from masv_watch.transfer.silence import MISSED_S, SILENCE_S
from masv_watch.uploads import WaitReason
from tests.integration.rooms.sent import CHUNK, Room

HOUR_S = 3600.0
ADDS = "POST /v1/packages/[^/]+/files$"
ONE_HOUR = Terms(type=UploadType.TEAM, give_up_after_s=HOUR_S)


def down(room: Room, route: str = ADDS) -> None:
    """Let the cloud answer nothing usable from now on."""
    room.sandbox.fault("status", route, status=502, body={"message": "bad gateway"}, times=None)


def pass_time(room: Room, seconds: float, step_s: float = 60.0) -> None:
    """Turn the room while time passes, until every piece of each step has come back."""
    end = room.store.now() + seconds
    while room.store.now() < end:
        room.clock.advance(step_s)
        room.turn()
        room.until(lambda: room.crew.busy == 0)


def failed(room: Room, upload_id: str) -> bool:
    return room.upload(upload_id).state == "error"


def test_upload_that_never_gets_through_fails_as_network_after_its_time(room: Room):
    """Not before, whatever the attempts; the row says why and when it is tried again."""
    down(room)
    room.build()
    upload_id = room.drop("dark", 100, terms=ONE_HOUR)

    pass_time(room, 0.9 * HOUR_S)
    before = room.upload(upload_id)
    pass_time(room, 0.3 * HOUR_S)
    after, seen = room.upload(upload_id), room.desk.view(upload_id)

    assert before.state == "transferring"
    assert after.state == "error"
    assert after.error_code == NetworkDown.code
    assert after.error.startswith("network: nothing got through for 1 h")
    assert f"masv-watch resume {upload_id}" in after.error
    assert "it is tried again every hour for 7 days" in after.error
    assert seen.state == "error"
    assert seen.waiting.reason is WaitReason.RETRYING
    assert 0 < seen.waiting.until - room.store.now() <= REVIVE_S


def test_upload_that_was_given_up_is_delivered_by_itself_when_the_cloud_is_back(room: Room):
    """Nobody has to type anything within the week, and it is sent to the package it has."""
    down(room)
    room.build()
    upload_id = room.drop("back", 100, terms=ONE_HOUR)
    room.until(lambda: pass_time(room, 60) or failed(room, upload_id))
    package_id = room.upload(upload_id).package_id
    room.sandbox.heal()

    pass_time(room, REVIVE_S / 2)
    too_early = room.upload(upload_id).state
    pass_time(room, REVIVE_S)
    room.until_state(upload_id, "complete")

    assert too_early == "error"
    assert room.upload(upload_id).package_id == package_id
    assert room.package(upload_id)["finalize_calls"] == 1


def test_upload_that_stays_down_is_tried_hourly_for_a_week_and_no_longer(room: Room):
    """One try an hour, and none after seven days."""
    down(room)
    room.build()
    upload_id = room.drop("week", 100, terms=ONE_HOUR)
    room.until(lambda: pass_time(room, 60) or failed(room, upload_id))
    asked = len(room.requests("POST", f"/v1/packages/{room.upload(upload_id).package_id}/files"))

    pass_time(room, REVIVED_FOR_S + 2 * HOUR_S, step_s=600.0)
    tried = len(room.requests("POST", f"/v1/packages/{room.upload(upload_id).package_id}/files"))
    left = room.upload(upload_id)
    pass_time(room, 5 * HOUR_S, step_s=600.0)
    over = len(room.requests("POST", f"/v1/packages/{room.upload(upload_id).package_id}/files"))

    assert (left.state, left.retry_at) == ("error", 0.0)
    assert "it is not tried by itself any more" in left.error
    assert 130 <= tried - asked <= 168
    assert over == tried


def test_upload_that_a_person_resumes_has_its_whole_time_again(room: Room):
    """Who looked into it wants more than one try."""
    down(room)
    room.build()
    upload_id = room.drop("resumed", 100, terms=ONE_HOUR)
    room.until(lambda: pass_time(room, 60) or failed(room, upload_id))
    room.store.advance_upload(upload_id, UploadEvent.RESUME)

    pass_time(room, 0.8 * HOUR_S)
    early = room.upload(upload_id).state
    pass_time(room, 0.4 * HOUR_S)

    assert early == "transferring"
    assert failed(room, upload_id)


def test_upload_of_which_something_gets_through_is_never_given_up(room: Room):
    """An outage is of the whole upload: one that crawls goes on for as long as it takes."""
    room.sandbox.fault("status", "PUT /storage/.*", status=503, part=2, times=None)
    room.build()
    upload_id = room.drop("crawls", 2 * CHUNK, terms=ONE_HOUR)
    pass_time(room, 0.8 * HOUR_S)
    moved = room.upload(upload_id).sent

    room.sandbox.heal()
    down(room, "POST /v1/packages/[^/]+/files/[^/]+/finalize$")
    pass_time(room, 0.6 * HOUR_S)

    assert moved == CHUNK
    assert room.upload(upload_id).sent == 2 * CHUNK
    assert room.upload(upload_id).state == "transferring"


def test_outage_over_a_restart_goes_on_counting(room: Room):
    """Since when nothing gets through is a row, not a memory."""
    down(room)
    room.build()
    upload_id = room.drop("restart", 100, terms=ONE_HOUR)
    pass_time(room, 0.7 * HOUR_S)
    room.restart()

    pass_time(room, 0.5 * HOUR_S)

    assert failed(room, upload_id)


def test_deletion_that_does_not_get_through_is_never_given_up(room: Room):
    """Its package would stay in the cloud for ever."""
    room.build()
    upload_id = room.drop("delete", 100, terms=replace(ONE_HOUR, idle_s=None))
    room.until_state(upload_id, "idle")
    room.sandbox.fault("status", "DELETE /v1/packages/[^/]+$", status=502, times=None)
    package_id = room.upload(upload_id).package_id
    room.store.advance_upload(upload_id, UploadEvent.DELETE)

    pass_time(room, 3 * HOUR_S)
    waiting = room.upload(upload_id).state
    tries = len(room.requests("DELETE", f"/v1/packages/{package_id}"))
    room.sandbox.heal()
    pass_time(room, 0.5 * HOUR_S)

    assert waiting == "deleting"
    assert 30 <= tries <= 90
    assert room.cloud_state(package_id) == "archived"


@pytest.mark.parametrize("every", [False, True])
def test_upload_that_was_given_up_rests_once_a_person_pauses_it(room: Room, every: bool):
    """A pause holds, whatever would have been tried by itself; a resume begins it anew."""
    down(room)
    room.build()
    upload_id = room.drop("rests", 100, terms=ONE_HOUR)
    room.until(lambda: pass_time(room, 60) or failed(room, upload_id))
    if every:
        assert upload_id in room.desk.pause_all()
    else:
        room.desk.pause(upload_id)
    room.sandbox.heal()
    pass_time(room, 3 * REVIVE_S, step_s=600.0)
    resting = room.upload(upload_id).state
    room.desk.resume(upload_id)
    room.until_state(upload_id, "complete")

    assert resting == "error"


def test_upload_that_a_person_paused_is_not_given_up(room: Room):
    """The sender hears of a pause with its next tick, and takes nothing of it back."""
    room.build()
    upload_id = room.drop("paused", 100, terms=ONE_HOUR)
    (claimed,) = room.store.claim_uploads(1, 60.0)
    room.store.note_outage(claimed)
    room.store.advance_upload(upload_id, UploadEvent.PAUSE)

    assert room.store.give_up(claimed, code=NetworkDown.code, error="network: down") is None
    assert room.upload(upload_id).state == "paused"
    assert room.store.revive_due() == 0


def test_sender_says_why_nothing_gets_through_and_is_silent_once_something_does(room: Room):
    """Two minutes of failures alone: what is shorter ends by itself and is nobody's news."""
    down(room)
    room.build()
    upload_id = room.drop("dark", 100)

    pass_time(room, SILENCE_S - 60)
    early = room.sender.unreached()
    pass_time(room, 2 * SILENCE_S)
    late = room.sender.unreached()
    room.sandbox.heal()
    room.until(lambda: pass_time(room, 60) or room.upload(upload_id).state != "transferring")

    assert early == ""
    assert "502" in late or "bad gateway" in late
    assert room.sender.unreached() == ""


def test_silence_of_an_upload_that_a_person_paused_is_no_news(room: Room):
    """Nobody asks the cloud any more, so nobody can say that it does not answer."""
    down(room)
    room.build()
    upload_id = room.drop("dark", 100)
    pass_time(room, 2 * SILENCE_S)
    before = room.sender.unreached()

    room.desk.pause(upload_id)

    assert before
    assert room.sender.unreached() == ""


def test_silence_of_an_upload_whose_window_closed_is_over_once_its_next_try_is_missed(room: Room):
    """It is on its way still, but what failed last evening says nothing of the cloud now."""
    down(room)
    room.build()
    upload_id = room.drop("night", 100)
    pass_time(room, 2 * SILENCE_S)
    before = room.sender.unreached()

    room.clock.advance(MISSED_S)

    assert before
    assert room.sender.unreached() == ""
    assert room.upload(upload_id).state == "transferring"


def test_silence_ends_with_a_refusal_of_the_cloud(room: Room):
    """Whoever says no has heard the question."""
    down(room)
    room.build()
    upload_id = room.drop("dark", 100)
    other = room.drop("refused", 100)
    pass_time(room, 2 * SILENCE_S)
    before = room.sender.unreached()
    room.sandbox.heal()
    room.sandbox.fault("status", ADDS, status=422, body={"message": "no"}, times=1)
    down(room)

    room.until(lambda: pass_time(room, 60) or failed(room, upload_id) or failed(room, other))

    assert before
    assert room.sender.unreached() == ""


def test_silence_that_nobody_heard_for_long_begins_anew(room: Room):
    """One failure after a quiet night is no outage of a night."""
    down(room)
    room.build()
    room.drop("night", 100)
    pass_time(room, 2 * SILENCE_S)
    room.clock.advance(10 * MISSED_S)

    room.turn()
    room.until(lambda: room.crew.busy == 0)
    room.turn()

    assert room.sender.unreached() == ""
