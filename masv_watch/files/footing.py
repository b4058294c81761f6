"""On which file system a folder stands, or would be made.

Owns the look at the nearest folder that is there. Never makes one and never decides what follows.
Called before a delivered source is moved.

Law 1. A folder of the same file system is the same top, through whatever bind mount it is seen.
"""

from __future__ import annotations

import errno
import os

from masv_watch.errors import CannotMove
from masv_watch.files.mounts import Mount, mount_of, mounts
from masv_watch.files.volumes import boot_of_now, uuid_of
from masv_watch.model import Footing
from masv_watch.names import shown

#: walked through and not only named, so that what is mounted on demand is mounted
_ITSELF = b"/."


def footing_of(path: bytes, *, home: int | None) -> Footing:
    """Look at the file system of an absolute path; links are followed.

    `home` is the device of the hot folder.

    Raises:
        CannotMove: something on the way cannot be looked at.
    """
    at = os.path.realpath(path)
    try:
        at, descriptor = _open_nearest(at)
        try:
            return _look(at, descriptor, home)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CannotMove(
            f"nothing can be moved to {shown(path)}: {error.strerror}",
            hint="look at the target and its rights",
            errno=errno.errorcode.get(error.errno or 0, str(error.errno)),
        ) from error


def _open_nearest(at: bytes) -> tuple[bytes, int]:
    while True:
        try:
            return at, _open(at)
        except (FileNotFoundError, NotADirectoryError):
            if at == b"/":
                raise
            at = os.path.dirname(at)


def _open(at: bytes) -> int:
    flags = os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(at + _ITSELF, os.O_RDONLY | flags)
    except PermissionError:
        # one that may be walked through and not listed
        return os.open(at + _ITSELF, os.O_PATH | flags)


def _look(at: bytes, descriptor: int, home: int | None) -> Footing:
    device = os.fstat(descriptor).st_dev
    mount = mount_of(descriptor, mounts())
    return Footing(
        top=_top(at, device),
        uuid=uuid_of(descriptor, device, mount),
        device=device,
        boot=boot_of_now(),
        source=_source(mount),
        is_home=device == home,
    )


def _top(at: bytes, device: int) -> bytes:
    while at != b"/":
        above = os.path.dirname(at)
        if os.stat(above + _ITSELF).st_dev != device:
            return at
        at = above
    return at


def _source(mount: Mount | None) -> str:
    # what a FUSE program calls its source may change with its options
    if mount is None or mount.kind.startswith(b"fuse."):
        return ""
    return mount.source.decode("utf-8", "backslashreplace") if mount.is_network else "local"
