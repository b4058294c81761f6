"""The names that a source may get where its own is taken.

Owns how a name is counted on and cut to what a file system takes. Never touches the disk. Called by
`files.moving` alone.
"""

from __future__ import annotations

from collections.abc import Iterator

_NAME_MAX = 255


def numbered(name: bytes) -> Iterator[bytes]:
    """Give a name as it is, then with " (2)", " (3)" and so on before its ending."""
    yield name
    stem, dot, ending = name.rpartition(b".")
    if not stem:
        stem, dot, ending = name, b"", b""
    for number in range(2, 10_000):
        yield fitted(stem, b" (%d)" % number + dot + ending)


def fitted(stem: bytes, ending: bytes) -> bytes:
    """Give a name of these two, the stem cut to leave room for the ending."""
    room = _NAME_MAX - len(ending)
    if len(stem) <= room:
        return stem + ending
    return stem[:room].decode("utf-8", "ignore").encode() + ending
