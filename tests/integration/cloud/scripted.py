"""A server on a raw socket that does exactly what a test says, bytes and timing.

Owns one listening socket and one thread. Never speaks HTTP by itself. Used by the tests of
`cloud.http`, which must survive what no well-behaved server would ever send.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


@dataclass
class Request:
    """A request as it came."""

    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split("\r\n", 1)[0]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


Turn = Callable[["Scripted", socket.socket], None]


class Scripted:
    """Each connection plays the next turn; the last one repeats."""

    def __init__(self, *turns: Turn, tls=None):
        self.turns = turns
        self.tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self.ended = threading.Event()
        self._open: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        self.listener.close()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
                self._open.append(connection)
                self.connections += 1
                if self.tls is not None:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                    self._open.append(connection)
            except OSError:
                continue
            turn = self.turns[min(self.connections, len(self.turns)) - 1]
            threading.Thread(target=self._play, args=(turn, connection), daemon=True).start()

    def _play(self, turn: Turn, connection: socket.socket) -> None:
        try:
            turn(self, connection)
        except OSError:
            return

    def take_head(self, connection: socket.socket) -> tuple[str, bytes]:
        taken = b""
        while b"\r\n\r\n" not in taken:
            block = connection.recv(65536)
            if not block:
                raise OSError("the client went away")
            taken += block
        head, _, rest = taken.partition(b"\r\n\r\n")
        return head.decode("latin-1"), rest

    def take(self, connection: socket.socket) -> Request:
        """Read one request with its whole body."""
        head, body = self.take_head(connection)
        request = Request(head, body)
        length = int(request.header("Content-Length") or 0)
        while len(request.body) < length:
            request.body += connection.recv(1 << 20)
        self.requests.append(request)
        return request


def says(answer: bytes, *, then_close: bool = True) -> Turn:
    """Answer one request with these bytes."""

    def turn(server: Scripted, connection: socket.socket) -> None:
        server.take(connection)
        connection.sendall(answer)
        if then_close:
            connection.close()

    return turn


def keeps_saying(*answers: bytes) -> Turn:
    """Answer one request after the other on one connection; the last answer repeats."""

    def turn(server: Scripted, connection: socket.socket) -> None:
        said = 0
        while True:
            server.take(connection)
            connection.sendall(answers[min(said, len(answers) - 1)])
            said += 1

    return turn


def resets(*, after: int = 0, first: bytes = b"") -> Turn:
    """Say something, read so many bytes behind the head, then reset the connection."""

    def turn(server: Scripted, connection: socket.socket) -> None:
        head, rest = server.take_head(connection)
        server.requests.append(Request(head, rest))
        seen = len(rest)
        while seen < after:
            seen += len(connection.recv(min(65536, after - seen)))
        connection.sendall(first)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return turn


def silent(server: Scripted, connection: socket.socket) -> None:
    """Read the request and never answer."""
    server.take(connection)
    server.ended.wait(110)


def deaf(server: Scripted, connection: socket.socket) -> None:
    """Never read a byte."""
    server.ended.wait(110)


def answer(status: int, body: bytes = b"", *headers: str, kind: str = "application/json") -> bytes:
    """Write a whole answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body
