"""What becomes of a drop that the ledger has: what its upload waits for, and where its source went.

Owns the words about both for whoever explains a path. Never reads a source and changes nothing.
Called by `explain`.

Law 1. What an error or an outcome names is told to the owners only: it may be of another drop of
       the same upload (P8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from masv_watch.errors import NotFound
from masv_watch.model import Decision, Drop, DropState, Finding, Task, TaskState, UploadState
from masv_watch.store.contract import Store
from masv_watch.uploads.desk import Uploads
from masv_watch.uploads.views import UploadView, WaitReason, delivery_shut, failure_cure

#: what keeps an upload although nothing of it is wrong and nobody is at it
_HELD = {
    WaitReason.HELD,
    WaitReason.WINDOW_CLOSED,
    WaitReason.AUTH,
    WaitReason.QUOTA,
    WaitReason.STATE_DISK_LOW,
}
#: what ends at its time by itself
_TIMED = {
    WaitReason.RECALL: "it can be taken back until {at}, and is not delivered before",
    WaitReason.DIGEST: (
        "it was delivered, and its letter waits until {at} for others to the same address"
    ),
}


#: for what an upload waits, of what has no words of its own
_WAITS = {
    WaitReason.QUEUED: "its upload waits for its turn",
    WaitReason.RETRYING: "its upload waits for its next try",
    WaitReason.SETTLING: "its upload waits until the rest of it has settled",
    WaitReason.HELD: "its upload waits for what in it is held",
    WaitReason.WINDOW_CLOSED: "its upload waits for its window",
    WaitReason.FINALIZING: "its upload is being finalized",
    WaitReason.BATCH_OPEN: "its upload waits for further drops",
    WaitReason.RECALL: "its upload can still be taken back",
    WaitReason.DIGEST: "its letter waits for others to the same address",
    WaitReason.AUTH: "its upload waits for a key that MASV takes",
    WaitReason.QUOTA: "its upload waits for more quota or a payment at MASV",
    WaitReason.STATE_DISK_LOW: "its upload waits for room on the disk of the state",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward(Decision):
    """What is to be said of a drop beyond its own row."""

    #: one clause for people; "" when there is nothing to say
    why: str = ""
    #: what helps, one line
    cure: str = ""
    #: it is not on its way: somebody or something has to let it go first
    is_held: bool = False
    #: its package was finalized
    is_delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The clocks of one answer."""

    #: monotonic, seconds: when it is given
    at: float
    #: gives the local time of a second of the store's clock
    local: Callable[[float], datetime]


def onward_of(
    drop: Drop | None, *, store: Store, uploads: Uploads, times: Times, is_owner: bool
) -> Onward:
    """Say what a drop's upload waits for and what became of its source."""
    if drop is None:
        return Onward()
    source = _of_source(store.disposal(drop.id), is_owner=is_owner)
    if drop.state is not DropState.TAKEN or drop.upload_id is None:
        return _with(_deleted(drop, store), source)
    try:
        view = uploads.view(drop.upload_id)
    except NotFound:
        return Onward(why="its upload is being deleted", is_held=True)
    told = _Told(view, store=store, times=times, is_owner=is_owner).onward()
    if view.upload.state is UploadState.COMPLETE:
        return replace(_with(told, source), is_delivered=True)
    return told


def _with(told: Onward, source: Onward) -> Onward:
    """Give what is to be said of an upload and of the source of a drop in it."""
    return Onward(
        why="; ".join(filter(None, (told.why, source.why))),
        cure=source.cure or told.cure,
        findings=(*told.findings, *source.findings),
    )


def _deleted(drop: Drop, store: Store) -> Onward:
    """Say that what was delivered was deleted since; nobody can download a package that went."""
    upload = None if drop.upload_id is None else store.upload(drop.upload_id)
    if drop.state is not DropState.DONE or upload is None or upload.finalized_at is None:
        return Onward()
    if upload.state not in (UploadState.DELETING, UploadState.GONE):
        return Onward()
    how = "and its package with it" if upload.takes_package else "and its package stays"
    why = f"its upload was deleted since, {how}"
    return Onward(why=why, findings=(Finding(test="package", passed=False, detail=why),))


