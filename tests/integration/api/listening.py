"""An API of one route behind the real listeners and the real guard, and callers of every kind.

Owns an app that tells what reached it. Never part of the product. Used by the tests of what stands
between a socket and the routes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from masv_watch.api.connections import Channel
from masv_watch.api.guard import DOOR, Guard
from masv_watch.api.private import own_token
from masv_watch.api.server import Listeners
from masv_watch.errors import MasvWatchError
from masv_watch.loops import SystemClock
from masv_watch.model import Listen, Scheme, Server

PROJECT = Path(__file__).resolve().parents[3]
#: a user that has no name and is not the one who runs the tests
STRANGER = 12345
JSON = "Content-Type: application/json"

PLAIN = Listen(port=0)
PLAIN_6 = Listen(host="::1", port=0)
TLS = Listen(scheme=Scheme.HTTPS, port=0)
TLS_6 = Listen(scheme=Scheme.HTTPS, host="::1", port=0)


class House:
    """Listeners whose app says who called, by which door, and what he sent."""

    def __init__(self, folder, *listens, tls=None, handed=(), on_close=None, uid=None, **settings):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        # a second user reaches the socket's file through here
        self.folder.chmod(0o755)
        self.settings = Server(**settings)
        self.token = own_token(str(self.folder))
        #: what the route does beside answering
        self.on_call = lambda environ: None
        self.answer = b""
        self.guard = Guard(
            lambda: self.settings,
            listens=lambda: self.listeners.listens,
            token=lambda: self.token,
            clock=SystemClock(),
            uid=uid,
        )
        self.listeners = Listeners(
            self._app, listens or (PLAIN,), tls=tls, handed=handed, on_close=on_close
        )

    def _app(self, environ, start):
        try:
            caller = self.guard.admit(environ)
            self.on_call(environ)
            body = environ["wsgi.input"].read()
            tree = {
                "uid": caller.uid,
                "is_owner": caller.is_owner,
                "scheme": environ["wsgi.url_scheme"],
                "remote": [environ["REMOTE_ADDR"], environ["REMOTE_PORT"]],
                "listen": str(environ[DOOR].listen),
                "bytes": len(body),
                "length": environ.get("CONTENT_LENGTH"),
            }
            status, content = "200 OK", self.answer or json.dumps(tree).encode()
        except MasvWatchError as error:
            tree = {"code": error.code, "message": error.message, "hint": error.hint}
            status, content = f"{error.status} refused", json.dumps(tree).encode()
        start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]

    @property
    def port(self):
        return self.listeners.ports[0]

    @property
    def url(self):
        return self.listeners.urls[0]

    def connect(self, number=0):
        listen = self.listeners.listens[number]
        if listen.scheme is Scheme.UNIX:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(60)
            connection.connect(listen.path)
            return connection
        return socket.create_connection((listen.host, listen.port), timeout=60)

    def head(self, *lines, method="GET", path="/uploads"):
        """Give the bytes of a header to the first door, without its end."""
        first = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        return "\r\n".join([*first, *lines, ""]).encode()

    def call(self, *headers, number=0):
        """Make a plain call to a door and give status and answer."""
        with self.connect(number) as connection:
            host = f"Host: localhost:{self.listeners.ports[number]}"
            lines = ["GET /uploads HTTP/1.1", host, "Connection: close", *headers, "", ""]
            connection.sendall("\r\n".join(lines).encode("latin-1"))
            return parsed(drained(connection))

    @property
    def channels(self):
        """Give the connections there are."""
        return [each for each in self.listeners._sockets.values() if isinstance(each, Channel)]

    def close(self):
        self.listeners.close()
        self.guard.close()


def drained(connection):
    """Give everything that comes until the other end closes, resets or falls silent."""
    came = b""
    try:
        while block := connection.recv(65536):
            came += block
    except (TimeoutError, ConnectionResetError):
        pass
    return came


def parsed(came):
    """Give status and JSON of an answer's bytes."""
    head, _, body = came.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def curl(*arguments, uid=None, timeout=60):
    """Run real curl as a user and give the last status and the body; status 0 for no answer."""
    command = ["curl", "-sS", "-o", "-", "-w", "\n%{http_code}", "--noproxy", "*", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, **_as(uid)
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body if not body.startswith("{") else json.loads(body)


def start_as(uid, program, *arguments):
    """Start a Python program as a user, isolated; it gives up root before its first line."""
    if uid is not None:
        drop = f"os.setgroups([]); os.setgid({uid}); os.setuid({uid})"
        # the interpreter may lie where the user cannot go, so what it needs is loaded before
        program = f"import os, socket, ssl, struct, sys\n{drop}\n{program}"
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_as(uid, program, *arguments):
    """Run such a program to its end and give its output."""
    with start_as(uid, program, *arguments) as process:
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return said


def _as(uid):
    if uid is None or os.geteuid() != 0:
        return {}
    return {"user": uid, "group": uid, "extra_groups": []}
