"""Make real input and drop it as a copier does.

Owns what is written into the hot folders and the sums of it. Never reads what came back.
Used by `main_job.py`.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import os
import sysconfig
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BLOCK = 1 << 20
#: some systems ship a standard library of a few hundred files
ENOUGH_FILES = 2000
#: what a copier of sources does not take along
LEFT_BEHIND = {"__pycache__", "site-packages", "dist-packages"}
#: what a user knows of the built-in ignore list: written down here again, as a witness
IGNORED = (
    "*.part",
    "*.partial",
    "*.tmp",
    "*.filepart",
    "*.crdownload",
    "*.aspx",
    "~$*",
    "._*",
    ".DS_Store",
    ".Spotlight-V100",
    ".Trashes",
    ".fseventsd",
    ".TemporaryItems",
    ".apdisk",
    "desktop.ini",
    "Thumbs.db",
    ".fcpcache",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "lost+found",
    ".snapshot",
    "~snapshot",
    ".zfs",
)


@dataclasses.dataclass(frozen=True)
class Content:
    """What a file holds."""

    size: int
    sha256: str


Contents = dict[bytes, Content]
#: where a file goes, and its bytes
Copy = tuple[Path, Iterable[bytes]]


class Drop(threading.Thread):
    """Puts real input into a hot folder as a copier does, and remembers what it wrote."""

    def __init__(self, name: str, files: Callable[[], Iterator[Copy]]) -> None:
        super().__init__(name=name, daemon=True)
        self.contents: Contents = {}
        self.error = ""
        #: whether its end was not told yet
        self.unsaid = True
        self.stopping = threading.Event()
        self._files = files

    def run(self) -> None:
        """Write file by file, each in pieces under its own name."""
        try:
            for path, pieces in self._files():
                self._copy(path, pieces)
                if self.stopping.is_set():
                    return
        except OSError as error:
            self.error = f"{self.name} could not be written: {error}"

    def _copy(self, path: Path, pieces: Iterable[bytes]) -> None:
        digest, size = hashlib.sha256(), 0
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for piece in pieces:
                if self.stopping.is_set():
                    return
                out.write(piece)
                digest.update(piece)
                size += len(piece)
        self.contents[os.fsencode(path)] = Content(size, digest.hexdigest())

    def below(self, root: Path) -> Contents:
        """Give what was written, by the path below the root."""
        prefix = os.fsencode(root) + b"/"
        return {path.removeprefix(prefix): content for path, content in self.contents.items()}


def incompressible(path: Path, size_mib: int) -> Iterator[Copy]:
    """Make a large file of random bytes."""
    yield path, (os.urandom(BLOCK) for _ in range(size_mib))


def copied_tree(source: Path, target: Path) -> Iterator[Copy]:
    """Copy a tree file by file, links followed, as `cp -rL` does; caches stay behind."""
    seen = set()
    for folder, folders, names in os.walk(source, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(set(folders) - LEFT_BEHIND)
        for name in sorted(names):
            origin = Path(folder, name)
            if origin.is_file() and os.access(origin, os.R_OK):
                yield target / origin.relative_to(source), _pieces(origin)
    # What a Mac leaves in every folder it opens: the daemon must leave it out, and say so.
    yield target / ".DS_Store", [b"\0\0\0\1Bud1" + bytes(6140)]


def libraries(target: Path) -> Iterator[Copy]:
    """Copy the interpreter's standard library, and what is installed where that one is trimmed."""
    standard = Path(os.__file__).parent
    yield from copied_tree(standard, target)
    if sum(1 for _ in copied_tree(standard, target)) < ENOUGH_FILES:
        yield from copied_tree(Path(sysconfig.get_path("purelib")), target / "installed")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as content:
        while piece := content.read(BLOCK):
            yield piece


def is_ignored(path: bytes) -> bool:
    """Say whether any name in the path is on the built-in ignore list."""
    names = os.fsdecode(path).split("/")
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in IGNORED)
