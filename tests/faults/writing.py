"""A writer that changes a file in every way there is, and remembers each version of it.

Owns one file, the ways to change it, and the versions that existed as a whole. Never knows who
reads the file. Used by the tests of torn files.

Law 1. Every step that another process could see is a version, noted before the next step.
Law 2. A step holds the door: whoever wants the file at rest, as after a quiet time, takes it too.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE = mmap.PAGESIZE
#: Linux's CLOCK_REALTIME_COARSE, which older kernels stamp files by
_TICKS = 5


class Writer:
    """One file and its history."""

    def __init__(self, path: Path, rng: random.Random, size: int, *, aside: Path) -> None:
        """Write the first version; what takes its place is made in the folder `aside`."""
        self.path = path
        self._aside = aside
        self._rng = rng
        self._door = threading.RLock()
        #: one change at a time: who writes to a mapping whose file became shorter is killed
        self._alone = threading.Lock()
        self._content = bytearray(rng.randbytes(size))
        #: the SHA-256 of every version, and what made it
        self.versions: dict[str, str] = {}
        #: identity (size, mtime, ctime, inode) of a version -> number of its step, SHA-256
        self.shown: dict[tuple[int, ...], tuple[int, str]] = {}
        self.steps = 0
        path.write_bytes(self._content)
        self._note("first")

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Hold the file still, a tick of the kernel's clock after its last change.

        A quiet time of a second or more means both: no write is half done, and no later one has the
        same time.
        """
        with self._door:
            ctime_ns = self.path.stat().st_ctime_ns
            while time.clock_gettime_ns(_TICKS) <= ctime_ns:
                os.sched_yield()
            yield

    def change(self) -> None:
        """Change the file in one way, by chance."""
        ways: list[Callable[[], None]] = [
            self._overwrite,
            self._turn_a_byte,
            self._append,
            self._truncate,
            self._replace,
            self._rewrite_in_secret,
            self._write_by_map,
            self._write_anew,
            self._swap_away_and_back,
            self._touch,
        ]
        with self._alone:
            self._rng.choice(ways)()

    def _overwrite(self) -> None:
        for _ in range(self._rng.choice([1, 1, 3])):
            offset = self._rng.randrange(len(self._content) + 1)
            block = self._rng.randbytes(self._rng.choice([1, 100, 5_000, 70_000]))
            self._put(offset, block, "overwritten")

    def _turn_a_byte(self) -> None:
        if self._content:
            offset = self._rng.randrange(len(self._content))
            self._put(offset, bytes([self._content[offset] ^ 0xFF]), "a byte turned")

    def _append(self) -> None:
        self._put(len(self._content), self._rng.randbytes(self._rng.choice([1, 40_000])), "longer")

    def _truncate(self) -> None:
        with self._step("truncated"):
            size = self._rng.randrange(len(self._content) + 1)
            os.truncate(self.path, size)
            del self._content[size:]

    def _replace(self) -> None:
        """Put another file in its place by a rename, of the same size or not."""
        fresh = self._aside / "new"
        size = max(len(self._content) + self._rng.choice([0, 0, -7, 5]), 0)
        content = self._rng.randbytes(size)
        fresh.write_bytes(content)
        with self._step("replaced"):
            fresh.rename(self.path)
            self._content[:] = content

    def _rewrite_in_secret(self) -> None:
        """Write in place at the same size and set the old time again (fault 14)."""
        status = self.path.stat()
        if self._content:
            offset = self._rng.randrange(len(self._content))
            room = min(len(self._content) - offset, 3_000)
            self._put(offset, self._rng.randbytes(room), "rewritten in secret")
        with self._step("its time restored"):
            os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _write_by_map(self) -> None:
        """Write by a mapping of its own: its first write to a page sets the time (fault 15).

        All of it is one step: one fault may make many pages writable, so what such a mapping writes
        next sets no time.
        """
        if not self._content:
            return
        pages = range((len(self._content) + PAGE - 1) // PAGE)
        with (
            self.path.open("r+b") as file,
            mmap.mmap(file.fileno(), 0) as mapped,
            self._step("written by a mapping"),
        ):
            for page in self._rng.sample(pages, min(3, len(pages))):
                offset = page * PAGE
                byte = bytes([self._content[offset] ^ 0x55])
                mapped[offset : offset + 1] = byte
                self._content[offset : offset + 1] = byte

    def _write_anew(self) -> None:
        """Empty it and write it again block by block, as a copy over it does."""
        content = self._rng.randbytes(len(self._content))
        with self.path.open("r+b", buffering=0) as file:
            with self._step("emptied"):
                file.truncate(0)
                self._content.clear()
            for start in range(0, len(content), 300_000):
                with self._step("written anew in part"):
                    block = content[start : start + 300_000]
                    os.pwrite(file.fileno(), block, start)
                    self._content += block

    def _swap_away_and_back(self) -> None:
        """Put another file in its place for a moment."""
        away, fresh = self._aside / "away", self._aside / "new"
        mine = bytes(self._content)
        content = self._rng.randbytes(len(mine))
        fresh.write_bytes(content)
        with self._step("swapped away"):
            os.link(self.path, away)
            fresh.rename(self.path)
            self._content[:] = content
        with self._step("swapped back"):
            away.rename(self.path)
            self._content[:] = mine

    def _touch(self) -> None:
        """Change nothing but the times."""
        with self._step("touched"):
            os.utime(self.path)

    def _put(self, offset: int, block: bytes, what: str) -> None:
        with self._step(what), self.path.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), block, offset)
            self._content[offset : offset + len(block)] = block

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        with self._door:
            yield
            self._note(what)

    def _note(self, what: str) -> None:
        self.steps += 1
        digest = hashlib.sha256(self._content).hexdigest()
        self.versions.setdefault(digest, f"{self.steps}: {what}")
        self.shown[identity_of(self.path.stat())] = self.steps, digest


def identity_of(status: Any) -> tuple[int, ...]:
    """Give what tells two versions apart, of a status or of an identity of ours."""
    if isinstance(status, os.stat_result):
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    return status.size, status.mtime_ns, status.ctime_ns, status.inode
