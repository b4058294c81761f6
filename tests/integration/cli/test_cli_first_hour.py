"""Every mistake of the first hour, made with the real command: one message, with its cure.

The table is the list; each row makes its mistake in a configuration that is right otherwise.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from masv_watch import files
from tests.processes import PROJECT, Daemon, Sandbox, ask, free_port

#: runs the command with another list of mounts, one in which all is on NFS
_ON_NFS = """
import re, sys
import masv_watch.files
mounts = sys.modules["masv_watch.files.mounts"]
text = open("/proc/self/mountinfo", "rb").read()
open(sys.argv[1], "wb").write(re.sub(rb" - \\S+ ", b" - nfs4 ", text))
mounts._MOUNTS = sys.argv[1].encode()
from masv_watch.cli import main
sys.exit(main(sys.argv[2:]))
"""
#: runs the command on a machine whose table of mounts is the given one
_WITH_FSTAB = 'mount --bind "$0" /etc/fstab && exec "$@"'
#: runs the command as a user whom no right is given but by modes
_PLAIN = ["setpriv", "--bounding-set=-all"]


@dataclass
class Ground:
    """A configuration that is right, and what a row changes of it."""

    top: Path
    sandbox: Sandbox
    key: str = "sandbox-key"
    state: str = ""
    smtp_port: int = 0
    port: int = field(default_factory=free_port)
    #: by what the interpreter is run
    by: list[str] = field(default_factory=list)
    #: what the interpreter runs, before the command's own words
    program: list[str] = field(default_factory=lambda: ["-m", "masv_watch"])
    #: called once the command has ended
    ends: list[Callable[[], object]] = field(default_factory=list)

    def write(self) -> Path:
        """Write the file."""
        path = self.top / "masv-watch.yml"
        path.write_text(
            "version: 1\n"
            f'masv: {{api_url: "{self.sandbox.api}", team: acme, api_key: {self.key}}}\n'
            f'server: {{listen: "http://127.0.0.1:{self.port}"}}\n'
            f"state: {self.state or self.top / 'state'}\n"
            f"mail: {{smtp: {{host: 127.0.0.1, port: {self.smtp_port or self.sandbox.smtp_port},"
            " tls: none}, from: a@example.com, alerts: {to: [it@example.com]}}\n"
            f"hot_folders: [{{name: out, path: {self.top / 'out'}, to: {{recipients: []}}}}]\n"
        )
        path.chmod(0o600)
        return path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a user types it, and say what it said."""
        path = self.write()
        try:
            return subprocess.run(
                [*self.by, sys.executable, *self.program, *words, "-c", str(path)],
                cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        finally:
            for end in self.ends:
                end()


def wrong_key(ground: Ground) -> None:
    ground.key = "hunter2-hunter2"


def no_rights_in_the_folder(ground: Ground) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(ground.top / "out", 65534, 65534)
    (ground.top / "out").chmod(0o700)
    ground.by = _PLAIN


def port_taken(ground: Ground) -> None:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    ground.port = taken.getsockname()[1]
    ground.ends.append(taken.close)


def port_of_the_system(ground: Ground) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 81:
        pytest.skip("this machine lets everybody listen on any port")
    ground.port = 81
    ground.by = _PLAIN


def state_on_nfs(ground: Ground) -> None:
    ground.program = ["-c", _ON_NFS, str(ground.top / "mounts")]


def credential_outside(ground: Ground) -> None:
    ground.key = "!credential api_key"


def state_of_somebody_else(ground: Ground) -> None:
    (ground.top / "file").write_bytes(b"")
    ground.state = str(ground.top / "file")


def smtp_wrong(ground: Ground) -> None:
    ground.smtp_port = free_port()


def two_daemons(ground: Ground) -> None:
    first = Daemon(ground.write(), ground.port, ground.top / "daemon.log").start().until_ready()
    ground.ends.append(first.stop)
    ground.port = free_port()


def before_the_mount(ground: Ground) -> None:
    (ground.top / "out").rmdir()


def _named_in_fstab(ground: Ground, point: Path) -> None:
    fstab = ground.top / "fstab"
    fstab.write_text(f"# what is mounted\nnas:/hot {point} nfs4 nofail,_netdev 0 0\n")
    within = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _WITH_FSTAB]
    if subprocess.run([*within, str(fstab), "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody have mounts of his own")
    ground.by = [*within, str(fstab)]


def before_the_mount_of_an_empty_folder(ground: Ground) -> None:
    _named_in_fstab(ground, ground.top / "out")


def before_the_mount_above(ground: Ground) -> None:
    before_the_mount(ground)
    _named_in_fstab(ground, ground.top)


def clock_wrong(ground: Ground) -> None:
    (ground.top / "offset").write_text(str(-3 * 86400))
    ground.program = ["-m", "tests.integration.daemon.clocked", str(ground.top / "offset")]


#: mistake, command, exit status, what the one line is about, what helps
MISTAKES = [
    (wrong_key, "check", 2, "the cloud refused the API key", "correct masv.api_key"),
    (no_rights_in_the_folder, "check", 0, "cannot be read by this user", "chmod g+rx"),
    (port_taken, "run", 5, "cannot listen on", "set server.listen to another address"),
    (port_of_the_system, "check", 0, "may not listen on port 81", "name one from 1024 on"),
    (port_of_the_system, "run", 5, "cannot listen on http://127.0.0.1:81", "a port from 1024 on"),
    (state_on_nfs, "check", 0, "state: warning:", "name a local folder"),
    (credential_outside, "check", 0, "the credential api_key was not looked up",
     "systemd-run --pipe --wait -p LoadCredential=api_key:masv-watch.api_key masv-watch check -c"),
    (state_of_somebody_else, "run", 3, "/file", "set `state:` to another folder"),
    (smtp_wrong, "check", 0, "mail.smtp: warning:", "check mail.smtp.host and mail.smtp.port"),
    (two_daemons, "run", 3, "held by another masv-watch, process", "stop that one first"),
    (before_the_mount, "check", 0, "is missing: run will wait", "mount it or make it"),
    (before_the_mount_of_an_empty_folder, "check", 0,
     "out lies on a bare mount point: /etc/fstab names a file system for",
     "mount it before the service starts, which the drop-in that `masv-watch service paths`"),
    (before_the_mount_above, "check", 0, "out is missing: /etc/fstab names a file system for",
     "mount it before the service starts, which the drop-in that `masv-watch service paths`"),
    (clock_wrong, "check", 0, "clock is 3 days behind", "timedatectl set-ntp true"),
]  # fmt: skip


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield made
    made.end()


@pytest.mark.parametrize(
    ("mistake", "command", "status", "about", "cure"),
    MISTAKES,
    ids=[f"{row[0].__name__} {row[1]}".replace("_", " ") for row in MISTAKES],
)
def test_mistake_of_the_first_hour_gives_one_message_with_its_cure(
    tmp_path, sandbox, mistake, command, status, about, cure
):
    """Where, what is wrong and what to do stand on one line, and nothing else is said."""
    ground = Ground(top=tmp_path, sandbox=sandbox)
    (tmp_path / "out").mkdir()
    mistake(ground)

    said = ground.run(command)

    told = [line for line in said.stderr.splitlines() if about in line]
    assert said.returncode == status, said.stderr
    assert len(told) == 1, said.stderr
    assert cure in told[0]
    assert "Traceback" not in said.stderr
    assert "hunter2" not in said.stderr
    # nothing else is wrong with this configuration
    others = [
        line for line in said.stderr.splitlines() if line not in told and " INFO " not in line
    ]
    assert others == [], said.stderr


def test_configuration_without_a_mistake_is_told_nothing(tmp_path, sandbox):
    """What the table changes is right to begin with."""
    ground = Ground(top=tmp_path, sandbox=sandbox)
    (tmp_path / "out").mkdir()

    said = ground.run("check")

    assert (said.returncode, said.stderr) == (0, "")


def test_folder_that_carries_a_marker_is_no_bare_mount_point_whatever_the_table_says(
    tmp_path, sandbox
):
    """As one that was adopted, because the table is older than the disk."""
    ground = Ground(top=tmp_path, sandbox=sandbox)
    (tmp_path / "out").mkdir()
    before_the_mount_of_an_empty_folder(ground)
    with files.Root.open(bytes(tmp_path / "out")) as root:
        assert files.write_marker(root, files.RootMarker(state="", hot_folder="out")) == ""

    said = ground.run("check")

    assert "bare mount point" not in said.stderr


def test_daemon_whose_state_lies_on_nfs_says_so_in_log_and_status(tmp_path, sandbox):
    """It runs, and whoever did not run check is told of the locks all the same."""
    ground = Ground(top=tmp_path, sandbox=sandbox)
    (tmp_path / "out").mkdir()
    daemon = Daemon(ground.write(), ground.port, tmp_path / "daemon.log")
    daemon.program = ("-c", _ON_NFS, str(tmp_path / "mounts"))
    daemon.start().until_ready()
    try:
        concerns = ask(daemon.api, "/readyz")[1]["concerns"]
    finally:
        daemon.stop()

    (told,) = [each for each in concerns if "state" in each]
    assert told == (
        f"the state in {tmp_path}/state lies on a network file system,"
        " whose locks are not to be relied on"
    )
    assert "the state is not safe where it is" in daemon.text()


def test_credential_that_the_unit_does_not_hand_over_is_a_mistake_inside_of_it(tmp_path, sandbox):
    """ExecStartPre fails where the start would fail, and names the line that is missing."""
    ground = Ground(top=tmp_path, sandbox=sandbox, key="!credential api_key")
    (tmp_path / "out").mkdir()
    # the manager names the process that it starts; this one starts the command by exec
    ground.by = ["sh", "-c", 'SYSTEMD_EXEC_PID=$$ exec "$0" "$@"']

    said = ground.run("check", "--no-network")

    assert said.returncode == 2
    assert "add `LoadCredential=api_key:PATH` to the unit" in said.stderr


def test_state_is_examined_without_the_service_s_secrets(tmp_path, sandbox):
    """Whoever looks for damage from a shell has none of its credentials."""
    ground = Ground(top=tmp_path, sandbox=sandbox, key="!credential api_key")
    (tmp_path / "out").mkdir()

    said = ground.run("state", "check")

    assert "there is no state at" in said.stderr
    assert "credential" not in said.stderr
