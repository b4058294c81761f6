"""The fence around a tree: one number out of every identity in it, made while it is walked.

Owns how identities are joined. Never touches the disk. Called by the sweep.

It stands alone because the sweep of a million files spends its time here.

Law 1. Any change of an identity or of a name in a tree gives another fence, folders included; the
       order in which a file system lists its names does not matter.
Law 2. A fence is worth nothing to another process: the interpreter's hashes differ there.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from masv_watch.model import Identity

#: size, mtime_ns, ctime_ns, inode, device
Numbers = tuple[int, int, int, int, int]

_BITS = (1 << 64) - 1
_DIGITS = 16
_OF_STAT = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")


def numbers_of(identity: Identity) -> Numbers:
    """Give an identity as what is joined."""
    return (
        identity.size,
        identity.mtime_ns,
        identity.ctime_ns,
        identity.inode,
        identity.device,
    )


def raw_of(status: Any) -> Numbers:
    """Give a stat as what is joined, its times as they are: `all_joined` takes them so."""
    numbers: Numbers = _OF_STAT(status)
    return numbers


def joined(total: int, name: str | bytes, numbers: Numbers) -> int:
    """Join one more entry to a sum, which begins with 0."""
    return total + hash((name, numbers)) & _BITS


def all_joined(total: int, names: Iterable[str], stats: Iterable[Any]) -> int:
    """Join many entries to a sum, as `joined` would each, by their stats."""
    return total + sum(map(hash, zip(names, map(_OF_STAT, stats), strict=True))) & _BITS


def file_marks(names: Iterable[str], stats: Iterable[Any]) -> array[int]:
    """Give of each of these loose files that is kept its fence as a number, by their stats."""
    return array("q", map(hash, zip(names, map(_OF_STAT, stats), strict=True)))


def is_bare(fence: str) -> bool:
    """Say whether a fence is that of an entry alone, without what stands beside it."""
    return len(fence) == _DIGITS


def mark_of(fence: str) -> int:
    """Give the fence of a loose file as a number with a sign, as the interpreter hashes."""
    number = int(fence, 16)
    return number - (_BITS + 1) if number >> 63 else number


def folded(total: int, path: bytes, numbers: Numbers, inside: int) -> int:
    """Join a folder with the sum of what lies in it."""
    return total + hash((path, numbers, inside)) & _BITS


def told(total: int) -> str:
    """Write a sum as a fence."""
    return f"{total:0{_DIGITS}x}"
