"""Whether a file still has the bytes that were sent of it, read once more before it is closed.

Owns that second look at files whose file system does not keep what tells a rewrite. Never sends a
byte and never stores. Used by `transfer.sending`, on the crew's workers.

Law 1. Where an identity is not whole, bytes take the place of what it lacks: a file is closed only
       after it was read twice with the same result (P2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from masv_watch import files
from masv_watch.errors import SourceChanged
from masv_watch.model import Chunk, SourceFile, Transfer, Verify
from masv_watch.names import shown

#: gives a fresh slice of the file: offset and size
Cut = Callable[[int, int], files.Slice]


def hashing_of(file: SourceFile, transfer: Transfer) -> Verify:
    """Say how the chunks of a file are hashed: those that are read twice always are."""
    if transfer.verify is Verify.SIZE and not file.identity.is_whole:
        return Verify.FAST
    return transfer.verify


def demand_sent(file: SourceFile, chunks: Iterable[Chunk], cut: Cut) -> None:
    """Read a file again, from where it lies, and compare it with what was sent of it.

    Raises:
        SourceChanged: it has other bytes by now.
        SourceVanished, SourceUnreadable, SourceForbidden: as `files.Slice`.
    """
    for chunk in sorted(chunks, key=lambda chunk: chunk.number):
        offset = (chunk.number - 1) * (file.chunk_size or 0)
        with cut(offset, chunk.size) as body:
            body.forget_cached()
            for _ in iter(partial(body.read), b""):
                pass
            if not chunk.hash or body.hash != chunk.hash:
                raise SourceChanged(
                    f"{shown(file.path)} has other bytes than were sent of it, with the same size"
                    " and time",
                    path=file.path,
                )
