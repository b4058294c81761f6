"""What people see of an upload and of a drop: the word, what it waits for, what may be asked.

Owns the words beside the documented five. Never reads a row by itself and never asks a clock: rows
and times are handed in. Called by the desk.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from masv_watch import lifecycle, recall
from masv_watch.errors import PackageGone
from masv_watch.model import (
    NO_TURNS,
    STILL,
    Consigned,
    Drop,
    Flow,
    HoldReason,
    SourceFile,
    Task,
    Terms,
    Traffic,
    Turns,
    Upload,
    UploadEvent,
    UploadLine,
    UploadState,
    UploadType,
)
from masv_watch.names import quoted

#: why a letter waits for a person
MAY_HAVE_LEFT = "was owed in the copy that was restored, and may have left since"


class WaitReason(StrEnum):
    """Why an upload that is not paused does not move; a closed list."""

    QUEUED = "queued"
    RETRYING = "retrying"
    SETTLING = "settling"
    HELD = "held"
    WINDOW_CLOSED = "window_closed"
    FINALIZING = "finalizing"
    BATCH_OPEN = "batch_open"
    RECALL = "recall"
    #: its letter waits for the next one to its address
    DIGEST = "digest"
    AUTH = "auth"
    QUOTA = "quota"
    STATE_DISK_LOW = "state_disk_low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What an upload waits for."""

    reason: WaitReason
    #: store clock, seconds; None when unknown
    since: float | None = None
    #: store clock, seconds; None when no time can be named
    until: float | None = None
    #: uploads that go first
    ahead: int = 0
    #: what helps, one line
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadView:
    """An upload as people see it."""

    upload: UploadLine
    #: one of the five documented words
    state: str
    waiting: Waiting | None
    #: tasks that are still due
    open_tasks: int
    #: tasks that ended without success
    refused_tasks: int = 0
    traffic: Traffic = STILL
    #: seconds until every byte has left, by the measured rate; None when that cannot be told
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadDetails:
    """An upload with everything in it."""

    view: UploadView
    #: a portal, recipients and whom our own letter goes to; empty: nobody
    to: tuple[str, ...]
    files: tuple[SourceFile, ...]
    drops: tuple[Drop, ...]
    tasks: tuple[Task, ...]
    skipped: tuple[str, ...]
    #: of each letter that is due, by its task: how many other deliveries go in it as things stand
    companions: Mapping[int, int] = field(default_factory=dict)


