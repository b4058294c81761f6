"""Slips of a first configuration, each made in a file that is right otherwise: one line tells it.

The table beside it (`test_cli_first_hour`) has what the machine and the cloud have to say; this one
has what hands do to a file. Every row is carried out in this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import Sandbox, free_port

_RIGHT = """\
version: 1
masv: {{api_url: "{api}", team: acme, api_key: "sandbox-key"}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: a@example.com, alerts: {{to: [it@example.com]}}}}
hot_folders:
  - name: out
    path: {top}/out
    to: {{recipients: []}}
"""  # noqa: E501 - one line for each section, so that a row can name it
_TWO = "to: {{recipients: []}}\n  - {{name: two, path: {top}/two, %s}}"


@dataclass(frozen=True)
class Slip:
    """One mistake: what stood there, what stands there now, and what must be said of it."""

    right: str
    wrong: str
    #: each on the line that tells it
    about: str
    cure: str
    status: int = 2
    #: lines that tell of it: one, but for what is wrong at two places
    lines: int = 1
    #: further words of the command
    words: tuple[str, ...] = ()


SLIPS = {
    "tab": Slip("    path:", "\tpath:", ":8:1: syntax: a tab cannot indent", "use spaces"),
    "indent": Slip("    path:", "   path:", ":8:4: syntax:", "in the same column"),
    "no blank": Slip("path: ", "path:", ":9:5: syntax: a key without", "write `key: value`"),
    "open quote": Slip("[it@", '["it@', "a quote opens here and is never closed", ""),
    "open bracket": Slip("[]}}", "[a}}", ":9:22: syntax: the bracket", "lacks its end"),
    "tilde": Slip("{top}/out", "~/out", "`~` is not expanded", "begin it with /"),
    "relative": Slip("{top}/out", "out", "is not an absolute path", "begin it with /"),
    "share": Slip("{top}/out", "smb://nas/out", "is not an absolute path", "begin it with /"),
    "proc": Slip("{top}/out", "/proc/1", "lies in /proc, of which nothing", "another folder"),
    "devices": Slip("{top}/out", "/dev/disk", "lies in /dev, of which nothing", "another folder"),
    "home": Slip("{top}/out", "/root", "/root is a home", "such as /srv/out", 0, 1,
                 ("--no-probe",)),
    "system": Slip("{top}/out", "/etc", "/etc is the system's own", "such as /srv/out", 0, 1,
                   ("--no-probe",)),
    "file": Slip("{top}/out", "{top}/file", "file is not a folder", "name a folder"),
    "blank at the end": Slip("{top}/out", '"{top}/out "', "name ends with a blank", "make it", 0),
    "state inside": Slip("{top}/state", "{top}/out/state", ":4:8: state: the state folder lies"
                         " inside the hot folder", "move it out"),
    "through a link": Slip("to: {{recipients: []}}",
                           _TWO.replace("/two", "/link") % "to: {{recipients: []}}",
                           "is the same folder as the one at line 8", "each may be named once"),
    "anchors": Slip("to: {{recipients: []}}", _TWO.replace("to: {{rec", "to: &a {{rec") % "to: *a",
                    "anchors and aliases are not available", "`like: NAME` of another", 2, 2),
    "merging": Slip("to: {{recipients: []}}", _TWO % "<<: {{to: {{recipients: []}}}}",
                    "merging is not available", "`like: NAME` of another"),
    "number as port": Slip('"http://127.0.0.1:{port}"', "8080", "must be text, not the number",
                           "put it in quotes"),
    "port alone": Slip("http://127.0.0.1:", "127.0.0.1:", "is not a listener", "http://HOST:PORT"),
    "long socket": Slip("http://127.0.0.1:{port}", "unix:///" + "x" * 120, "path of the socket is",
                        "the kernel takes 107"),
    "socket nowhere": Slip("http://127.0.0.1:{port}", "unix://{top}/no/api.sock", "/no is missing:"
                           " run cannot listen in it", "make it", 0),
    "team's address": Slip("team: acme", "team: acme.massive.app", "is an address", "`acme`"),
    "another team": Slip("team: acme", "team: acmee", "does not belong to team", "(acme)"),
    "plain cloud": Slip('api_url: "{api}"', "api_url: http://masv.invalid",
                        "masv.api_url: warning: the API key and all files go out unencrypted",
                        "use https://", 0, 1, ("--no-network",)),
    "key with line end": Slip('"sandbox-key"', '"sandbox-key\\n"', "a line break", "one line"),
    "key with quotes": Slip('"sandbox-key"', "'\"sandbox-key\"'", "quotes around it", "leave them"),
    "key with blank": Slip('"sandbox-key"', '" sandbox-key"', "has a blank", "the key alone"),
    "key with bearer": Slip('"sandbox-key"', '"Bearer sandbox-key"', "`Bearer`", "the key alone"),
    "key of the shell": Slip('"sandbox-key"', "$MASV_API_KEY", "the name of a variable", "`!env"),
    "key of no file": Slip('"sandbox-key"', "!file {top}/key", "does not exist", "chmod 600"),
    "mail host with port": Slip("host: 127.0.0.1", 'host: "127.0.0.1:25"', "is no host", "without"),
    "mail encryption": Slip("tls: none", "tls: ssl", "`ssl` is not known", "starttls or implicit"),
    "mail without TLS": Slip("tls: none", "tls: starttls", "STARTTLS", "check mail.smtp.tls", 0),
    "mail with TLS": Slip("tls: none", "tls: implicit", "WRONG_VERSION", "mail.smtp.tls", 0),
    "portal": Slip("{{recipients: []}}", "{{portal: valt, sender: a@example.com}}", "404",
                   "of vault.portal.massive.app the name is vault"),
    "name of a person": Slip("[]}}", '["Anna <a@example.com>"]}}', "is no mail address", "write"),
    "two in one": Slip("[]}}", '["a@example.com; b@example.com"]}}', "is no mail address", "write"),
    "no list": Slip("[]}}", "a@example.com}}", "must be a list", "write [ADDRESS, ...]"),
    "time zone": Slip("to: {{", 'schedule: {{open: "19:00-07:00", tz: Europe/Berlinn}}\n    to: {{',
                      "did you mean `Europe/Berlin`?", "a name such as"),
    "day": Slip("to: {{", 'schedule: {{open: "mo-fr 19:00-07:00"}}\n    to: {{',
                "names a day that is not known", "mon, tue"),
    "no template": Slip("to: {{", "link: {{mail_to: [a@example.com], template: {top}/no}}\n    to:"
                        " {{", "/no does not exist", "name a file"),
    "template": Slip("to: {{", "link: {{mail_to: [a@example.com], template: {top}/out}}\n    to:"
                     " {{", "/out is not a file", "name a file"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield made
    made.end()


def written(top: Path, sandbox: Sandbox, slip: Slip | None = None) -> Path:
    """Write a configuration, right or with one slip."""
    for name in ("out", "two"):
        (top / name).mkdir()
    (top / "file").touch()
    (top / "link").symlink_to(top / "out")
    text = _RIGHT
    if slip is not None:
        assert text.count(slip.right) == 1, slip.right
        text = text.replace(slip.right, slip.wrong)
    path = top / "masv-watch.yml"
    path.write_text(text.format(api=sandbox.api, smtp=sandbox.smtp_port, port=free_port(), top=top))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("name", SLIPS)
def test_slip_in_a_first_configuration_is_told_in_one_line_with_its_cure(
    tmp_path, sandbox, carry_out, name
):
    """Where, what is wrong and what to do; the key is in none of it."""
    slip = SLIPS[name]
    path = written(tmp_path, sandbox, slip)

    status, _, said = carry_out("check", *slip.words, "-c", str(path))

    told = [line for line in said.splitlines() if line.startswith(str(path))]
    assert status == slip.status, said
    assert len(told) == slip.lines, said
    assert all(slip.about in line and slip.cure in line for line in told), said
    assert "sandbox-key" not in said
