"""The receipts of deliveries as people ask for them.

Owns which words answer where there is none. Never makes one: the outbox does. Called by the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from masv_watch.errors import NotFound
from masv_watch.model import ReceiptRow, TaskKind, TaskState, UploadState
from masv_watch.store.contract import Store
from masv_watch.store.signing import public_pem


class Receipts:
    """What proves deliveries; any thread may ask."""

    def __init__(self, store: Store) -> None:
        """Read from this store."""
        self._store = store

    def find(self, upload_id: str) -> ReceiptRow:
        """Give the receipt of an upload, also of one that was deleted since.

        Raises:
            NotFound: it has none; the hint says why.
        """
        row = self._store.receipt(upload_id)
        if row is None:
            raise NotFound(
                f"there is no receipt of upload {upload_id[:64]}", hint=self._why(upload_id)
            )
        if self._store.receipt_piece(upload_id, 0) is None:
            raise NotFound(
                f"receipt {row.number} was forgotten with the history of its upload",
                hint="whoever it was given to has it; masv-watch receipt --chain has its place",
            )
        return row

    def pieces(self, upload_id: str) -> Iterator[bytes]:
        """Give what a receipt says in the pieces in which it rests."""
        piece = 0
        while (content := self._store.receipt_piece(upload_id, piece)) is not None:
            yield content
            piece += 1

    def chain(self, *, after: int, limit: int) -> Sequence[ReceiptRow]:
        """List receipts by their number behind `after`."""
        return self._store.receipts(after=after, limit=limit)

    def key(self) -> str:
        """Give the public key by which they are signed, in hex."""
        return self._store.receipt_key()

    def pem(self) -> str:
        """Give that key as PEM."""
        return public_pem(self.key())

    def _why(self, upload_id: str) -> str:
        upload = self._store.upload(upload_id)
        if upload is None or (upload.state is UploadState.GONE and upload.finalized_at is None):
            return "masv-watch uploads lists the uploads"
        if upload.finalized_at is None:
            return "it is made once the upload is delivered"
        tasks = [task for task in self._store.tasks(upload_id) if task.kind is TaskKind.RECEIPT]
        if any(task.state is TaskState.DUE for task in tasks):
            return "it is being made: ask again in a few seconds"
        return "it was delivered by a version that made none"
