"""The real daemon as a process whose wall clock a test sets, and moves while it runs.

Owns the one thing that is not real there: what `time.time` answers. Every other clock of the
process is the machine's. Never part of the product. Run by the tests of clocks as
`python -m tests.integration.daemon.clocked OFFSET-FILE run -c ...`; the file holds the seconds by
which the wall clock is off, and is read whenever it changed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.daemon.field import Field
from tests.processes import Daemon


class _Wall:
    """The wall clock of this process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._true = time.time
        self._version = 0
        self._offset_s = 0.0

    def __call__(self) -> float:
        """Give the seconds since 1970 as this machine would believe them."""
        version = os.stat(self._path).st_mtime_ns
        if version != self._version:
            self._offset_s = float(Path(self._path).read_text())
            self._version = version
        return self._true() + self._offset_s


class ClockedDaemon(Daemon):
    """A daemon whose wall clock is off by as many seconds as a file says."""

    def __init__(self, config: Path, port: int, log: Path, *, offset: Path) -> None:
        super().__init__(config, port, log)
        self.program = ("-m", "tests.integration.daemon.clocked", str(offset))


class ClockedField(Field):
    """A field whose daemon has a wall clock of its own."""

    def __init__(self, top: Path, folders: dict[str, str], *, offset_s: float) -> None:
        super().__init__(top, folders)
        self._offset = top / "offset"
        self.set_clock(offset_s)
        port = int(self.daemon.api.rpartition(":")[2])
        self.daemon = ClockedDaemon(self.config, port, top / "daemon.log", offset=self._offset)

    def set_clock(self, offset_s: float) -> None:
        """Let the daemon's wall clock be off by so many seconds from now on."""
        written = self._offset.with_suffix(".new")
        written.write_text(str(offset_s))
        # whole or not at all, and with a time that no earlier one has
        written.rename(self._offset)


def _main(path: str, words: list[str]) -> int:
    time.time = _Wall(path)
    # what is imported from here on knows no other clock
    from masv_watch.cli import main

    run: Callable[[list[str]], int] = main
    return run(words)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
