"""What keeps an upload from moving, in the words that people read."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from masv_watch.model import (
    Drop,
    DropState,
    HoldReason,
    Terms,
    Turns,
    Upload,
    UploadState,
    UploadType,
)
from masv_watch.uploads import WaitReason, waiting_for
from masv_watch.uploads.views import line_of

NOW = 1000.0
TEAM = Terms(type=UploadType.TEAM)
PORTAL = Terms(type=UploadType.PORTAL, portal="dailies")
MOVING = Upload(
    id="u",
    hot_folder="out",
    root=b"/srv/out",
    name="Day 1",
    message="",
    terms=TEAM,
    state=UploadState.TRANSFERRING,
    package_id="p",
    package_token=None,
    package_asked_at=None,
    finalize_asked=False,
    finalize_at=None,
    retry_at=0.0,
    attempts=0,
    error_code=None,
    error="",
    fence=1,
    lease_until=0.0,
    created_at=900.0,
    joined_at=900.0,
    finalized_at=None,
    size=10,
    sent=5,
    file_count=1,
)


def waits(upload, **said):
    """Ask for the line of an upload, as a list does."""
    line = line_of(upload)
    return waiting_for(line, now=NOW, **{"ahead": None, "auth_until": None, **said})


def test_waiting_of_an_upload_that_moves_is_nothing():
    """With a package and nothing in the way there is nothing to say."""
    assert waits(MOVING) is None


@pytest.mark.parametrize(
    "state", [UploadState.PAUSED, UploadState.IDLE, UploadState.COMPLETE, UploadState.ERROR]
)
def test_waiting_of_an_upload_whose_state_says_it_all_is_nothing(state):
    """Paused, idle, complete and failed need no second word, whatever the key."""
    assert waits(replace(MOVING, state=state), auth_until=NOW + 60, settling=True) is None


def test_waiting_of_a_batch_that_is_up_is_until_its_finalize():
    """Further drops join until then, and it can be ended by hand."""
    batch = replace(TEAM, batch=True)
    idle = replace(MOVING, state=UploadState.IDLE, terms=batch, finalize_at=NOW + 60)

    found = waits(idle)

    assert (found.reason, found.until) == (WaitReason.BATCH_OPEN, NOW + 60)
    assert found.cure == "wait for further drops; masv-watch finalize u delivers it now"
    assert waits(replace(idle, finalize_at=NOW)) is None
    assert waits(replace(idle, terms=TEAM)) is None


def test_waiting_in_a_recall_window_names_how_it_is_taken_back_and_how_it_goes():
    """Of a batch only once it takes nothing more; over its window nothing is said."""
    idle = replace(MOVING, state=UploadState.IDLE, finalize_at=NOW + 60, recall_s=600.0)

    found = waits(idle)

    assert (found.reason, found.until) == (WaitReason.RECALL, NOW + 660)
    assert found.cure == "masv-watch delete u takes it back, masv-watch finalize u sends it now"
    batch = replace(idle, terms=replace(TEAM, batch=True))
    assert waits(batch).reason is WaitReason.BATCH_OPEN
    assert waits(replace(batch, finalize_at=NOW)).reason is WaitReason.RECALL
    for over in ({"finalize_at": NOW - 600}, {"is_recall_over": True}, {"is_started": True}):
        assert waits(replace(idle, **over)) is None


def test_waiting_of_what_an_earlier_package_serves_is_for_its_window_behind_all_else():
    """A closed window and a hold are told of first: they may last longer."""
    served = replace(MOVING, package_id=None, relinks="e", recall_s=600.0)

    found = waits(served, ahead=0)

    assert (found.reason, found.until) == (WaitReason.RECALL, 900.0 + 600.0)
    assert found.cure.endswith("masv-watch start u sends it now")
    shut = Turns(closed={"out": NOW + 60})
    assert waits(served, turns=shut).reason is WaitReason.WINDOW_CLOSED
    assert waits(replace(served, created_at=NOW - 600), ahead=0).reason is WaitReason.QUEUED


def test_waiting_of_an_upload_without_a_slot_is_its_place_in_the_queue():
    """Since when, and how many go first."""
    found = waits(MOVING, ahead=3)

    assert (found.reason, found.since, found.ahead) == (WaitReason.QUEUED, 900.0, 3)


def test_waiting_for_a_refused_key_comes_before_everything_else():
    """One cure for all uploads of the team."""
    found = waits(
        replace(MOVING, package_id=None, error="x", retry_at=NOW + 5), auth_until=NOW + 60
    )

    assert (found.reason, found.until) == (WaitReason.AUTH, NOW + 60)
    assert "masv.api_key" in found.cure


def test_upload_without_quota_says_so_until_the_cloud_is_asked_again():
    """Moving or being finalized; outside its hours it would not go anyway."""
    moving = waits(MOVING, quota_until=NOW + 60, ahead=2)
    finalizing = waits(replace(MOVING, state=UploadState.FINALIZING), quota_until=NOW + 1)
    shut = waits(MOVING, quota_until=NOW + 60, turns=Turns(closed={MOVING.hot_folder: NOW + 9}))

    assert (moving.reason, moving.until) == (WaitReason.QUOTA, NOW + 60)
    assert f"masv-watch retry {MOVING.id} tries at once" in moving.cure
    assert (finalizing.reason, finalizing.until) == (WaitReason.QUOTA, NOW + 1)
    assert shut.reason is WaitReason.WINDOW_CLOSED


def test_upload_for_which_the_cloud_is_asked_any_moment_waits_for_its_turn_and_not_for_quota():
    """Nobody is sent to MASV for what only stands in the queue."""
    queued = waits(MOVING, quota_until=NOW, ahead=2)
    finalizing = waits(replace(MOVING, state=UploadState.FINALIZING), quota_until=NOW - 1)

    assert queued.reason is WaitReason.QUEUED
    assert finalizing.reason is WaitReason.FINALIZING


def test_waiting_of_a_portals_upload_has_nothing_to_do_with_the_key():
    """A portal needs no key of ours."""
    assert waits(replace(MOVING, terms=PORTAL), auth_until=NOW + 60) is None


def test_waiting_for_a_retry_names_its_time_and_the_failure():
    """What failed, and when it is tried again; a retry that is due is no wait."""
    later = replace(MOVING, error="no route to the cloud", retry_at=NOW + 30)

    found = waits(later)

    assert (found.reason, found.until) == (WaitReason.RETRYING, NOW + 30)
    assert found.cure == "no route to the cloud"
    assert waits(replace(later, retry_at=NOW)) is None


def test_waiting_for_a_changed_source_is_settling():
    """A source that changes while it is sent has to come to rest first."""
    assert waits(MOVING, settling=True).reason is WaitReason.SETTLING


def test_waiting_for_a_held_drop_names_the_hold_and_its_cure():
    """Before the writer and the queue, which can do nothing about it."""
    held = Drop(
        id=7, hot_folder="out", path=b"a", generation=1, state=DropState.TAKEN,
        hold=HoldReason.LIMIT_EXCEEDED, note="", whole=False, upload_id="u", signature="", size=0,
        file_count=0, seen_at=0.0, settled_at=None,
    )  # fmt: skip

    found = waits(MOVING, held=held, settling=True, ahead=1)

    assert found.reason is WaitReason.HELD
    assert found.cure.startswith("limit_exceeded: masv-watch release 7 ")


def test_waiting_for_a_closed_window_names_when_it_opens_and_what_sends_it_now():
    """Before queue and retry, which can do nothing while it is closed (behaviour 12)."""
    late = replace(MOVING, hot_folder="out", error="no route", retry_at=NOW + 30)

    turns = Turns(closed={"out": NOW + 3600})
    found = waits(late, turns=turns, ahead=1, settling=True)

    assert (found.reason, found.until) == (WaitReason.WINDOW_CLOSED, NOW + 3600)
    assert found.cure == f"wait for the window to open; masv-watch start {late.id} sends it now"
    assert waits(replace(late, is_started=True), turns=turns).reason is WaitReason.RETRYING
    assert waits(replace(late, hot_folder=None), turns=turns).reason is WaitReason.RETRYING
    done = replace(late, state=UploadState.FINALIZING)
    assert waits(done, turns=turns).reason is WaitReason.FINALIZING


@pytest.mark.parametrize("state", [UploadState.TRANSFERRING, UploadState.FINALIZING])
def test_waiting_for_the_disk_of_the_state_comes_before_all_that_would_need_it(state):
    """What was started by a person waits too, and the cure is the same for all (fault 38)."""
    low = Turns(closed={"out": None}, disk_trouble="3 MiB free")
    waiting = replace(MOVING, state=state, hot_folder="out", is_started=True)

    found = waits(waiting, turns=low, auth_until=NOW + 60, ahead=2)

    assert (found.reason, found.until) == (WaitReason.STATE_DISK_LOW, None)
    assert found.cure.startswith("3 MiB free: free space on the disk of the state folder")


@pytest.mark.parametrize(
    ("state", "owes_letter", "shown"),
    [
        (UploadState.IDLE, False, True),
        (UploadState.FINALIZING, False, True),
        (UploadState.COMPLETE, True, True),
        (UploadState.COMPLETE, False, False),
        (UploadState.PAUSED, False, False),
        (UploadState.ERROR, False, False),
    ],
)
def test_waiting_for_a_window_of_delivery_is_shown_where_it_keeps_something(
    state, owes_letter, shown
):
    """A finalize or a letter; what a person started waits for none (behaviour 12)."""
    turns = Turns(undelivered={"out": NOW + 60})
    upload = replace(MOVING, state=state)

    found = waits(upload, turns=turns, owes_letter=owes_letter)

    assert (found is not None) is shown
    if found is not None:
        assert (found.reason, found.until) == (WaitReason.WINDOW_CLOSED, NOW + 60)
    started = waits(replace(upload, is_started=True), turns=turns, owes_letter=owes_letter)
    assert started is None or started.reason is WaitReason.FINALIZING


def test_waiting_of_a_letter_that_may_have_left_is_held_with_what_sends_it():
    """No time ends it: a person says whether it goes."""
    done = replace(MOVING, state=UploadState.COMPLETE, hot_folder="out")

    found = waits(done, letter_until=math.inf)

    assert (found.reason, found.until) == (WaitReason.HELD, None)
    assert f"may have left since: masv-watch start {done.id} sends it" in found.cure


def test_waiting_of_a_letter_for_others_names_when_it_leaves_and_what_sends_it_now():
    """After a window of delivery, which keeps it longer; nothing is said where none waits."""
    done = replace(MOVING, state=UploadState.COMPLETE, hot_folder="out")

    found = waits(done, letter_until=NOW + 600)

    assert (found.reason, found.until) == (WaitReason.DIGEST, NOW + 600)
    assert found.cure == (
        f"masv-watch start {done.id} sends its letter now, with all that waits beside it"
    )
    shut = {"turns": Turns(undelivered={"out": NOW + 60}), "owes_letter": True}
    assert waits(done, letter_until=NOW + 600, **shut).reason is WaitReason.WINDOW_CLOSED
    assert waits(done) is None


def test_waiting_for_a_finalize_is_shown_whatever_else_holds():
    """Its time is named only while it lies ahead."""
    finalizing = replace(MOVING, state=UploadState.FINALIZING)

    assert waits(finalizing).reason is WaitReason.FINALIZING
    assert waits(finalizing).until is None
    assert waits(replace(finalizing, retry_at=NOW + 9), auth_until=NOW + 60).until == NOW + 9
