"""Read the plain values of a file that may be wrong, and gather what is said about them.

Owns the way to a value whatever stands around it, and the lists of faults and warnings. Never
decides what is wrong. Used by `relations` and `exposure`, which look at several values together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from masv_watch.config.faults import Fault, value_at
from masv_watch.config.origins import Plain
from masv_watch.files import mounts

#: keys and positions that lead to a value
Path = tuple[str | int, ...]


@dataclass(slots=True)
class Reading:
    """The plain values, and what was found wrong with them."""

    tree: Plain
    #: folder of the configuration file
    beside: str
    #: line of a path in the file
    line_of: Callable[[Path], int | str]
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def fault(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note what makes the file unusable."""
        self.faults.append(Fault(path=path, at_key=at_key, message=message))

    def warn(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note what is worth saying of a file that can be used."""
        self.warnings.append(Fault(path=path, at_key=at_key, message=message))

    def get(self, *path: str | int) -> Any:
        """Give the value at a path, None when there is none."""
        return value_at(self.tree, path)

    def has(self, *path: str | int) -> bool:
        """Say whether a key is written, whatever its value."""
        above = self.get(*path[:-1])
        return isinstance(above, dict) and path[-1] in above

    def texts(self, *path: str | int) -> Iterator[tuple[Path, str]]:
        """Give each text of a list with its path, or the one text that stands for a list."""
        found = self.get(*path)
        if isinstance(found, str):
            yield path, found
        for at, one in enumerate(found if isinstance(found, list) else []):
            if isinstance(one, str):
                yield (*path, at), one

    def folders(self) -> Iterator[Path]:
        """Give the path of each hot folder."""
        found = self.get("hot_folders")
        for at, folder in enumerate(found if isinstance(found, list) else []):
            if isinstance(folder, dict):
                yield ("hot_folders", at)


def real_path(path: str) -> str:
    """Give the path that names the folder itself, as far as it exists.

    Below a network file system it stays as it is written: a dead server would be waited for.
    """
    try:
        above = max(_network_points(path), key=len, default="")
        if above:
            parent, name = os.path.split(above)
            return os.path.join(os.path.realpath(parent), name) + path[len(above) :].rstrip("/")
        return os.path.realpath(path)
    except (OSError, ValueError):
        return os.path.normpath(path)


def above(path: str) -> list[str]:
    """Give every folder above a path, the nearest first."""
    found = []
    while (parent := os.path.dirname(path)) != path:
        found.append(parent)
        path = parent
    return found


def is_path(value: object) -> bool:
    """Say whether a value is an absolute path that can be looked at."""
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _network_points(path: str) -> list[str]:
    """List where network file systems are mounted on the way to a path, as it is written."""
    points = (os.fsdecode(mount.point) for mount in mounts() if mount.is_network)
    normal = os.path.normpath(path) + "/"
    return [point for point in points if normal.startswith(point.rstrip("/") + "/")]
