"""What tells the file system under a root from every other one.

Owns reading the numbers, the UUID and the label of a mounted file system, without a subprocess.
Never touches a source file and never decides what follows. Called by the gate of a hot folder.

Law 1. What cannot be learned is unknown, never an error and never equal to anything.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from masv_watch.files.mounts import Mount, mount_of, mounts
from masv_watch.files.roots import Root

#: FS_IOC_GETFSUUID and FS_IOC_GETFSLABEL of Linux, with the bytes that they answer
_GET_UUID, _UUID_SIZE = 0x80111500, 17
_GET_LABEL, _LABEL_SIZE = 0x81009431, 256
_BY_UUID = b"/dev/disk/by-uuid"
_BOOT = b"/proc/sys/kernel/random/boot_id"
#: cameras and players write these, and an unknown file on them can upset one
_UNMARKED = frozenset(b"exfat fuseblk hfs hfsplus iso9660 msdos ntfs ntfs3 udf vfat".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A mounted file system as it stands under a root."""

    #: (device, inode) of the root; the device compares only within one boot
    place: tuple[int, int]
    #: of the boot in which the place counts; "" when unknown
    boot: str = ""
    #: of the file system; "" where it has none
    uuid: str = ""
    label: str = ""
    is_network: bool = False
    #: the type of its file system, as `ext4` or `fuse.sshfs`; "" when unknown
    kind: str = ""
    #: whether a file of ours may be written into its root
    takes_marker: bool = True


def volume_of(root: Root) -> Volume:
    """Look at the file system of an open root.

    Raises: SourceUnreadable when the root cannot be opened for a look.
    """
    with root.border(b""):
        descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root.folder(b""))
    try:
        mount = mount_of(descriptor, mounts())
        return Volume(
            place=root.identity,
            boot=boot_of_now(),
            uuid=uuid_of(descriptor, root.identity[0], mount),
            label=_label(descriptor),
            is_network=mount is not None and mount.is_network,
            kind="" if mount is None else mount.kind.decode("ascii", "replace"),
            takes_marker=mount is None or _takes_marker(mount),
        )
    finally:
        os.close(descriptor)


def _takes_marker(mount: Mount) -> bool:
    return not mount.is_read_only and mount.kind.removeprefix(b"fuse.") not in _UNMARKED


def uuid_of(descriptor: int, device: int, mount: Mount | None) -> str:
    """Give the UUID of the file system on which an open folder lies; "" where it has none."""
    answer = bytearray(_UUID_SIZE)
    with suppress(OSError):
        fcntl.ioctl(descriptor, _GET_UUID, answer)
        if any(answer[1:]):
            return answer[1 : 1 + answer[0]].hex()
    return _uuid_by_name({device, _block_device(mount)})


def _uuid_by_name(devices: set[int]) -> str:
    """Find the name under which a device is listed by its UUID, as of FAT; "" without one."""
    with suppress(OSError), os.scandir(_BY_UUID) as entries:
        for entry in entries:
            with suppress(OSError):
                status = os.stat(entry.path)
                if stat.S_ISBLK(status.st_mode) and status.st_rdev in devices:
                    return os.fsdecode(entry.name).lower()
    return ""


def _block_device(mount: Mount | None) -> int:
    # btrfs shows a number of its own that no device has
    with suppress(OSError, ValueError):
        status = os.stat(mount.source if mount is not None else b"")
        if stat.S_ISBLK(status.st_mode):
            return status.st_rdev
    return -1


def _label(descriptor: int) -> str:
    answer = bytearray(_LABEL_SIZE)
    with suppress(OSError):
        fcntl.ioctl(descriptor, _GET_LABEL, answer)
    return bytes(answer).partition(b"\0")[0].decode("utf-8", "replace")


def boot_of_now() -> str:
    """Give what tells this boot from every other one; "" where that cannot be learned."""
    with suppress(OSError), open(_BOOT, "rb") as file:
        return file.read(64).decode("ascii", "replace").strip()
    # where the unit hides it, the numbers count for the life of this process
    with suppress(OSError, IndexError), open(b"/proc/self/stat", "rb") as file:
        began = file.read().rpartition(b")")[2].split()[19]
        return f"process {os.getpid()} of {began.decode('ascii', 'replace')}"
    return ""
