"""A small file read whole: a manifest or an index, never media.

Owns the limit up to which a file of a drop is read into memory, and the assurance that it is the
one that settled. Never decides what it says. Called by the room that asks whether a drop is whole.
Alone, because all else in this package reads by blocks.
"""

from __future__ import annotations

import os

from masv_watch.files.observations import demand_same, identity_of
from masv_watch.files.roots import Root
from masv_watch.model import Identity


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


def _read(descriptor: int, size: int) -> bytes:
    blocks = []
    while size > 0 and (block := os.read(descriptor, size)):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)
