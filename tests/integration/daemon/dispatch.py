"""A sandbox and a daemon for the sending side, with the ways to ask both what became of a drop.

Owns the configuration as a test wants it, and how a drop is put into a hot folder at once. Never
part of the product. Used by the daemon's sending tests.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from tests.processes import PROJECT, Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

MIB = 1024 * 1024
CHUNK = 5 * MIB

#: what each call of the protocol looks like to a fault
CALLS = {
    "package create": "POST /v1/teams/[^/]+/packages$",
    "file create": "POST /v1/packages/[^/]+/files$",
    "multipart start": "POST /storage/",
    "chunk URLs": "POST /v1/packages/[^/]+/files/[^/]+$",
    "chunk PUT": "PUT /storage/",
    "file finalize": "POST /v1/packages/[^/]+/files/[^/]+/finalize$",
    "package finalize": "POST /v1/packages/[^/]+/finalize$",
}

_CONFIG = """\
version: 1
masv: {{api_url: "{api}", team: acme, api_key: {key}}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {state}
transfer: {{{transfer}}}
hot_folders:
"""

PORTAL = "to: {portal: vault, sender: dit@example.com, access_code: open-sesame}"


def _settled(keys: str) -> str:
    """Give the keys of a hot folder with a short quiet time, unless they say one."""
    return keys if "settle:" in keys else f"settle: {{quiet: 1s}}, {keys}"


def card(seed: int, small: int = 5) -> dict[str, bytes]:
    """Give the files of a small camera card, the same for the same seed."""
    rng = random.Random(seed)
    files = {f"clips/c{number}.mxf": rng.randbytes(3000 + number) for number in range(small)}
    return {**files, "big.mov": rng.randbytes(2 * CHUNK + 11), "empty.txt": b""}


_TAKEN_OVER = "the configuration was taken over"


class Dispatch:
    """One sandbox and one daemon with a hot folder `out` to the team, and others as asked."""

    def __init__(
        self,
        top: Path,
        *,
        folders: dict[str, str] | None = None,
        transfer: str = "connections: 4, chunk_size: 5 MiB",
        key: str = "sandbox-key",
        flags: tuple[str, ...] = (),
        behind: Callable[[str], str] = lambda api: api,
    ) -> None:
        """Start the sandbox and write the configuration; the daemon is started by the test.

        `behind` is given the sandbox's address and gives the one that the daemon is to know.
        """
        self.top, self.state = top, top / "state"
        self.sandbox = Sandbox(top / "cloud", *flags)
        self.api = behind(self.sandbox.api)
        self.port = free_port()
        self.folders = {"out": "to: {recipients: []}", **(folders or {})}
        self.transfer = transfer
        self.config = top / "masv-watch.yml"
        for name in self.folders:
            (top / name).mkdir()
        self.configure(key=key)
        self.daemon = Daemon(self.config, self.port, top / "daemon.log")

    def configure(self, *, key: str = "sandbox-key", **folders: str) -> None:
        """Write the configuration; further words replace the keys of a hot folder."""
        self.folders.update(folders)
        head = _CONFIG.format(
            api=self.api, key=key, port=self.port, state=self.state, transfer=self.transfer
        )
        lines = [
            f"  - {{name: {name}, path: {self.top / name}, {_settled(keys)}}}\n"
            for name, keys in self.folders.items()
        ]
        self.config.write_text(head + "".join(lines))
        self.config.chmod(0o600)

    def reload(self) -> None:
        """Have the daemon take its file over, which also ends every wait for a retry."""
        before = self.daemon.text().count(_TAKEN_OVER)
        self.daemon.signal(signal.SIGHUP)
        eventually(lambda: self.daemon.text().count(_TAKEN_OVER) > before, every=0.05)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command as a user types it."""
        return subprocess.run(
            [sys.executable, "-m", "masv_watch", *words, "-c", str(self.config)],
            cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def drop(self, name: str, files: bytes | dict[str, bytes], *, folder: str = "out") -> None:
        """Put a file, or a folder of files, into a hot folder by one rename."""
        made = self.top / "made" / name
        made.parent.mkdir(exist_ok=True)
        if isinstance(files, bytes):
            made.write_bytes(files)
        for path, content in files.items() if isinstance(files, dict) else ():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_bytes(content)
        made.rename(self.top / folder / name)

    def drop_hollow(self, name: str, size: int) -> None:
        """Put a file of zeros that takes no space on the disk into the hot folder."""
        made = self.top / name
        with made.open("wb") as hollow:
            hollow.truncate(size)
        made.rename(self.top / "out" / name)

    def upload(self, name: str) -> dict[str, Any]:
        """Give the newest upload of this package name as the API lists it."""
        return [each for each in self.daemon.uploads() if each["package_name"] == name][-1]

    def until_state(self, name: str, state: str, within: float = 30.0) -> dict[str, Any]:
        """Wait until the upload of this name is in a state."""

        def there() -> dict[str, Any] | None:
            found = self.upload(name)
            assert found["state"] == state, found
            return found

        return eventually(there, within=within)

    def until_delivered(
        self, *names: str, within: float = 30.0, impatient: bool = False
    ) -> list[dict[str, Any]]:
        """Wait until all uploads of these names are complete; give their packages.

        `impatient` starts them anew meanwhile, so that no back-off is waited out.
        """
        asked_at = monotonic()

        def done() -> bool:
            nonlocal asked_at
            left = [
                each["upload_id"] for each in map(self.upload, names) if each["state"] != "complete"
            ]
            if impatient and monotonic() - asked_at > 0.4:
                for upload_id in left:
                    ask(self.daemon.api, f"/api/v1/uploads/{upload_id}/start", "POST")
                asked_at = monotonic()
            return not left

        eventually(done, within=within)
        return [self.package(name) for name in names]

    def packages(self, name: str) -> list[dict[str, Any]]:
        """List the cloud's living packages of this name."""
        found = self.sandbox.witness("packages")
        return [each for each in found if each["name"] == name and each["state"] != "archived"]

    def package(self, name: str) -> dict[str, Any]:
        """Give the only package of this name that holds anything or was finalized.

        A create whose answer was lost may leave another one, empty and never delivered.
        """
        (found,) = [each for each in self.packages(name) if each["files"] or each["finalized_at"]]
        return found

    def requests(self, call: str, *, package: str | None = None) -> list[dict[str, Any]]:
        """List the requests that a call of `CALLS`, or `METHOD fragment`, fits."""
        method, _, path = CALLS.get(call, call).partition(" ")
        return [
            each
            for each in self.sandbox.witness("requests")
            if each["method"] == method
            and _fits(path, each["query_free"])
            and package in (None, each["package"])
        ]

    def puts(self) -> Counter[tuple[str, int]]:
        """Count the PUTs of each chunk by cloud file and number."""
        found = self.sandbox.witness("puts")
        return Counter({(put["file"], put["part"]): put["attempts"] for put in found})

    def acknowledged(self) -> set[tuple[str, int]]:
        """Read which chunks the daemon has committed, by cloud file and number."""
        return set(
            self.rows(
                "SELECT files.cloud_id, chunks.number FROM chunks"
                " JOIN files ON files.id = chunks.file_id AND files.version = chunks.version"
                " WHERE files.cloud_id IS NOT NULL"
            )
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read the daemon's state from outside."""
        database = sqlite3.connect(f"file:{self.state}/masv-watch.db?mode=ro", uri=True)
        try:
            return database.execute(statement).fetchall()
        finally:
            database.close()

    def lines(self, *words: str) -> list[str]:
        """Give the log's lines that hold all these words."""
        return [
            line for line in self.daemon.text().splitlines() if all(word in line for word in words)
        ]

    @property
    def pid(self) -> int:
        """Give the daemon's process id."""
        assert self.daemon.process is not None
        return self.daemon.process.pid

    def cpu_s(self) -> float:
        """Read the processor seconds that the daemon has used."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        """Read the most memory that the daemon ever held."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def close(self) -> None:
        """End both processes."""
        try:
            if self.daemon.process is not None:
                self.daemon.stop()
        finally:
            self.sandbox.end()


@contextmanager
def running(top: Path, **more: Any) -> Iterator[Dispatch]:
    """Give a sandbox and a ready daemon, ended afterwards."""
    world = Dispatch(top, **more)
    try:
        world.daemon.start().until_ready()
        yield world
    finally:
        if world.sandbox.process.poll() is None:
            world.sandbox.heal()
        world.close()


def let_pass(seconds: float) -> None:
    """Let real time pass: what is used or asked over it is counted."""
    threading.Event().wait(seconds)


def _fits(path: str, found: str) -> bool:
    return re.match(path, found) is not None


def digest(content: bytes) -> str:
    """Give the SHA-256 of bytes as the cloud writes it."""
    return hashlib.sha256(content).hexdigest()


def digests(package: dict[str, Any]) -> dict[str, str]:
    """Give the SHA-256 of each file of a package by its whole path."""
    return {
        f"{file['path']}/{file['name']}".lstrip("/"): file["sha256"] for file in package["files"]
    }


def expected(name: str, files: bytes | dict[str, bytes]) -> dict[str, str]:
    """Give what `digests` should say of a drop."""
    if isinstance(files, bytes):
        return {name: digest(files)}
    return {f"{name}/{path}": digest(content) for path, content in files.items()}
