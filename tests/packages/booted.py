"""A system of `ground` that is booted: its systemd is PID 1 of namespaces of its own.

Owns the start and the end of it, its control groups, and what is run in it. Never part of the
product. Used by the tests of the unit.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.packages.ground import Ground
from tests.waiting import eventually

BOOT = Path(__file__).with_name("boot.sh")
UNIT = "masv-watch.service"
#: SIGRTMIN+4: systemd's order to power off
_POWER_OFF = signal.SIGRTMIN + 4
#: what the start of a control group's end is, from within a mount namespace of its own
_UNGROUP = 'mount -t cgroup2 cgroup2 /mnt && find "/mnt/$0" -depth -type d -exec rmdir {} \\;'


class Booted:
    """One system under its own systemd."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.group = f"masv-watch-test-{os.getpid()}"
        self._log = ground.path("/var/tmp/boot.log")
        with self._log.open("ab") as log:
            self._outside = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private",
                 "sh", str(BOOT), str(ground.folder), self.group],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._pid = eventually(self._manager)
            # degraded is up, too: units of the system itself that have no sense in a namespace
            eventually(
                lambda: (
                    self.systemctl("is-system-running").stdout.strip() in {"running", "degraded"}
                ),
                every=0.2,
            )
        except BaseException:
            self.end()
            raise

    def _manager(self) -> int | None:
        """Give the PID, on this machine, of the systemd that is 1 in there."""
        assert self._outside.poll() is None, self._log.read_text("utf-8", "replace")
        children = Path(f"/proc/{self._outside.pid}/task/{self._outside.pid}/children").read_text()
        for pid in children.split():
            with suppress(FileNotFoundError):
                if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return int(pid)
        return None

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command in there; give how it ended."""
        return subprocess.run(
            ["nsenter", "--target", str(self._pid), "--all", *map(str, words)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def systemctl(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", "--no-pager", *words)

    def did(self, *words: object) -> str:
        """Have systemctl do something, or fail with what the journal says; give its words."""
        done = self.systemctl(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout

    def shown(self, key: str) -> str:
        """Give a property of our unit."""
        return self.did("show", "--property", key, "--value", UNIT).strip()

    def journal(self) -> str:
        """Give what our unit said, and what was said of it."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit", UNIT).stdout

    def pid(self) -> int:
        """Give the PID of the service on this machine."""
        inner = self.shown("MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            row = next((row for row in text.splitlines() if row.startswith("NSpid:")), "")
            if row.split()[2:] == [inner] and self._is_ours(status.parent):
                return int(row.split()[1])
        raise LookupError(f"no process is {inner} in there:\n{self.journal()}")

    def _is_ours(self, process: Path) -> bool:
        return (process / "ns/pid").readlink() == Path(f"/proc/{self._pid}/ns/pid").readlink()

    def end(self) -> None:
        """Power it off, hard where it does not end by itself, and take its groups away."""
        if self._outside.poll() is None and hasattr(self, "_pid"):
            os.kill(self._pid, _POWER_OFF)
        try:
            self._outside.wait(60 if hasattr(self, "_pid") else 0.1)
        except subprocess.TimeoutExpired:
            self._outside.kill()
            self._outside.wait(20)
        subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _UNGROUP, self.group],
            check=False, capture_output=True,
        )  # fmt: skip
