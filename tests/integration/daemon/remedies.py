"""A sandbox and a daemon in which every hold can be provoked, and the pasting of its cure.

Owns the configuration with a hot folder for each reason, and how a cure is read from both the API
and the command line. Never part of the product. Used by the tests of cures.
"""

from __future__ import annotations

import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from masv_watch import cli
from masv_watch.config.timetable import DAYS
from tests.integration.daemon.field import write_tree
from tests.mounted import Mounts
from tests.pasting import commands
from tests.processes import Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

#: what the daemon of these tests runs as: root without its right to look everywhere
_BOUND = (
    "import runpy\nfrom tests.rights import bound_by_modes\n"
    "with bound_by_modes():\n    runpy.run_module('masv_watch', None, '__main__', alter_sys=True)\n"
)
_HEAD = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: {key}}}
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: dit@example.com, digest: 10m}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
hot_folders:
"""
PLAIN = "to: {recipients: []}"
STUDIOS = "to: {by_subfolder: {studio-a: [anna@a.example]}}"
#: hot folder -> its keys; without `to` it goes to nobody, without `settle` it is quiet after 1 s
FOLDERS = {
    "plain": "",
    "marked": 'settle: {quiet: 1s, done_marker: "{name}.done"}',
    "frames": 'sequences: {pattern: "{stem}.{frame:04d}.exr", gaps: hold}',
    "noted": 'sidecar: {name: "{name}.yml", may_set: [message], required: true}',
    "night": "",
    "away": "settle: {quiet: 4s}",
    "bounded": "drop: folder, limits: {files: 2}",
    "studios": STUDIOS,
    "old": "initial: ask",
    "older": "initial: ask",
    "again": "redrop: ask",
    "folders": "drop: folder",
    "batch": "drop: batch, finalize: {idle: 1h}",
    "recall": "recall: 10m",
    "letters": "link: {mail_to: [producer@example.com]}",
}


def _closed() -> str:
    """Give days on which it is not, and will not be while these tests run."""
    now = datetime.now(tz=UTC)
    near = {(now + timedelta(hours=hours)).weekday() for hours in (-1, 0, 1)}
    return ",".join(day for number, day in enumerate(DAYS) if number not in near)


@dataclass
class Told:
    """What a command printed, and how it ended."""

    words: list[str]
    status: int
    out: str
    err: str


@dataclass
class Remedies:
    """One sandbox and one daemon; each reason has a hot folder, or a name of its own in one."""

    top: Path
    #: first words of the commands of all cures of a case, and of those that were pasted
    offered: set[str] = field(default_factory=set)
    pasted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Write the configuration, with content in what asks about its first start."""
        self.sandbox, self.port = Sandbox(self.top / "cloud"), free_port()
        self.mounts, self.is_bounded = Mounts(), True
        try:
            self.mounts.tmpfs(self.top / "state", "size=64m", "mode=0700")
        except pytest.skip.Exception:
            self.is_bounded = False
        self.folders = FOLDERS | {"night": f'schedule: {{open: "{_closed()}", tz: UTC}}'}
        for name in self.folders:
            (self.top / name).mkdir()
        for name in ("old", "older"):
            write_tree(self.top / name, {f"{name}.mov": b"old"})
        self.config = self.top / "masv-watch.yml"
        self.configure()
        self.daemon = Daemon(self.config, self.port, self.top / "daemon.log")
        self.daemon.program = ("-c", _BOUND)

    def configure(self, *, key: str = "sandbox-key", **folders: str) -> None:
        """Write the configuration; further words replace the keys of a hot folder."""
        self.folders.update(folders)
        head = _HEAD.format(
            api=self.sandbox.api, key=key, smtp=self.sandbox.smtp_port, port=self.port, top=self.top
        )
        lines = [head]
        for name, keys in self.folders.items():
            said = [f"name: {name}, path: {self.top / name}"]
            said += [
                more for more in (PLAIN, "settle: {quiet: 1s}") if f" {more[:4]}" not in f" {keys}"
            ]
            lines.append(f"  - {{{', '.join((*said, keys)).rstrip(', ')}}}\n")
        self.config.write_text("".join(lines))
        self.config.chmod(0o600)

    def say(self, *words: str) -> Told:
        """Carry out a command in this process, which its environment leads to the daemon."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = cli.main(list(words))
            except SystemExit as stop:
                status = int(stop.code or 0)
        return Told(list(words), status, out.getvalue(), err.getvalue())

    def paste(self, cure: str, only: str = "") -> str:
        """Carry out every command of a cure, or the one that begins so; give what they printed."""
        printed = []
        for words in commands(cure):
            self.offered.add(words[0])
            if only and words[0] != only:
                continue
            told = self.say(*words)
            assert told.status == 0, told
            self.pasted.add(words[0])
            printed.append(told.out)
        return "\n".join(printed)

    def call(self, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
        """Make a call of the API."""
        return ask(self.daemon.api, f"/api/v1/{path}", method, body)

    def metrics(self) -> str:
        """Give the daemon's numbers as Prometheus reads them."""
        with urllib.request.urlopen(f"{self.daemon.api}/metrics") as answer:
            return str(answer.read().decode())

    def put(self, path: str, content: bytes = b"content") -> Path:
        """Put a file into a hot folder by one rename; give where it is."""
        made, target = self.top / "made", self.top / path
        made.write_bytes(content)
        target.parent.mkdir(parents=True, exist_ok=True)
        made.replace(target)
        return target

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        """Write on a file of a hot folder all the while, a little at a time."""
        target, done = self.top / path, threading.Event()
        target.parent.mkdir(parents=True, exist_ok=True)

        def write() -> None:
            while not done.is_set():
                with target.open("ab") as file:
                    file.write(b"x")
                done.wait(0.1)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield target
        finally:
            done.set()
            writer.join()

    def drop(self, path: str, reason: str) -> dict[str, Any]:
        """Wait until a drop is held for a reason; give it, with the cure that both sides give."""
        name, _, below = path.partition("/")

        def of(drops: list[dict[str, Any]]) -> dict[str, Any]:
            found = {(one["hot_folder"], one["path"]): one for one in drops}[name, below]
            assert found["reason"] == reason, found
            return found

        def both() -> dict[str, Any]:
            found = of(self.call("drops")[1])
            assert (
                of(json.loads(self.say("status", "--json").out)["drops"])["cure"] == found["cure"]
            )
            return found

        return eventually(both)

    def upload(self, name: str) -> dict[str, Any]:
        """Give the newest upload of a package name, or of a hot folder, as the API lists it."""
        found = self.daemon.uploads()
        return [each for each in found if name in (each["package_name"], each["hot_folder"])][-1]

    def waiting(self, name: str, reason: str) -> tuple[dict[str, Any], str]:
        """Wait until an upload waits for a reason; give it, and the cure that both sides give."""

        def both() -> tuple[dict[str, Any], str]:
            found = self.upload(name)
            assert (found["waiting"] or {}).get("reason") == reason, found
            said = json.loads(self.say("uploads", "--json").out)
            listed = {each["upload_id"]: each for each in said}[found["upload_id"]]
            cure = str(found["waiting"]["cure"])
            assert listed["waiting"]["cure"] == cure
            return found, cure

        return eventually(both)

    def until_delivered(self, name: str, packages: int = 1) -> None:
        """Wait until the cloud has so many finalized packages of a name."""

        def done() -> bool:
            found = [each for each in self.sandbox.packages() if each["name"] == name]
            return len(found) == packages

        eventually(done)

    def close(self) -> None:
        """End both processes, and take down what was mounted."""
        try:
            self.daemon.stop()
        finally:
            self.sandbox.end()
            self.mounts.end()
