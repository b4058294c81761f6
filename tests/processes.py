"""Real processes for tests: a sandbox cloud and a daemon, driven as a user drives them.

Owns starting, asking and ending them. Never part of the product. Used by the daemon's tests and by
the crash loops.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from masv_watch.store.seal import Seal
from tests.waiting import eventually

PROJECT = Path(__file__).resolve().parent.parent
START_S = 60.0


#: below what systems give to who asks for any port, so that nobody takes one by chance
PORTS = range(12_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """Give a port that nobody has, and that no test of this machine is given until we end."""
    chance = random.SystemRandom()
    for _ in PORTS:
        port = chance.choice(PORTS)
        if port not in _given and _reserve(port) and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no port of {PORTS.start} to {PORTS.stop - 1} is free")


@cache
def _reservations() -> int:
    """Open the file whose locked bytes are ports; to close it would end every lock."""
    path = os.path.join(tempfile.gettempdir(), f"masv-watch-tests-ports-{os.getuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _reserve(port: int) -> bool:
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def ask(base: str, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    """Make one call and give its status and its JSON."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, payload, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(text) if text else None


def opened(state: Path, text: str) -> str:
    """Open a secret that rests sealed in a daemon's state."""
    return Seal.of(str(state), may_make=False).open(text).reveal()


class Sandbox:
    """A sandbox process on free ports, with its data in a folder."""

    #: what the interpreter runs
    program: tuple[str, ...] = ("-m", "masv_watch", "sandbox")

    def __init__(self, data: Path, *flags: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable, *self.program, "--listen", "127.0.0.1:0",
                "--smtp", "127.0.0.1:0", "--data", str(data), *flags,
            ],
            cwd=PROJECT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("sandbox ready: "), line
        said = dict(word.split("=", 1) for word in line.split()[2:])
        self.api, self.smtp, self.team = said["api"], said["smtp"], said["team"]

    @property
    def smtp_port(self) -> int:
        return int(self.smtp.rpartition(":")[2])

    def witness(self, name: str) -> Any:
        return ask(self.api, f"/_sandbox/{name}")[1]

    def fault(self, name: str, match: str = "", **rest: Any) -> None:
        body = {"name": name, "match": match, **rest}
        status, answer = ask(self.api, "/_sandbox/faults", "POST", body)
        assert status == 201, answer

    def heal(self) -> None:
        ask(self.api, "/_sandbox/faults", "DELETE")

    def packages(self, *, state: str = "finalized") -> list[dict[str, Any]]:
        return [package for package in self.witness("packages") if package["state"] == state]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)


class Daemon:
    """A daemon process over a configuration file that a test wrote."""

    #: what the interpreter runs
    program: tuple[str, ...] = ("-m", "masv_watch")

    def __init__(self, config: Path, port: int, log: Path) -> None:
        self.config, self.log = config, log
        self.api = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str, environ: dict[str, str] | None = None) -> Daemon:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "run", "-c", str(self.config), *flags],
                cwd=PROJECT, stdout=log, stderr=log, env={**os.environ, **(environ or {})},
            )  # fmt: skip
        return self

    def answers(self, path: str = "/healthz") -> bool:
        try:
            return ask(self.api, path)[0] == 200
        except OSError as error:
            if self.process is not None and self.process.poll() is not None:
                # no assertion: those count as "not yet" to whoever waits
                raise RuntimeError(f"the daemon ended:\n{self.text()}") from error
            return False

    def until_ready(self) -> Daemon:
        eventually(lambda: self.answers("/readyz"), within=START_S)
        return self

    def uploads(self) -> list[dict[str, Any]]:
        return ask(self.api, "/api/v1/uploads")[1]

    def details(self, upload_id: str) -> dict[str, Any]:
        return ask(self.api, f"/api/v1/uploads/{upload_id}")[1]

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)

    def stop(self, within: float = 60.0) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(within)

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")
