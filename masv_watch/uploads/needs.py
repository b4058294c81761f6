"""List what of drops, uploads and tasks waits for a person.

Owns which of them only a person can move. Never decides who is told: `delivery.alerts` does. Called
there, by its loop.

Law 1. What ends by itself is no need: a growing file, a closed window, a retry that has its time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from masv_watch.lifecycle import PATIENT
from masv_watch.model import (
    HeldKind,
    Need,
    Selection,
    Task,
    TaskKind,
    TaskState,
    UploadLine,
    UploadState,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.uploads.places import root_of
from masv_watch.uploads.views import MAY_HAVE_LEFT, cure_of, failure_cure

#: of each kind that are looked at: a letter names fewer
MOST = 200
#: what does not work when a task of a kind fails
TASKS = {
    TaskKind.LINK: "its share link cannot be made",
    TaskKind.LETTER: "the letter to {key} does not get through",
    TaskKind.DISPOSE: "its delivered source cannot be dealt with",
    TaskKind.RETIRE: "the package that it replaces stays",
    TaskKind.RECEIPT: "its receipt cannot be made",
}


def needs_of(store: Store) -> Iterator[Need]:
    """Give every drop, upload and task that waits for a person, holds joined by their reason."""
    for kind in store.held_kinds():
        if kind.drop.hold not in PATIENT:
            yield _held(kind, root_of(store, kind.drop))
    failed = store.select_uploads(Selection(states=(UploadState.ERROR,), limit=MOST))
    yield from map(_failed, failed)
    doubtful = [upload_id for upload_id, at in store.gathering_letters().items() if math.isinf(at)]
    if doubtful:
        yield Need(
            key="letters in doubt",
            text=f"of {len(doubtful):,} uploads a letter {MAY_HAVE_LEFT}",
            cure=f"masv-watch start {doubtful[0]} sends it; masv-watch status names them all",
        )
    for task, name in store.tasks_in_trouble(MOST):
        yield _task(task, name)


def undeleted(store: Store) -> Iterator[Need]:
    """Say which deleted uploads the cloud still has, and why: no list shows them any more."""
    for stray in store.strays():
        yield Need(
            key=f"stray {stray.package_id}",
            text=f"package {stray.package_id} of upload {stray.upload_id}: {stray.why}",
            cure=f"look for package {stray.package_id} at MASV, and delete it there",
            is_final=True,
        )
    for upload in store.select_uploads(Selection(states=(UploadState.DELETING,))):
        if upload.error:
            yield Need(
                key=f"deleted {upload.id}",
                text=f"upload {upload.id} was deleted and waits for the cloud: {upload.error}",
                cure=_deleting_cure(upload),
            )


def _deleting_cure(upload: UploadLine) -> str:
    helps = "masv-watch check says what stands between us and MASV"
    if upload.package_id:
        helps = f"or delete package {upload.package_id} at MASV; {helps}"
    return f"it is tried again by itself; {helps}"


def archives_away(store: Store) -> Iterator[Need]:
    """Give every archive to which nothing can be moved, with what helps in the sentence."""
    for each in store.archives_away():
        yield Need(
            key=f"archive {each.hot_folder} {shown(each.path)}",
            text=f"hot folder {each.hot_folder}: {each.why}",
        )


def _held(kind: HeldKind, root: bytes | None) -> Need:
    drop = kind.drop
    others = "" if kind.number == 1 else f" and {kind.number - 1:,} more"
    note = f": {drop.note}" if drop.note else ""
    return Need(
        key=kind.key,
        text=f"hot folder {drop.hot_folder}: {shown(drop.path)}{others} held as {drop.hold}{note}",
        cure=cure_of(drop, root),
        more_since=kind.untold_since,
    )


def _failed(upload: UploadLine) -> Need:
    folder = f" of hot folder {upload.hot_folder}" if upload.hot_folder else ""
    cure = failure_cure(upload)
    return Need(
        key=f"failed {upload.id}",
        text=f"upload {upload.name}{folder} failed: {upload.error}",
        # many sentences end with it, behind what is to be done before
        cure="" if cure in upload.error else cure,
    )


def _task(task: Task, name: str) -> Need:
    is_final = task.state is TaskState.REFUSED
    words = TASKS[task.kind].format(key=task.key)
    return Need(
        key=f"task {task.id}",
        text=f"upload {name} was delivered, but {words}: {task.note}",
        cure=f"masv-watch show {task.upload_id}" + ("" if is_final else "; it is tried again"),
        is_final=is_final,
    )
