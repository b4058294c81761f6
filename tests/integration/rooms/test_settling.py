"""Callers' files that change on their way: sent again once quiet, never finalized meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from masv_watch.errors import IllegalTransition, SourceForbidden, SourceUnreadable
from masv_watch.lifecycle import MOUNT_CURE
from masv_watch.model import Caller, Found, Terms, UploadType
from masv_watch.transfer.settling import ALARM_S, DRIFTS
from masv_watch.uploads import Uploads, WaitReason, Wish
from tests.integration.rooms.sent import CHUNK, QUIET_S, Door, Hold, Room

AT_ONCE = Terms(type=UploadType.TEAM, idle_s=0.0)
READER = 4711


def _pass(room: Room, seconds: float) -> None:
    """Let so much time pass, with ticks in between, each piece coming to its end."""
    until = room.clock.monotonic() + seconds
    while room.clock.monotonic() < until - 1e-6:
        room.clock.advance(min(0.5, until - room.clock.monotonic()))
        room.turn()
        room.until(lambda: not room.crew.busy)


def _changed(room: Room, *more: Path, terms: Terms | None = None) -> tuple[str, Path]:
    """Let a caller's file change while its second chunk is on its way; it is known to have."""
    path = room.source("grows", 2 * CHUNK)
    put = Hold(room.cloud.put_chunk, nth=2)
    room.workers = 1
    room.build(cloud=Door(room.cloud, put_chunk=put))
    said = {} if terms is None else {"terms": terms}
    upload_id = room.call(path, *more, **said)
    room.until(put.reached.is_set)
    path.write_bytes(b"other" * 1000)
    put.go_on.set()
    room.until(lambda: _row(room, upload_id).stale)
    room.until(lambda: not room.crew.busy)
    return upload_id, path


def _row(room: Room, upload_id: str, name: str = "grows") -> Any:
    return next(file for file in room.store.files(upload_id) if file.name == name)


def _sizes(room: Room, upload_id: str) -> dict[str, int]:
    return {file["name"]: file["size"] for file in room.package(upload_id)["files"]}


def test_changed_file_is_sent_again_only_after_its_quiet_time(room: Room):
    """Until then nothing of it goes out, and it is shown as settling."""
    upload_id, _ = _changed(room)
    adds = len(room.requests("POST", "/files"))
    _pass(room, QUIET_S * 0.9)
    waits = room.desk.view(upload_id)
    row = _row(room, upload_id)
    still = len(room.requests("POST", "/files"))
    _pass(room, QUIET_S * 0.5)
    upload = room.until_state(upload_id, "idle")

    assert (row.stale, row.sent, still) == (True, 0, adds)
    assert (waits.state, waits.waiting.reason) == ("transferring", WaitReason.SETTLING)
    assert (upload.size, upload.sent) == (5000, 5000)
    room.desk.finalize(upload_id)
    room.until_state(upload_id, "complete")
    assert _sizes(room, upload_id) == {"grows": 5000}


def test_every_further_change_begins_the_quiet_time_anew(room: Room):
    """A file that never looks the same for the whole time is not sent, however long it takes."""
    upload_id, path = _changed(room)
    for number in range(6):
        _pass(room, QUIET_S * 0.8)
        path.write_bytes(b"x" * (100 + number))
    _pass(room, QUIET_S * 0.8)
    stale = _row(room, upload_id).stale
    room.until_state(upload_id, "idle")

    assert stale
    assert _row(room, upload_id).identity.size == 105


def _drifts(path: Path) -> None:
    """Give a file another change time, and nothing else."""
    path.chmod(path.stat().st_mode & 0o777)


def _look(room: Room, path: Path, after_s: float) -> None:
    """Let it drift and be looked at once more."""
    _drifts(path)
    room.clock.advance(after_s)
    looks = len(room.looks)
    room.until(lambda: len(room.looks) > looks)
    room.until(lambda: not room.crew.busy)


def test_file_on_a_share_that_is_known_to_drift_is_sent(room: Room):
    """A hot folder of that share learned what is made up there at every look."""
    upload_id, path = _changed(room)
    room.unkept = frozenset({"ctime_ns"})
    for _ in range(6):
        _drifts(path)
        _pass(room, QUIET_S / 4)
    upload = room.until_state(upload_id, "idle")

    assert upload.sent == path.stat().st_size
    assert not _row(room, upload_id).identity.is_whole


