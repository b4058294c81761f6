"""What a look at one entry of a folder shows: its kind, its identity, and whether it is the same.

Owns the making of an observation out of a stat, and the comparison of identities. Never touches the
disk. Called by whoever of this package looks.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace

from masv_watch.errors import SourceChanged
from masv_watch.model import UNKEPT_CTIME_NS, UNKEPT_INODE, Identity
from masv_watch.names import shown

#: fields of an identity that a file system may not keep
Fields = frozenset[str]

#: what a column of the store holds; the kernel's times go further (a file of 2400)
_FIRST_NS, _LAST_NS = -(1 << 63), (1 << 63) - 1
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One entry of a folder at one moment."""

    #: below the root, no leading slash
    path: bytes
    #: `file`, `folder`, `link`, `other`, or `unreadable` when not even its kind could be learned
    kind: str
    #: None for all but files and folders
    identity: Identity | None
    #: hard links to it; 0 when unknown
    nlink: int = 0
    #: for people, for what is skipped: `a FIFO`, `a symbolic link`, the error of an unreadable one
    detail: str = ""
    #: where it was found, when a link led to it; empty: at its own path
    real: bytes = b""
    #: that others have a file in use and let nobody open it, one clause; its identity is then what
    #: its folder knows. "" for all else
    busy: str = ""


def observed(
    path: bytes, status: os.stat_result, unkept: Fields = frozenset(), *, busy: str = ""
) -> Observation:
    """Give what a stat shows of an entry, but for what its file system does not keep."""
    kind = kind_of(status.st_mode)
    known = kind in ("file", "folder")
    return Observation(
        path=path,
        kind=kind,
        identity=without(identity_of(status), unkept) if known else None,
        nlink=status.st_nlink,
        detail="" if known else described(status.st_mode),
        busy=busy,
    )


def demand_same(seen: Identity, wanted: Identity, path: bytes) -> None:
    """Raise SourceChanged, naming the fields, unless both identities are equal (`is_same`)."""
    if is_same(seen, wanted):
        return
    known = as_far_as(seen, wanted)
    fields = ("size", "mtime_ns", "ctime_ns", "inode", "device")
    differ = [name for name in fields if getattr(seen, name) != getattr(known, name)]
    raise SourceChanged(
        f"{shown(path)} is not as it settled: {', '.join(differ)} changed", path=path
    )


def is_same(seen: Identity, wanted: Identity) -> bool:
    """Say whether both identities are equal in all five fields, as far as the wanted one is known.

    A device below 0 is not: its number holds within one boot only (behaviour 3). Nor is what the
    file system did not keep when it was taken.
    """
    return seen == wanted or seen == as_far_as(seen, wanted)


def as_far_as(seen: Identity, wanted: Identity) -> Identity:
    """Give a wanted identity, completed by what is seen where it is not known."""
    return replace(
        wanted,
        device=wanted.device if wanted.device >= 0 else seen.device,
        inode=seen.inode if wanted.inode == UNKEPT_INODE else wanted.inode,
        ctime_ns=seen.ctime_ns if wanted.ctime_ns == UNKEPT_CTIME_NS else wanted.ctime_ns,
    )


def unkept_of(identity: Identity) -> Fields:
    """Name what the file system did not keep of an identity."""
    if identity.is_whole:
        return frozenset()
    kept = {
        "inode": identity.inode != UNKEPT_INODE,
        "ctime_ns": identity.ctime_ns != UNKEPT_CTIME_NS,
    }
    return frozenset(name for name, is_kept in kept.items() if not is_kept)


def without(identity: Identity, unkept: Fields) -> Identity:
    """Give an identity without what its file system does not keep."""
    if not unkept:
        return identity
    return replace(
        identity,
        inode=UNKEPT_INODE if "inode" in unkept else identity.inode,
        ctime_ns=UNKEPT_CTIME_NS if "ctime_ns" in unkept else identity.ctime_ns,
    )


def identity_of(status: os.stat_result) -> Identity:
    """Give the identity that a stat answered, its times kept within 1677 and 2262."""
    return Identity(
        size=status.st_size,
        mtime_ns=_within(status.st_mtime_ns),
        ctime_ns=_within(status.st_ctime_ns),
        inode=status.st_ino,
        device=status.st_dev,
    )


def _within(time_ns: int) -> int:
    return max(_FIRST_NS, min(time_ns, _LAST_NS))


def described(mode: int) -> str:
    """Name the kind of an entry for people."""
    return _KINDS.get(stat.S_IFMT(mode), "of an unknown kind")


def kind_of(mode: int) -> str:
    """Name the kind of an entry as an observation does."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def lying(seen: Observation, above: bytes, real: bytes) -> Observation:
    """Give an entry of a folder with where it lies, if a link led to that folder."""
    if real == above or seen.real or seen.identity is None:
        return seen
    name = seen.path.rpartition(b"/")[2]
    return replace(seen, real=(real + b"/" if real else b"") + name)
