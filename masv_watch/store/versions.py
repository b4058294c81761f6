"""The versions of a source: what of an earlier one is kept, and which one the cloud has in the end.

Owns the number that tells the versions of a file apart within one cloud file, and everything that
begins or ends one. Never compares bytes: `transfer.keeping` does. Part of the store; the contract
stands in `store.contract`.

Law 1. A chunk belongs to the version under which it was acknowledged; only those of the version
       that the row holds now are sent, counted and named to the cloud.
Law 2. One of an earlier version is kept as long as the cloud file is open, to be compared; it says
       what the storage has at that number, and is forgotten before other bytes go there.
Law 3. Identity, cloud file and version together say whether an answer is about what the row holds:
       a cloud file outlives a change, and a source may look again as it once did.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from masv_watch.errors import FenceLost
from masv_watch.files.hashes import hash_of_file
from masv_watch.model import Chunk, FileProof, SourceFile
from masv_watch.store.sql import (
    Engine,
    Row,
    Transaction,
    chunk_of,
    hold_fence,
    identity_of,
    rows_as,
)


class VersionVerbs:
    """`contract.Versions` in SQL."""

    engine: Engine

    def kept_chunk(self, file: SourceFile, number: int) -> Chunk | None:
        """Give what the storage has of an earlier version at this number, or None."""
        row = self.engine.read(
            lambda tx: tx.one("kept_chunk", file_id=file.id, number=number, version=file.version)
        )
        return None if row is None else chunk_of(row)

    def forget_kept(self, file: SourceFile, fence: int, number: int) -> None:
        """Store that other bytes go to a number of a file."""

        def forget(tx: Transaction) -> None:
            hold_fence(tx, file.upload_id, fence)
            row = hold_version(tx, file)
            before = _bytes_of(tx, row)
            tx.run("remove_kept_chunk", file_id=file.id, number=number, version=row["version"])
            _count_lost(tx, row, before)

        self.engine.write(forget)

    def note_reread(self, file: SourceFile, fence: int, number: int) -> None:
        """Store that the chunks of a file up to this number were read again, and were the same."""

        def note(tx: Transaction) -> None:
            hold_fence(tx, file.upload_id, fence)
            tx.run("note_reread", id=hold_version(tx, file)["id"], number=number)

        self.engine.write(note)

    def prove(self, upload_id: str) -> list[FileProof]:
        """Show of every file of an upload which one version the cloud has."""

        def find(tx: Transaction) -> list[FileProof]:
            sent = served_by(tx, upload_id)
            rows = tx.all("chunks_of_upload", upload_id=sent)
            chunks = {key: list(found) for key, found in groupby(rows, key=itemgetter("file_id"))}
            files = tx.all("files", upload_id=upload_id)
            if sent == upload_id:
                return [_proof(file, chunks.get(file["id"], [])) for file in files]
            # what is relinked has the chunks of its equal, in the version that was put together
            equals = {row["cloud_id"]: row for row in tx.all("files", upload_id=sent)}
            pairs = [(file, equals.get(file["cloud_id"], file)) for file in files]
            return [
                _proof(file, chunks.get(equal["id"], []), version=equal["version"])
                for file, equal in pairs
            ]

        return self.engine.read(find)


def hold_version(tx: Transaction, file: SourceFile) -> Row:
    """Give the row of a file if it still is the version that the claimer has in hand.

    Raises:
        FenceLost: its source settled anew, or the cloud lost it, since the claimer read it.
    """
    row = tx.one("file", id=file.id)
    if row is None or identity_of(row) != file.identity or not _is_at(row, file):
        raise FenceLost(f"file {file.id} began anew meanwhile")
    return row


def _is_at(row: Row, file: SourceFile) -> bool:
    """Say whether a row has the claimer's cloud file, in his version; one without is anywhere."""
    if file.cloud_id is None:
        return True
    return (file.cloud_id, file.version) == (row["cloud_id"], row["version"])


