"""A sandbox and a daemon over many hot folders, so that one start serves a whole test module.

Owns the configuration's common lines and the ways to ask both sides what became of a drop. Never
part of the product. Used by the daemon's intake tests.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.processes import PROJECT, Daemon, Sandbox, free_port
from tests.waiting import eventually

#: seconds of quiet that every hot folder asks for
QUIET_S = 1.0

_HEAD = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {state}
transfer: {{connections: 4, chunk_size: 5 MiB}}
hot_folders:
"""


class Field:
    """One sandbox and one daemon; each test has a hot folder of its own."""

    def __init__(self, top: Path, folders: dict[str, str], *, absent: tuple[str, ...] = ()) -> None:
        """Write the configuration; `folders` gives each hot folder's further keys."""
        self.top, self.state = top, top / "state"
        self.sandbox = Sandbox(top / "cloud")
        port = free_port()
        self.config = top / "masv-watch.yml"
        lines = [_HEAD.format(api=self.sandbox.api, port=port, state=self.state)]
        for name, more in folders.items():
            keys = f"name: {name}, path: {top / name}, settle: {{quiet: {QUIET_S:g}s}}"
            lines.append(f"  - {{{keys}, to: {{recipients: []}}{', ' + more if more else ''}}}\n")
            if name not in absent:
                (top / name).mkdir()
        self.config.write_text("".join(lines))
        self.config.chmod(0o600)
        self.daemon = Daemon(self.config, port, top / "daemon.log")

    def command(self, *words: str, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
        """Run one command as a user types it."""
        return subprocess.run(
            [sys.executable, "-m", "masv_watch", *words, "-c", str(self.config)],
            cwd=PROJECT, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def status(self, *words: str) -> list[str]:
        """Give the lines of `masv-watch status` that hold all these words."""
        said = self.command("status").stdout.splitlines()
        return [line for line in said if all(word in line for word in words)]

    def uploads(self, hot_folder: str) -> list[dict[str, Any]]:
        """Give the uploads of one hot folder as the API lists them."""
        return [each for each in self.daemon.uploads() if each["hot_folder"] == hot_folder]

    def details(self, hot_folder: str) -> list[dict[str, Any]]:
        """Give the uploads of one hot folder with all that belongs to them."""
        return [self.daemon.details(each["upload_id"]) for each in self.uploads(hot_folder)]

    def packages(self, hot_folder: str) -> list[dict[str, Any]]:
        """Give the finalized packages of one hot folder as the cloud holds them, oldest first."""
        ids = [each["package_id"] for each in self.uploads(hot_folder)]
        cloud = {package["id"]: package for package in self.sandbox.packages()}
        return [cloud[each] for each in ids if each in cloud]

    def until_delivered(
        self, hot_folder: str, packages: int, within: float = 20.0
    ) -> list[dict[str, Any]]:
        """Wait for so many packages, with every upload of the hot folder complete."""

        def done() -> bool:
            uploads = self.uploads(hot_folder)
            return len(uploads) >= packages and all(
                each["state"] == "complete" and not each["open_tasks"] for each in uploads
            )

        eventually(done, within=within)
        found = self.packages(hot_folder)
        assert len(found) == packages, [package["name"] for package in found]
        assert {package["finalize_calls"] for package in found} == {1}
        return found

    def drops(self, hot_folder: str) -> list[tuple[bytes, str, str | None]]:
        """Read path, state and hold of each ledger row of one hot folder."""
        database = sqlite3.connect(f"file:{self.state}/masv-watch.db?mode=ro", uri=True)
        try:
            return database.execute(
                "SELECT path, state, hold FROM drops WHERE hot_folder = ? ORDER BY id",
                (hot_folder,),
            ).fetchall()
        finally:
            database.close()

    def lines(self, *words: str) -> list[str]:
        """Give the log's lines that hold all these words."""
        text = self.daemon.text().splitlines()
        return [line for line in text if all(word in line for word in words)]

    def close(self) -> None:
        """End both processes."""
        try:
            if self.daemon.process is not None:
                self.daemon.stop()
        finally:
            self.sandbox.end()


def digests(package: dict[str, Any]) -> dict[str, str]:
    """Give the SHA-256 of each file by its whole path inside a package."""
    return {
        f"{file['path']}/{file['name']}".lstrip("/"): file["sha256"] for file in package["files"]
    }


def digest(content: bytes) -> str:
    """Give the SHA-256 of bytes as the cloud writes it."""
    return hashlib.sha256(content).hexdigest()


def write_tree(top: Path, files: dict[str, bytes]) -> None:
    """Write files below a folder that need not be there."""
    for path, content in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def raw(folder: Path, name: bytes) -> bytes:
    """Give the path of a name that need not be text."""
    return os.path.join(os.fsencode(folder), name)
