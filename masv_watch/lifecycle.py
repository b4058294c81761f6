"""The state tables of uploads, drops and tasks, and the one function that moves along them.

Owns which event is legal in which state, and the word that people see. Never stores, logs or asks
anything: `Store.advance` calls `advance` inside its transaction, and everything else reads. Called
by the store, the front desk, the rooms and, for the words, the API.

Law 1. What affects a transition stands in these tables; the interpreter knows nothing else.
Law 2. A pair that is not in a table raises IllegalTransition and changes nothing.
Law 3. A lease, a retry and "no package yet" are columns, not states; each state more doubles the
table.
Law 4. The shown word is computed from drop, upload and tasks, so no fact is stored twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from masv_watch.errors import IllegalTransition
from masv_watch.model import (
    Drop,
    DropEvent,
    DropState,
    HoldReason,
    Shown,
    TaskEvent,
    TaskState,
    UploadEvent,
    UploadState,
)

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)

_U, _UE = UploadState, UploadEvent
_D, _DE = DropState, DropEvent

UPLOAD: Mapping[UploadState, Mapping[UploadEvent, UploadState]] = {
    _U.TRANSFERRING: {
        _UE.FILES_ADDED: _U.TRANSFERRING,
        _UE.ALL_SENT: _U.IDLE,
        _UE.SOURCE_CHANGED: _U.TRANSFERRING,
        _UE.PAUSE: _U.PAUSED,
        _UE.FAIL: _U.ERROR,
        _UE.DELETE: _U.DELETING,
    },
    _U.PAUSED: {
        _UE.FILES_ADDED: _U.PAUSED,
        _UE.SOURCE_CHANGED: _U.PAUSED,
        _UE.RESUME: _U.TRANSFERRING,
        _UE.FAIL: _U.ERROR,
        _UE.DELETE: _U.DELETING,
    },
    _U.IDLE: {
        _UE.FILES_ADDED: _U.TRANSFERRING,
        _UE.SOURCE_CHANGED: _U.TRANSFERRING,
        _UE.FINALIZE: _U.FINALIZING,
        _UE.FAIL: _U.ERROR,
        _UE.DELETE: _U.DELETING,
    },
    _U.FINALIZING: {
        _UE.SOURCE_CHANGED: _U.TRANSFERRING,
        _UE.FINALIZED: _U.COMPLETE,
        _UE.REFUSED: _U.TRANSFERRING,
        _UE.FAIL: _U.ERROR,
        _UE.DELETE: _U.DELETING,
    },
    _U.COMPLETE: {_UE.DELETE: _U.DELETING},
    _U.ERROR: {
        _UE.FILES_ADDED: _U.ERROR,
        _UE.SOURCE_CHANGED: _U.ERROR,
        _UE.RESUME: _U.TRANSFERRING,
        _UE.ASK_AGAIN: _U.FINALIZING,
        _UE.DELETE: _U.DELETING,
    },
    _U.DELETING: {_UE.DELETE: _U.DELETING, _UE.DELETED: _U.GONE},
    _U.GONE: {},
}

DROP: Mapping[DropState, Mapping[DropEvent, DropState]] = {
    _D.SETTLING: {
        _DE.QUIET: _D.QUEUED,
        _DE.BLOCK: _D.HELD,
        _DE.IGNORE: _D.IGNORED,
        _DE.SAME_CONTENT: _D.DUPLICATE,
        _DE.TAKE: _D.TAKEN,
        _DE.FINISH: _D.DONE,
        _DE.CANCEL: _D.CANCELLED,
    },
    _D.HELD: {_DE.RELEASE: _D.SETTLING, _DE.FINISH: _D.DONE, _DE.CANCEL: _D.CANCELLED},
    _D.QUEUED: {
        _DE.BLOCK: _D.HELD,
        _DE.CHANGE: _D.SETTLING,
        _DE.TAKE: _D.TAKEN,
        _DE.FINISH: _D.DONE,
        _DE.CANCEL: _D.CANCELLED,
        _DE.SUPERSEDE: _D.SUPERSEDED,
    },
    _D.TAKEN: {
        _DE.QUIET: _D.TAKEN,
        _DE.BLOCK: _D.TAKEN,
        _DE.CHANGE: _D.TAKEN,
        _DE.RELEASE: _D.TAKEN,
        _DE.SAME_CONTENT: _D.DUPLICATE,
        _DE.FINISH: _D.DONE,
        _DE.CANCEL: _D.CANCELLED,
        _DE.SUPERSEDE: _D.SUPERSEDED,
    },
    _D.DONE: {_DE.RESEND: _D.SETTLING},
    _D.CANCELLED: {_DE.RESEND: _D.SETTLING},
    _D.SUPERSEDED: {_DE.RESEND: _D.SETTLING},
    _D.DUPLICATE: {_DE.RESEND: _D.SETTLING},
    _D.IGNORED: {_DE.RESEND: _D.SETTLING},
}

TASK: Mapping[TaskState, Mapping[TaskEvent, TaskState]] = {
    TaskState.DUE: {
        TaskEvent.DONE: TaskState.DONE,
        TaskEvent.REFUSED: TaskState.REFUSED,
        TaskEvent.WITHDRAWN: TaskState.WITHDRAWN,
    },
    TaskState.DONE: {},
    TaskState.REFUSED: {},
    TaskState.WITHDRAWN: {},
}

SHOWN_AS: Mapping[UploadState, str | None] = {
    _U.TRANSFERRING: "transferring",
    _U.PAUSED: "paused",
    _U.IDLE: "idle",
    _U.FINALIZING: "idle",
    _U.COMPLETE: "complete",
    _U.ERROR: "error",
    _U.DELETING: None,
    _U.GONE: None,
}
"""The documented five words at the API; None is hidden and answers 404."""

CURES: Mapping[HoldReason, str] = {
    HoldReason.GROWING: (
        "wait until the writer is done; masv-watch explain PATH tells what still changes"
    ),
    HoldReason.OPEN_BY_WRITER: "close the program that writes it; masv-watch explain PATH names it",
    HoldReason.MARKER_MISSING: (
        "write its done marker once all of it is there; masv-watch explain PATH gives the command"
    ),
    HoldReason.INCOMPLETE: (
        "add what is missing and it goes by itself; masv-watch release DROP sends it as it is"
    ),
    HoldReason.SIDECAR_MISSING: "add the sidecar file; masv-watch explain PATH tells its name",
    HoldReason.SIDECAR_INVALID: (
        "correct the sidecar file; masv-watch explain PATH tells what is wrong"
    ),
    HoldReason.WINDOW_CLOSED: "wait for the window to open; masv-watch start ID sends it now",
    HoldReason.PAUSED: "masv-watch resume --folder NAME",
    HoldReason.ROOT_UNAVAILABLE: (
        "mount or create the hot folder; it goes on by itself; masv-watch adopt NAME lets another"
        " disk take its place"
    ),
    HoldReason.UNREADABLE: (
        "let the daemon's user read every file and folder of the drop; masv-watch explain PATH"
        " names what it may not read"
    ),
    HoldReason.UNSTABLE_SOURCE: (
        "find what rewrites it; masv-watch explain PATH tells when it is quiet enough"
    ),
    HoldReason.LIMIT_EXCEEDED: "masv-watch release DROP sends it all the same",
    HoldReason.EMPTY: (
        "put at least one file that can be sent into it; masv-watch explain PATH tells what is"
        " left out"
    ),
    HoldReason.NO_RECIPIENT: (
        "move it into a folder that has recipients, or name recipients for its own in"
        " to.by_subfolder, then masv-watch reload"
    ),
    HoldReason.INITIAL_ASK: (
        "masv-watch release --folder NAME sends all of it; masv-watch ledger seed NAME records it"
        " as seen"
    ),
    HoldReason.REDROP_ASK: "masv-watch release DROP sends what the question names",
    HoldReason.LOOSE_FILE: "put the file into a folder, or use `drop: each` and masv-watch reload",
    HoldReason.STATE_DISK_LOW: (
        "free space on the disk of the state folder, it goes on by itself; masv-watch status"
        " shows it"
    ),
    HoldReason.AUTH: "correct masv.api_key, then masv-watch reload (or systemctl restart"
    " masv-watch, where it is a credential)",
    HoldReason.QUOTA: (
        "raise the quota at MASV, or pay what is owed there, and it goes on by itself; masv-watch"
        " retry ID tries at once"
    ),
    HoldReason.OPERATOR: "masv-watch release DROP lets it go",
}
"""The one-line cure of each hold reason."""

REINSERT = "put the same volume back in, and it goes on by itself; another one goes beside it"
"""The cure of `root_unavailable` in a removable hot folder, where any volume is welcome."""

MOUNT_CURE = "mount it so that both stay, for SMB with serverino"
"""What makes a share keep the inode and change time of an untouched file."""

SENDS_ON = frozenset(
    {
        HoldReason.UNREADABLE,
        HoldReason.EMPTY,
        HoldReason.MARKER_MISSING,
        HoldReason.OPEN_BY_WRITER,
        HoldReason.UNSTABLE_SOURCE,
        HoldReason.INCOMPLETE,
    }
)
"""Reasons for which a taken drop is only not finalized: its settled files go up all the same."""

RELEASABLE = frozenset(
    {
        HoldReason.INITIAL_ASK,
        HoldReason.LIMIT_EXCEEDED,
        HoldReason.INCOMPLETE,
        HoldReason.REDROP_ASK,
        HoldReason.OPERATOR,
    }
)
"""Reasons that a person's word ends, too; every other ends when what stands in the way is gone."""

