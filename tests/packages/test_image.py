"""The image that the Containerfile describes: built by buildah, and run once.

No engine and no registry of images is needed: buildah works within a chroot, and the image that the
file begins with is made of Debian's own Python by debootstrap.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packages.ground import ran, tool
from tests.processes import Sandbox, ask, free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

NOBODY = 65534
TOKEN = "0123456789abcdef" * 4
FIRST = "docker.io/library/python:3.11-slim"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


class Builder:
    """buildah with all of its images in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._words = [
            tool("buildah", "buildah"), "--root", f"{folder}/root", "--runroot", f"{folder}/run",
            "--storage-driver", "vfs",
        ]  # fmt: skip

    def words(self, *words: object) -> list[str]:
        return [*self._words, *map(str, words)]

    def __call__(self, *words: object) -> str:
        """Have it do something to its end; give what it printed."""
        return ran(*self.words(*words), timeout=1200).stdout.strip()


@pytest.fixture(scope="module")
def builder(room: Path) -> Iterator[Builder]:
    """Give it with the image that the file begins with, or rather one that has the same in it."""
    if os.geteuid() != 0:
        pytest.fail("an image is built by root: run `make test-packages` as root")
    slim = room / "slim"
    ran(
        tool("debootstrap", "debootstrap"), "--variant=minbase",
        "--include=python3,python3-venv,ca-certificates", "bookworm", slim,
        timeout=1200,
    )  # fmt: skip
    (slim / "usr/bin/python").symlink_to("python3")
    # whoever stands before this machine's index of packages is believed in there, too
    shutil.copy(f"/{CERTIFICATES}", slim / CERTIFICATES)
    made = Builder(room / "images")
    container = made("from", "scratch")
    made("add", "-q", container, slim, "/")
    made("commit", "-q", "--rm", container, FIRST)
    shutil.rmtree(slim)
    yield made
    made("rm", "--all")
    made("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def image(builder: Builder, project: Path) -> str:
    """Give the image, built as the file's first lines say."""
    builder(
        "build", "--isolation", "chroot", "--pull-never", "--format", "docker",
        "-f", project / "contrib/container/Containerfile", "-t", "masv-watch", project,
    )  # fmt: skip
    return "localhost/masv-watch"


def test_image_runs_as_nobody_and_has_its_health_check(builder, image):
    """What an engine reads of it: user, volume, port, the signal that ends it, how it is."""
    config: dict[str, Any] = json.loads(builder("inspect", "--type", "image", image))["Docker"][
        "config"
    ]

    assert config["User"] == f"{NOBODY}:{NOBODY}"
    assert config["Entrypoint"] == ["masv-watch"]
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["Volumes"]) == ["/state"]
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert "/readyz" in config["Healthcheck"]["Test"][-1]


def test_image_delivers_a_drop_and_ends_on_its_signal(builder, image, project, tmp_path):
    """The program that pip put into it, with the example configuration, as nobody."""
    sandbox = Sandbox(tmp_path / "cloud")
    port, folders = free_port(), tmp_path / "folders"
    for name in ("config", "hot/out", "media"):
        (folders / name).mkdir(parents=True)
    configure(folders / "config", project, sandbox, port=port)
    container = builder("from", "--pull-never", image)
    log = tmp_path / "daemon.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            builder.words(
                "run", "--isolation", "chroot", "-v", f"{folders}/config:/etc/masv-watch:ro",
                "-v", f"{folders}/hot:/hot", "-v", f"{folders}/media:/media:ro",
                "--env", "MASV_API_KEY=sandbox-key", "--env", f"MASV_WATCH_TOKEN={TOKEN}",
                container, "--", "masv-watch", "run", "-c", "/etc/masv-watch/masv-watch.yml",
            ),
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        eventually(lambda: is_ready(process, log, port))
        (folders / "hot/out/shot.mov").write_bytes(b"frame" * 1000)
        (package,) = eventually(sandbox.packages)
        (pid,) = re.findall(r"masv-watch runs .* pid=(\d+)", log.read_text())
        uids = Path(f"/proc/{pid}/status").read_text()
        os.kill(int(pid), signal.SIGTERM)
        status = process.wait(60)
    finally:
        process.kill()
        process.wait(20)
        sandbox.end()
        builder("rm", container)

    assert package["name"] == "shot.mov"
    assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in uids
    assert status == 0, log.read_text()


def configure(folder: Path, project: Path, sandbox: Sandbox, *, port: int) -> None:
    """Write the example for containers, as far as this machine must have it otherwise."""
    text = (project / "config/examples/container.yml").read_text()
    text = text.replace("masv: {", f'masv: {{api_url: "{sandbox.api}", ')
    text = text.replace(":8080\n", f":{port}\n")
    text = text.replace("path: /hot/out", "path: /hot/out\n    settle: {quiet: 1s}")
    (folder / "masv-watch.yml").write_text(text)


def is_ready(process: subprocess.Popen[bytes], log: Path, port: int) -> bool:
    if process.poll() is not None:
        pytest.fail(f"it ended:\n{log.read_text('utf-8', 'replace')}")
    try:
        return ask(f"http://127.0.0.1:{port}", "/readyz")[0] == 200
    except OSError:
        return False
