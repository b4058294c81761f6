"""The front desk: what hot folders and callers may ask of uploads.

Owns creation, joining, the views that people see, and the steering verbs. Never moves a byte and
never asks the cloud: it writes intents into the store and the rooms perform them. Called by intake,
by the API and by commands.

Law 1. Hot folders and callers use the same verbs, see the same rows and obey the same lifecycle.
Law 2. A verb is one transaction; when it raises, nothing was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition, NotFound
from masv_watch.model import (
    Draft,
    Drop,
    DropDraft,
    DropState,
    HoldReason,
    SourceFile,
    Task,
    TaskState,
    Upload,
    UploadEvent,
    UploadState,
)
from masv_watch.store.contract import Store


class WaitReason(StrEnum):
    """Why an upload that is not paused does not move; a closed list."""

    QUEUED = "queued"
    RETRYING = "retrying"
    SETTLING = "settling"
    FINALIZING = "finalizing"
    AUTH = "auth"


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

    upload: Upload
    #: one of the five documented words
    state: str
    waiting: Waiting | None
    #: tasks that are still due
    open_tasks: int
    #: tasks that ended without success
    refused_tasks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadDetails:
    """An upload with everything in it."""

    view: UploadView
    files: tuple[SourceFile, ...]
    drops: tuple[Drop, ...]
    tasks: tuple[Task, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropView:
    """A drop that is not on its way yet, or that waits on its way."""

    drop: Drop
    #: what helps, one line; empty when nothing needs help
    cure: str


class Uploads:
    """The verbs of the front desk over one store."""

    def __init__(self, store: Store, *, auth_until: Callable[[], float | None]) -> None:
        """Work on this store; `auth_until` tells when a refused key is tried again."""
        self._store = store
        self._auth_until = auth_until

    def create(self, draft: Draft) -> str:
        """Make a quiet draft an upload and give its id; a batch draft joins the open package.

        Raises:
            IllegalTransition: its drop was taken or ended meanwhile; nothing is changed.
        """
        if draft.terms.batch and draft.hot_folder is not None:
            joined = self._join(draft.hot_folder, draft.drops)
            if joined is not None:
                return joined
        return self._store.create_upload(draft)

    def _join(self, hot_folder: str, drops: tuple[DropDraft, ...]) -> str | None:
        upload_id = self._store.open_batch(hot_folder)
        if upload_id is None:
            return None
        for drop in drops:
            self._store.join_upload(upload_id, drop)
        return upload_id

    def list(self) -> list[UploadView]:
        """List every upload, oldest first."""
        uploads = self._store.uploads()
        open_tasks, refused = self._store.open_tasks(), self._store.refused_tasks()
        changed = {
            drop.upload_id
            for drop in self._store.drops(living=True)
            if drop.state is DropState.TAKEN and not drop.whole
        }
        now, auth_until = self._store.now(), self._auth_until()
        views = []
        queued = 0
        for upload in uploads:
            waiting = waiting_for(
                upload,
                now=now,
                ahead=queued,
                auth_until=auth_until,
                settling=upload.id in changed,
            )
            if waiting is not None and waiting.reason is WaitReason.QUEUED:
                queued += 1
            owed = (open_tasks.get(upload.id, 0), refused.get(upload.id, 0))
            views.append(_view(upload, waiting, *owed))
        return views

    def drops(self) -> tuple[DropView, ...]:
        """List what settles or is held, oldest first."""
        return tuple(
            DropView(drop=drop, cure=_cure_of(drop))
            for drop in self._store.drops(living=True)
            if drop.state is not DropState.TAKEN or drop.hold is not None
        )

    def details(self, upload_id: str) -> UploadDetails:
        """Give one upload with its files.

        Raises:
            NotFound: no such upload, or it is being deleted.
        """
        upload = self._seen(upload_id)
        drops = self._store.drops_of(upload_id)
        tasks = self._store.tasks(upload_id)
        waiting = waiting_for(
            upload,
            now=self._store.now(),
            ahead=0,
            auth_until=self._auth_until(),
            settling=any(not drop.whole for drop in drops),
        )
        open_tasks = sum(1 for task in tasks if task.state is TaskState.DUE)
        refused = sum(1 for task in tasks if task.state is TaskState.REFUSED)
        return UploadDetails(
            view=_view(upload, waiting, open_tasks, refused),
            files=tuple(self._store.files(upload_id)),
            drops=tuple(drops),
            tasks=tuple(tasks),
            skipped=tuple(self._store.skipped(upload_id)),
        )

    def pause(self, upload_id: str) -> None:
        """Stop sending until a person resumes; a paused one stays as it is.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        self._steer(upload_id, UploadEvent.PAUSE, already=(UploadState.PAUSED,))

    def resume(self, upload_id: str) -> None:
        """Go on after a pause or an error; one that is transferring stays as it is.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        self._steer(upload_id, UploadEvent.RESUME, already=(UploadState.TRANSFERRING,))

    def finalize(self, upload_id: str) -> None:
        """Ask for the finalize of an idle upload; a finalizing or complete one stays as it is.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        done = (UploadState.FINALIZING, UploadState.COMPLETE)
        self._steer(upload_id, UploadEvent.FINALIZE, already=done)

    def release(self, hot_folder: str) -> int:
        """Send what the first start held in a hot folder; give how many drops.

        Raises:
            NotFound: nothing is held there.
        """
        return self._answer_initial(hot_folder, self._store.release(hot_folder, _INITIAL))

    def seed(self, hot_folder: str) -> int:
        """Record what the first start held in a hot folder as seen; give how many drops.

        Raises:
            NotFound: nothing is held there.
        """
        return self._answer_initial(hot_folder, self._store.seed(hot_folder))

    def _answer_initial(self, hot_folder: str, drops: int) -> int:
        if not drops:
            raise NotFound(
                f"hot folder {hot_folder!r} holds nothing from its first start",
                hint="masv-watch status lists what is held and why",
            )
        return drops

    def _steer(
        self, upload_id: str, event: UploadEvent, *, already: tuple[UploadState, ...]
    ) -> None:
        upload = self._seen(upload_id)
        if upload.state in already:
            return
        try:
            self._store.advance_upload(upload_id, event)
        except IllegalTransition:
            if self._seen(upload_id).state not in already:
                raise

    def _seen(self, upload_id: str) -> Upload:
        upload = self._store.upload(upload_id)
        if upload is None or lifecycle.SHOWN_AS[upload.state] is None:
            raise NotFound(
                f"there is no upload {_quoted(upload_id)}", hint="masv-watch uploads lists them"
            )
        return upload


