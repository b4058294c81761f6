"""The documented page of masv-agent: its curl commands, taken out and filled in.

Owns how a command is found in the page and which words in it are placeholders. Never holds a
command itself: without the page the tests fail. Used by the tests of the documented page.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.integration.page.station import Answer
from tests.processes import PROJECT

PAGE = PROJECT.parent / "shared" / "reference" / "agent-uploads-page.txt"
#: the site of the page hides every address behind this, with a blank that does not break
_MASKED = "[email protected]"
_URL = re.compile(r"http://localhost:8080(/[^\s'\"]*)")


@dataclass(frozen=True)
class Command:
    """One curl command as the page prints it."""

    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def call(self) -> tuple[str, str]:
        """Give method and path."""
        found = _URL.search(self.text)
        assert found, self.text
        return self.words[self.words.index("-X") + 1], found[1]

    def filled(self, words: Mapping[str, str]) -> str:
        """Replace placeholders; each must be there, and none may be left."""
        text = self.text
        for placeholder, value in words.items():
            assert placeholder in text, f"{placeholder!r} is not in {self.text!r}"
            text = text.replace(placeholder, value)
        left = re.findall(r"\{UPLOAD_ID\}|[A-Z]+_SUBDOMAIN|/path/to|:8080|\[email", text)
        assert not left, f"{left} was not filled in: {text}"
        return text


def commands() -> dict[tuple[str, str], Command]:
    """Take every curl command out of the page, by method and path.

    A command goes on over as many lines as its quotes stay open.
    """
    assert PAGE.is_file(), f"the documented page must lie beside the checkout: {PAGE} is missing"
    found: list[Command] = []
    lines = iter(PAGE.read_text("utf-8").splitlines())
    for line in lines:
        if not line.startswith("curl "):
            continue
        text = line
        while not _is_whole(text):
            text += "\n" + next(lines)
        found.append(Command(re.sub(r"\[email\sprotected\]", _MASKED, text)))
    calls = {command.call: command for command in found}
    assert len(calls) == len(found), "two commands of the page make the same call"
    return calls


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


class Reader:
    """Somebody who pastes commands of the page into a shell."""

    def __init__(self, port: int, home: Path) -> None:
        """Fill in this port; `home` gets the settings by which curl tells the status as well."""
        self.commands = commands()
        self._port = port
        self._home = home
        home.mkdir()
        (home / ".curlrc").write_text(
            'silent\nshow-error\nnoproxy = "*"\nwrite-out = "%{stderr}%{http_code}"\n'
        )

    def paste(self, method: str, path: str, without: str = "", **words: str) -> Answer:
        """Run a command as printed but for its placeholders, and give what came.

        `words` are keys of `WORDS` with what stands there instead; `without` leaves out the one
        optional line of the body that holds it.
        """
        command = self.commands[method, path]
        if without:
            lines = [line for line in command.text.splitlines() if without not in line]
            assert len(lines) == len(command.text.splitlines()) - 1
            command = Command("\n".join(lines))
        filled = command.filled(
            {":8080": f":{self._port}", **{WORDS[name]: value for name, value in words.items()}}
        )
        done = subprocess.run(
            ["/bin/sh", "-c", filled],
            capture_output=True, timeout=60, check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self._home)},
        )  # fmt: skip
        assert done.returncode == 0, (filled, done.stderr.decode())
        return Answer(int(done.stderr), done.stdout, {})


#: the words of the page that stand for somebody's own
WORDS = {
    "upload_id": "{UPLOAD_ID}",
    "team": "TEAM_SUBDOMAIN",
    "portal": "PORTAL_SUBDOMAIN",
    "address": _MASKED,
    "first": "/path/to/file/or/folder",
    "second": "/path/to/another/file/or/folder",
    "password": "optional_download_password",
    "code": "optional_access_code",
}
