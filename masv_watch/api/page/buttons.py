"""Which buttons stand beside what.

Owns what a person can do about an upload, a drop and a hot folder, and how it is called. Never does
it: `api.page.deeds` does. Used by the views of the page.
"""

from __future__ import annotations

from dataclasses import dataclass

from masv_watch import lifecycle
from masv_watch.errors import PackageGone
from masv_watch.model import DropMode, HoldReason, UploadEvent, UploadState, UploadType
from masv_watch.uploads import DropView, FolderView, UploadView, WaitReason

#: what waits only for its turn or its time, and may go at once
_STARTABLE = {
    WaitReason.QUEUED: "Send now",
    WaitReason.WINDOW_CLOSED: "Send now",
    WaitReason.RETRYING: "Retry now",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One thing that a person can ask for."""

    label: str
    #: the path below `/page/` that is posted to
    target: str


def of_upload(view: UploadView) -> tuple[Button, ...]:
    """Give what can be asked of an upload now, as the lifecycle allows it."""
    upload = view.upload
    legal = lifecycle.UPLOAD[upload.state]
    found: list[tuple[str, str]] = []
    if view.waiting is not None and view.waiting.reason in _STARTABLE:
        found.append((_STARTABLE[view.waiting.reason], "start"))
    if UploadEvent.PAUSE in legal:
        found.append(("Pause", "pause"))
    if UploadEvent.RESUME in legal and upload.error_code != PackageGone.code:
        found.append(("Retry" if upload.state is UploadState.ERROR else "Resume", "resume"))
    if UploadEvent.FINALIZE in legal:
        found.append(("Finalize", "finalize"))
    if upload.state is UploadState.COMPLETE and upload.type is UploadType.TEAM:
        found.append(("Make a link", "link"))
    return tuple(Button(label=label, target=f"uploads/{upload.id}/{verb}") for label, verb in found)


def of_drop(view: DropView) -> tuple[Button, ...]:
    """Give what can be asked of a drop now: a hold that a person's word ends can be ended here."""
    if view.drop.hold not in lifecycle.RELEASABLE:
        return ()
    return (Button(label="Release", target=f"drops/{view.drop.id}/release"),)


def of_group(hot_folder: str, hold: HoldReason) -> tuple[Button, ...]:
    """Give what can be asked of all drops together that a hot folder holds for one reason."""
    if hold is not HoldReason.INITIAL_ASK:
        return ()
    return (Button(label="Release all", target=f"hot_folders/{hot_folder}/release"),)


def of_folder(view: FolderView) -> tuple[Button, ...]:
    """Give what can be asked of a hot folder."""
    found: list[tuple[str, str]] = []
    # one that is disabled is not looked at, so that there is nothing to pause
    if view.state != "disabled":
        found.append(("Scan", "scan"))
        found.append(("Resume", "resume") if view.state == "paused" else ("Pause", "pause"))
    if view.sight.rule.drop is DropMode.BATCH:
        found.append(("Finalize batch", "finalize"))
    name = view.sight.rule.name
    return tuple(Button(label=label, target=f"hot_folders/{name}/{verb}") for label, verb in found)
