"""What lies in a folder that somebody received, and the hashes of its chunks.

Owns the walk through all of it, which nothing ends, and the reading chunk by chunk. Never follows a
link and never compares. Called by `verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from masv_watch.errors import SourceError
from masv_watch.files.observations import Observation
from masv_watch.files.roots import Root
from masv_watch.files.slices import Slice
from masv_watch.model import Identity


def walk_received(root: Root, *, on_entry: Callable[[], None]) -> Iterator[Observation]:
    """Give everything below a root but the folders; one that cannot be listed as unreadable.

    `on_entry` is called at each; it may raise.

    Raises:
        SourceUnreadable: the root itself cannot be listed.
    """
    folders = [b""]
    while folders:
        folder = folders.pop()
        try:
            for entry in root.list_folder(folder):
                on_entry()
                if entry.kind == "folder":
                    folders.append(entry.path)
                else:
                    yield entry
        except SourceError as error:
            if not folder:
                raise
            yield Observation(path=folder, kind="unreadable", identity=None, detail=str(error))


def chunk_hashes(
    root_path: bytes,
    path: bytes,
    identity: Identity,
    *,
    chunk_size: int,
    on_bytes: Callable[[int], None],
) -> tuple[str, ...]:
    """Give the hash of each chunk of a file, as it is made when a file is sent.

    `on_bytes` is told the size of each block that was read; it may raise.

    Raises:
        SourceChanged: it was written to meanwhile.
        SourceVanished, SourceUnreadable, SourceForbidden.
    """
    hashes = []
    for offset in range(0, max(identity.size, 1), chunk_size):
        size = min(chunk_size, identity.size - offset)
        with Slice(root_path, path, identity, offset=offset, size=size, on_bytes=on_bytes) as chunk:
            while chunk.read():
                pass
            hashes.append(chunk.hash)
    return tuple(hashes)
