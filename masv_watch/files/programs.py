"""Which programs of this machine have files open for writing, as far as this process may see.

Owns the walk over the descriptors of processes. Never looks at a file: one on a mount that hangs
would keep whoever asks. Called by intake where the kernel cannot tell of writers, and by whoever
names them.

A process shows its descriptors to its own user and to root. A mapping whose descriptor is closed is
not among them, nor is what another machine does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process of this machine."""

    pid: int
    name: bytes


def written_below(
    root: bytes, *, stop: Callable[[], bool] = lambda: False
) -> dict[bytes, tuple[int, ...]]:
    """Give what processes have open for writing below a root, each path with their numbers.

    One that a link below the root leads to is not found by the link's own path.
    """
    above = os.path.realpath(root).rstrip(b"/") + b"/"
    found: dict[bytes, tuple[int, ...]] = {}
    for pid in sorted(int(name) for name in _listed(b"/proc") if name.isdigit()):
        if stop():
            break
        for path in _written_by(pid, above):
            found[path] = (*found.get(path, ()), pid)
    return found


def programs_writing(root: bytes, paths: Collection[bytes], *, most: int) -> tuple[Program, ...]:
    """Name the programs that have one of these files below a root open for writing."""
    written = written_below(root)
    found = sorted({pid for path in written.keys() & set(paths) for pid in written[path]})
    return tuple(
        Program(pid=pid, name=_read(b"/proc/%d/comm" % pid).rstrip(b"\n")) for pid in found[:most]
    )


def _written_by(pid: int, above: bytes) -> set[bytes]:
    found = set()
    folder = b"/proc/%d/" % pid
    for number in _listed(folder + b"fd"):
        try:
            target = os.readlink(folder + b"fd/" + number)
        except OSError:
            continue
        if target.startswith(above) and _is_for_writing(_read(folder + b"fdinfo/" + number)):
            found.add(target[len(above) :])
    return found


def _is_for_writing(told: bytes) -> bool:
    flags = next(
        (line.split()[1] for line in told.splitlines() if line.startswith(b"flags:")), b"0"
    )
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def _listed(folder: bytes) -> list[bytes]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
