"""The verbs of receipts: what a package holds, and the chain of what was signed.

Owns the order of the chain, the key that signs, and where what a receipt says rests. Never knows
what it says: whoever makes it hands in its text. Part of the store; the contract stands in
`store.receipts_contract`.

Law 1. Number, predecessor, signature and the end of the task are one transaction of the one writer:
       the chain neither forks nor has a hole, wherever a kill falls.
Law 2. A state that was restored from a copy goes on under another name of its chain: what it signed
       after the copy was made is a branch of its own, and both say so.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter

from masv_watch.errors import FenceLost
from masv_watch.model import (
    Chunk,
    ReceiptPlace,
    ReceiptRow,
    SentFile,
    Task,
    TaskEvent,
    TaskKind,
)
from masv_watch.store.seal import Seal
from masv_watch.store.signing import Signer
from masv_watch.store.sql import Engine, Row, Transaction, chunk_of, move_task, must, rows_as
from masv_watch.store.versions import served_by

_CHAIN = "receipt_chain"
#: of the key that signs, which so is the same in every copy that is put back
_PURPOSE = "masv-watch receipts"
#: what stands in place of the hash of a seal before the first
_NOTHING = "0" * 64


class ReceiptVerbs:
    """`receipts_contract.Receipts` in SQL."""

    engine: Engine
    seal: Seal
    _signer: Signer | None = None

    def sent_files(self, upload_id: str, *, after: bytes, limit: int) -> list[SentFile]:
        """List files of an upload's package behind a source's path."""

        def find(tx: Transaction) -> list[SentFile]:
            wanted = {"upload_id": served_by(tx, upload_id), "after": after, "limit": limit}
            files = tx.all("sent_files", **wanted)
            found = tx.all("sent_chunks", file_ids=json.dumps([file["id"] for file in files]))
            by_file = groupby(found, key=itemgetter("file_id"))
            chunks = {key: rows_as(list(rows), chunk_of) for key, rows in by_file}
            return [_sent_file(file, chunks.get(file["id"], [])) for file in files]

        return self.engine.read(find)

    def finalize_asked_at(self, upload_id: str) -> float | None:
        """Give when the delivery of an upload was asked for."""
        row = self.engine.read(lambda tx: tx.one("finalize_asked_at", upload_id=upload_id))
        return None if row is None or row["at"] is None else float(row["at"])

    def add_receipt_piece(self, task: Task, piece: int, content: bytes) -> None:
        """Store a piece of what a receipt says."""

        def add(tx: Transaction) -> None:
            row = must(tx.one("task", id=task.id), f"task {task.id}")
            if row["fence"] != task.fence:
                raise FenceLost(f"task {task.id} has a newer claim")
            tx.run("add_receipt_piece", upload_id=task.upload_id, piece=piece, content=content)

        self.engine.write(add)

    def add_receipt(
        self, task: Task, write: Callable[[ReceiptPlace], bytes], *, last: tuple[int, bytes]
    ) -> None:
        """Sign a receipt in the next place of the chain and end its task."""
        signer, upload_id = self._own_signer(), task.upload_id

        def add(tx: Transaction) -> None:
            piece, content = last
            tx.run("add_receipt_piece", upload_id=upload_id, piece=piece, content=content)
            # an earlier try that was killed may have come further
            tx.run("forget_later_pieces", upload_id=upload_id, piece=piece)
            number = _sign(tx, signer, upload_id, write)
            move_task(tx, task, TaskEvent.DONE, note=f"receipt {number}")

        self.engine.write(add)

    def receipt(self, upload_id: str) -> ReceiptRow | None:
        """Give the receipt of an upload."""
        row = self.engine.read(lambda tx: tx.one("receipt", upload_id=upload_id))
        return None if row is None else _receipt_of(row)

    def receipt_piece(self, upload_id: str, piece: int) -> bytes | None:
        """Give a piece of what a receipt says."""
        row = self.engine.read(lambda tx: tx.one("receipt_piece", upload_id=upload_id, piece=piece))
        return None if row is None else bytes(row["content"])

    def receipts(self, *, after: int, limit: int) -> Sequence[ReceiptRow]:
        """List receipts by their number."""
        rows = self.engine.read(lambda tx: tx.all("receipts", after=after, limit=limit))
        return rows_as(rows, _receipt_of)

    def receipt_key(self) -> str:
        """Give the public key of this state."""
        return self._own_signer().public

    def _own_signer(self) -> Signer:
        if self._signer is None:
            self._signer = Signer(self.seal.derive(_PURPOSE))
        return self._signer


def prove_later(tx: Transaction, upload_id: str) -> None:
    """Owe the receipt of a delivery of which nobody knew until its upload was deleted."""
    owed = {"upload_id": upload_id, "kind": TaskKind.RECEIPT, "key": ""}
    tx.run("add_task", now=tx.now, facts="{}", **owed)


def keep_for_receipt(tx: Transaction, drop: Row) -> None:
    """Keep what a receipt that is still due says of a drop which leaves its delivery."""
    due = tx.one("due_receipt", upload_id=drop["upload_id"])
    if due is not None:
        facts = json.loads(due["facts"])
        facts[str(drop["id"])] = f"{drop['generation']} {bytes(drop['path']).hex()}"
        tx.run("note_receipt_facts", id=due["id"], facts=json.dumps(facts))


def _sign(
    tx: Transaction, signer: Signer, upload_id: str, write: Callable[[ReceiptPlace], bytes]
) -> int:
    """Add a seal behind the newest one; give its number."""
    newest = tx.one("newest_receipt")
    place = ReceiptPlace(
        chain=_chain(tx),
        number=1 if newest is None else newest["number"] + 1,
        previous=_NOTHING if newest is None else newest["hash"],
        key=signer.public,
    )
    text = write(place)
    tx.run(
        "add_receipt",
        number=place.number,
        upload_id=upload_id,
        content=text.decode(),
        hash=hashlib.sha256(text).hexdigest(),
        signature=signer.sign(text),
    )
    return place.number


def _chain(tx: Transaction) -> str:
    row = tx.one("meta", key=_CHAIN)
    if row is not None:
        return str(row["value"])
    name = str(uuid.uuid4())
    tx.run("set_meta", key=_CHAIN, value=name)
    return name


def _receipt_of(row: Row) -> ReceiptRow:
    return ReceiptRow(
        number=row["number"],
        upload_id=row["upload_id"],
        text=row["content"].encode(),
        signature=row["signature"],
    )


def _sent_file(row: Row, chunks: list[Chunk]) -> SentFile:
    return SentFile(
        source=bytes(row["path"]),
        path=f"{row['package_path']}/{row['name']}".lstrip("/"),
        size=row["size"],
        hash=row["hash"],
        chunk_size=row["chunk_size"],
        cloud_id=row["cloud_id"],
        chunks=tuple(chunks),
    )
