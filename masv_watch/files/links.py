"""Where a path leads through links that stay inside one root.

Owns the reading of links and the refusal of those that lead elsewhere. Never opens what a link
points to: a path that was resolved is walked anew, and that walk follows nothing. Called by
`files.roots`.

Law 1. What is given is a path below the root without a link in it, at the moment of the look. A
       link that is swapped later stops the walk; it never leads it out (faults 23, 24).
Law 2. Nothing is asked of the kernel but one name of one open folder at a time.
Law 3. An absolute target is inside only where it begins with the root's own path.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from masv_watch.errors import SourceForbidden
from masv_watch.files.entries import forbidden, split
from masv_watch.files.observations import Observation

#: links that one path may lead through, as of the kernel (MAXSYMLINKS)
MOST = 40
#: bytes of a target, as of the kernel (PATH_MAX); one that is longer was made by hand
_LONGEST = 4096

#: gives the target of a link by the path of its folder and its name; None: it is none
Peek = Callable[[bytes, bytes], bytes | None]


class LeadsAwayError(Exception):
    """A link that is not followed; its text says what it is."""


class Walk(Protocol):
    """What of a root is needed to follow a link in it; none of it follows one."""

    def lead(self, relative: bytes) -> tuple[int, bytes]:
        """Give the descriptor of a folder, and its path without a link."""

    def walk(self, relative: bytes) -> int:
        """Give the descriptor of a folder to which no link leads."""

    def look(self, folder: int, name: bytes, path: bytes) -> Observation | None:
        """Give one entry of an open folder; None when it is gone."""


class Links:
    """The links below one root that lead to what lies under it."""

    def __init__(self, root: bytes, walk: Walk) -> None:
        """Follow links below a root by its absolute path."""
        self._root = root
        self._walk = walk

    def real(self, path: bytes) -> bytes:
        """Give the path without a link to which a path leads now.

        Raises: SourceForbidden: it leads away; OSError.
        """
        try:
            return resolved(path, self._root, self._peek)
        except LeadsAwayError as error:
            raise forbidden(path, f"is {error}") from error

    def followed(self, path: bytes) -> Observation:
        """Give what a link leads to under the link's own path, or the link with why it is not."""
        try:
            return self._led_to(path)
        except LeadsAwayError as error:
            why = str(error)
        except (FileNotFoundError, NotADirectoryError):
            why = "a symbolic link to nothing that is there"
        except SourceForbidden:
            why = "a symbolic link to what is never sent"
        except OSError as error:
            why = f"a symbolic link whose target cannot be examined: {error.strerror}"
        return Observation(path=path, kind="link", identity=None, detail=why)

    def _led_to(self, path: bytes) -> Observation:
        """Look at a link's target.

        A folder is followed neither out of itself nor from inside another that a link led to, so
        that no tree leads back into itself, and none is doubled at each level.
        """
        real = resolved(path, self._root, self._peek)
        above, name = path.rpartition(b"/")[0], real.rpartition(b"/")[2]
        place = self._walk.lead(above)[1]
        if contains(real, place):
            raise LeadsAwayError("a symbolic link that leads back into itself")
        seen = self._walk.look(self._walk.walk(split(real)[0]), name, real)
        if seen is None:
            raise LeadsAwayError("a symbolic link to nothing that is there")
        if seen.kind not in ("file", "folder"):
            raise LeadsAwayError(f"a symbolic link to what {_told(seen)}")
        if seen.kind == "folder" and place != above:
            raise LeadsAwayError("a symbolic link to a folder, inside of a linked folder")
        return replace(seen, path=path, real=real)

    def _peek(self, above: bytes, name: bytes) -> bytes | None:
        folder = self._walk.walk(above)
        return os.readlink(name, dir_fd=folder) if is_link(folder, name) else None


def is_link(folder: int, name: bytes) -> bool:
    """Say whether an entry of an open folder is a symbolic link.

    Raises: OSError.
    """
    return stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)


def _told(seen: Observation) -> str:
    return seen.detail if seen.kind == "unreadable" else f"is {seen.detail}"


def resolved(path: bytes, root: bytes, peek: Peek) -> bytes:
    """Give the path below the root to which a path below it leads.

    Raises: LeadsAwayError; whatever `peek` raises.
    """
    real: list[bytes] = []
    ahead = path.split(b"/")[::-1]
    links = 0
    while ahead:
        name = ahead.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            if not real:
                raise LeadsAwayError("a symbolic link that leads above the hot folder")
            real.pop()
            continue
        target = peek(b"/".join(real), name)
        if target is None:
            real.append(name)
            continue
        links += 1
        if links > MOST:
            raise LeadsAwayError(f"a symbolic link that leads through more than {MOST} links")
        if target.startswith(b"/"):
            target, real = _below(target, root), []
        if len(target) > _LONGEST:
            raise LeadsAwayError("a symbolic link with a target of no use")
        ahead += target.split(b"/")[::-1]
    return b"/".join(real)


def contains(folder: bytes, path: bytes) -> bool:
    """Say whether a path below the root is a folder, or lies in it."""
    return not folder or path == folder or path.startswith(folder + b"/")


def _below(target: bytes, root: bytes) -> bytes:
    root = root.rstrip(b"/")
    if target != root and not target.startswith(root + b"/"):
        raise LeadsAwayError("a symbolic link that leads outside of the hot folder")
    return target[len(root) :]
