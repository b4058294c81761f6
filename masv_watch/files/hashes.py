"""The hash of a whole file, made of those of its chunks without reading it again.

Owns the form of that hash and how anybody can make it again. Never reads a file. Called by the
store when a file is closed and when it is asked to prove what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import xxhash

from masv_watch.model import Chunk

_NAME = "xxh3-128"


def hash_of_file(chunks: Sequence[Chunk], *, size: int, chunk_size: int) -> str:
    """Give the hash of a file from all its chunks in order, led by how it is made.

    `xxh3-128:HEX`, for a file of one chunk, is the hash of its bytes. `xxh3-128/N:HEX` is that of a
    text with one line for each chunk of N bytes, the last one shorter: the chunk's own xxh3-128 in
    hex, a blank, its size in bytes, a line feed. "" when a chunk or its hash is missing
    (`verify: size` makes none).
    """
    if not chunks or not all(chunk.hash for chunk in chunks):
        return ""
    if sum(chunk.size for chunk in chunks) != size:
        return ""
    if len(chunks) == 1:
        return f"{_NAME}:{chunks[0].hash}"
    lines = "".join(f"{chunk.hash} {chunk.size}\n" for chunk in chunks)
    return f"{_NAME}/{chunk_size}:{xxhash.xxh3_128_hexdigest(lines.encode())}"
