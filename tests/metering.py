"""A relay that counts what passes it, so that a rate is measured at its receiver's end.

Owns the bytes of each moment on their way to a server. Never changes or delays one. Used by the
tests of limits.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import suppress
from time import monotonic
from urllib.parse import urlsplit

_BLOCK = 64 * 1024


class Meter:
    """A port of this machine behind which a server stands."""

    def __init__(self, url: str) -> None:
        """Begin to relay to the server of a URL."""
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        #: (monotonic seconds, bytes) of each block that came
        self._came: deque[tuple[float, int]] = deque()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def bytes(self, begin: float, end: float) -> int:
        """Count what came in a span of monotonic time."""
        return sum(size for at, size in list(self._came) if begin <= at < end)

    def rate(self, seconds: float) -> float:
        """Let time pass from now on and give the bytes a second that came in it."""
        begin = monotonic()
        threading.Event().wait(seconds)
        end = monotonic()
        return self.bytes(begin, end) / (end - begin)

    def close(self) -> None:
        """Break every connection."""
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for ends in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        with suppress(OSError):
            while block := source.recv(_BLOCK):
                if is_counted:
                    self._came.append((monotonic(), len(block)))
                target.sendall(block)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
