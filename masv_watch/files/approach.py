"""The way to a root: from "/" name by name, by links only where nobody else can set them.

Owns which links an absolute path of the configuration may lead through. Never looks below the
root. Called by `Root.open`, and by whoever resolves the roots that callers are kept to.

Law 1. A link counts only in a folder that belongs to root or to the daemon's user and that nobody
       else can write in: elsewhere its owner could lead us to any folder of the machine.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from masv_watch.errors import SourceUnreadable
from masv_watch.names import shown

_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_STEP = _PASS | os.O_NOFOLLOW
#: links on one way, as the kernel counts them
_MOST_LINKS = 40


def approach(path: bytes) -> int:
    """Open the folder at an absolute path, to pass through it; the caller closes it.

    Raises:
        OSError: it is not there, no folder, or cannot be reached.
        SourceUnreadable: a link on the way is one that others can change.
    """
    return _walk(path)[0]


def resolved_root(path: bytes) -> bytes | None:
    """Give a root's path without links, None when the way to it is one that others can change.

    A root that is not there stays as it is written: a walk that follows no link decides on it.
    """
    try:
        descriptor, names = _walk(path)
    except OSError:
        return path
    except (ValueError, SourceUnreadable):
        return None
    os.close(descriptor)
    return b"/" + b"/".join(names)


def _walk(path: bytes) -> tuple[int, list[bytes]]:
    if b"\0" in path:
        raise ValueError("a path holds no NUL")
    ahead = [name for name in path.split(b"/") if name]
    trail, names, links = [os.open(b"/", _PASS)], list[bytes](), 0
    try:
        while ahead:
            name = ahead.pop(0)
            if name == b"..":
                if names:
                    os.close(trail.pop())
                    names.pop()
            elif name != b".":
                target = _stepped(trail, name, path)
                if target is None:
                    names.append(name)
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith(b"/"):
                    while names:
                        os.close(trail.pop())
                        names.pop()
                ahead = [step for step in target.split(b"/") if step] + ahead
        return trail.pop(), names
    finally:
        for descriptor in trail:
            with suppress(OSError):
                os.close(descriptor)


def _stepped(trail: list[int], name: bytes, path: bytes) -> bytes | None:
    """Go one folder further; give the target instead where a link stands."""
    try:
        trail.append(os.open(name, _STEP, dir_fd=trail[-1]))
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        if not stat.S_ISLNK(os.lstat(name, dir_fd=trail[-1]).st_mode):
            raise
        _assert_ours(trail[-1], path)
        return os.readlink(name, dir_fd=trail[-1])
    return None


def _assert_ours(folder: int, path: bytes) -> None:
    status = os.fstat(folder)
    if status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return
    raise SourceUnreadable(
        f"the folder {shown(path)} is reached by a link that others can change",
        hint="name the folder itself, or keep the link in a folder that only root can write in",
        path=path,
        errno="ELOOP",
    )
