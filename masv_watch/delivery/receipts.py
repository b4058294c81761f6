"""How the receipt of a delivered upload is made: gone through, packed, signed.

Owns the pages in which files are read and the pieces in which their text rests. Never decides what
a receipt says (`delivery.receipt` does) nor where it stands in the chain (the store does). Called
by the outbox.

Law 1. However many files a delivery has, a page of them is held at a time.
Law 2. A try that was killed leaves pieces that no receipt names; the next one writes over them.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator

from masv_watch import __version__
from masv_watch.delivery import receipt
from masv_watch.model import ReceiptPlace, SentFile, Task, Upload
from masv_watch.store.contract import Store

#: files of a page
PAGE = 500
#: bytes of a piece, compressed
PIECE = 256 * 1024


def make(store: Store, task: Task, upload: Upload, *, team: str | None) -> None:
    """Sign what was delivered and end the task; `team` is the one that sends by itself.

    Raises:
        FenceLost: the task has a newer claim.
        StoreError: it could not be stored; nothing was signed.
    """
    facts = receipt.facts_of(
        upload,
        _drops(store, task, upload),
        skipped=store.skipped(upload.id),
        team=team,
        asked_at=store.finalize_asked_at(upload.id),
        version=__version__,
    )
    hasher = hashlib.sha256()
    number, last = 0, b""
    pieces = _packed(receipt.delivery_text(facts, _files(store, upload.id)), hasher.update)
    for piece in pieces:
        if last:
            store.add_receipt_piece(task, number, last)
            number += 1
        last = piece

    def write(place: ReceiptPlace) -> bytes:
        return receipt.seal_text(
            chain=place.chain,
            number=place.number,
            previous=place.previous,
            key=place.key,
            delivery=hasher.hexdigest(),
            upload_id=upload.id,
            at=store.now(),
        )

    store.add_receipt(task, write, last=(number, last))


def _drops(store: Store, task: Task, upload: Upload) -> list[tuple[int, bytes]]:
    """Give generation and path of what was delivered, of what is sent again since too."""
    found = {drop.id: (drop.generation, drop.path) for drop in store.drops_of(upload.id)}
    for drop_id, text in task.facts.items():
        generation, path = text.split(" ")
        found[int(drop_id)] = int(generation), bytes.fromhex(path)
    return [found[drop_id] for drop_id in sorted(found)]


def _files(store: Store, upload_id: str) -> Iterator[SentFile]:
    after = b""
    while files := store.sent_files(upload_id, after=after, limit=PAGE):
        yield from files
        after = files[-1].source


def _packed(text: Iterator[bytes], told: Callable[[bytes], object]) -> Iterator[bytes]:
    """Compress a text piece by piece; `told` is given every byte of it in order."""
    packer, piece = zlib.compressobj(), b""
    for block in text:
        told(block)
        piece += packer.compress(block)
        if len(piece) >= PIECE:
            yield piece
            piece = b""
    yield piece + packer.flush()
