"""The marker in a root: a small file that says whose hot folder it is.

Owns its form and its writing. Never follows a link, never writes anywhere but into the root that
is open, and never decides where one belongs. Called by the gate of a hot folder.

Law 1. It is there whole or not at all: written beside, synced, then renamed.
Law 2. What cannot be read as a marker is none.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from masv_watch.files.roots import Root

#: left out of every sweep, whatever a rule says (`watch.rules.OURS`)
MARKER_NAME = b".masv-watch"
_WRITING = b".masv-watch.masv-part"
_MOST_BYTES = 4096
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: what says that there is none, rather than that the root is in trouble
_NONE = {errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO, errno.EISDIR}
_NOTE = "masv-watch knows its hot folder by this file; leave it here"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootMarker:
    """Whose hot folder a root is."""

    #: the id of the state that wrote it
    state: str
    hot_folder: str


def read_marker(root: Root) -> RootMarker | None:
    """Give the marker of an open root, None without one.

    Raises: SourceUnreadable when the file system fails.
    """
    with root.border(MARKER_NAME):
        try:
            descriptor = os.open(MARKER_NAME, _LOOK, dir_fd=root.folder(b""))
        except OSError as error:
            if error.errno in _NONE:
                return None
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return _parsed(os.read(descriptor, _MOST_BYTES))
        finally:
            os.close(descriptor)


def write_marker(root: Root, marker: RootMarker) -> str:
    """Write the marker of an open root durably; give why it could not be done, "" when it is."""
    text = {"state": marker.state, "hot_folder": marker.hot_folder, "note": _NOTE}
    try:
        folder = os.open(b".", _LIST, dir_fd=root.folder(b""))
        try:
            _put(folder, json.dumps(text, indent=1).encode() + b"\n")
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _put(folder: int, content: bytes) -> None:
    # what a crash left here is nobody's but ours
    with suppress(FileNotFoundError):
        os.unlink(_WRITING, dir_fd=folder)
    descriptor = os.open(_WRITING, _MAKE, 0o644, dir_fd=folder)
    try:
        os.fchmod(descriptor, 0o644)
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.rename(_WRITING, MARKER_NAME, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(_WRITING, dir_fd=folder)
        raise


def _parsed(content: bytes) -> RootMarker | None:
    try:
        tree = json.loads(content)
        state, hot_folder = tree["state"], tree["hot_folder"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(state, str) or not isinstance(hot_folder, str):
        return None
    return RootMarker(state=state, hot_folder=hot_folder)
