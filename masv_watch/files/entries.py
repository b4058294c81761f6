"""One entry of an open folder: its name, whether it may be opened, and what stands in the way.

Owns the opening of a regular file by its name in a folder that is open, and the words of refusals.
Never walks a path. Called by `files.roots`.
"""

from __future__ import annotations

import errno
import os
import stat

from masv_watch.errors import SourceBusy, SourceForbidden, SourceUnreadable
from masv_watch.files.observations import described, identity_of, kind_of
from masv_watch.files.reach import Reach
from masv_watch.model import Identity
from masv_watch.names import shown

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_EFFECTIVE = os.access in os.supports_effective_ids

#: what an open answers while somebody else has the file in use: a share mode of a file server, a
#: lease, a program that runs from it (pain 6)
BUSY = frozenset({errno.EAGAIN, errno.EBUSY, errno.ETXTBSY})

#: what to do about an error of the operating system
HINTS = {
    errno.EACCES: "give the daemon's user the right to read it",
    errno.EPERM: "give the daemon's user the right to read it",
    errno.ESTALE: "the file server forgot the handle; remount when it stays so",
    errno.EIO: "the medium or its server reports an input/output error",
}


def split(path: bytes) -> tuple[bytes, bytes]:
    """Give the folder above a path and its last name.

    Raises: as `checked`.
    """
    above, _, name = path.rpartition(b"/")
    return above, checked(name, path)


def checked(name: bytes, path: bytes) -> bytes:
    """Give a name of a path that can stand in a folder.

    Raises: SourceForbidden: it is no name, or leads out of its folder.
    """
    if name in (b"", b".", b"..") or b"\0" in name:
        raise forbidden(path, "is not a path below a root")
    return name


def allowed(status: os.stat_result, path: bytes) -> Identity:
    """Give the identity of a regular file or folder.

    Raises: SourceForbidden: it is neither.
    """
    if kind_of(status.st_mode) not in ("file", "folder"):
        raise forbidden(path, f"is {described(status.st_mode)}")
    return identity_of(status)


def open_regular(folder: int, name: bytes, path: bytes, reach: Reach | None) -> int:
    """Open a regular file of an open folder for reading; the caller closes its descriptor.

    Raises: SourceForbidden: it is none, or the reach denies it; OSError.
    """
    # looked at first: opening a FIFO wakes its writer, and a device may act on an open (fault 26)
    _assert_regular(os.lstat(name, dir_fd=folder), path)
    descriptor = os.open(name, _READ, dir_fd=folder)
    try:
        status = os.fstat(descriptor) if reach is None else reach.admit_file(descriptor, path)
        _assert_regular(status, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _assert_regular(status: os.stat_result, path: bytes) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise forbidden(path, f"is {described(status.st_mode)}")


def may_read(folder: int, name: str, status: os.stat_result) -> bool:
    """Say whether it is a regular file that the daemon's user may read."""
    return stat.S_ISREG(status.st_mode) and os.access(
        name, os.R_OK, dir_fd=folder, effective_ids=_EFFECTIVE
    )


def assert_readable(folder: int, name: bytes, status: os.stat_result) -> None:
    """Assure that the daemon's user may read a regular file.

    Raises: PermissionError.
    """
    # fault 29: asked only where the world may not read, so that most files cost no second call
    if status.st_mode & stat.S_IROTH:
        return
    if not os.access(name, os.R_OK, dir_fd=folder, effective_ids=_EFFECTIVE):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def fresh_status(folder: int, name: bytes, status: os.stat_result) -> tuple[os.stat_result, str]:
    """Give the stat of a file as its server has it now, and why that could not be asked; "" if so.

    That of a link by now, and of a file that is in use elsewhere, stays as it was.

    Raises: OSError.
    """
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return status, ""
        if error.errno in BUSY:
            return status, _in_use(error)
        raise
    try:
        return os.fstat(descriptor), ""
    finally:
        os.close(descriptor)


def forbidden(path: bytes, why: str) -> SourceForbidden:
    """Give the error of what is never sent; `why` follows the name."""
    return SourceForbidden(f"{shown(path)} {why}", path=path)


def unreadable(path: bytes, error: OSError) -> SourceUnreadable:
    """Give the error of what cannot be read now."""
    number = error.errno or 0
    name = errno.errorcode.get(number, str(error.errno))
    if number in BUSY:
        return SourceBusy(
            f"{shown(path)} {_in_use(error)}",
            hint="close what has it open; it is tried again by itself",
            path=path,
            errno=name,
        )
    return SourceUnreadable(
        f"{shown(path)} cannot be read: {error.strerror}",
        hint=HINTS.get(number, ""),
        path=path,
        errno=name,
    )


def _in_use(error: OSError) -> str:
    return f"is in use by another program or machine: {error.strerror}"


def no_root(path: bytes, error: OSError | ValueError) -> SourceUnreadable:
    """Give the error of a root that cannot be opened."""
    number = error.errno if isinstance(error, OSError) else errno.EINVAL
    if number == errno.ENOENT:
        why, hint = "is not there", "create or mount it; it is looked for again"
    elif number == errno.ENOTDIR:
        why, hint = "is not a folder", "name a folder, or put one there"
    else:
        why = f"cannot be opened: {error.strerror if isinstance(error, OSError) else error}"
        hint = HINTS.get(number or 0, "look at the folder and at its mount")
    name = errno.errorcode.get(number or 0, str(number))
    return SourceUnreadable(f"the folder {shown(path)} {why}", hint=hint, path=path, errno=name)
