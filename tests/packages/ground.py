"""A Debian system with nothing of ours on it, made by debootstrap, in which packages are tried.

Owns the folder, what is run in it, and the service as the unit would start it. Never part of the
product. Used by the tests of the Debian package.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import eventually

LIMITS = Path(__file__).with_name("limits.py")
#: a folder that debootstrap made, to be copied instead of made anew
READY = "MASV_WATCH_CLEAN_ROOT"
START_S = 60.0


def tool(name: str, package: str) -> str:
    """Give the path of a program, or fail: nothing here is skipped quietly."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: install the Debian package `{package}`")
    return found


def ran(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it said is in the failure."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


class Ground:
    """One root folder with a Debian in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self._manager: socket.socket | None = None
        self.letters: list[str] = []

    @classmethod
    def made(cls, folder: Path) -> Ground:
        """Make the system of this machine's own release, without a package of ours."""
        ready = os.environ.get(READY)
        if ready:
            ran("cp", "-a", "--reflink=auto", ready, folder)
            return cls(folder)
        with open("/etc/os-release") as lines:
            told = dict(line.rstrip().split("=", 1) for line in lines if "=" in line)
        if told.get("ID") != "debian":
            pytest.fail("the Debian package is tried on Debian: run `make test-packages` there")
        ran(
            tool("debootstrap", "debootstrap"), "--variant=minbase",
            "--include=systemd,python3,ca-certificates", told["VERSION_CODENAME"], folder,
            timeout=1200,
        )  # fmt: skip
        return cls(folder)

    def copy(self, folder: Path) -> Ground:
        """Give another one that stands as this one does."""
        ran("cp", "-a", "--reflink=auto", self.folder, folder)
        return Ground(folder)

    def path(self, absolute: str) -> Path:
        return self.folder / absolute.lstrip("/")

    def run(self, *words: object, **more: object) -> subprocess.CompletedProcess[str]:
        """Run a command as root of that system; give how it ended."""
        environ = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }  # fmt: skip
        script = 'mount -t proc proc "$0/proc"; exec chroot "$0" "$@"'
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, str(self.folder), *map(str, words)],
            env=environ,
            capture_output=True, text=True, timeout=300, check=False, **more,
        )  # fmt: skip

    def install(self, package: Path) -> str:
        shutil.copy(package, self.path("/var/tmp/package.deb"))
        done = self.run("dpkg", "-i", "/var/tmp/package.deb")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def uid(self) -> int:
        return int(self.run("id", "-u", "masv-watch").stdout)

    def configure(self, text: str) -> None:
        """Write the configuration as root does."""
        self.path("/etc/masv-watch/masv-watch.yml").write_text(text)

    def hot_folder(self, absolute: str) -> Path:
        """Make a hot folder that the service may write in."""
        folder = self.path(absolute)
        folder.mkdir(parents=True)
        os.chown(folder, self.uid(), self.uid())
        return folder

    def _limited(self, key: str) -> list[str]:
        return [
            "unshare", "--mount", "--propagation", "private",
            sys.executable, str(LIMITS), str(self.folder), key,
        ]  # fmt: skip

    def checked(self) -> str:
        """Do what ExecStartPre does, within the unit's limits; give what goes to the journal."""
        done = subprocess.run(
            self._limited("ExecStartPre"), capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def start(self) -> None:
        """Do what ExecStart does, within the unit's limits, until it says that it is ready."""
        place = self.path("/run/masv-watch-notify")
        place.unlink(missing_ok=True)
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(place))
        place.chmod(0o666)
        self._manager.setblocking(False)
        self.letters = []
        with self.path("/var/tmp/daemon.log").open("ab") as log:
            self.process = subprocess.Popen(self._limited("ExecStart"), stdout=log, stderr=log)
        eventually(lambda: any("READY=1" in each for each in self._look()), within=START_S)

    def _look(self) -> list[str]:
        assert self.process is not None
        assert self._manager is not None
        if self.process.poll() is not None:
            pytest.fail(f"the daemon ended:\n{self.log()}")
        while True:
            try:
                self.letters.append(self._manager.recv(65536).decode())
            except BlockingIOError:
                return self.letters

    def log(self) -> str:
        return self.path("/var/tmp/daemon.log").read_text("utf-8", "replace")

    def stop(self) -> int:
        """End the daemon as systemd does; give its status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(40)
        self.process = None
        if self._manager is not None:
            self._manager.close()
        return status

    def remove(self) -> None:
        """End what runs and take the folder away."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        shutil.rmtree(self.folder)
