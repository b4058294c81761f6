"""What kind of file system a folder lies on.

Owns the list of file systems whose changes other machines make, where notifications are blind and
attributes may be old. Never touches a source file. Called by the watch to choose its periods.
"""

from __future__ import annotations

import os
from typing import Literal

Kind = Literal["local", "network"]

_NETWORK = frozenset(
    b"9p acfs afs autofs beegfs ceph cifs coda davfs glusterfs gpfs lustre ncp ncpfs nfs nfs4 "
    b"ocfs2 orangefs prl_fs pvfs2 smb2 smb3 smbfs vboxsf virtiofs vmhgfs webdav".split()
)


def filesystem_kind(path: bytes) -> Kind:
    """Say whether a folder lies on a network file system; `local` when that cannot be learned.

    File systems of users (`fuse.*`) count as network: what is behind them is unknown. The mount is
    found by its number, so that bind mounts and links on the way do not matter.
    """
    try:
        return kind_of(_mount_number(path), _lines(b"/proc/self/mountinfo"))
    except (OSError, ValueError, LookupError):
        return "local"


def kind_of(mount: bytes, mountinfo: list[bytes]) -> Kind:
    """Find a mount in the kernel's list and say what its file system's type means."""
    for line in mountinfo:
        fields = line.split()
        if fields and fields[0] == mount:
            kind = fields[fields.index(b"-", 6) + 1]
            return "network" if kind in _NETWORK or kind.startswith(b"fuse.") else "local"
    return "local"


def resolved(path: bytes) -> bytes:
    """Give the path of a root with its links resolved, for notifications, never for reading."""
    return os.path.realpath(path)


def _mount_number(path: bytes) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        facts = dict(line.split(b":", 1) for line in _lines(b"/proc/self/fdinfo/%d" % descriptor))
    finally:
        os.close(descriptor)
    return facts[b"mnt_id"].strip()


def _lines(path: bytes) -> list[bytes]:
    with open(path, "rb") as file:
        return file.read().splitlines()