def test_file_that_stands_still_but_for_its_drift_is_told_of_after_an_hour(room: Room):
    """No quiet time ends for it, and nothing else would say so."""
    upload_id, path = _changed(room)
    for _ in range(DRIFTS + 1):
        _look(room, path, ALARM_S / DRIFTS / 2)
    early = list(room.settling.needs())
    _look(room, path, ALARM_S)
    (need,) = room.settling.needs()
    room.until_state(upload_id, "idle")

    assert early == []
    assert "another inode or change time at every look" in need.text
    assert MOUNT_CURE in need.cure
    assert upload_id in need.cure
    assert list(room.settling.needs()) == []


@pytest.mark.parametrize("ends", [True, False])
def test_file_that_is_written_or_given_up_is_no_drift(room: Room, ends: bool):
    """Nobody is sent to a mount for a copy that goes on, nor for what was deleted."""
    upload_id, path = _changed(room)
    for number in range(DRIFTS + 2):
        if not ends:
            path.write_bytes(b"x" * number)
        _look(room, path, ALARM_S / DRIFTS)
    if ends:
        assert list(room.settling.needs())
        room.desk.delete(upload_id)

    assert list(room.settling.needs()) == []


def test_finalize_never_goes_out_while_a_file_settles(room: Room):
    """Neither by itself nor by a call, and the other files are all there in the end."""
    upload_id, path = _changed(room, room.source("other", b"abc"), terms=AT_ONCE)
    for number in range(5):
        _pass(room, QUIET_S * 0.6)
        with pytest.raises(IllegalTransition, match="transferring"):
            room.desk.finalize(upload_id)
        path.write_bytes(b"x" * (100 + number))
    before = room.package(upload_id)["finalize_calls"]
    room.until_state(upload_id, "complete")

    assert (before, room.package(upload_id)["finalize_calls"]) == (0, 1)
    assert _sizes(room, upload_id) == {"grows": 104, "other": 3}


def test_file_that_changes_after_it_was_sent_is_found_before_the_finalize(room: Room):
    """The last look catches it: no mixed content, and the wish is carried out once it is quiet."""
    room.build()
    path = room.source("grows", b"abc")
    upload_id = room.call(path, room.source("other", b"abc"))
    room.until_state(upload_id, "idle")
    path.write_bytes(b"changed")
    room.desk.finalize(upload_id)
    room.until_state(upload_id, "transferring")
    before = room.package(upload_id)["finalize_calls"]
    room.until_state(upload_id, "complete")

    assert (before, room.package(upload_id)["finalize_calls"]) == (0, 1)
    assert _sizes(room, upload_id) == {"grows": 7, "other": 3}


def test_changed_file_that_vanished_fails_with_its_cure_and_goes_on_when_put_back(room: Room):
    """Nothing is left out of what was asked for; a person puts it back and resumes."""
    upload_id, path = _changed(room)
    _pass(room, 1)
    path.unlink()
    failed = room.until_state(upload_id, "error")
    path.write_bytes(b"back")
    room.desk.resume(upload_id)
    _pass(room, QUIET_S * 0.9)
    stale = _row(room, upload_id).stale
    room.until_state(upload_id, "idle")

    assert "put it back, then resume" in failed.error
    assert stale
    assert _row(room, upload_id).identity.size == 4


def test_file_that_was_away_for_a_moment_is_quiet_only_after_a_time_of_its_own(room: Room):
    """What was seen before it vanished says nothing about what came back."""
    upload_id, path = _changed(room)
    _pass(room, QUIET_S * 0.5)
    room.refusal = SourceForbidden("is not there")
    room.until_state(upload_id, "error")
    room.refusal = None
    room.clock.advance(QUIET_S)
    room.desk.resume(upload_id)
    _pass(room, QUIET_S * 0.5)

    assert _row(room, upload_id).stale
    assert room.until_state(upload_id, "idle").sent == path.stat().st_size


