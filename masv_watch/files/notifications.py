"""What the kernel's notifications of changes are asked for, held by and limited to.

Owns the counting: folders below a root, watches and instances of the processes that can be seen,
and the kernel's limits. Never listens and never judges: `watch.budget` does. Called by the
self-test and by the check of a configuration.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from masv_watch.errors import SourceError
from masv_watch.files.roots import Root

#: as `/proc` writes a device: its major number above 20 bits of its minor one
_MINOR_BITS = 20

#: an inode with its device, as `/proc` tells of a watch
Spot = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the processes of this user that can be seen hold, and what the kernel allows it."""

    watches: int
    instances: int
    #: None where the kernel has no such limit, or does not say
    most_watches: int | None
    most_instances: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The folders below a root, itself among them."""

    folders: int
    #: whether there are more than were counted
    is_cut: bool


def count_folders(
    root: Root,
    *,
    most: int,
    until: float,
    monotonic: Callable[[], float],
    proceed: Callable[[], None] = lambda: None,
    spares: Callable[[bytes], bool] = lambda _relative: False,
) -> Counted:
    """Count the folders of a root until so many are known or the time is up.

    `proceed` is called before each folder and may raise. What `spares` says yes to counts as little
    as what lies in it.

    Raises:
        SourceError: the root itself cannot be listed.
    """
    folders, ahead = 1, [b""]
    while ahead and folders < most and monotonic() < until:
        proceed()
        try:
            inner = [
                each.path
                for each in root.list_folder(ahead.pop())
                if each.kind == "folder" and not spares(each.path)
            ]
        except SourceError:
            if not ahead and folders == 1:
                raise
            continue
        folders += len(inner)
        ahead += inner
    return Counted(folders=folders, is_cut=bool(ahead))


def folders_below(path: bytes, *, spares: Callable[[bytes], bool]) -> Iterator[bytes]:
    """Give every folder below a path, each before those in it; links are none.

    Those that `spares` says yes to are left out with all that is in them. What cannot be listed is
    passed over.
    """
    for above, names, _ in os.walk(path):
        inner = [(name, os.path.join(above, name)) for name in names]
        # the walk goes on into those that stay
        names[:] = [
            name for name, whole in inner if not spares(whole) and not os.path.islink(whole)
        ]
        yield from (os.path.join(above, name) for name in names)


def held_notifications(roots: Collection[bytes] = (), *, proc: bytes = b"/proc") -> Held:
    """Say what is held and what is allowed.

    An instance that watches one of these roots is the daemon's own and is left out: what it holds
    is what its roots need.
    """
    own = {spot for root in roots for spot in _spot(root)}
    watches = instances = 0
    for watched in _instances(proc):
        if not own.intersection(watched):
            instances += 1
            watches += len(watched)
    return Held(
        watches=watches,
        instances=instances,
        most_watches=watch_limit(),
        most_instances=_limit(b"max_user_instances", b"max_inotify_instances"),
    )


def watch_limit() -> int | None:
    """Give how many folders one user may have watched; None where the kernel does not say."""
    return _limit(b"max_user_watches", b"max_inotify_watches")


def _spot(path: bytes) -> Iterator[Spot]:
    with suppress(OSError):
        found = os.stat(path)
        yield found.st_ino, os.major(found.st_dev) << _MINOR_BITS | os.minor(found.st_dev)


def _instances(proc: bytes) -> Iterator[list[Spot]]:
    """Give what each instance of this user's visible processes watches."""
    with suppress(OSError):
        for name in os.listdir(proc):
            if name.isdigit():
                with suppress(OSError):
                    yield from _of_process(os.path.join(proc, name))


def _of_process(process: bytes) -> Iterator[list[Spot]]:
    if os.stat(process).st_uid != os.geteuid():
        return
    for number in os.listdir(process + b"/fd"):
        with suppress(OSError, ValueError, LookupError):
            if os.readlink(process + b"/fd/" + number) == b"anon_inode:inotify":
                with open(process + b"/fdinfo/" + number, "rb") as file:
                    yield [_watch(line) for line in file if line.startswith(b"inotify wd:")]


def _watch(line: bytes) -> Spot:
    words = dict(word.partition(b":")[::2] for word in line.split())
    return int(words[b"ino"], 16), int(words[b"sdev"], 16)


def _limit(fs: bytes, user: bytes) -> int | None:
    """Give the least of a limit's two places: of the machine, and of a container's own users."""
    found = []
    for path in (b"/proc/sys/fs/inotify/" + fs, b"/proc/sys/user/" + user):
        with suppress(OSError, ValueError), open(path, "rb") as file:
            found.append(int(file.read(32)))
    return min(found, default=None)
