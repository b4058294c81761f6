"""The verbs of uploads, their files and their chunks.

Owns creation, claims with lease and fence, and every acknowledged byte. Never talks to the cloud
and never decides when to try again. Part of the store; the contract stands in `store.contract`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from masv_watch.errors import CloudUnpaid, FenceLost
from masv_watch.files.hashes import hash_of_file
from masv_watch.model import (
    ANY_SIZE,
    MOST_CHUNKS,
    NO_TOLL,
    NO_TURNS,
    Chunk,
    Sizes,
    SourceFile,
    TaskDraft,
    TaskKind,
    Toll,
    Turns,
    Upload,
    UploadEvent,
    UploadState,
)
from masv_watch.store.ledger import SENDS_ON, finish_drops, is_beyond_change, restart_file, unsettle
from masv_watch.store.outages import rest_for_good
from masv_watch.store.retiring import retire
from masv_watch.store.seal import Seal
from masv_watch.store.shortages import Wait, unpaid_wait
from masv_watch.store.sql import (
    Engine,
    Row,
    Transaction,
    chunk_of,
    file_of,
    hold_fence,
    move_upload,
    must,
    resume,
    rows_as,
    upload_of,
)
from masv_watch.store.turns import waiting_in_turn
from masv_watch.store.versions import begin_version, close_file, hold_version, reset

T = TypeVar("T")

#: uploads claimed at once beside those that have a slot
MOST_WITHOUT_SLOT = 64


class UndertakingVerbs:
    """`contract.Undertakings` in SQL."""

    engine: Engine
    seal: Seal

    def upload(self, upload_id: str) -> Upload | None:
        """Give one upload, or None."""
        row = self.engine.read(lambda tx: tx.one("upload", id=upload_id))
        return None if row is None else upload_of(row, self.seal)

    def uploads(self) -> list[Upload]:
        """List the uploads that are not hidden."""
        return [upload_of(row, self.seal) for row in self.engine.read(lambda tx: tx.all("uploads"))]

    def files(self, upload_id: str) -> list[SourceFile]:
        """List the files of an upload."""
        return rows_as(self.engine.read(lambda tx: tx.all("files", upload_id=upload_id)), file_of)

    def file(self, file_id: int) -> SourceFile | None:
        """Give one file, or None."""
        row = self.engine.read(lambda tx: tx.one("file", id=file_id))
        return None if row is None else file_of(row)

    def skipped(self, upload_id: str, *, drop_id: int | None = None) -> list[str]:
        """List what was left out of an upload, or of one drop of it."""

        def read(tx: Transaction) -> list[Row]:
            if drop_id is None:
                return tx.all("skipped", upload_id=upload_id)
            return tx.all("skipped_of", upload_id=upload_id, drop_id=drop_id)

        return [str(row["reason"]) for row in self.engine.read(read)]

    def advance_upload(
        self, upload_id: str, event: UploadEvent, *, code: int | None = None, error: str = ""
    ) -> UploadState:
        """Move one upload as asked."""

        def advance(tx: Transaction) -> UploadState:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            if event is UploadEvent.PAUSE and rest_for_good(tx, row):
                return UploadState(row["state"])
            if event is UploadEvent.RESUME:
                tx.run("clear_upload_retry", id=upload_id)
                tx.run("clear_file_retries", upload_id=upload_id)
                return resume(tx, row, code=code, error=error)
            return move_upload(tx, row, event, code=code, error=error)

        return self.engine.write(advance)

    def claim_uploads(self, limit: int, lease_s: float, *, turns: Turns = NO_TURNS) -> list[Upload]:
        """Lease uploads that are due."""

        def due(tx: Transaction) -> list[Row]:
            at_once = tx.all("claimable_without_slot", now=tx.now, limit=MOST_WITHOUT_SLOT)
            in_turn = waiting_in_turn(tx, limit, turns) if limit > 0 else []
            known = {row["id"] for row in at_once}
            return [*at_once, *(row for row in in_turn if row["id"] not in known)]

        def claim(tx: Transaction) -> list[Upload]:
            claimed = []
            for row in due(tx):
                mine = tx.one(
                    "claim_upload", id=row["id"], now=tx.now, lease_until=tx.now + lease_s
                )
                if mine is not None:
                    claimed.append(upload_of(mine, self.seal))
            return claimed

        return self.engine.write(claim) if self.engine.read(due) else []

    def renew(self, upload_id: str, fence: int, lease_s: float, *, toll: Toll = NO_TOLL) -> Upload:
        """Prolong a claim and give the row."""

        def renew(tx: Transaction) -> Upload:
            _add_toll(tx, upload_id, toll)
            row = tx.one("renew", id=upload_id, fence=fence, lease_until=tx.now + lease_s)
            if row is None:
                raise FenceLost(f"upload {upload_id} has a newer claim")
            return upload_of(row, self.seal)

        return self.engine.write(renew)

    def let_go(
        self,
        upload_id: str,
        fence: int,
        *,
        retry_at: float = 0.0,
        attempts: int = 0,
        error: str = "",
        code: int | None = None,
        toll: Toll = NO_TOLL,
    ) -> None:
        """End a claim."""

        wanted: Wait = {"retry_at": retry_at, "error": error, "code": code}

        def let_go(tx: Transaction) -> None:
            # what it waits for may have ended while the rest of it was out
            is_unpaid = code == CloudUnpaid.code
            wait = unpaid_wait(tx, upload_id, **wanted) if is_unpaid else wanted
            tx.run("let_go", id=upload_id, fence=fence, attempts=attempts, **wait)
            _add_toll(tx, upload_id, toll)

        self._fenced(upload_id, fence, let_go)

    def next_files(
        self, upload_id: str, limit: int, *, sizes: Sizes = ANY_SIZE
    ) -> list[SourceFile]:
        """List files that are due and not closed."""
        return rows_as(
            self.engine.read(
                lambda tx: tx.all(
                    "next_files",
                    upload_id=upload_id,
                    now=tx.now,
                    limit=limit,
                    least=sizes.least,
                    most=sizes.most,
                    sends_on=SENDS_ON,
                )
            ),
            file_of,
        )

    def next_retry(self, upload_id: str) -> float | None:
        """Give when the first waiting file is due, or None."""

        def find(tx: Transaction) -> list[float]:
            rows = (
                tx.one("next_retry", upload_id=upload_id, sends_on=SENDS_ON),
                tx.one("next_look", upload_id=upload_id),
            )
            return [float(row["at"]) for row in rows if row is not None and row["at"] is not None]

        return min(self.engine.read(find), default=None)

    def note_files_asked(self, upload_id: str, fence: int, file_ids: Sequence[int]) -> None:
        """Store the intent to add these files."""

        def note(tx: Transaction) -> None:
            for file_id in file_ids:
                tx.run("note_file_asked", id=file_id)

        self._fenced(upload_id, fence, note)

    def note_file_opened(
        self,
        file: SourceFile,
        fence: int,
        *,
        cloud_id: str,
        multipart_id: str,
        chunk_size: int,
        max_chunks: int = MOST_CHUNKS,
    ) -> None:
        """Store where the cloud takes a file's chunks."""

        def note(tx: Transaction) -> None:
            hold_version(tx, replace(file, cloud_id=None))
            tx.run(
                "note_file_opened",
                id=file.id,
                cloud_id=cloud_id,
                multipart_id=multipart_id,
                chunk_size=chunk_size,
                max_chunks=max_chunks,
            )

        self._fenced(file.upload_id, fence, note)

    def note_file_lost(self, file: SourceFile, fence: int) -> None:
        """Forget what the cloud had of a file."""

        def lose(tx: Transaction) -> None:
            row = hold_version(tx, replace(file, cloud_id=None))
            if file.cloud_id in (None, row["cloud_id"]):
                reset(tx, row, size=row["size"])

        self._fenced(file.upload_id, fence, lose)

    def note_etag(self, file: SourceFile, fence: int, chunk: Chunk, *, last: bool) -> None:
        """Store that the cloud holds a chunk."""

        def note(tx: Transaction) -> None:
            version = hold_version(tx, file)["version"]
            place = {"file_id": file.id, "number": chunk.number, "version": version}
            known = tx.one("chunk", **place) is not None
            _add_chunk(tx, file.id, version, chunk)
            size = 0 if known else chunk.size
            tx.run("note_file_sent", id=file.id, size=size, last=int(last), now=tx.now)
            tx.run("count_files", id=file.upload_id, size=0, sent=size, files=0, open=0)

        self._fenced(file.upload_id, fence, note)

    def note_file_shipped(self, file: SourceFile, fence: int, chunk: Chunk) -> None:
        """Store that the cloud has a file of one chunk whole."""

        def ship(tx: Transaction) -> None:
            hold_version(tx, replace(file, cloud_id=None))
            shipped = tx.run(
                "note_file_shipped",
                id=file.id,
                cloud_id=file.cloud_id,
                multipart_id=file.multipart_id,
                chunk_size=file.chunk_size,
                max_chunks=file.max_chunks,
                sent=chunk.size,
                hash=hash_of_file(
                    [chunk], size=file.identity.size, chunk_size=file.chunk_size or 0
                ),
            )
            if shipped:
                # one that has no cloud file yet is in its first version
                _add_chunk(tx, file.id, 0, chunk)
                tx.run("count_files", id=file.upload_id, size=0, sent=chunk.size, files=0, open=-1)

        self._fenced(file.upload_id, fence, ship)

    def chunks(self, file_id: int) -> list[Chunk]:
        """List the acknowledged chunks of a file."""
        return rows_as(self.engine.read(lambda tx: tx.all("chunks", file_id=file_id)), chunk_of)

    def note_file_closed(self, file: SourceFile, fence: int) -> None:
        """Store that the cloud finalized a file."""

        def close(tx: Transaction) -> None:
            if close_file(tx, hold_version(tx, file)):
                tx.run("count_files", id=file.upload_id, size=0, sent=0, files=0, open=-1)

        self._fenced(file.upload_id, fence, close)

    def note_file_retry(
        self,
        file: SourceFile,
        fence: int,
        *,
        attempts: int,
        retry_at: float,
        error: str,
        toll: Toll = NO_TOLL,
    ) -> None:
        """Store that a file waits, and why."""

        def wait(tx: Transaction) -> None:
            tx.run("note_file_retry", id=file.id, attempts=attempts, retry_at=retry_at, error=error)
            _add_toll(tx, file.upload_id, toll)

        self._fenced(file.upload_id, fence, wait)

    def note_source_changed(self, file: SourceFile, fence: int, note: str) -> None:
        """Stop a file whose source changed; its drop is no longer whole."""

        def change(tx: Transaction) -> None:
            upload = must(tx.one("upload", id=file.upload_id), f"upload {file.upload_id}")
            if is_beyond_change(upload):
                return
            # a worker may still hold the version before the one that settled meanwhile
            row = hold_version(tx, replace(file, cloud_id=None))
            if file.drop_id is None:
                _await_quiet(tx, upload, file.id, note)
                return
            restart_file(tx, row, note)
            unsettle(tx, file.drop_id, note)

        self._fenced(file.upload_id, fence, change)

    def advance_claimed(
        self,
        upload: Upload,
        event: UploadEvent,
        *,
        code: int | None = None,
        error: str = "",
        tasks: Sequence[TaskDraft] = (),
    ) -> UploadState:
        """Move a claimed upload; FINALIZED hangs its tasks on it."""

        def advance(tx: Transaction) -> UploadState:
            row = must(tx.one("upload", id=upload.id), f"upload {upload.id}")
            after = move_upload(tx, row, event, code=code, error=error)
            for task in tasks:
                tx.run(
                    "add_task",
                    upload_id=upload.id,
                    kind=task.kind,
                    key=task.key,
                    now=tx.now,
                    facts=json.dumps(dict(task.facts)),
                )
                if task.kind is TaskKind.RETIRE:
                    retire(tx, task.key)
            if event is UploadEvent.FINALIZED:
                finish_drops(tx, upload.id)
            return after

        return self._fenced(upload.id, upload.fence, advance)

    def _fenced(self, upload_id: str, fence: int, job: Callable[[Transaction], T]) -> T:
        def checked(tx: Transaction) -> T:
            hold_fence(tx, upload_id, fence)
            return job(tx)

        return self.engine.write(checked)


def _add_chunk(tx: Transaction, file_id: int, version: int, chunk: Chunk) -> None:
    tx.run(
        "add_chunk",
        file_id=file_id,
        version=version,
        number=chunk.number,
        size=chunk.size,
        etag=chunk.etag,
        hash=chunk.hash,
    )


def _add_toll(tx: Transaction, upload_id: str, toll: Toll) -> None:
    if toll != NO_TOLL:
        tx.run(
            "add_toll",
            id=upload_id,
            resent=toll.resent,
            retries=toll.retries,
            reason=toll.reason,
        )


def _await_quiet(tx: Transaction, upload: Row, file_id: int, note: str) -> None:
    """End a version of a caller's file; no drop tells when it is quiet, so it is looked at."""
    row = must(tx.one("file", id=file_id), f"file {file_id}")
    if row["stale"]:
        return
    begin_version(tx, row, size=row["size"])
    tx.run("stale_file", id=file_id, note=note)
    move_upload(
        tx, upload, UploadEvent.SOURCE_CHANGED, code=upload["error_code"], error=upload["error"]
    )
