"""How an upload comes to be: a draft becomes rows, and a drop joins an open package.

Owns the transaction that takes drops and notes every file. Never talks to the cloud. Part of the
store; the contract stands in `store.contract`.
"""

from __future__ import annotations

import uuid

from masv_watch.errors import IllegalTransition
from masv_watch.model import Draft, DropDraft, DropEvent, UploadEvent, UploadState
from masv_watch.store import batches
from masv_watch.store.ledger import add_file, take
from masv_watch.store.recalls import has_begun
from masv_watch.store.seal import Seal
from masv_watch.store.sql import (
    Engine,
    Moved,
    Transaction,
    announce,
    move_drop,
    move_upload,
    must,
    refuse_in_doubt,
    sealed,
    terms_of,
    terms_text,
)
from masv_watch.store.steering import find_repeat, name_files, note_repeat


class CreationVerbs:
    """The creating half of `contract.Undertakings` in SQL."""

    engine: Engine
    seal: Seal

    def create_upload(self, draft: Draft) -> str:
        """Create an upload, take its drops and note every file."""
        upload_id = str(uuid.uuid4())

        def create(tx: Transaction) -> str:
            if draft.repeat is not None:
                earlier = find_repeat(tx, draft.repeat)
                if earlier is not None:
                    return earlier
                note_repeat(tx, draft.repeat, upload_id)
            self._add_upload(tx, upload_id, draft)
            for drop in draft.drops:
                _join(tx, upload_id, drop)
            name_files(tx, upload_id, draft.files, draft.skipped, reader=draft.reader)
            return upload_id

        return self.engine.write(create)

    def _add_upload(self, tx: Transaction, upload_id: str, draft: Draft) -> None:
        if draft.terms.batch:
            tx.run("close_batches", hot_folder=draft.hot_folder, now=tx.now)
        tx.run(
            "add_upload",
            id=upload_id,
            hot_folder=draft.hot_folder,
            root=draft.root,
            name=draft.name,
            message=draft.message,
            terms=terms_text(draft.terms),
            type=draft.terms.type,
            batch=int(draft.terms.batch),
            state=UploadState.TRANSFERRING,
            priority=draft.priority,
            prioritized=int(draft.keeps_priority),
            chunk_size=draft.chunk_size,
            access_code=sealed(self.seal, draft.access_code),
            password=sealed(self.seal, draft.password),
            relinks=draft.relinks,
            recall_s=draft.recall_s,
            now=tx.now,
        )
        state = UploadState.TRANSFERRING
        announce(
            tx, Moved(noun="upload", noun_id=upload_id, event="create", before="", after=state)
        )

    def open_batch(self, hot_folder: str, *, files: int = 0, size: int = 0) -> str | None:
        """Give the upload that a batch drop of so many files and bytes joins now, or None."""

        def find(tx: Transaction) -> str | None:
            row = tx.one("open_batch", hot_folder=hot_folder)
            if row is None or has_begun(row, tx.now):
                return None
            standing = batches.standing_of(row)
            fits = batches.takes(terms_of(row), standing, tx.now, files=files, size=size)
            return str(row["id"]) if fits else None

        return self.engine.read(find)

    def join_upload(self, upload_id: str, drop: DropDraft) -> None:
        """Let a drop join an open upload."""

        def join(tx: Transaction) -> None:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            if row["state"] == UploadState.ERROR:
                raise IllegalTransition("an upload in error takes no further drop")
            refuse_in_doubt(row)
            move_upload(tx, row, UploadEvent.FILES_ADDED)
            tx.run("note_joined", id=upload_id, now=tx.now)
            tx.run("clear_upload_retry", id=upload_id)
            _join(tx, upload_id, drop)

        self.engine.write(join)


def _join(tx: Transaction, upload_id: str, draft: DropDraft) -> None:
    row = must(tx.one("drop", id=draft.drop_id), f"drop {draft.drop_id}")
    move_drop(tx, row, DropEvent.TAKE)
    if draft.is_whole:
        take(tx, draft.drop_id, upload_id, draft)
    else:
        tx.run("begin_drop", id=draft.drop_id, upload_id=upload_id)
    for file in draft.files:
        add_file(tx, upload_id, draft.drop_id, file)
