"""Which buttons an upload has that waits for its delivery."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.api.page import buttons
from masv_watch.errors import PackageGone
from masv_watch.model import Drop, DropState, UploadLine, UploadState, UploadType
from masv_watch.uploads import UploadView, Waiting, WaitReason
from masv_watch.uploads.views import failure_cure

TO = ("client@example.com",)
DROP = Drop(
    id=7, hot_folder="out", path=b"DAY_01", generation=1, state=DropState.TAKEN, hold=None,
    note="", whole=True, upload_id="u1", signature="", size=1, file_count=1, seen_at=1.0,
    settled_at=2.0,
)  # fmt: skip


def view(state: UploadState, reason: WaitReason | None, *, is_asked: bool = False) -> UploadView:
    line = UploadLine(
        id="u1", type=UploadType.TEAM, state=state, name="DAY_01", hot_folder="out",
        package_id="p1", size=1, sent=1, file_count=1, priority=0, created_at=1.0,
        finalized_at=None, retry_at=0.0, error_code=None, error="",
        is_finalize_asked=is_asked,
    )  # fmt: skip
    waiting = None if reason is None else Waiting(reason=reason)
    return UploadView(upload=line, state="idle", waiting=waiting, open_tasks=0)


@pytest.mark.parametrize(
    ("state", "reason", "labels"),
    [
        (UploadState.TRANSFERRING, WaitReason.RECALL, ["Pause", "Send now", "Cancel"]),
        (UploadState.IDLE, WaitReason.RECALL, ["Finalize", "Cancel"]),
        (UploadState.FINALIZING, WaitReason.RECALL, ["Send now", "Cancel"]),
        (UploadState.FINALIZING, WaitReason.WINDOW_CLOSED, ["Send now", "Cancel"]),
        (UploadState.IDLE, WaitReason.WINDOW_CLOSED, ["Finalize", "Send now", "Cancel"]),
        (UploadState.TRANSFERRING, WaitReason.WINDOW_CLOSED, ["Send now", "Pause", "Cancel"]),
        # it may be delivered already
        (UploadState.FINALIZING, WaitReason.FINALIZING, []),
        (UploadState.FINALIZING, None, []),
        (UploadState.TRANSFERRING, WaitReason.QUOTA, ["Retry now", "Pause", "Cancel"]),
        (UploadState.TRANSFERRING, WaitReason.RETRYING, ["Retry now", "Pause", "Cancel"]),
        (UploadState.FINALIZING, WaitReason.QUOTA, ["Retry now"]),
        # a failed one goes on by its resume
        (UploadState.ERROR, WaitReason.RETRYING, ["Resume", "Cancel"]),
        (UploadState.COMPLETE, WaitReason.WINDOW_CLOSED, ["Send now", "Make a link"]),
    ],
)
def test_upload_can_be_taken_back_as_long_as_nobody_got_it(
    state: UploadState, reason: WaitReason | None, labels: list[str]
) -> None:
    """While its finalize waits for its time, nothing of it was asked for."""
    waits = view(state, reason)

    found = buttons.of_upload(waits, TO)

    assert [each.label for each in found] == labels
    assert buttons.is_cancellable(waits) is ("Cancel" in labels)
    is_up = state in (UploadState.IDLE, UploadState.FINALIZING)
    for each in found:
        delivers = each.label in ("Send now", "Retry now") and (
            is_up or reason is WaitReason.RECALL
        )
        is_asked = each.asks is not None and TO[0] in each.asks.text
        assert is_asked is (each.label in ("Cancel", "Finalize") or delivers), each


def test_button_of_an_upload_that_failed_has_the_word_of_the_cure_beside_it() -> None:
    """And where no command helps there is none."""
    failed = view(UploadState.ERROR, None)
    gone = replace(failed, upload=failed.upload._replace(error_code=PackageGone.code))

    labels = [each.label for each in buttons.of_upload(failed, TO)]

    assert failure_cure(failed.upload) == f"masv-watch {labels[0].lower()} u1"
    assert labels == ["Resume", "Cancel"]
    assert not failure_cure(gone.upload).startswith("masv-watch")
    assert [each.label for each in buttons.of_upload(gone, TO)] == ["Cancel"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (UploadState.ERROR, None),
        (UploadState.ERROR, WaitReason.RETRYING),
        (UploadState.FINALIZING, WaitReason.WINDOW_CLOSED),
    ],
)
def test_upload_whose_finalize_may_have_reached_the_cloud_is_not_cancelled(
    state: UploadState, reason: WaitReason | None
) -> None:
    """It failed afterwards, and still whom it goes to may have it."""
    failed = view(state, reason, is_asked=True)

    assert "Cancel" not in [each.label for each in buttons.of_upload(failed, TO)]
    assert not buttons.is_cancellable(failed)
    assert buttons.of_drop_sent(DROP, buttons.Ways(rules={}), upload=failed, to=TO) == ()


def test_drop_of_an_upload_that_can_be_taken_back_can_be_cancelled_and_not_rebound() -> None:
    """Its package is whole, and made for whom it was made."""
    ways = buttons.Ways(rules={})

    back = view(UploadState.FINALIZING, WaitReason.RECALL)
    gone = view(UploadState.FINALIZING, None)

    assert [each.label for each in buttons.of_drop_sent(DROP, ways, upload=back, to=TO)] == [
        "Cancel"
    ]
    assert buttons.of_drop_sent(DROP, ways, upload=gone, to=TO) == ()
