"""Reach what a user reaches: the commands, their servers, and the end of a wait.

Owns the processes and the HTTP connections of the demo. Never prints. Used by `main_job.py`.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from source import BLOCK, Content

LOOK_EVERY_S = 0.1


class DemoFailed(Exception):
    """The demo cannot go on, or something differs; the text is one sentence."""


class Command:
    """One of our commands, running in its own session with its output in a file."""

    def __init__(self, words: list[str], log: Path, environment: dict[str, str]) -> None:
        self.name, self.log = words[0], log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*masv_watch(), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # So that Ctrl-C reaches the demo alone, which then ends its commands in order.
                start_new_session=True,
            )
        self.pid = self._process.pid

    def require(self) -> None:
        """Fail if it ended."""
        status = self._process.poll()
        if status is not None:
            raise DemoFailed(f"`masv-watch {self.name}` ended with status {status}")

    def tail(self, lines: int = 25) -> list[str]:
        """Give the last lines of its output."""
        return self.log.read_text("utf-8", "replace").splitlines()[-lines:]

    def stop(self) -> int:
        """End it as systemd would, by SIGTERM, and give its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        return self.finish()

    def finish(self, within: float = 60.0) -> int:
        """Wait for its end, help by SIGKILL when that takes too long, and give the exit status."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


class Web:
    """A server spoken to over one kept connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def get(self, path: str, **headers: str) -> Any:
        """Read JSON."""
        return self._json("GET", path, None, headers)

    def post(self, path: str, **headers: str) -> Any:
        """Send an empty JSON object and read JSON."""
        return self._json("POST", path, b"{}", {**headers, "Content-Type": "application/json"})

    def answers(self, path: str) -> bool:
        """Say whether the path answers 200."""
        try:
            return self._ask("GET", path, None, {}).read() is not None
        except (OSError, http.client.HTTPException, DemoFailed):
            return False

    def content(self, path: str, told: Callable[[int], None]) -> Content:
        """Download without keeping: size and SHA-256 of the bytes that came."""
        answer, digest, size = self._ask("GET", path, None, {}), hashlib.sha256(), 0
        while block := answer.read(BLOCK):
            digest.update(block)
            size += len(block)
            told(len(block))
        return Content(size, digest.hexdigest())

    def _json(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        try:
            return json.loads(self._ask(method, path, body, headers).read())
        except ValueError as error:
            raise DemoFailed(f"{self.url}{path} answered no JSON") from error
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(f"{self.url}{path} cannot be read: {error!r}") from error

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = self._answer(method, path, body, named)
        except (ConnectionError, http.client.BadStatusLine):
            if method != "GET":
                raise
            # A kept connection may have been closed while nobody spoke.
            answer = self._answer(method, path, body, named)
        if not 200 <= answer.status < 300:
            said = answer.read(300).decode("utf-8", "replace")
            shown = path.partition("?")[0]
            raise DemoFailed(f"{method} {self.url}{shown} answered {answer.status}: {said}")
        return answer

    def _answer(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        try:
            self._connection.request(method, path, body, headers)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


def wait(what: str, condition: Callable[[], Any], *commands: Command, within: float) -> Any:
    """Wait until the condition holds while the commands live, and give its answer."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer = condition()
        except DemoFailed:
            # A server that is silent because it has just died: then its status is the reason.
            time.sleep(3 * LOOK_EVERY_S)
            _require(commands)
            raise
        if answer:
            return answer
        _require(commands)
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what} did not happen within {within:.0f} s")
        time.sleep(LOOK_EVERY_S)


def _require(commands: Iterable[Command]) -> None:
    for command in commands:
        command.require()


def masv_watch() -> list[str]:
    """Find the command that a user types; the module form where it is not installed."""
    script = Path(sys.executable).parent / "masv-watch"
    return [str(script)] if script.exists() else [sys.executable, "-m", "masv_watch"]


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