PATIENT = frozenset(
    {
        HoldReason.GROWING,
        HoldReason.OPEN_BY_WRITER,
        HoldReason.UNSTABLE_SOURCE,
        HoldReason.WINDOW_CLOSED,
        # a person wants it so
        HoldReason.PAUSED,
        HoldReason.OPERATOR,
        # told of as the root, the key, the quota or the disk itself
        HoldReason.ROOT_UNAVAILABLE,
        HoldReason.AUTH,
        HoldReason.QUOTA,
        HoldReason.STATE_DISK_LOW,
    }
)
"""Reasons of which nobody is told: they end by themselves, a person set them, or all are told."""

OPEN = frozenset({_U.TRANSFERRING, _U.PAUSED, _U.IDLE})
"""States in which what an upload holds may still change: nothing of it is being delivered."""

LACKING_S = 30 * 60.0
"""Seconds for which what a drop lacks is waited for before anybody is told."""

_SHOWN_UPLOAD: Mapping[UploadState, Shown] = {
    _U.TRANSFERRING: Shown.UPLOADING,
    _U.PAUSED: Shown.HELD,
    _U.IDLE: Shown.IDLE,
    _U.FINALIZING: Shown.FINALIZING,
    _U.ERROR: Shown.FAILED,
    _U.DELETING: Shown.CANCELLED,
    _U.GONE: Shown.CANCELLED,
}


