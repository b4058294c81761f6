"""Names for what we make in a hot folder and take away again, and the removal of what a kill left.

Owns those names: who made it can be read from one. Never touches what has another name, nor what
may belong to somebody who still works. Called by the copying of drops and by the self-test.

Law 1. Removed is only what its name shows to be of a dead process: of this boot and this space of
       process numbers, and gone; or of another boot of the machine whose own disk it lies on.
Law 2. What cannot be removed stays, and ends nothing: every rule leaves it out.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from contextlib import suppress

from masv_watch.errors import SourceError
from masv_watch.files.mounts import filesystem_kind
from masv_watch.files.roots import Root
from masv_watch.files.trees import delete_tree

_NAME = re.compile(
    rb"\.(?:drop|selftest)-(?P<boot>[0-9a-f]{32})-(?P<space>[0-9]{1,20})-(?P<process>[0-9]{1,10})"
    rb"-(?P<began>[0-9]{1,20})-[0-9a-f]{32}\.masv-part"
)
#: where `/proc/PID/stat` says when a process began, counted behind the name in brackets
_BEGAN = 19


def private_name(purpose: bytes) -> bytes:
    """Give a name that every rule leaves out and no two have: `drop` or `selftest`."""
    own = uuid.uuid4().hex.encode()
    try:
        maker = b"%s-%d-%d-%s" % (_boot(), _space(), os.getpid(), _began(os.getpid()))
    except (OSError, LookupError):
        # this system says nothing of processes: what is left there, a person removes
        return b".%s-%s.masv-part" % (purpose, own)
    return b".%s-%s-%s.masv-part" % (purpose, maker, own)


def clear_remains(root: Root, *, kind_of: Callable[[bytes], str] = filesystem_kind) -> int:
    """Remove what dead processes left at the top of a root; give how many were removed."""
    removed = 0
    with suppress(OSError, SourceError, LookupError):
        for found in _found(root):
            if _is_dead(found, lambda: kind_of(root.path) == "local"):
                with suppress(OSError, SourceError):
                    delete_tree(root, found[0])
                    removed += 1
    return removed


def _found(root: Root) -> list[re.Match[bytes]]:
    listing = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root.folder(b""))
    try:
        names = [os.fsencode(name) for name in os.listdir(listing)]
    finally:
        os.close(listing)
    return [found for name in names if (found := _NAME.fullmatch(name))]


def _is_dead(found: re.Match[bytes], is_local: Callable[[], bool]) -> bool:
    if found["boot"] != _boot():
        # a share can have been written by another machine, which has a boot of its own
        return is_local()
    if int(found["space"]) != _space():
        return False
    try:
        return _began(int(found["process"])) != found["began"]
    except FileNotFoundError:
        return True


def _boot() -> bytes:
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        return file.read().strip().replace(b"-", b"")


def _space() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _began(process: int) -> bytes:
    with open(f"/proc/{process}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[_BEGAN]
