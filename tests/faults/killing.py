"""A daemon that is killed at seeded moments: its configuration, its state, and the time between.

Owns what the tests of kills have in common. Never decides when to kill. Used by those around
deletions and around rebinds.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import monotonic
from typing import Any

from tests.processes import Daemon, Sandbox, free_port
from tests.waiting import eventually

CHUNK = 5 * 1024 * 1024

_CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
transfer: {{connections: 4, chunk_size: 5 MiB}}
hot_folders:
  - {{name: out, path: {top}/out, settle: {{quiet: 1s{settle}}}, {keys}}}
"""


class Mortal(Daemon):
    """A daemon with one hot folder `out`, whose rule may be another at the next start."""

    def __init__(self, top: Path, sandbox: Sandbox) -> None:
        """Have a port and an empty hot folder; `configure` comes before the start."""
        self.top = top
        self.sandbox, self._port = sandbox, free_port()
        (top / "out").mkdir()
        super().__init__(top / "masv-watch.yml", self._port, top / "daemon.log")

    def configure(self, keys: str, *, settle: str = "") -> None:
        """Write the configuration, with these keys of the hot folder, and more of its `settle`."""
        self.config.write_text(
            _CONFIG.format(
                api=self.sandbox.api, port=self._port, top=self.top, keys=keys, settle=settle
            )
        )
        self.config.chmod(0o600)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read from the state, whoever has it open."""
        database = sqlite3.connect(f"file:{self.top}/state/masv-watch.db?mode=ro", uri=True)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()


def wait_out(moment_s: float) -> None:
    """Let real time pass until the seeded moment; there is no condition to wait for."""
    until = monotonic() + moment_s
    eventually(lambda: monotonic() >= until, every=0.01)
