"""What a hot folder makes of a source in its recall window, and of what was taken back."""

from __future__ import annotations

import pytest

from masv_watch.model import DropMode, Finalize, LateDrops, Schedule, UploadState
from masv_watch.once import is_done
from masv_watch.uploads import WaitReason
from tests.integration.rooms.watched import LOOK_S, QUIET_S
from tests.integration.store.making import claim, open_package, send_files

from .test_cancelling import cancel
from .test_intake_redrops import SETTLED_S

WINDOW_S = 600.0


@pytest.fixture
def make_waiting(make_room):
    """Give the way to a room in which `a.mov` is up, at the begin of its window."""

    def make(**rule):
        room = make_room(recall_s=WINDOW_S, **rule)
        (room.hot / "a.mov").write_bytes(b"abc")
        room.pass_time(QUIET_S + LOOK_S)
        (upload,) = room.taken()
        send(room, upload.id)
        return room, upload.id

    return make


def send(room, upload_id):
    """Send all that is open of an upload, as the sender does."""
    claimed = claim(room.store, upload_id)
    if claimed.package_id is None:
        open_package(room.store, claimed)
    send_files(room.store, room.store.upload(upload_id), hash_of=lambda _file: "h")
    assert room.store.advance_all_sent(upload_id, claimed.fence)
    room.store.let_go(upload_id, claimed.fence)


def gone(room, upload_id):
    """Let the sender delete a package, as it does at its next turn."""
    room.store.note_deleted(claim(room.store, upload_id), was_finalized=False)


@pytest.mark.parametrize("by", ["delete", "cancel"])
def test_what_was_taken_back_does_not_come_again_by_itself(make_waiting, by):
    """Its source stays where it is; a resend brings it, and so does other content."""
    room, upload_id = make_waiting()
    if by == "delete":
        room.uploads.delete(upload_id)
    else:
        cancel(room, "a.mov")
    gone(room, upload_id)
    room.begin()
    room.pass_time(3 * SETTLED_S)

    assert room.state("a.mov") == ("cancelled", None)
    assert room.store.uploads() == []
    assert (room.hot / "a.mov").read_bytes() == b"abc"
    room.store.resend_drop(room.drop("a.mov").id)
    room.pass_time(SETTLED_S)
    assert [upload.size for upload in room.taken()] == [3]


def test_right_file_under_the_name_of_what_was_taken_back_goes(make_waiting):
    """It is the wrong content that nobody wanted, not its name."""
    room, upload_id = make_waiting()
    room.uploads.delete(upload_id)
    gone(room, upload_id)
    (room.hot / "a.mov").write_bytes(b"the right one")
    room.pass_time(2 * SETTLED_S)

    assert [upload.size for upload in room.taken()] == [13]


def test_change_in_the_window_is_seen_and_settles_before_anything_is_finalized(make_waiting):
    """The sweep ends the window: what it is now waits for one of its own."""
    room, upload_id = make_waiting()
    room.clock.advance(WINDOW_S / 2)
    (room.hot / "a.mov").write_bytes(b"longer content")
    room.intake.hurry()
    room.pass_time(QUIET_S / 2)
    assert room.store.upload(upload_id).state is UploadState.TRANSFERRING
    room.pass_time(2 * SETTLED_S)
    send(room, upload_id)

    assert room.uploads.view(upload_id).waiting.until == room.store.now() + WINDOW_S
    assert room.store.upload(upload_id).size == 14


def test_source_that_is_gone_at_the_end_of_the_window_ends_it_as_vanished(make_waiting):
    """Taken away, it is delivered to nobody: its package is left, and it says what helps."""
    room, upload_id = make_waiting()
    (room.hot / "a.mov").unlink()
    room.intake.hurry()
    room.pass_time(WINDOW_S)
    assert room.store.finalize_due() == [upload_id]
    # as the last look of the sender does
    claimed = claim(room.store, upload_id)
    (file,) = room.store.files(upload_id)
    room.store.note_source_changed(file, claimed.fence, "a.mov is not there any more")
    room.intake.hurry()
    room.pass_time(2 * SETTLED_S)

    upload = room.store.upload(upload_id)
    assert (upload.state, upload.package_id) == (UploadState.ERROR, None)
    assert "vanished" in upload.error
    assert [left.upload_id for left in room.store.left_packages()] == [upload_id]


def test_file_that_comes_in_the_window_of_a_batch_begins_the_next_one(make_waiting):
    """What a person sees is what goes; the window of the first does not begin anew for it."""
    room, upload_id = make_waiting(drop=DropMode.BATCH, finalize=Finalize(idle_s=60.0))
    room.clock.advance(60.0)
    until = room.uploads.view(upload_id).waiting.until
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(2 * SETTLED_S)

    assert len(room.taken()) == 2
    waiting = room.uploads.view(upload_id).waiting
    assert (waiting.reason, waiting.until) == (WaitReason.RECALL, until)


def test_marker_of_somebody_at_the_share_ends_the_window(make_waiting):
    """Who has no command can say so all the same, where the rule heeds such markers."""
    room, upload_id = make_waiting(schedule=Schedule(late_drops=LateDrops.URGENT))
    assert room.store.finalize_due() == []
    (room.hot / "a.mov.SENDNOW").touch()
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.store.finalize_due() == [upload_id]


@pytest.mark.parametrize("mode", [DropMode.EACH, DropMode.BATCH])
def test_run_once_waits_for_the_window_and_begins_that_of_a_batch(make_waiting, mode):
    """It says that all is delivered, so it cannot end before; nothing more joins the batch."""
    room, upload_id = make_waiting(drop=mode)
    until = room.store.now() + WINDOW_S
    assert not is_done(room.store, room.uploads)
    room.clock.advance(1.0)
    assert not is_done(room.store, room.uploads)

    waiting = room.uploads.view(upload_id).waiting
    assert (waiting.reason, waiting.until) == (WaitReason.RECALL, until)
    room.clock.advance(WINDOW_S)
    assert room.store.finalize_due() == [upload_id]
