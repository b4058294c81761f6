"""Files that others have in use, so that nobody may open them for a while.

Owns the refusals of the operating system and who causes them. Used by the tests of whoever opens
sources.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: what an open answers then
REFUSALS = (errno.EAGAIN, errno.EBUSY, errno.ETXTBSY)

_LESSEE = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("holds", flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(program: str, *words: str | Path) -> Iterator[int]:
    """Let a process hold what it says that it holds, until the end; give its number."""
    holder = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holds\n"
    try:
        yield holder.pid
    finally:
        holder.communicate("")


@contextmanager
def leased(path: Path) -> Iterator[None]:
    """Let another process hold a write lease, as a file server does for a client."""
    with holding(_LESSEE, path):
        yield


class InUse:
    """The opens of this process, of which those of one name are refused as a file server does.

    No file system of this machine refuses an open for reading with all of these.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
        """Refuse a file by its own name from now on."""
        self.is_refused = True
        self.refusals = 0
        self._name, self._number = os.fsencode(name), number
        self._real = os.open
        monkeypatch.setattr(os, "open", self._open)

    def _open(self, path: Any, flags: int, *args: Any, **more: Any) -> int:
        is_it = os.path.basename(os.fsencode(path)) == self._name
        if is_it and self.is_refused and not flags & (os.O_PATH | os.O_CREAT):
            self.refusals += 1
            raise OSError(self._number, os.strerror(self._number))
        return self._real(path, flags, *args, **more)
