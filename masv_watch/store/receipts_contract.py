"""The part of the store's contract about the proof of what was delivered.

Owns the promises of each verb, not how an engine keeps them. Never knows what a receipt says. Part
of `store.contract`, whose laws hold here; implemented in `store.receipts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from masv_watch.model import ReceiptPlace, ReceiptRow, SentFile, Task


class Receipts(Protocol):
    """The chain of receipts: one for each delivery, in the order in which they were signed."""

    def sent_files(self, upload_id: str, *, after: bytes, limit: int) -> list[SentFile]:
        """List files of an upload's package behind a source's path, with their chunks.

        Those of one that is linked to an earlier package are the files of that.
        """
        ...

    def finalize_asked_at(self, upload_id: str) -> float | None:
        """Give when the delivery of an upload was asked for, None where that is forgotten."""
        ...

    def add_receipt_piece(self, task: Task, piece: int, content: bytes) -> None:
        """Store a piece of what a receipt says; one of an earlier try is replaced.

        Raises:
            FenceLost: the task has a newer claim.
        """
        ...

    def add_receipt(
        self, task: Task, write: Callable[[ReceiptPlace], bytes], *, last: tuple[int, bytes]
    ) -> None:
        """Sign a receipt in the next place of the chain and end its task, in one transaction.

        `write` gives the text to sign for that place; `last` is the last piece with its number.

        Raises:
            FenceLost: the task has a newer claim; nothing is signed.
        """
        ...

    def receipt(self, upload_id: str) -> ReceiptRow | None:
        """Give the receipt of an upload, None while there is none."""
        ...

    def receipt_piece(self, upload_id: str, piece: int) -> bytes | None:
        """Give a piece of what a receipt says, None behind the last and where it is forgotten."""
        ...

    def receipts(self, *, after: int, limit: int) -> Sequence[ReceiptRow]:
        """List receipts by their number behind `after`."""
        ...

    def receipt_key(self) -> str:
        """Give the public key of this state in hex; its private one is made when there is none."""
        ...
