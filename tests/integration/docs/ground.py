"""The ground on which the documents are carried out: a cloud, a daemon, and a shell in a folder.

Owns what stands for the places that the pages name, the daemon that runs all rules of the how-to
pages at once, and how shown output is compared. Used by the tests of this folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from masv_watch import cli
from tests.integration.docs.blocks import PROJECT, Block, Step
from tests.processes import Daemon, Sandbox, free_port
from tests.waiting import eventually

#: what stands in shown output for what differs each time
PLACEHOLDERS = {
    "<id>": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<number>": r"\d+",
    "<link>": r"https?://\S+[/?]\S+",
    "<reason>": r".+",
    "<path>": r"/\S+",
    "<date>": r"\d{4}-\d\d-\d\d",
    "<time>": r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d",
    "<team>": r"[0-9A-Z]{26}",
    "<size>": r"[\d.]+ [kMGT]?B",
}
#: commands that only look, so that they may be repeated until what is shown is there
LOOKS = re.compile(r"masv-watch (?:status|uploads|show|explain|events|limit$)|ls |curl -s http")
#: secrets as a shell would hold them
SECRETS = {
    "MASV_API_KEY": "sandbox-key",
    "MASV_WATCH_TOKEN": "0123456789abcdef0123456789abcdef",
    "PORTAL_CODE": "open-sesame",
    "PACKAGE_PASSWORD": "tell-few",
    "SLACK_HOOK": "https://hooks.example/tell-slack",
    "WEBHOOK": "https://hooks.example/tell-others",
    "SMTP_PASSWORD": "tell-nobody",
}
#: commands of ours in which no shell has a part
PLAIN = re.compile(r"masv-watch [\w\s./@,:=-]+")
_ENDED = "--ended-with-"


class Ground:
    """A folder that stands for the root of the pages' file system, and the addresses in use."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.ports: dict[str, int] = {number: free_port() for number in ("8080", "9080", "9025")}
        program = top / "bin" / "masv-watch"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m masv_watch "$@"\n')
        program.chmod(0o755)
        # the last one is the daemon's own: a command would show it to it
        secrets = {name: text for name, text in SECRETS.items() if name != "MASV_WATCH_TOKEN"}
        # what this machine's user has set for himself is not what the pages are about
        around = {key: text for key, text in os.environ.items() if "MASV_" not in key}
        self.environ = {
            **around, **secrets, "NO_PROXY": "*",
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT), "HOME": str(top), "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    def here(self, text: str) -> str:
        """Put this ground's places for those of the page."""
        text = re.sub(r"(?<![\w.])/(srv|mnt|var/lib/masv-watch)\b", rf"{self.top}/\1", text)
        for number, port in self.ports.items():
            text = re.sub(rf"\b(?:127\.0\.0\.1|localhost):{number}\b", f"127.0.0.1:{port}", text)
            text = re.sub(rf"\bport: {number}\b", f"port: {port}", text)
        return text

    def there(self, text: str) -> str:
        """Put the page's places for those of this ground."""
        text = text.replace(f"{self.top}/", "/")
        for number, port in self.ports.items():
            text = text.replace(f":{port}", f":{number}")
        return text


class Shell:
    """One shell in a folder of its own, and what it left running."""

    def __init__(self, ground: Ground, folder: Path, **environ: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._ground, self._folder = ground, folder
        self._environ = {**ground.environ, **environ}
        self._running: list[subprocess.Popen[bytes]] = []
        self._bash = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=self._environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def write(self, block: Block) -> None:
        """Write the file that a block is, under the name that its caption gives."""
        file = self._folder / block.caption
        file.parent.mkdir(exist_ok=True)
        file.write_text(self._ground.here(block.text))
        file.chmod(0o600)

    def carry_out(self, step: Step, *, may_fail: bool = False) -> None:
        """Carry out one command and compare what it prints with what the page shows."""
        command = self._ground.here(step.command)
        if re.match(r"masv-watch (?:run|sandbox)\b", command) and "--once" not in command:
            self._begin(command, step.shown)
        elif LOOKS.match(step.command) and step.shown:
            pause = 0.1 if PLAIN.fullmatch(command) else 0.5
            eventually(lambda: self._once(command, step.shown, may_fail=may_fail), every=pause)
        else:
            self._once(command, step.shown, may_fail=may_fail)

    def _once(self, command: str, shown: tuple[str, ...], *, may_fail: bool) -> bool:
        status, output = self._typed(command) if may_fail else self.run(command)
        said = f"$ {command}\n{output}[status {status}]"
        assert status == 0 or may_fail, said
        if shown:
            seen = self._ground.there(output).strip() + "\n"
            assert pattern_of(shown).fullmatch(seen), f"{said}\nshown: {chr(10).join(shown)}"
        return True

    def run(self, command: str) -> tuple[int, str]:
        """Run a command line and give its status and all that it printed."""
        return self._called(command) if PLAIN.fullmatch(command) else self._typed(command)

    def _called(self, command: str) -> tuple[int, str]:
        """Carry out a command of ours in this process, by what the console script calls."""
        printed = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        with (
            contextlib.chdir(self._folder),
            patch.dict(os.environ, self._environ, clear=True),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            try:
                status = cli.main(command.split()[1:])
            except SystemExit as stop:
                status = int(stop.code or 0)
        return status, printed.buffer.getvalue().decode()  # type: ignore[attr-defined]

    def _typed(self, command: str) -> tuple[int, str]:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        # the status stays what it was for an `echo $?` that follows
        tail = f'status=$?; printf "\\n{_ENDED}%s\\n" $status; (exit $status)'
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null\n{tail}\n")
        self._bash.stdin.flush()
        output: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(_ENDED):
                text = "".join(output)
                return int(line.removeprefix(_ENDED)), text.removesuffix("\n")
            output.append(line)
        raise AssertionError(f"the shell ended: {''.join(output)}")

    def _begin(self, command: str, shown: tuple[str, ...]) -> None:
        """Start what stays, as in a terminal of its own, and wait until it is ready."""
        log = self._folder / f"{len(self._running)}.log"
        with log.open("wb") as out:
            self._running.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {command}"], cwd=self._folder, env=self._environ,
                    stdout=out, stderr=out,
                )
            )  # fmt: skip
        wanted = pattern_of((*shown, "...") if shown else ("...", "<time> INFO ready", "..."))

        def is_there() -> bool:
            text = self._ground.there(log.read_text("utf-8", "replace"))
            assert wanted.fullmatch(text.strip() + "\n"), f"{command}\n{text}"
            return True

        eventually(is_there, every=0.05)

    def end(self) -> None:
        """End what was begun, the last first."""
        for process in reversed(self._running):
            process.terminate()
            process.wait(60)
        self._running.clear()
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        self._bash.wait(60)


