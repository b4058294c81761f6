"""The daemon under a service manager: what it is told, in which order, and what it shows."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import START_S, Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

_CONFIG = """\
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
hot_folders:
  - {{name: out, path: {top}/out, to: {{recipients: []}}}}
"""


class Manager:
    """Stands where systemd would: takes letters and keeps them in their order."""

    def __init__(self, path: Path) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(path))
        self._line.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "3000000"}
        self.letters: list[str] = []

    def look(self) -> list[str]:
        while True:
            try:
                self.letters.append(self._line.recv(65536).decode())
            except BlockingIOError:
                return self.letters

    def until(self, words: str, within: float = START_S) -> int:
        """Wait for a letter with these words and give its place among all."""
        return eventually(
            lambda: [at for at, each in enumerate(self.look()) if words in each], within=within
        )[-1]

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def _daemon(top: Path, sandbox: Sandbox) -> Daemon:
    (top / "out").mkdir()
    config, port = top / "masv-watch.yml", free_port()
    config.write_text(_CONFIG.format(api=sandbox.api, port=port, top=top))
    config.chmod(0o600)
    return Daemon(config, port, top / "daemon.log")


def test_daemon_tells_its_manager_how_it_is_from_start_to_end(tmp_path, manager):
    """Ready only after the first sweep; the watchdog is fed; a reload and the end are announced."""
    sandbox = Sandbox(tmp_path / "cloud")
    daemon = _daemon(tmp_path, sandbox)
    config = daemon.config
    try:
        daemon.start(environ=manager.environ)
        ready = manager.until("READY=1\nSTATUS=watching 1 hot folder")
        manager.until("WATCHDOG=1")
        unready = [each for each in manager.letters[:ready] if "READY" in each]
        config.write_text("version: 1\nmistake: 1\n")
        daemon.signal(signal.SIGHUP)
        reloading = manager.until("RELOADING=1\nMONOTONIC_USEC=")
        refused = manager.until("READY=1\nSTATUS=the last reload failed")
        standing = manager.until("watching 1 hot folder; look at: the last reload was refused")
        status = daemon.stop()
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
        sandbox.end()

    assert (unready, status) == ([], 0)
    assert ready < reloading < refused < standing
    assert manager.look()[-1] == "STOPPING=1"


def test_state_that_cannot_be_read_any_more_is_told_and_ends_no_daemon(tmp_path, manager):
    """The main thread reads it for each letter; all that goes on must not end with it."""
    sandbox = Sandbox(tmp_path / "cloud")
    daemon = _daemon(tmp_path, sandbox)
    try:
        daemon.start(environ=manager.environ)
        manager.until("READY=1")
        # a page that is lost is no use for a test: what was read before is in memory
        with closing(sqlite3.connect(tmp_path / "state" / "masv-watch.db")) as database:
            database.execute("DROP TABLE notices")
        told = manager.until("the state cannot be read")
        fed = manager.letters.count("WATCHDOG=1")
        eventually(lambda: manager.look().count("WATCHDOG=1") > fed)
        status, answer = ask(daemon.api, "/readyz")
        ended = daemon.process.poll()
    finally:
        daemon.kill()
        sandbox.end()

    assert "STOPPING=1" not in manager.look()[told:]
    assert (ended, status) == (None, 503)
    assert "the state cannot be read" in str(answer)
