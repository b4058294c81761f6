"""Which file systems this machine is told to mount, and which of them a folder lacks now.

Owns reading /etc/fstab and the administrator's mount units. Never mounts anything, and looks at no
mount point: a hung one would hang whoever does. Called by the gate of a root that nothing is known
of, and by `check`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from masv_watch.files.mounts import Mount, mounts, resolved, unescaped
from masv_watch.names import shown

#: what administrators write; a distribution's own mount units often stand there unused
FSTAB, UNITS = b"/etc/fstab", b"/etc/systemd/system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """One file system that is to be mounted."""

    point: bytes
    #: the file that says so
    said_by: bytes

    @property
    def lack(self) -> str:
        """Say for people that it is not there."""
        return (
            f"{shown(self.said_by)} names a file system for {shown(self.point)} and none is"
            " mounted there"
        )


def bare_point(path: bytes, *, fstab: bytes = FSTAB, units: bytes = UNITS) -> Intended | None:
    """Give the mount point that a folder is, or lies below, whose file system is not mounted.

    None where nothing is told of one, or what is mounted cannot be learned.
    """
    return unmounted(resolved(path), mounts(), intended(fstab=fstab, units=units))


def intended(*, fstab: bytes, units: bytes) -> list[Intended]:
    """List what the machine is told to mount; what cannot be read tells of nothing."""
    found = []
    with suppress(OSError), open(fstab, "rb") as lines:
        found += [Intended(point=point, said_by=fstab) for point in _points_of_table(lines)]
    with suppress(OSError):
        for name in sorted(os.listdir(units)):
            if not name.endswith(b".mount"):
                continue
            unit = os.path.join(units, name)
            with suppress(OSError), open(unit, "rb") as lines:
                found += [Intended(point=point, said_by=unit) for point in _points_of_unit(lines)]
    return found


def unmounted(path: bytes, listed: Iterable[Mount], told: Iterable[Intended]) -> Intended | None:
    """Give the lowest point above a resolved path at which what is told of is not mounted."""
    listed = list(listed)
    above = [mount for mount in listed if _is_above(mount.point, path)]
    if not above:
        return None
    standing = [mount for mount in above if not _is_bound_on_itself(mount, listed)]
    here = max((len(mount.point) for mount in standing), default=0)
    lacking = [each for each in told if _is_above(each.point, path) and len(each.point) > here]
    return max(lacking, key=lambda each: len(each.point), default=None)


def _is_above(point: bytes, path: bytes) -> bool:
    return path == point or path.startswith(point.rstrip(b"/") + b"/")


def _is_bound_on_itself(mount: Mount, listed: list[Mount]) -> bool:
    """Say whether a mount shows what stood there without it, as ReadWritePaths= of a unit does."""
    for other in listed:
        if other.device != mount.device or other.point == mount.point:
            continue
        if not _is_above(other.point, mount.point):
            continue
        below = mount.point[len(other.point.rstrip(b"/")) :]
        if mount.root == other.root.rstrip(b"/") + below:
            return True
    return False


def _points_of_table(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Give the second field of each line (fstab(5)); swap has none."""
    for line in lines:
        fields = line.split()
        if len(fields) > 1 and not fields[0].startswith(b"#"):
            yield from _absolute(unescaped(fields[1]))


def _points_of_unit(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        key, _, value = line.partition(b"=")
        if key.strip() == b"Where":
            yield from _absolute(value.strip())


def _absolute(point: bytes) -> Iterator[bytes]:
    if point.startswith(b"/"):
        yield b"/" + point.strip(b"/")