_INITIAL = HoldReason.INITIAL_ASK


def waiting_for(
    upload: Upload,
    *,
    now: float,
    ahead: int,
    auth_until: float | None,
    settling: bool = False,
) -> Waiting | None:
    """Say what keeps an upload from moving at this store time, or None when nothing does."""
    if upload.state is UploadState.FINALIZING:
        return Waiting(reason=WaitReason.FINALIZING, until=_later(upload.retry_at, now))
    if upload.state is not UploadState.TRANSFERRING:
        return None
    if auth_until is not None and upload.terms.portal is None:
        cure = lifecycle.CURES[HoldReason.AUTH]
        return Waiting(reason=WaitReason.AUTH, until=auth_until, cure=cure)
    return _hindrance(upload, now=now, ahead=ahead, settling=settling)


def _hindrance(upload: Upload, *, now: float, ahead: int, settling: bool) -> Waiting | None:
    if upload.retry_at > now and upload.error:
        return Waiting(reason=WaitReason.RETRYING, until=upload.retry_at, cure=upload.error)
    if settling:
        return Waiting(reason=WaitReason.SETTLING, cure=lifecycle.CURES[HoldReason.GROWING])
    if upload.package_id is None:
        return Waiting(reason=WaitReason.QUEUED, since=upload.created_at, ahead=ahead)
    return None


def _cure_of(drop: Drop) -> str:
    if drop.hold is None:
        return ""
    cure = lifecycle.CURES[drop.hold].replace("NAME", drop.hot_folder)
    return cure.replace("resume ID", f"resume {drop.upload_id}") if drop.upload_id else cure


def _quoted(upload_id: str) -> str:
    """Show what a caller sent as an id; an absurd one only by its beginning."""
    return repr(upload_id if len(upload_id) <= _SHOWN_ID else f"{upload_id[:_SHOWN_ID]}...")


_SHOWN_ID = 64


def _later(at: float, now: float) -> float | None:
    return at if at > now else None


def _view(
    upload: Upload, waiting: Waiting | None, open_tasks: int, refused_tasks: int
) -> UploadView:
    return UploadView(
        upload=upload,
        state=lifecycle.SHOWN_AS[upload.state] or "",
        waiting=waiting,
        open_tasks=open_tasks,
        refused_tasks=refused_tasks,
    )