def begin_version(tx: Transaction, file: Row, *, size: int) -> None:
    """End what was sent of a file: what may be the same in its next version is kept to be compared.

    Where nothing is, or where the cloud file cannot take the next version, it begins anew.
    """
    if not _takes(file, size):
        reset(tx, file, size=size)
        return
    before = _bytes_of(tx, file)
    tx.run("remove_unfit_chunks", file_id=file["id"], chunk_size=file["chunk_size"], size=size)
    _count_lost(tx, file, before)
    if tx.one("any_chunk", file_id=file["id"]) is None:
        reset(tx, file, size=size)
        return
    tx.run("renew_version", id=file["id"])
    _recount(tx, file, size=size)


def _takes(file: Row, size: int) -> bool:
    """Say whether the cloud file of a row can become one of this size: not once it was closed."""
    if file["cloud_id"] is None or file["chunk_size"] is None or file["closed"]:
        return False
    return bool(size <= file["chunk_size"] * file["max_chunks"])


def reset(tx: Transaction, file: Row, *, size: int) -> None:
    """Forget all that the cloud has of a file; its cloud file becomes a leftover to delete."""
    if file["cloud_id"] is not None:
        tx.run("add_leftover", upload_id=file["upload_id"], cloud_id=file["cloud_id"])
    before = _bytes_of(tx, file)
    tx.run("remove_chunks", file_id=file["id"])
    tx.run("reset_file", id=file["id"])
    _recount(tx, file, size=size)
    if size:
        # what leaves its upload is not sent again
        _count_lost(tx, file, before)


def _bytes_of(tx: Transaction, file: Row) -> int:
    return tx.number("chunk_bytes", file_id=file["id"])


def _count_lost(tx: Transaction, file: Row, before: int) -> None:
    """Count the acknowledged bytes that are gone since there were so many: they go once more."""
    lost = before - _bytes_of(tx, file)
    if lost > 0:
        tx.run("add_toll", id=file["upload_id"], resent=lost, retries=0, reason="")


def _recount(tx: Transaction, file: Row, *, size: int) -> None:
    tx.run(
        "count_files",
        id=file["upload_id"],
        size=size - file["size"],
        sent=-file["sent"],
        files=0,
        open=1 if file["closed"] else 0,
    )


def close_file(tx: Transaction, file: Row) -> bool:
    """Note that the cloud put a file together, with the hash of it all; False when known."""
    if file["closed"]:
        return False
    chunks = rows_as(tx.all("chunks", file_id=file["id"]), chunk_of)
    tx.run("note_file_closed", id=file["id"], hash=_hash_of(file, chunks))
    return True


def _hash_of(file: Row, chunks: list[Chunk]) -> str:
    return hash_of_file(chunks, size=file["size"], chunk_size=file["chunk_size"] or 0)


def served_by(tx: Transaction, upload_id: str) -> str:
    """Give the upload whose chunks are in the package of this one."""
    row = tx.one("upload", id=upload_id)
    served = row is not None and row["relinks"] is not None and row["package_id"] is not None
    return str(row["relinks"]) if row is not None and served else upload_id


def _proof(file: Row, rows: list[Row], *, version: int | None = None) -> FileProof:
    chunks = rows_as(rows, chunk_of)
    return FileProof(
        path=bytes(file["path"]),
        identity=identity_of(file),
        hash=file["hash"],
        chunks=tuple(chunks),
        doubt=_doubt(file, rows, file["version"] if version is None else version)
        or _doubt_of_hash(file, chunks),
    )


def _doubt(file: Row, rows: list[Row], version: int) -> str:
    """Say why these chunks are not one whole version of a file; "" when they are."""
    if not file["closed"]:
        return "the cloud has not put it together yet"
    if file["stale"]:
        return "its source changed since"
    if any(row["version"] != version for row in rows):
        return "its chunks are of more than one version"
    left = file["size"]
    for number, row in enumerate(rows, start=1):
        if (row["number"], row["size"]) != (number, min(file["chunk_size"] or 0, left)):
            return f"chunk {number} is missing or of another size"
        left -= row["size"]
    return "" if rows and not left else "its last chunks are missing"


def _doubt_of_hash(file: Row, chunks: list[Chunk]) -> str:
    # what an earlier schema closed has none
    known = file["hash"]
    return "" if known in {"", _hash_of(file, chunks)} else "its hash is not that of its chunks"
