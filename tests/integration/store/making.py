"""Build drafts, and walk rows of a real store to where a test begins.

Owns the shortest path to every state, by verbs of the contract only. Never looks behind the
contract, so that every engine can be walked the same way. Used by the conformance suite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masv_watch.model import (
    Chunk,
    Draft,
    Drop,
    DropDraft,
    DropEvent,
    DropState,
    FileDraft,
    HoldReason,
    Identity,
    Secret,
    SourceFile,
    Task,
    TaskDraft,
    TaskEvent,
    TaskKind,
    TaskState,
    Terms,
    Upload,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.store.contract import Store

FOLDER = "dailies"
TOKEN = "token-nobody-may-read"
LEASE_S = 30.0


def file_draft(path: bytes, size: int = 10, version: int = 1, inode: int = 7) -> FileDraft:
    """Make a file; another version has other times."""
    identity = Identity(size=size, mtime_ns=version, ctime_ns=version, inode=inode, device=3)
    name = path.rsplit(b"/", 1)[-1].decode("ascii", "backslashreplace")
    return FileDraft(path=path, package_path="", name=name, identity=identity)


def drop_draft(
    drop: Drop, files: Sequence[FileDraft] | None = None, *, skipped: Sequence[str] = ()
) -> DropDraft:
    """Make a quiet drop of one file of its own name, or of these files."""
    files = (file_draft(drop.path),) if files is None else tuple(files)
    signature = repr([(file.path, file.identity) for file in files])
    return DropDraft(drop_id=drop.id, signature=signature, files=files, skipped=tuple(skipped))


def upload_draft(
    *drops: DropDraft, batch: bool = False, idle_s: float | None = 0.0, folder: str = FOLDER
) -> Draft:
    """Make an upload of these drops."""
    return Draft(
        hot_folder=folder,
        root=b"/srv/dailies",
        name="dailies",
        message="",
        terms=Terms(
            type=UploadType.TEAM, recipients=("a@example.com",), idle_s=idle_s, batch=batch
        ),
        drops=drops,
    )


def create(
    store: Store,
    *paths: bytes,
    files: Sequence[FileDraft] | None = None,
    batch: bool = False,
    idle_s: float | None = 0.0,
) -> tuple[str, list[Drop]]:
    """Create an upload of new drops and give both."""
    drops = [store.see_drop(FOLDER, path) for path in paths or (b"a.mov",)]
    drafts = [drop_draft(drop, files) for drop in drops]
    upload_id = store.create_upload(upload_draft(*drafts, batch=batch, idle_s=idle_s))
    return upload_id, store.drops_of(upload_id)


def must(upload: Upload | None) -> Upload:
    """Give the upload, which is there."""
    assert upload is not None
    return upload


def claim(store: Store, upload_id: str) -> Upload:
    """Claim an upload and give it with its fence."""
    claimed = {upload.id: upload for upload in store.claim_uploads(100, LEASE_S)}
    return claimed[upload_id]


def open_package(store: Store, upload: Upload) -> None:
    """Note that the cloud has the package."""
    store.note_package_asked(upload.id, upload.fence)
    store.note_package(upload.id, upload.fence, f"package-{upload.id}", Secret(TOKEN))


def send_files(
    store: Store, upload: Upload, *, hash_of: Callable[[SourceFile], str] = lambda _file: "h"
) -> None:
    """Send and close every open file of a claimed upload, in one chunk each."""
    for file in store.files(upload.id):
        if file.closed:
            continue
        store.note_files_asked(upload.id, upload.fence, [file.id])
        store.note_file_opened(
            file,
            upload.fence,
            cloud_id=f"cloud-{file.id}-{file.identity.mtime_ns}",
            multipart_id="m",
            chunk_size=1024,
        )
        chunk = Chunk(number=1, size=file.identity.size, etag="e", hash=hash_of(file))
        store.note_etag(file, upload.fence, chunk, last=True)
        store.note_file_closed(file, upload.fence)


def bring_upload(
    store: Store, state: UploadState, *paths: bytes, tasks: Sequence[TaskDraft] = ()
) -> Upload:
    """Walk a new upload to a state; one that was claimed on the way keeps its claim."""
    upload_id, _ = create(store, *paths)
    fence = 0
    sent = {UploadState.IDLE, UploadState.FINALIZING, UploadState.COMPLETE}
    if state in sent:
        fence = claim(store, upload_id).fence
        open_package(store, must(store.upload(upload_id)))
        send_files(store, must(store.upload(upload_id)))
        assert store.advance_all_sent(upload_id, fence)
    if state in sent - {UploadState.IDLE}:
        store.advance_upload(upload_id, UploadEvent.FINALIZE)
    if state is UploadState.COMPLETE:
        finalize(store, upload_id, tasks=tasks)
    if state is UploadState.PAUSED:
        store.advance_upload(upload_id, UploadEvent.PAUSE)
    if state is UploadState.ERROR:
        store.advance_upload(upload_id, UploadEvent.FAIL, code=1205, error="the cloud said no")
    if state in (UploadState.DELETING, UploadState.GONE):
        store.advance_upload(upload_id, UploadEvent.DELETE)
    if state is UploadState.GONE:
        store.advance_upload(upload_id, UploadEvent.DELETED)
    upload = must(store.upload(upload_id))
    assert upload.state is state
    return upload


def finalize(store: Store, upload_id: str, tasks: Sequence[TaskDraft] = ()) -> None:
    """Complete a finalizing upload as its claimer."""
    upload = must(store.upload(upload_id))
    store.note_finalize_asked(upload_id, upload.fence)
    store.advance_claimed(upload, UploadEvent.FINALIZED, tasks=tasks)


def bring_drop(store: Store, state: DropState, path: bytes = b"a.mov") -> Drop:
    """Walk a new drop to a state."""
    if state is DropState.DONE:
        bring_upload(store, UploadState.COMPLETE, path)
    elif state is DropState.TAKEN:
        create(store, path)
    else:
        drop = store.see_drop(FOLDER, path)
        steps = {
            DropState.SETTLING: (),
            DropState.HELD: (DropEvent.BLOCK,),
            DropState.QUEUED: (DropEvent.QUIET,),
            DropState.CANCELLED: (DropEvent.CANCEL,),
            DropState.SUPERSEDED: (DropEvent.QUIET, DropEvent.SUPERSEDE),
            DropState.DUPLICATE: (DropEvent.SAME_CONTENT,),
            DropState.IGNORED: (DropEvent.IGNORE,),
        }[state]
        for event in steps:
            hold = HoldReason.EMPTY if event is DropEvent.BLOCK else None
            store.advance_drop(drop.id, event, hold=hold)
    found = store.latest_drop(FOLDER, path)
    assert found is not None
    assert found.state is state
    return found


LINK, LETTER, DISPOSE, RETIRE, RECEIPT = (
    TaskDraft(kind=TaskKind.LINK, key=""),
    TaskDraft(kind=TaskKind.LETTER, key="a@example.com", facts={"message_id": "<1@x>"}),
    TaskDraft(kind=TaskKind.DISPOSE, key="1"),
    TaskDraft(kind=TaskKind.RETIRE, key="1"),
    TaskDraft(kind=TaskKind.RECEIPT, key=""),
)
ALL_KINDS = tuple(TaskKind)


def bring_task(store: Store, state: TaskState) -> Task:
    """Walk a claimed disposal task to a state; a link task keeps its upload delivered."""
    bring_upload(store, UploadState.COMPLETE, tasks=(LINK, DISPOSE))
    task = store.claim_task([TaskKind.DISPOSE], LEASE_S)
    assert task is not None
    if state is not TaskState.DUE:
        store.advance_task(task, TaskEvent(state))
    found = next(one for one in store.tasks(task.upload_id) if one.id == task.id)
    assert found.state is state
    return found