def test_changed_file_that_its_reader_may_not_read_any_more_fails(room: Room):
    """Each is looked at by the rights of who named it, whoever named the others."""
    room.build()
    mine, his = room.source("mine", b"abc"), room.source("his", b"abc")
    upload_id = room.call(mine)
    room.until_state(upload_id, "idle")
    room.store.add_files(upload_id, room.named(his), [], reader=READER)
    room.until_state(upload_id, "transferring")
    room.until_state(upload_id, "idle")
    for path in (mine, his):
        path.write_bytes(b"changed")
    room.desk.finalize(upload_id)
    room.until_state(upload_id, "transferring")
    _pass(room, 3)
    room.refusal = SourceForbidden("no such file below server.allowed_roots")
    failed = room.until_state(upload_id, "error")

    assert set(room.looks) == {(_path(mine), None), (_path(his), READER)}
    assert "no such file below server.allowed_roots" in failed.error
    assert room.package(upload_id)["finalize_calls"] == 0


def test_files_added_by_another_caller_carry_his_rights(room: Room):
    """Whoever made the upload: a file that changes is read as who named it may read."""
    root, guest = Caller(uid=0, is_owner=True), Caller(uid=READER, is_owner=False)
    eyes = _Eyes(room)
    desk = Uploads(room.store, auth_until=lambda: None, sources=eyes)
    wish = Wish(type=UploadType.PORTAL, portal="vault", paths=(bytes(room.source("mine", b"a")),))
    upload_id = desk.ask(wish, root)
    desk.add_files(upload_id, [bytes(room.source("his", b"b"))], guest)

    readers = {file.name: file.reader for file in room.store.files(upload_id)}
    assert readers == {"mine": None, "his": READER}


class _Eyes:
    """Eyes of the desk that let everybody send everything."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def look(self, paths: Any, _caller: Caller) -> Found:
        return Found(files=self._room.named(*(Path(os.fsdecode(path)) for path in paths)))


def _path(path: Path) -> bytes:
    return os.fsencode(path)[1:]


def test_changed_file_that_cannot_be_read_now_is_looked_at_again(room: Room):
    """A share that stutters costs time and no person's."""
    upload_id, path = _changed(room)
    room.refusal = SourceUnreadable("cannot be read: input/output error")
    _pass(room, 3)
    waiting = room.upload(upload_id)
    room.refusal = None
    room.until_state(upload_id, "idle")

    assert (waiting.state, waiting.attempts) == ("transferring", 1)
    assert room.upload(upload_id).sent == path.stat().st_size


def test_restart_while_a_file_settles_forgets_nothing_but_its_quiet_time(room: Room):
    """The row says that it changed; how long it was quiet is measured anew."""
    upload_id, _ = _changed(room)
    _pass(room, QUIET_S * 0.9)
    room.restart()
    _pass(room, QUIET_S * 0.9)
    row = _row(room, upload_id)
    room.until_state(upload_id, "idle")

    assert (row.stale, row.sent) == (True, 0)
    assert _row(room, upload_id).identity.size == 5000


def test_upload_whose_file_is_written_for_hours_keeps_no_slot_from_others(room: Room):
    """The only place goes to who can send; the other is looked at all the same."""
    room.slots = 1
    upload_id, path = _changed(room)
    room.clock.advance(0.01)
    other = room.call(room.source("other", b"abc"), name="other")
    for number in range(4):
        _pass(room, QUIET_S * 0.4)
        path.write_bytes(b"x" * (100 + number))

    assert room.upload(other).state == "idle"
    assert len(room.looks) >= 3
    room.until_state(upload_id, "idle")
    assert _row(room, upload_id).identity.size == 103


def test_pause_and_delete_hold_while_a_file_settles(room: Room):
    """A paused upload looks at nothing, and a deleted one is not waited for."""
    upload_id, _ = _changed(room)
    room.desk.pause(upload_id)
    _pass(room, 1)
    looks = len(room.looks)
    _pass(room, QUIET_S * 3)
    paused = (len(room.looks), room.upload(upload_id).state)
    package_id = room.upload(upload_id).package_id
    room.desk.delete(upload_id)
    room.until(lambda: room.upload(upload_id).state == "gone")

    assert paused == (looks, "paused")
    assert room.cloud_state(package_id) == "archived"
