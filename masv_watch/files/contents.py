"""The hash of a whole source file, read for it alone, at once or a piece at a time.

Owns the reading of a file that is compared with what was delivered. Never sends a byte. Called by
intake where neither size nor time can tell.
"""

from __future__ import annotations

from collections.abc import Callable

import xxhash

from masv_watch.errors import SourceChanged
from masv_watch.files.hashes import hash_of_file
from masv_watch.files.slices import Slice
from masv_watch.model import Chunk, Follow, Identity


class Hashing:
    """The hash of one settled file in the making; it may be read a piece at a time."""

    def __init__(
        self, path: bytes, identity: Identity, *, chunk_size: int, follow: Follow = Follow.NONE
    ) -> None:
        """Begin at the first byte; the hash is made as for chunks of this size."""
        self._path = path
        self._identity = identity
        self._chunk_size = chunk_size
        self._follow = follow
        self._chunks: list[Chunk] = []
        self._hasher = xxhash.xxh3_128()
        #: bytes read
        self.done = 0

    def go_on(
        self, root_path: bytes, *, most: int, stop: Callable[[], bool] = lambda: False
    ) -> str | None:
        """Read on, at most so many bytes; give the hash once all is read, None before.

        Raises:
            SourceChanged: it is not the settled one any more, or `stop` answered true.
            SourceVanished, SourceUnreadable, SourceForbidden.
        """
        size, until = self._identity.size, self.done + most
        while True:
            begun = len(self._chunks) * self._chunk_size
            ends = min(begun + self._chunk_size, size)
            self._read(root_path, min(ends, until) - self.done, stop)
            if self.done < ends:
                return None
            number, digest = len(self._chunks) + 1, self._hasher.hexdigest()
            self._chunks.append(Chunk(number=number, size=ends - begun, etag="", hash=digest))
            self._hasher = xxhash.xxh3_128()
            if ends == size:
                return hash_of_file(self._chunks, size=size, chunk_size=self._chunk_size)

    def _read(self, root_path: bytes, size: int, stop: Callable[[], bool]) -> None:
        with Slice(
            root_path,
            self._path,
            self._identity,
            offset=self.done,
            size=size,
            follow=self._follow,
        ) as piece:
            while block := piece.read():
                if stop():
                    raise SourceChanged("the reading was ended", path=self._path)
                self._hasher.update(block)
        self.done += size


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
    hashed = Hashing(path, identity, chunk_size=chunk_size).go_on(
        root_path, most=max(identity.size, 1), stop=stop
    )
    return hashed or ""