def window(hot_folder: str, *, store: Store, uploads: Uploads, times: Times) -> Finding | None:
    """Give what says that the window of a hot folder is closed; None while it is open."""
    turns = uploads.turns()
    if hot_folder not in turns.closed:
        return None
    return _shut(turns.closed[hot_folder], "its bytes wait for the window", store, times)


def _shut(until: float | None, what: str, store: Store, times: Times) -> Finding:
    opens = ", which opens at no time" if until is None else f", which opens at {_at(until, times)}"
    again = None if until is None else times.at + until - store.now()
    return Finding(test="window", passed=False, detail=what + opens, retry_at=again)


def _at(until: float, times: Times) -> str:
    return times.local(until).isoformat(sep=" ", timespec="minutes")


class _Told:
    """The words about one upload."""

    def __init__(self, view: UploadView, *, store: Store, times: Times, is_owner: bool) -> None:
        self._view = view
        self._store = store
        self._times = times
        self._is_owner = is_owner

    def onward(self) -> Onward:
        upload = self._view.upload
        if upload.state is UploadState.ERROR:
            why = f"its upload failed{self._reason(upload.error)}"
            # a sentence that ends with what helps first: a resume alone would fail for it again
            cure = failure_cure(upload)
            cure = "" if self._is_owner and cure in upload.error else cure
            return self._give("upload", why, cure, is_held=True)
        if upload.state is UploadState.PAUSED:
            cure = f"masv-watch resume {upload.id}"
            return self._give("paused", "its upload is paused", cure, is_held=True)
        waiting = self._view.waiting
        if waiting is None:
            return Onward()
        if waiting.reason is WaitReason.WINDOW_CLOSED:
            found = _shut(waiting.until, delivery_shut(upload), self._store, self._times)
            return Onward(why=found.detail, cure=waiting.cure, is_held=True, findings=(found,))
        until = "" if waiting.until is None else f" until {_at(waiting.until, self._times)}"
        if waiting.reason in _TIMED and waiting.until is not None:
            return self._timed(waiting.reason, waiting.until, waiting.cure)
        ahead = f", {waiting.ahead} go first" if waiting.ahead else ""
        why = f"{_WAITS[waiting.reason]}{until}{ahead}"
        if waiting.reason is WaitReason.RETRYING:
            # its cure is the error
            why += self._reason(waiting.cure)
        cure = waiting.cure if waiting.reason in _HELD and self._is_owner else ""
        return self._give("upload", why, cure, is_held=waiting.reason in _HELD)

    def _timed(self, reason: WaitReason, until: float, cure: str) -> Onward:
        why = _TIMED[reason].format(at=_at(until, self._times))
        again = self._times.at + until - self._store.now()
        found = Finding(test=reason, passed=True, detail=why, retry_at=again)
        return Onward(why=why, cure=cure if self._is_owner else "", findings=(found,))

    def _reason(self, words: str) -> str:
        return f": {words}" if words and self._is_owner else ""

    @staticmethod
    def _give(test: str, why: str, cure: str, *, is_held: bool) -> Onward:
        finding = Finding(test=test, passed=not is_held, detail=why)
        return Onward(why=why, cure=cure, is_held=is_held, findings=(finding,))


def _of_source(task: Task | None, *, is_owner: bool) -> Onward:
    """Say where a source went once it was delivered, or why it did not."""
    if task is None:
        return Onward()
    note = task.note if is_owner else ""
    why, cure = next(_outcome(task, note), ("", ""))
    if not why:
        return Onward()
    is_done = task.state is TaskState.DONE
    return Onward(
        why=why, cure=cure, findings=(Finding(test="source", passed=is_done, detail=why),)
    )


def _outcome(task: Task, note: str) -> Iterator[tuple[str, str]]:
    said = f": {note}" if note else ""
    if task.state is TaskState.DONE:
        yield f"after its delivery its source was dealt with{said}", ""
    elif task.state is TaskState.REFUSED:
        cure = "deal with the source by hand: what was sent of it is delivered"
        yield (
            f"it was delivered, and its source could not be dealt with{said}",
            f"{cure}; masv-watch show {task.upload_id} lists that",
        )
    elif task.state is TaskState.DUE:
        again = ", which is tried again" if task.attempts else ""
        yield f"it was delivered, and its source is still to be dealt with{again}{said}", ""
