"""A control file read for what it says: an index or a sidecar whole, a list block by block.

Owns the limit up to which a file of a drop is read into memory, and the assurance that it is the
one that settled. Never decides what it says. Called by the room that asks whether a drop is whole.
Alone, because all else in this package reads to send or to compare.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from masv_watch.files.observations import demand_same, identity_of
from masv_watch.files.roots import Root
from masv_watch.model import Identity

_BLOCK = 64 * 1024


def read_small(root: Root, path: bytes, identity: Identity, *, most: int) -> bytes | None:
    """Give the content of a settled file, None when it holds more than `most` bytes.

    It is walked from the root's descriptor and never a link.

    Raises:
        SourceChanged: it is not as it settled.
        SourceVanished, SourceUnreadable, SourceForbidden: as `Root.open_file`.
    """
    if identity.size > most:
        return None
    descriptor = root.open_file(path)
    try:
        with root.border(path):
            content = _read(descriptor, identity.size)
            # what changed before or while it was read shows here: times move with every write
            demand_same(identity_of(os.fstat(descriptor)), identity, path)
    finally:
        os.close(descriptor)
    return content


def read_blocks(root: Root, path: bytes, identity: Identity) -> Iterator[bytes]:
    """Give the content of a settled file block by block; what was given counts only at the end.

    Raises: as `read_small`, between any two blocks.
    """
    descriptor = root.open_file(path)
    try:
        left = identity.size
        while left > 0:
            with root.border(path):
                block = os.read(descriptor, min(left, _BLOCK))
            if not block:
                break
            left -= len(block)
            yield block
        with root.border(path):
            demand_same(identity_of(os.fstat(descriptor)), identity, path)
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    blocks = []
    while size > 0 and (block := os.read(descriptor, size)):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)
