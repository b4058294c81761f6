"""A sandbox, a daemon and the real curl, for the tests that show the API from outside.

Owns the configuration as a test words it, and one call by curl as any user makes it. Never part of
the product. Used by the tests of the documented page, of the queue, of foreign users, of browsers
and of secrets.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import Daemon, Sandbox, free_port
from tests.waiting import eventually

MIB = 1024 * 1024
JSON = ("-H", "Content-Type: application/json")

_CONFIG = """\
version: 1
masv: {{api_url: "{api}", link_url: "{api}/get/{{id}}?secret={{secret}}"{masv}}}
server: {{listen: {listen}{server}}}
state: {top}/state
transfer: {{chunk_size: 5 MiB, {transfer}}}
{more}
"""


@dataclass(frozen=True)
class Answer:
    """What curl got."""

    status: int
    body: bytes
    headers: dict[str, list[str]]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def tree(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Give the message and the hint of a refusal as one text, with its status."""
        return self.status, f"{self.tree['message']} - {self.tree.get('hint', '')}"


def curl(*words: str, uid: int | None = None, gid: int | None = None) -> Answer:
    """Run the real curl, as another user if asked, and give what the server answered."""
    command = ["curl", "-sS", "--max-time", "60", "--noproxy", "*",
               "-w", "%{stderr}%{http_code} %{header_json}", *words]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=300, check=False, **_as(uid, gid))
    status, _, headers = done.stderr.decode().partition(" ")
    assert done.returncode == 0, done.stderr.decode()
    return Answer(int(status), done.stdout, json.loads(headers))


def _as(uid: int | None, gid: int | None) -> dict[str, Any]:
    if uid is None:
        return {}
    assert os.geteuid() == 0, "these tests make calls as a second user: run them as root"
    return {"user": uid, "group": uid if gid is None else gid, "extra_groups": []}


class Station:
    """One sandbox and one daemon over a configuration that may be changed and reloaded."""

    def __init__(self, top: Path, *, flags: tuple[str, ...] = (), **words: str) -> None:
        """Start the sandbox and write the configuration; the daemon is started by `start`."""
        self.top, self.state = top, top / "state"
        self.sandbox = Sandbox(top / "cloud", *flags)
        self.port = free_port()
        self.config = top / "masv-watch.yml"
        #: pieces of the configuration, see `configure`
        self.words = {
            "masv": ", team: acme, api_key: sandbox-key",
            "listen": f'"http://127.0.0.1:{self.port}"',
            "server": "",
            "transfer": "connections: 4",
            "more": "",
        }
        self.configure(**words)
        self.daemon = Daemon(self.config, self.port, top / "daemon.log")
        self.environ: dict[str, str] = {}

    def configure(self, **words: str) -> None:
        """Write the configuration with these pieces instead of the earlier ones."""
        self.words.update(words)
        text = _CONFIG.format(api=self.sandbox.api, top=self.top, **self.words)
        self.config.write_text(text)
        self.config.chmod(0o600)

    def start(self) -> None:
        self.daemon.start(environ=self.environ).until_ready()

    def restart(self) -> None:
        self.daemon.stop()
        self.start()

    def reload(self, **words: str) -> None:
        """Let the daemon take over the configuration, with these pieces changed."""
        self.configure(**words)
        before = self.daemon.text().count("the configuration was taken over")
        self.daemon.signal(signal.SIGHUP)
        eventually(
            lambda: self.daemon.text().count("the configuration was taken over") > before,
            within=10,
        )

    @property
    def base(self) -> str:
        return f"{self.daemon.api}/api/v1"

    def call(
        self, method: str, path: str, body: Any = None, *more: str, uid: int | None = None
    ) -> Answer:
        """Make one call by curl; `path` is below /api/v1."""
        words = ["-X", method, *more, f"{self.base}{path}"]
        if method in ("POST", "PATCH"):
            words += JSON
        if body is not None:
            words += ["-d", body if isinstance(body, str) else json.dumps(body)]
        return curl(*words, uid=uid)

    def create(self, *paths: Path, **fields: Any) -> str:
        """Create a team upload by curl and give its id."""
        body = {"subdomain": "acme", "paths": [str(path) for path in paths], **fields}
        answer = self.call("POST", "/uploads", body)
        assert answer.status == 201, answer.text
        return str(answer.tree["upload_id"])

    def show(self, upload_id: str) -> dict[str, Any]:
        """Give the details of an upload."""
        answer = self.call("GET", f"/uploads/{upload_id}")
        assert answer.status == 200, answer.text
        return dict(answer.tree)

    def listed(self, query: str = "") -> list[dict[str, Any]]:
        """Give the list of uploads."""
        return list(self.call("GET", f"/uploads{query}").tree)

    def until(self, upload_id: str, state: str, within: float = 20.0) -> dict[str, Any]:
        """Wait until an upload is in a state; give its details."""

        def there() -> dict[str, Any]:
            found = self.daemon.details(upload_id)
            assert found.get("state") == state, found
            return found

        return eventually(there, within=within, every=0.05)

    def package(self, package_id: str) -> dict[str, Any]:
        """Give a package as the cloud holds it."""
        found = self.sandbox.witness("packages")
        (package,) = [each for each in found if each["id"] == package_id]
        return dict(package)

    def until_archived(self, package_id: str) -> None:
        """Wait until the cloud has let a package go."""
        eventually(lambda: self.package(package_id)["state"] == "archived", within=15, every=0.05)

    def close(self) -> None:
        """End both processes."""
        try:
            if self.daemon.process is not None:
                self.daemon.stop()
        finally:
            self.sandbox.end()


@contextmanager
def running(top: Path, **words: Any) -> Iterator[Station]:
    """Give a sandbox and a ready daemon, ended afterwards."""
    station = Station(top, **words)
    try:
        station.start()
        yield station
    finally:
        if station.sandbox.process.poll() is None:
            station.sandbox.heal()
        station.close()


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a temporary folder that other users may pass, unlike the ones of the test runner."""
    with tempfile.TemporaryDirectory(prefix="station-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def sparse(path: Path, size: int) -> Path:
    """Make a file of zeros that takes no space on the disk."""
    with path.open("wb") as hollow:
        hollow.truncate(size)
    return path


def let_pass(seconds: float) -> None:
    """Let real time pass: what does not happen in it is asserted."""
    threading.Event().wait(seconds)
