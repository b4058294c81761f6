"""The hash of a whole source file, read for it alone.

Owns the reading of a file that is compared with what was delivered. Never sends a byte. Called by
intake where neither size nor time can tell.
"""

from __future__ import annotations

from collections.abc import Callable

from masv_watch.errors import SourceChanged
from masv_watch.files.hashes import hash_of_file
from masv_watch.files.slices import Slice
from masv_watch.model import Chunk, Identity


def hash_content(
    root_path: bytes,
    path: bytes,
    identity: Identity,
    *,
    chunk_size: int,
    stop: Callable[[], bool] = lambda: False,
) -> str:
    """Give the hash of a settled file as it is made when it is sent in chunks of this size.

    Raises:
        SourceChanged: it is not the settled one any more, or `stop` answered true.
        SourceVanished, SourceUnreadable, SourceForbidden.
    """
    chunks: list[Chunk] = []
    for offset in range(0, max(identity.size, 1), chunk_size):
        size = min(chunk_size, identity.size - offset)
        with Slice(root_path, path, identity, offset=offset, size=size) as chunk:
            while chunk.read():
                if stop():
                    raise SourceChanged("the reading was ended", path=path)
            chunks.append(Chunk(number=len(chunks) + 1, size=size, etag="", hash=chunk.hash))
    return hash_of_file(chunks, size=identity.size, chunk_size=chunk_size)
