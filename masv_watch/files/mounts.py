"""What is mounted where, and which of it other machines change.

Owns the list of file systems whose changes other machines make, where notifications are blind and
attributes may be old. Never touches a source file. Called by the watch to choose its periods, and
by whoever must tell file systems apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["local", "network"]

_NETWORK = frozenset(
    b"9p acfs afs autofs beegfs ceph cifs coda cvfs cxfs davfs fhgfs fuse gfs gfs2 glusterfs gpfs "
    b"lustre ncp ncpfs nfs nfs4 ocfs2 orangefs panfs prl_fs pvfs2 smb2 smb3 smbfs vboxsf virtiofs "
    b"vmhgfs webdav wekafs".split()
)
_SECOND_NS = 10**9
#: nanoseconds: what these keep of a time, or by how much they show one otherwise later (pain 19);
#: all others keep what they show
_GRAINS_NS = {
    b"msdos": 2 * _SECOND_NS,
    b"vfat": 2 * _SECOND_NS,
    b"exfat": _SECOND_NS // 100,
    b"ext2": _SECOND_NS,
    b"ext3": _SECOND_NS,
    b"hfs": _SECOND_NS,
    b"hfsplus": _SECOND_NS,
    b"glusterfs": _SECOND_NS,
    b"fuse.glusterfs": _SECOND_NS,
}
#: make up the number of a file, and another one once they have forgotten it
_RENUMBERING = frozenset(b"exfat msdos vfat".split())
_MOUNTS = b"/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of the kernel's list."""

    number: bytes
    #: as a stat of what lies on it shows it
    device: int
    #: absolute, links resolved, as bytes
    point: bytes
    #: the type of its file system, as `ext4` or `fuse.sshfs`
    kind: bytes
    #: the device or server, as whoever mounted it named it
    source: bytes
    is_read_only: bool
    #: the folder of its file system that stands at the point; not `/` for a bind mount
    root: bytes = b"/"
    #: whether only this mount is read-only and the file system below it is not
    is_closed: bool = False

    @property
    def is_network(self) -> bool:
        """Say whether other machines change it; FUSE counts: what is behind is unknown."""
        return self.kind in _NETWORK or self.kind.startswith(b"fuse.")

    @property
    def mtime_grain_ns(self) -> int:
        """Give by how much it may show a time otherwise than before; 0: it never does."""
        return _GRAINS_NS.get(self.kind, 0)

    @property
    def keeps_inodes(self) -> bool:
        """Say whether a file has one number as long as it is there, whoever looks at it."""
        is_foreign = self.is_network or self.kind.startswith(b"fuse")
        return not is_foreign and self.kind not in _RENUMBERING


def mounts() -> list[Mount]:
    """List what is mounted, later ones over earlier ones; empty where that cannot be learned."""
    try:
        return parse_mounts(_lines(_MOUNTS))
    except OSError:
        return []


def parse_mounts(mountinfo: Iterable[bytes]) -> list[Mount]:
    """Read the kernel's list (proc(5)); a line that is none of it is passed over."""
    found = []
    for line in mountinfo:
        fields = line.split()
        try:
            rest = fields[fields.index(b"-", 6) + 1 :]
            kind, source = rest[0], rest[1] if len(rest) > 1 else b""
            device = os.makedev(*(int(number) for number in fields[2].split(b":")))
            here, below = fields[5].split(b","), rest[2].split(b",") if len(rest) > 2 else []
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
        found.append(
            Mount(
                number=fields[0],
                device=device,
                point=unescaped(fields[4]),
                kind=kind,
                source=unescaped(source),
                is_read_only=b"ro" in {*here, *below},
                root=unescaped(fields[3]),
                is_closed=b"ro" in here and b"ro" not in below,
            )
        )
    return found


def mount_of(descriptor: int, listed: Iterable[Mount]) -> Mount | None:
    """Give the mount that a descriptor lies on; None when that cannot be learned."""
    try:
        number = _number_of(descriptor)
    except (OSError, ValueError, LookupError):
        return None
    return next((mount for mount in listed if mount.number == number), None)


def network_below(path: bytes, listed: Iterable[Mount]) -> tuple[Mount, ...]:
    """List the network file systems mounted below a resolved path (pain 9).

    One that another file system covers again does not count.
    """
    above = path.rstrip(b"/") + b"/"
    below = {mount.point: mount for mount in listed if mount.point.startswith(above)}
    return tuple(mount for _, mount in sorted(below.items()) if mount.is_network)


def filesystem_kind(path: bytes) -> Kind:
    """Say whether a folder lies on a network file system; `local` when that cannot be learned.

    The mount is found by its number, so that bind mounts and links on the way do not matter.
    """
    mount = _mount_at(path)
    return "network" if mount is not None and mount.is_network else "local"


def mtime_grain_ns(path: bytes) -> int:
    """Give by how much the file system of a folder may show times otherwise than before."""
    mount = _mount_at(path)
    return 0 if mount is None else mount.mtime_grain_ns


def keeps_inodes(path: bytes) -> bool:
    """Say whether the files of a folder keep their inode numbers; False when not known."""
    mount = _mount_at(path)
    return mount is not None and mount.keeps_inodes


def mount_point(path: bytes) -> bytes | None:
    """Give where the file system of a folder is mounted; None when that cannot be learned."""
    mount = _mount_at(path)
    return None if mount is None else mount.point


def _mount_at(path: bytes) -> Mount | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return mount_of(descriptor, mounts())
    finally:
        os.close(descriptor)


def kind_of(mount: bytes, mountinfo: list[bytes]) -> Kind:
    """Find a mount in the kernel's list and say what its file system's type means."""
    found = next((each for each in parse_mounts(mountinfo) if each.number == mount), None)
    return "network" if found is not None and found.is_network else "local"


def resolved(path: bytes) -> bytes:
    """Give the path of a root with its links resolved, for notifications, never for reading."""
    return os.path.realpath(path)


def unescaped(text: bytes) -> bytes:
    """Give a field of such a list as whoever wrote it meant it."""
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 8) & 0xFF,)), text)


def _number_of(descriptor: int) -> bytes:
    facts = dict(line.split(b":", 1) for line in _lines(b"/proc/self/fdinfo/%d" % descriptor))
    return facts[b"mnt_id"].strip()


def _lines(path: bytes) -> list[bytes]:
    with open(path, "rb") as file:
        return file.read().splitlines()


def place_of(path: bytes) -> tuple[int, int] | None:
    """Give device and inode of what stands at a path, links followed; None where nothing does."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino
