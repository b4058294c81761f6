"""A terminal for tests: a command behind a pseudo-terminal of a given size.

Owns the pair of descriptors and what was seen. Never part of the product. Used by the tests of what
people see.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from typing import Any

from tests.processes import PROJECT
from tests.waiting import eventually

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """One command on a terminal of its own; standard error is seen on it too."""

    def __init__(
        self,
        *words: str,
        width: int = 100,
        height: int = 30,
        program: tuple[str, ...] = (sys.executable, "-m", "masv_watch"),
        **environ: str,
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        known = {name: value for name, value in os.environ.items() if name not in _OF_TERMINALS}
        self.process = subprocess.Popen(
            [*program, *words],
            cwd=PROJECT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**known, "TERM": "xterm-256color", **environ},
        )  # fmt: skip
        os.close(theirs)
        self.raw = ""

    @property
    def text(self) -> str:
        """Give what was seen so far, without codes."""
        return CODES.sub("", self.raw).replace("\r\n", "\n").replace("\r", "\n")

    def look(self) -> str:
        """Take in what has come meanwhile."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                block = os.read(self._ours, 65536)
            except OSError:
                break
            if not block:
                break
            self.raw += block.decode("utf-8", "replace")
        return self.text

    def until(self, words: str, within: float = 20.0) -> None:
        """Wait until these words were seen."""
        eventually(lambda: words in self.look(), within=within, every=0.02)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def interrupt(self) -> None:
        """Be Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, within: float = 20.0) -> int:
        """Wait for the end of the command and give its status."""
        eventually(lambda: (self.look(), self.process.poll() is not None)[1], within=within)
        self.look()
        os.close(self._ours)
        return self.process.returncode

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


_OF_TERMINALS = ("TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM")
