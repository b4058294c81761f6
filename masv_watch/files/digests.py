"""Hashes of a source file in the ways that lists name, made piece by piece.

Owns the reading of a file for them, fenced as every other, and which ways are known. Never compares
one. Called by the room that compares a drop with the lists in it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

import xxhash

from masv_watch.files.slices import Slice
from masv_watch.model import Follow, Identity, Verify

_C4 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class _Hasher(Protocol):
    def update(self, data: bytes, /) -> object: ...

    def hexdigest(self) -> str: ...


class _Crc:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class _C4Id:
    """The identifier of SMPTE ST 2114: SHA-512 in 58 signs behind "c4"."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha512(usedforsecurity=False)

    def update(self, data: bytes, /) -> None:
        self._hasher.update(data)

    def hexdigest(self) -> str:
        value, signs = int.from_bytes(self._hasher.digest()), ""
        while value:
            value, rest = divmod(value, 58)
            signs = _C4[rest] + signs
        return "c4" + signs.rjust(88, _C4[0])


class _Little:
    """xxh64 with its bytes the other way round, as early lists wrote it."""

    def __init__(self) -> None:
        self._hasher = xxhash.xxh64()

    def update(self, data: bytes, /) -> None:
        self._hasher.update(data)

    def hexdigest(self) -> str:
        return bytes(reversed(self._hasher.digest())).hex()


_WAYS: dict[str, Callable[[], _Hasher]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha224": lambda: hashlib.sha224(usedforsecurity=False),
    "sha256": lambda: hashlib.sha256(usedforsecurity=False),
    "sha384": lambda: hashlib.sha384(usedforsecurity=False),
    "sha512": lambda: hashlib.sha512(usedforsecurity=False),
    "xxh32": xxhash.xxh32,
    "xxh64": xxhash.xxh64,
    "xxh64_little": _Little,
    "xxh3_64": xxhash.xxh3_64,
    "xxh3_128": xxhash.xxh3_128,
    "crc32": _Crc,
    "c4": _C4Id,
}


class Digest:
    """The hashes of one settled file; used by one thread, and kept between two readings."""

    def __init__(
        self,
        root_path: bytes,
        path: bytes,
        identity: Identity,
        ways: Iterable[str],
        *,
        follow: Follow = Follow.NONE,
    ) -> None:
        """Begin with nothing read."""
        self._root_path = root_path
        self._path = path
        self._identity = identity
        self._follow = follow
        self._hashers = {way: _WAYS[way]() for way in sorted(ways)}
        self._done = 0

    @property
    def is_whole(self) -> bool:
        """Say whether the file was read to its end."""
        return self._done >= self._identity.size

    @property
    def values(self) -> dict[str, str]:
        """Give each hash by its way."""
        return {way: hasher.hexdigest() for way, hasher in self._hashers.items()}

    def read_on(self, most: int, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Read at most so many bytes more and give how many; fewer when `stop` answers true.

        Raises:
            SourceChanged: it is not as it settled.
            SourceVanished, SourceUnreadable, SourceForbidden.
        """
        size = min(most, self._identity.size - self._done)
        if size <= 0:
            return 0
        with Slice(
            self._root_path,
            self._path,
            self._identity,
            offset=self._done,
            size=size,
            verify=Verify.SIZE,
            follow=self._follow,
        ) as piece:
            # a piece is taken in before the next is read, also when it ends early
            while not stop() and (block := piece.read()):
                for hasher in self._hashers.values():
                    hasher.update(block)
            self._done += piece.read_bytes
            return piece.read_bytes