def pattern_of(shown: Iterable[str]) -> re.Pattern[str]:
    """Give the expression for shown output: `...` stands for any lines, a placeholder for its kind.

    An unknown placeholder is a mistake of the page.
    """
    text = ""
    for line in shown:
        if line.strip() == "...":
            text += r"(?:.*\n)*"
            continue
        pieces = re.split(r"(<[a-z]+>)", line.rstrip())
        words = [
            PLACEHOLDERS[piece] if index % 2 else re.escape(piece)
            for index, piece in enumerate(pieces)
        ]
        text += "".join(words) + r"[ ]*\n"
    return re.compile(text)


def configured(blocks: Iterable[Block], ground: Ground, cloud: Sandbox) -> str:
    """Write one configuration with the rules of all blocks, to be tried out without waiting."""
    rules: dict[str, Any] = {}
    for block in blocks:
        tree = yaml.compose(ground.here(block.text), yaml.SafeLoader)
        for rule in _members(tree).get("hot_folders", yaml.SequenceNode("", [])).value:
            rules.setdefault(_members(rule)["name"].value, rule)
    for rule in rules.values():
        quickly(rule)
        Path(_members(rule)["path"].value).mkdir(parents=True, exist_ok=True)
    sequence = yaml.SequenceNode("tag:yaml.org,2002:seq", list(rules.values()))
    tree = yaml.MappingNode("tag:yaml.org,2002:map", [(_text("hot_folders"), sequence)])
    head = (
        f"version: 1\n"
        f'masv: {{team: acme, api_key: !env MASV_API_KEY, api_url: "{cloud.api}"}}\n'
        f'server: {{listen: "http://127.0.0.1:{ground.ports["8080"]}"}}\n'
        f"state: {ground.top}/state\n"
        f"mail: {{smtp: {{host: 127.0.0.1, port: {cloud.smtp_port}, tls: none}},"
        f" from: delivery@example.com, alerts: {{to: [it@example.com]}}}}\n"
    )
    return head + yaml.serialize(tree, Dumper=yaml.SafeDumper)


def quickly(rule: Any) -> None:
    """Let a rule wait a second where it would wait for a quiet time."""
    settle = _members(rule).get("settle")
    if settle is None:
        settle = yaml.MappingNode("tag:yaml.org,2002:map", [])
        rule.value.append((_text("settle"), settle))
    settle.value = [pair for pair in settle.value if pair[0].value != "quiet"]
    settle.value.append((_text("quiet"), _text("1s")))


def _members(node: Any) -> dict[str, Any]:
    return {key.value: value for key, value in node.value}


def _text(word: str) -> Any:
    return yaml.ScalarNode("tag:yaml.org,2002:str", word)


class Town:
    """A cloud, and one daemon that runs the rules of many pages."""

    def __init__(self, top: Path, blocks: Iterable[Block]) -> None:
        self.ground = Ground(top)
        self.cloud = Sandbox(top / "cloud")
        self.ground.ports |= {"9080": int(self.cloud.api.rpartition(":")[2])}
        self.config = top / "masv-watch.yml"
        self.config.write_text(configured(blocks, self.ground, self.cloud))
        self.config.chmod(0o600)
        shutil.copy(PROJECT / "config" / "examples" / "letter.html", top)
        port = int(self.ground.ports["8080"])
        self.daemon = Daemon(self.config, port, top / "daemon.log")
        self.daemon.start(environ=SECRETS).until_ready()

    def shell(self, name: str) -> Shell:
        """Open a shell in a folder of its own, beside this daemon."""
        config = {"MASV_WATCH_CONFIG": str(self.config)}
        return Shell(self.ground, self.ground.top / "pages" / name, **config)

    def get(self, path: str) -> tuple[int, str]:
        """Make a call whose answer is text."""
        with urllib.request.urlopen(f"{self.daemon.api}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()

    def end(self) -> None:
        """End the daemon, then the cloud."""
        self.daemon.stop()
        self.cloud.end()
