"""A cloud that takes everything and then denies it: what is sent again, and who is told."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from masv_watch.errors import CloudRefused, CloudUnreachable
from masv_watch.model import Secret, Upload, UploadEvent
from masv_watch.transfer.packages import MOST_REFUSALS
from masv_watch.uploads import WaitReason
from tests.integration.rooms.sent import CHUNK, Door, Room

FINALIZE = "POST /v1/packages/[^/]+/finalize$"


def _forgetful(room: Room) -> Any:
    """Give the cloud as it is, but no file of its lists was ever finalized."""

    def files(*given: Any, **named: Any) -> Any:
        return [replace(seen, completed=False) for seen in room.cloud.files(*given, **named)]

    return Door(room.cloud, files=files)


def _refuse(room: Room, times: int | None) -> None:
    words = {"message": "package has unfinished files"}
    room.sandbox.fault("status", FINALIZE, status=400, body=words, times=times)


def _puts(room: Room, upload_id: str) -> int:
    """Count how often the only file of an upload was sent: its URL and its end are asked for."""
    package_id = room.upload(upload_id).package_id
    return len(room.requests("POST", f"/v1/packages/{package_id}/files/")) // 2


def _finalizes(room: Room, upload_id: str) -> int:
    return int(room.package(upload_id)["finalize_calls"])


def test_refused_finalize_of_missing_files_waits_before_they_are_sent_again(room: Room):
    """Nothing is sent again at once, and meanwhile everybody may read why."""
    _refuse(room, 1)
    room.build(cloud=_forgetful(room))
    upload_id = room.drop("once", 100)
    room.until(lambda: room.upload(upload_id).retry_at > room.clock.wall())
    for _ in range(50):
        room.turn()
    waiting, refused = room.desk.view(upload_id).waiting, room.upload(upload_id)
    sent = _puts(room, upload_id)
    complete = room.until_state(upload_id, "complete")

    assert waiting is not None
    assert waiting.reason is WaitReason.RETRYING
    assert "package has unfinished files" in waiting.cure
    assert (refused.state, refused.refusals, sent) == ("transferring", 1, 1)
    assert (complete.refusals, _puts(room, upload_id), _finalizes(room, upload_id)) == (0, 2, 2)


def test_refused_finalize_sends_nothing_before_its_end_is_known(room: Room):
    """Rows that say that files are lost are not acted on beside the step that wrote them."""
    heard = threading.Event()

    def advance(upload: Upload, event: UploadEvent, **named: Any) -> Any:
        moved = room.store.advance_claimed(upload, event, **named)
        assert event is not UploadEvent.REFUSED or heard.wait(30)
        return moved

    _refuse(room, 1)
    room.build(store=Door(room.store, advance_claimed=advance), cloud=_forgetful(room))
    upload_id = room.drop("patient", 100)
    room.until(lambda: room.upload(upload_id).refusals == 1)
    for _ in range(50):
        room.turn()
    sent = _puts(room, upload_id)
    heard.set()
    room.until_state(upload_id, "complete")

    assert (sent, _puts(room, upload_id)) == (1, 2)


def test_finalize_that_stays_refused_ends_in_an_error_with_a_cure(room: Room):
    """Everything is sent five times at most, whatever the cloud says and over any restart."""
    _refuse(room, None)
    room.build(cloud=_forgetful(room))
    upload_id = room.drop("never", 100)

    def twice() -> bool:
        room.clock.advance(0.25)
        return room.upload(upload_id).refusals == 2

    room.until(twice)
    room.restart(cloud=_forgetful(room))
    failed = room.until_state(upload_id, "error")

    assert failed.error_code == CloudRefused.code
    assert "package has unfinished files" in failed.error
    assert f"masv-watch resume {upload_id}" in failed.error
    assert _finalizes(room, upload_id) == MOST_REFUSALS
    assert _puts(room, upload_id) == MOST_REFUSALS


def test_pauses_between_refused_finalizes_grow(room: Room):
    """What is sent in between goes well, and begins no count anew."""
    _refuse(room, None)
    room.build(cloud=_forgetful(room))
    upload_id = room.drop("longer", 100)
    pauses: dict[int, float] = {}

    def over() -> bool:
        upload = room.upload(upload_id)
        if (pause := upload.retry_at - room.clock.wall()) > 0:
            # no time passes before a pause is seen, however slow the sender is; a little more than
            # it passes then, so that no rounded rest of it is taken for the next one
            pauses.setdefault(upload.refusals, pause)
            room.clock.advance(pause + 0.01)
        return upload.state == "error"

    room.until(over)
    found = [pauses[number] for number in sorted(pauses)]

    assert len(found) == MOST_REFUSALS - 1
    assert all(later > 1.5 * sooner for sooner, later in pairwise(found))


def test_resume_after_refused_finalizes_asks_again_before_it_sends(room: Room):
    """A person had it mended: the count begins anew and what lies there is not sent once more."""
    _refuse(room, None)
    room.build(cloud=_forgetful(room))
    upload_id = room.drop("mended", 100)
    room.until_state(upload_id, "error")
    sent = _puts(room, upload_id)
    room.sandbox.heal()
    room.desk.resume(upload_id)
    resumed = room.upload(upload_id)
    room.until_state(upload_id, "complete")

    assert resumed.refusals == 0
    assert _puts(room, upload_id) == sent
    assert _finalizes(room, upload_id) == MOST_REFUSALS + 1


@pytest.mark.fault(63)
def test_add_that_takes_effect_after_its_file_was_sent_is_deleted_and_delays_only(room: Room):
    """The cloud finalizes no package with a file that nobody sends: ours of a lost add goes."""
    late: list[str] = []

    def finalize(package_id: str, token: Secret) -> None:
        if not late:
            added = room.cloud.add_file(
                package_id, token, name="late.mov", path="", last_modified="2026-11-28T00:00:00Z"
            )
            late.append(added.id)
        room.cloud.finalize_package(package_id, token)

    room.build(cloud=Door(room.cloud, finalize_package=finalize))
    upload_id = room.drop("late", 100)
    complete = room.until_state(upload_id, "complete")
    package = room.package(upload_id)

    assert len(late) == 1
    assert late[0] not in [file["id"] for file in package["files"]]
    assert package["finalize_calls"] == 2
    assert (complete.refusals, _puts(room, upload_id)) == (0, 1)


def test_file_that_was_cut_into_too_many_chunks_begins_anew(room: Room):
    """No chunk size of an earlier day makes more chunks than a storage takes."""

    def opened(*given: Any, **named: Any) -> None:
        room.store.note_file_opened(*given, **{**named, "chunk_size": 1024})

    def reset(*_given: Any) -> str:
        raise CloudUnreachable("a reset")

    room.build(
        store=Door(room.store, note_file_opened=opened), cloud=Door(room.cloud, put_chunk=reset)
    )
    upload_id = room.drop("crumbs", 2 * CHUNK + 1)
    room.until(lambda: room.file(upload_id).error)
    first = room.file(upload_id)
    room.restart()
    room.until_state(upload_id, "complete")
    (file,) = room.package(upload_id)["files"]

    assert first.chunk_size == 1024
    assert (file["size"], file["id"] == first.cloud_id) == (2 * CHUNK + 1, False)
    assert [chunk.size for chunk in room.store.chunks(room.file(upload_id).id)] == [CHUNK, CHUNK, 1]


@pytest.mark.fault(61)
@pytest.mark.parametrize("status", [403, 404, 410])
def test_page_of_a_filter_stops_no_upload_for_good(room: Room, status: int):
    """What stands between us and the cloud says nothing of the package: it is tried again."""
    room.sandbox.fault("html", "POST /v1/packages/[^/]+/files$", status=status)
    room.build()
    upload_id = room.drop("paged", 100)
    room.until(lambda: room.upload(upload_id).state == "error" or room.file(upload_id).error)
    waiting = room.file(upload_id).error
    room.until_state(upload_id, "complete")

    assert "a web page came instead of the cloud's answer" in waiting
