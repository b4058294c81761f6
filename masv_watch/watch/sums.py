"""Hashes as lists name them: which way each may have been made, and whether one fits.

Owns the names and lengths by which a hash in a list is known. Never computes one: `files.digests`
does. Called by `manifests`.

Law 1. Where a list does not say how a hash was made, its length does; any way of that length may
       be meant, and none makes another's hash by accident.
Law 2. A hash that cannot be made here is never counted as one that fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

#: by the names of media hash lists
_NAMED = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "sha512": "sha512",
    "xxh64": "xxh64",
    "xxhash64be": "xxh64",
    "xxhash64": "xxh64_little",
    "xxh3": "xxh3_64",
    "xxh128": "xxh3_128",
    "c4": "c4",
}
#: by the number of hexadecimal digits
_LENGTHS = {
    8: ("crc32", "xxh32"),
    16: ("xxh64", "xxh3_64"),
    32: ("md5", "xxh3_128"),
    40: ("sha1",),
    56: ("sha224",),
    64: ("sha256",),
    96: ("sha384",),
    128: ("sha512",),
}
_HEX = re.compile(r"[0-9a-fA-F]{8,128}")


class Sum(NamedTuple):
    """One hash of one file, as a list names it."""

    #: the ways in which it may have been made; none that is known here: ()
    ways: tuple[str, ...]
    value: str

    def fits(self, digests: Mapping[str, str]) -> bool:
        """Say whether one of the ways gave this hash."""
        return any(digests.get(way) == self.value for way in self.ways)

    def awaits(self, digests: Mapping[str, str]) -> bool:
        """Say whether a way that was not made yet may give this hash."""
        return not self.fits(digests) and any(way not in digests for way in self.ways)


def named(name: str, value: str) -> Sum | None:
    """Give a hash of a media hash list by the name of its element; None for what is no hash."""
    text = value.strip()
    way = _NAMED.get(name)
    if way is None or not text:
        return None
    if way == "c4":
        return Sum((way,), text) if text.startswith("c4") and len(text) == 90 else Sum((), text)
    return Sum((way,) if _HEX.fullmatch(text) else (), text.lower())


def by_length(value: bytes) -> Sum:
    """Give a hash of a plain list, which is hexadecimal."""
    return Sum(_LENGTHS.get(len(value), ()), value.decode("ascii").lower())
