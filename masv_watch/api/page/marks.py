"""The word and the shape by which a state is told, so that no colour is needed to read one.

Owns how uploads, drops and hot folders are called on the page. Never decides a state. Used by the
views of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from masv_watch.model import DropState, HoldReason, UploadState
from masv_watch.uploads import DropView, FolderView, UploadView, WaitReason

#: shapes of the page's sprite; the style sheet gives each its colour
Shape = Literal["good", "moving", "waiting", "paused", "trouble"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a state is told."""

    shape: Shape
    word: str


HOLDS = {
    HoldReason.GROWING: "still being written",
    HoldReason.OPEN_BY_WRITER: "open in another program",
    HoldReason.MARKER_MISSING: "its done marker is missing",
    HoldReason.INCOMPLETE: "not complete",
    HoldReason.SIDECAR_MISSING: "its sidecar file is missing",
    HoldReason.SIDECAR_INVALID: "its sidecar file cannot be used",
    HoldReason.WINDOW_CLOSED: "outside the hours in which this hot folder sends",
    HoldReason.PAUSED: "its hot folder is paused",
    HoldReason.ROOT_UNAVAILABLE: "its hot folder is away",
    HoldReason.UNREADABLE: "something in it cannot be read",
    HoldReason.UNSTABLE_SOURCE: "it changes again and again",
    HoldReason.LIMIT_EXCEEDED: "larger than the rule's limits allow",
    HoldReason.EMPTY: "nothing in it can be sent",
    HoldReason.NO_RECIPIENT: "nobody is named to receive it",
    HoldReason.INITIAL_ASK: "it was there at the first start",
    HoldReason.REDROP_ASK: "the same name was sent before",
    HoldReason.LOOSE_FILE: "a loose file where folders are expected",
    HoldReason.STATE_DISK_LOW: "the disk of the state is full",
    HoldReason.AUTH: "MASV refuses the key",
    HoldReason.QUOTA: "the quota at MASV is used up",
    HoldReason.OPERATOR: "somebody held it by hand",
}

WAITS = {
    WaitReason.QUEUED: "Queued",
    WaitReason.RETRYING: "Retrying",
    WaitReason.SETTLING: "Settling",
    WaitReason.HELD: "Held",
    WaitReason.WINDOW_CLOSED: "Outside its hours",
    WaitReason.FINALIZING: "Being delivered",
    WaitReason.BATCH_OPEN: "Open for more",
    WaitReason.RECALL: "Can be taken back",
    WaitReason.DIGEST: "Its letter waits for others",
    WaitReason.AUTH: "MASV refuses the key",
    WaitReason.QUOTA: "The quota at MASV is used up",
    WaitReason.STATE_DISK_LOW: "The disk of the state is full",
}
_TROUBLES = frozenset(
    {WaitReason.HELD, WaitReason.AUTH, WaitReason.QUOTA, WaitReason.STATE_DISK_LOW}
)

_UPLOADS = {
    UploadState.TRANSFERRING: Mark(shape="moving", word="Sending"),
    UploadState.PAUSED: Mark(shape="paused", word="Paused"),
    UploadState.IDLE: Mark(shape="waiting", word="Sent, not delivered yet"),
    UploadState.FINALIZING: Mark(shape="moving", word="Being delivered"),
    UploadState.COMPLETE: Mark(shape="good", word="Delivered"),
    UploadState.ERROR: Mark(shape="trouble", word="Stopped"),
}

_DROPS = {
    DropState.SETTLING: Mark(shape="waiting", word="Settling"),
    DropState.HELD: Mark(shape="trouble", word="Held"),
    DropState.QUEUED: Mark(shape="waiting", word="Settled"),
    DropState.TAKEN: Mark(shape="moving", word="On its way"),
}

_FOLDERS = {
    "watching": Mark(shape="good", word="Watching"),
    "paused": Mark(shape="paused", word="Paused"),
    "waiting": Mark(shape="trouble", word="Away"),
    "disabled": Mark(shape="paused", word="Disabled"),
}


def of_upload(view: UploadView) -> Mark:
    """Tell an upload's state, by what it waits for where it waits."""
    if view.waiting is None or view.upload.state is UploadState.FINALIZING:
        return _UPLOADS[view.upload.state]
    reason = view.waiting.reason
    shape: Shape = "trouble" if reason in _TROUBLES else "waiting"
    return Mark(shape=shape, word=WAITS[reason])


def of_state(state: UploadState) -> Mark:
    """Tell the state of an upload of which nothing else is known."""
    return _UPLOADS.get(state, _DROPS[DropState.TAKEN])


def of_drop(view: DropView, upload: Mark | None = None) -> Mark:
    """Tell the state of a drop that is not whole on its way yet; `upload` is its upload's."""
    state = DropState.HELD if view.drop.hold is not None else view.drop.state
    return upload if upload is not None and state is DropState.TAKEN else _DROPS[state]


def of_folder(view: FolderView) -> Mark:
    """Tell whether a hot folder is watched."""
    return _FOLDERS[view.state]
