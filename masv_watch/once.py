"""Whether a daemon that is to send once is through, and what stays behind.

Owns the end of `run --once`, seen from the ledger and the uploads. Never ends anything and never
knows what keeps the daemon itself. Called by `daemon` at every turn of such a run.

It stands alone because a daemon that goes on has no such end.
"""

from __future__ import annotations

from masv_watch.model import DropState
from masv_watch.store.contract import Store
from masv_watch.uploads import Uploads, UploadView, is_kept


def is_done(store: Store, uploads: Uploads) -> bool:
    """Say whether everything that was taken is delivered, held or failed.

    A batch of which all is up is finalized on the way, or has its recall window begin, and a letter
    that waits for others is sent: nothing more joins them.
    """
    views = uploads.list()
    for view in views:
        terms = uploads.find(view.upload.id).terms if view.state == "idle" else None
        if terms is not None and terms.idle_s is None:
            # it waits for its caller
            continue
        if terms is not None and terms.batch:
            _end_batch(store, uploads, view)
        if view.state in {"transferring", "idle"} and not is_kept(view):
            return False
    # a letter may wait for its window, too
    owed = store.open_tasks().keys() - {view.upload.id for view in views if is_kept(view)}
    gathering = store.gathering_letters().keys() & owed
    if owed and gathering == owed:
        # nothing more comes that could go beside them
        for upload_id in gathering:
            store.start_upload(upload_id)
    return not owed


def _end_batch(store: Store, uploads: Uploads, view: UploadView) -> None:
    if view.upload.recall_until is None:
        uploads.finalize(view.upload.id)
    else:
        store.end_batch(view.upload.id)


def stays_behind(store: Store, uploads: Uploads) -> bool:
    """Say whether a drop is held, or an upload failed, paused or kept for its window."""
    living = store.drops(living=True)
    behind = any(drop.hold or drop.state is not DropState.TAKEN for drop in living)
    return behind or any(
        view.state in {"error", "paused"} or is_kept(view) for view in uploads.list()
    )
