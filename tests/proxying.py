"""A real proxy: it leads on by CONNECT, and plain calls by their whole address.

Owns its sockets, who may use it, and what it saw. Never part of the product. Used by the tests of
the way to the cloud.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Proxy:
    """One proxy on a port of its own; each connection carries one call or one tunnel."""

    def __init__(self, *, user: str = "", password: str = "", port: int = 0) -> None:
        self._both = f"{user}:{password}".encode() if user else b""
        #: the status of each answer; 0 leads on
        self.refuses = 0
        #: method, target and headers of each request that came
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """End it with all that it carries."""
        # whoever waits in accept is woken by this, not by a close
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._lead, args=(connection,), daemon=True).start()

    def _lead(self, connection: socket.socket) -> None:
        came = b""
        while b"\r\n\r\n" not in came:
            block = connection.recv(65536)
            if not block:
                return
            came += block
        head, _, rest = came.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        self.seen.append((method, target, headers))
        wanted = f"Basic {base64.b64encode(self._both).decode()}"
        status = 407 if self._both and headers.get("proxy-authorization") != wanted else 0
        if status or self.refuses:
            said = f"HTTP/1.1 {status or self.refuses} No\r\nContent-Length: 0\r\n"
            connection.sendall(f"{said}Connection: close\r\n\r\n".encode())
            connection.close()
            return
        self._join(connection, method, target, (version, lines, rest))

    def _join(self, connection, method, target, said) -> None:
        version, lines, rest = said
        place = urlsplit(target if "://" in target else f"//{target}")
        other = socket.create_connection((place.hostname, place.port or 80))
        self._open.append(other)
        if method == "CONNECT":
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            other.sendall(rest)
        else:
            path = target.split("/", 3)[3] if target.count("/") > 2 else ""
            kept = [
                line for line in lines if not line.lower().startswith(("proxy-", "connection:"))
            ]
            # the next call on this connection would need another line of its own
            head = "\r\n".join([f"{method} /{path} {version}", *kept, "Connection: close", "", ""])
            other.sendall(head.encode("latin-1") + rest)
        back = threading.Thread(target=_pour, args=(other, connection), daemon=True)
        back.start()
        _pour(connection, other)


def _pour(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := one.recv(65536):
            other.sendall(block)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)
