"""Give what lies under a working name its final one, never over something that is there.

Owns the ladder of calls by which systems can do that, and the one call by which all that was
written before is safe. Never decides on a name. Called by `files.dropping` and by the self-test,
which asks which rung a mount has.

It stands alone because it is the one place that asks the kernel for what Python has no call for.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from contextlib import suppress

_NOREPLACE = 1
#: kernels and file systems that do not know the call, and some that answer oddly instead
_UNKNOWN = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
#: file systems that know no hard links, and kernels that allow them only to a file's owner
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def change_name(folder: int, old: bytes, new: bytes, *, is_folder: bool) -> None:
    """Change a name within one folder by one step of the file system, overwriting nothing.

    Where neither an exclusive rename nor hard links are known, a file's name is reserved first, so
    that only our own empty file is replaced.

    Raises:
        FileExistsError: the new name is taken; nothing changed.
        OSError: it cannot be changed; nothing changed.
    """
    if rename_exclusively(folder, old, new):
        return
    if is_folder:
        _assert_free(folder, new)
        # onto a folder that appears meanwhile it fails, unless that one is empty
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
        return
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        os.unlink(old, dir_fd=folder)
        return
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder))
    try:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise


def rename_exclusively(folder: int, old: bytes, new: bytes) -> bool:
    """Rename unless the new name is taken; say False where that cannot be asked for.

    Raises:
        FileExistsError, OSError
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        # another system than Linux, or an old library
        return False
    if rename(folder, ctypes.c_char_p(old), folder, ctypes.c_char_p(new), _NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number))


def sync_all(descriptor: int) -> bool:
    """Make everything on a descriptor's file system durable; say False where that is no answer.

    Raises:
        OSError: something could not be written.
    """
    try:
        sync = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return False
    # an older kernel does not say here what it could not write (syncfs(2))
    release = tuple(int(digits) for digits in re.findall(r"\d+", os.uname().release)[:2])
    if release < (5, 8):
        return False
    if sync(descriptor) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number))


def _assert_free(folder: int, name: bytes) -> None:
    with suppress(FileNotFoundError):
        os.lstat(name, dir_fd=folder)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