def addressees(terms: Terms | Consigned) -> tuple[str, ...]:
    """Name everybody to whom an upload goes as its terms say."""
    portal = () if terms.portal is None else (f"portal {terms.portal}",)
    return (*portal, *terms.recipients, *terms.mail_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingView:
    """How the sending of all uploads goes."""

    flow: Flow
    #: bytes of all uploads that are to be sent, waiting ones too, that are not acknowledged
    unsent: int
    #: seconds until all of them have left, by the measured rate; None when that cannot be told
    eta_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropView:
    """A drop that is not on its way yet, or that arrives or waits on its way."""

    drop: Drop
    #: what helps, one line; empty when nothing needs help
    cure: str
    #: its files that are in an upload, and those of them that the cloud has whole
    files: int = 0
    files_up: int = 0


#: how the clause of a cure begins that says who knows more
_ASKING = "masv-watch explain"
#: words of a cure that stand for something
_PLACES = re.compile(r"\b(?:NAME|DROP|ID|PATH)\b")


def line_of(upload: Upload) -> UploadLine:
    """Give of an upload what a list shows."""
    window = recall.window(upload)
    return UploadLine(
        id=upload.id,
        type=upload.terms.type,
        state=upload.state,
        name=upload.name,
        hot_folder=upload.hot_folder,
        package_id=upload.package_id,
        size=upload.size,
        sent=upload.sent,
        file_count=upload.file_count,
        priority=upload.priority,
        created_at=upload.created_at,
        finalized_at=upload.finalized_at,
        retry_at=upload.retry_at,
        error_code=upload.error_code,
        error=upload.error,
        resent=upload.resent,
        retries=upload.retries,
        retry_reason=upload.retry_reason,
        is_started=upload.is_started,
        batch_until=upload.finalize_at if upload.terms.batch else None,
        recall_until=None if window is None else window.until,
        is_finalize_asked=upload.finalize_asked,
    )


def waiting_for(
    upload: UploadLine,
    *,
    now: float,
    ahead: int | None,
    auth_until: float | None,
    quota_until: float | None = None,
    settling: bool = False,
    held: Drop | None = None,
    root: bytes | None = None,
    turns: Turns = NO_TURNS,
    owes_letter: bool = False,
    letter_until: float | None = None,
) -> Waiting | None:
    """Say what keeps an upload from moving at this store time, or None when nothing does.

    `ahead` counts the uploads that get a slot first; None for one that does not wait for a slot.
    `quota_until` is when the cloud is asked again that wants more quota for it; None: it does not.
    From then on it waits for whatever else keeps it.
    `held` is a drop of it whose hold is all that it waits for, `root` the path of its hot folder,
    None where that is not known. `turns` say whose windows are
    closed, with the store time at which each opens. `owes_letter`: a letter of ours is to leave;
    `letter_until`: it waits till then for others to its address, infinity: for a person's word.
    """
    if turns.disk_trouble and upload.state in (UploadState.TRANSFERRING, UploadState.FINALIZING):
        cure = f"{turns.disk_trouble}: {lifecycle.CURES[HoldReason.STATE_DISK_LOW]}"
        return Waiting(reason=WaitReason.STATE_DISK_LOW, cure=cure)
    unpaid = _unpaid(upload, quota_until) if (quota_until or now) > now else None
    if upload.state is not UploadState.TRANSFERRING:
        found = unpaid or _delivery(upload, now=now, turns=turns, owes_letter=owes_letter)
        return found or _digest(upload, letter_until)
    if auth_until is not None and upload.type is UploadType.TEAM:
        cure = lifecycle.CURES[HoldReason.AUTH]
        return Waiting(reason=WaitReason.AUTH, until=auth_until, cure=cure)
    is_shut = upload.hot_folder in turns.closed and not upload.is_started
    is_retried = upload.retry_at > now and bool(upload.error)
    if (unpaid is not None or is_retried) and not is_shut:
        until = upload.retry_at
        return unpaid or Waiting(reason=WaitReason.RETRYING, until=until, cure=upload.error)
    if held is not None and held.hold is not None:
        return Waiting(reason=WaitReason.HELD, cure=f"{held.hold}: {cure_of(held, root)}")
    closed = turns.closed if is_shut else {}
    return _turn(upload, now=now, ahead=ahead, settling=settling, closed=closed)


def _unpaid(upload: UploadLine, until: float | None) -> Waiting:
    cure = lifecycle.CURES[HoldReason.QUOTA].replace("ID", upload.id)
    return Waiting(reason=WaitReason.QUOTA, until=until, cure=cure)


def _delivery(upload: UploadLine, *, now: float, turns: Turns, owes_letter: bool) -> Waiting | None:
    """Say what keeps the finalize or a letter of an upload whose bytes are up."""
    if upload.state is UploadState.ERROR and upload.retry_at > now:
        # given up, and tried once more then
        return Waiting(reason=WaitReason.RETRYING, until=upload.retry_at, cure=upload.error)
    is_finalizing = upload.state is UploadState.FINALIZING
    # a finalize that failed is on its way, whatever the window
    is_kept = (is_finalizing and not upload.error) or upload.state is UploadState.IDLE
    is_shut = upload.hot_folder in turns.undelivered and not upload.is_started
    is_recallable = (upload.recall_until or now) > now
    if is_shut and (is_kept or owes_letter):
        opens = turns.undelivered[upload.hot_folder or ""]
        # what ends last is what it waits for
        if not is_recallable or opens is None or opens >= (upload.recall_until or 0.0):
            return _shut(upload, turns.undelivered)
    if upload.state is UploadState.IDLE and (upload.batch_until or now) > now:
        cure = f"wait for further drops; masv-watch finalize {upload.id} delivers it now"
        return Waiting(reason=WaitReason.BATCH_OPEN, until=upload.batch_until, cure=cure)
    if is_recallable:
        return _recallable(upload, by="finalize")
    if is_finalizing:
        return Waiting(reason=WaitReason.FINALIZING, until=_later(upload.retry_at, now))
    return None


def _recallable(upload: UploadLine, *, by: str) -> Waiting:
    """Give that an upload can be taken back, and the command `by` which it goes at once."""
    cure = f"masv-watch delete {upload.id} takes it back, masv-watch {by} {upload.id} sends it now"
    return Waiting(reason=WaitReason.RECALL, until=upload.recall_until, cure=cure)


def _digest(upload: UploadLine, until: float | None) -> Waiting | None:
    if until is None:
        return None
    if math.isinf(until):
        cure = f"its letter {MAY_HAVE_LEFT}: masv-watch start {upload.id} sends it"
        return Waiting(reason=WaitReason.HELD, cure=cure)
    cure = f"masv-watch start {upload.id} sends its letter now, with all that waits beside it"
    return Waiting(reason=WaitReason.DIGEST, until=until, cure=cure)


def _shut(upload: UploadLine, closed: Mapping[str, float | None]) -> Waiting:
    cure = lifecycle.CURES[HoldReason.WINDOW_CLOSED].replace("ID", upload.id)
    until = closed[upload.hot_folder or ""]
    return Waiting(reason=WaitReason.WINDOW_CLOSED, until=until, cure=cure)


def delivery_shut(upload: UploadLine) -> str:
    """Say in a clause what of an upload waits for its window."""
    if upload.state is UploadState.TRANSFERRING:
        return "its bytes wait for the window"
    if upload.state is UploadState.COMPLETE:
        return "it was delivered, and its letters wait for the window of delivery"
    return "its bytes are up, and its delivery waits for the window of delivery"


def _turn(
    upload: UploadLine,
    *,
    now: float,
    ahead: int | None,
    settling: bool,
    closed: Mapping[str, float | None],
) -> Waiting | None:
    if upload.hot_folder in closed:
        return _shut(upload, closed)
    if (upload.recall_until or now) > now:
        return _recallable(upload, by="start")
    if settling:
        cure = f"wait until the writer is done; masv-watch show {upload.id} tells what is in it"
        return Waiting(reason=WaitReason.SETTLING, cure=cure)
    if ahead is not None:
        return Waiting(reason=WaitReason.QUEUED, since=upload.created_at, ahead=ahead)
    return None


def eta_of(unsent: int, *, in_flight: int, rate: float) -> float | None:
    """Give the seconds until these bytes have left; None while nothing moves.

    What is in flight has left already.
    """
    return max(unsent - in_flight, 0) / rate if rate > 0 else None


def view_of(
    upload: UploadLine,
    waiting: Waiting | None,
    *,
    open_tasks: int,
    refused_tasks: int,
    traffic: Traffic = STILL,
) -> UploadView:
    """Put together what people see of an upload."""
    eta_s = None
    if waiting is None and upload.state is UploadState.TRANSFERRING and traffic is not STILL:
        unsent = upload.size - upload.sent
        eta_s = eta_of(unsent, in_flight=traffic.in_flight, rate=traffic.rate)
    return UploadView(
        traffic=traffic,
        eta_s=eta_s,
        upload=upload,
        state=lifecycle.SHOWN_AS[upload.state] or "",
        waiting=waiting,
        open_tasks=open_tasks,
        refused_tasks=refused_tasks,
    )


_CALLS = {
    UploadEvent.PAUSE: "pause",
    UploadEvent.RESUME: "resume",
    UploadEvent.FINALIZE: "finalize",
    UploadEvent.FILES_ADDED: "files",
    UploadEvent.DELETE: "delete",
}


def calls_for(upload: Upload) -> list[str]:
    """List the calls that an upload takes in its state, as their routes are called."""
    legal = lifecycle.UPLOAD[upload.state]
    calls = [call for event, call in _CALLS.items() if event in legal]
    takes_none = upload.hot_folder is not None or upload.finalize_asked
    if takes_none and "files" in calls:
        calls.remove("files")
    if upload.state is UploadState.TRANSFERRING:
        calls += ["start", "retry"]
    if upload.state is UploadState.COMPLETE and upload.terms.type is UploadType.TEAM:
        calls.append("link")
    return calls


def is_kept(view: UploadView) -> bool:
    """Say whether an upload waits for a person, its window or the disk, and not for us."""
    kept = {
        WaitReason.HELD,
        WaitReason.WINDOW_CLOSED,
        WaitReason.QUOTA,
        WaitReason.STATE_DISK_LOW,
    }
    return view.waiting is not None and view.waiting.reason in kept


def failure_cure(upload: UploadLine) -> str:
    """Say what helps an upload that failed, where its sentence does not say it."""
    if upload.error_code == PackageGone.code:
        # resuming would only ask for the same package again
        return "drop the files once more under another name"
    return f"masv-watch resume {upload.id}"


def cure_of(drop: Drop, root: bytes | None = None, *, is_explained: bool = False) -> str:
    """Give what helps a held drop as one line; empty when it is not held.

    Its commands can be pasted: `root` is the path of its hot folder, where that is known. Whoever
    reads an explanation is not told to ask for one (`is_explained`).
    """
    if drop.hold is None:
        return ""
    path = None if root is None else root.rstrip(b"/") + b"/" + drop.path
    return filled(
        drop.hold,
        hot_folder=drop.hot_folder,
        path=path,
        drop=str(drop.id),
        upload=drop.upload_id or "",
        is_removable=bool(drop.volume),
        is_explained=is_explained,
    )


def filled(
    hold: HoldReason,
    *,
    hot_folder: str,
    path: bytes | None,
    drop: str = "",
    upload: str = "",
    is_removable: bool = False,
    is_explained: bool = False,
) -> str:
    """Give the cure of a hold with what its commands name; what is not known stays a word.

    Whoever reads an explanation is not told to ask for one (`is_explained`). The name of a
    removable hot folder may come with its volume.
    """
    name, of_volume, _ = hot_folder.partition("@")
    if hold is HoldReason.ROOT_UNAVAILABLE and (of_volume or is_removable):
        return lifecycle.REINSERT
    known = {"NAME": name, "DROP": drop, "ID": upload}
    if path is not None:
        known["PATH"] = quoted(path)
    cure = lifecycle.CURES[hold]
    if is_explained:
        clauses = cure.split("; ")
        cure = "; ".join(each for each in clauses if not each.startswith(_ASKING))
    return _PLACES.sub(lambda found: known.get(found[0]) or found[0], cure)


def _later(at: float, now: float) -> float | None:
    return at if at > now else None
