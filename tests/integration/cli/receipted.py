"""Receipts of deliveries that a test makes up, signed with a key of its own.

Owns the key. Never touches a store. Used by the tests of the commands.
"""

from __future__ import annotations

import xxhash

from masv_watch.delivery import receipt
from masv_watch.files.hashes import hash_of_file
from masv_watch.model import Chunk, Secret, SentFile
from masv_watch.names import sent_path
from masv_watch.store import papers, signing

SIGNER = signing.Signer(Secret("5a" * 32))
#: bytes of a chunk: some files have one, some have several
CHUNK = 8


def sent(path: bytes, content: bytes, *, is_hashed=True) -> SentFile:
    """Give a file as the package has it."""
    cuts = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)] or [b""]
    chunks = [
        Chunk(
            number=number, size=len(cut), etag="e",
            hash=xxhash.xxh3_128_hexdigest(cut) if is_hashed else "",
        )
        for number, cut in enumerate(cuts, start=1)
    ]  # fmt: skip
    return SentFile(
        source=path, path=sent_path(path), size=len(content), chunk_size=CHUNK, cloud_id="f",
        hash=hash_of_file(chunks, size=len(content), chunk_size=CHUNK), chunks=tuple(chunks),
    )  # fmt: skip


def sealed(delivery: bytes, number=1, previous=receipt.NOTHING) -> dict:
    """Give the seal of a delivery."""
    text = receipt.seal_text(
        chain="c", number=number, previous=previous, delivery=papers.digest(delivery),
        upload_id="u", key=SIGNER.public, at=1_700_000_000.0,
    )  # fmt: skip
    return papers.sealed(text, SIGNER.sign(text))


def receipt_of(contents: dict[bytes, bytes], *, is_hashed=True) -> bytes:
    """Give the receipt of a package of these files."""
    facts = {"package": {"id": "P", "name": "Day 1"}, "upload_id": "u"}
    files = [sent(path, content, is_hashed=is_hashed) for path, content in contents.items()]
    delivery = b"".join(receipt.delivery_text(facts, files))
    return b"".join(papers.document([delivery], sealed(delivery)))