def advance(table: Mapping[S, Mapping[E, S]], state: S, event: E) -> S:
    """Give the state that follows when the event happens in the state.

    Raises:
        IllegalTransition: the table has no such pair; the sentence names what is allowed.
    """
    legal = table[state]
    if event not in legal:
        allowed = ", ".join(legal) or "nothing"
        raise IllegalTransition(
            f"{event} is not allowed in state {state}",
            hint=f"allowed: {allowed}",
            state=str(state),
            event=str(event),
            allowed=list(legal),
        )
    return legal[event]


def resumption(state: UploadState, *, is_asked: bool) -> UploadEvent:
    """Give the event by which an upload goes on; of what may be delivered the cloud is asked."""
    in_doubt = is_asked and _UE.ASK_AGAIN in UPLOAD[state]
    return _UE.ASK_AGAIN if in_doubt else _UE.RESUME


def is_arriving(drop: Drop) -> bool:
    """Say whether a drop was taken by its first settled files and was never whole yet."""
    return drop.state is DropState.TAKEN and not drop.whole and drop.settled_at is None


def is_given_up(drop: Drop) -> bool:
    """Say whether a drop ended with its upload, or by a person, before all of it had arrived.

    What still arrives of it is the content that nobody wanted, not new content.
    """
    ended = drop.state is DropState.CANCELLED and drop.settled_at is None
    return ended and (drop.upload_id is not None or drop.is_unwanted)


def shown(
    drop: Drop, upload: UploadState | None, *, has_package: bool, open_tasks: int
) -> tuple[Shown, HoldReason | None]:
    """Give the word that people see for a drop, and the reason when the word is held.

    `upload` is the state of the drop's upload; None when it has none (any more).
    """
    if drop.state is not DropState.TAKEN:
        return Shown(drop.state), drop.hold if drop.state is DropState.HELD else None
    if upload is UploadState.COMPLETE:
        return (Shown.DELIVERED if open_tasks else Shown.DONE), None
    if drop.hold is not None:
        return Shown.HELD, drop.hold
    if upload is UploadState.PAUSED:
        return Shown.HELD, HoldReason.PAUSED
    if upload is None or (upload is UploadState.TRANSFERRING and not has_package):
        return Shown.QUEUED, None
    return _SHOWN_UPLOAD[upload], None
