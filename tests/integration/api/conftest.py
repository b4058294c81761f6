"""The API's listener over a real store, spoken to by raw sockets."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass

import pytest

from masv_watch.api.app import build_app
from masv_watch.api.routes import Desk, Health
from masv_watch.api.server import Listener
from masv_watch.metrics import Metrics
from masv_watch.store.sqlite import open_store
from masv_watch.uploads import Uploads
from tests.doubles import FakeClock


@dataclass
class Answer:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def tree(self):
        return json.loads(self.body)


class Caller:
    """The API of one store, and ways to call it."""

    def __init__(self, folder):
        self.store = open_store(str(folder), clock=FakeClock(), metrics=Metrics())
        self.health = Health(live=True, ready=True)
        self.auth_until = None
        uploads = Uploads(self.store, auth_until=lambda: self.auth_until)
        desk = Desk(uploads=uploads, health=lambda: self.health, now=self.store.now)
        self.listener = Listener(build_app(desk), host="127.0.0.1", port=0)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.listener.port), timeout=10)

    def raw(self, request):
        """Send bytes and give everything that comes until the daemon closes or falls silent."""
        with self.connect() as connection:
            connection.sendall(request)
            connection.settimeout(1.0)
            came = b""
            try:
                while block := connection.recv(65536):
                    came += block
            except TimeoutError:
                pass
            except ConnectionResetError:
                pass
            return came

    def call(self, path, method="GET", *, host="127.0.0.1", headers=(), body=b"", version="1.1"):
        """Make one call and give its answer."""
        lines = [f"{method} {path} HTTP/{version}", *headers, "Connection: close"]
        if host is not None:
            lines.insert(1, f"Host: {host}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return parsed(self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body))

    def close(self):
        self.listener.close()
        self.store.close()


def parsed(came):
    head, _, body = came.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return Answer(int(lines[0].split()[1]), headers, body)


@pytest.fixture
def caller(tmp_path):
    caller = Caller(tmp_path / "state")
    yield caller
    caller.close()
