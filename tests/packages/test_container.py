"""The example for containers, run as in one: nobody, a read-only root, no capability.

No container tool is needed: what the compose file asks of one is asked of the kernel here. The
program is the one that the Debian package installed.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.page.station import curl
from tests.processes import Sandbox, free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

NOBODY = 65534
TOKEN = "0123456789abcdef" * 4
_START = """\
set -e
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount --bind "$0/state" "$0/state"
mount -o remount,bind,ro "$0"
exec chroot "$0" setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all \\
    --inh-caps=-all --no-new-privs "$@"
"""


def test_example_for_containers_delivers_as_nobody_and_asks_for_the_token(
    ground, project, tmp_path
):
    """Nobody is a number like any other to the files, and to the API it is no one.

    Nothing but the state can be written, /tmp included.
    """
    sandbox = Sandbox(tmp_path / "cloud")
    port = free_port()
    text = (project / "config" / "examples" / "container.yml").read_text()
    text = text.replace("masv: {", f'masv: {{api_url: "{sandbox.api}", ')
    text = text.replace(":8080\n", f":{port}\n")
    ground.configure(text.replace("path: /hot/out", "path: /hot/out\n    settle: {quiet: 1s}"))
    ground.path("/hot/out").mkdir(parents=True)
    ground.path("/media").mkdir(exist_ok=True)
    ground.path("/state").mkdir(mode=0o700)
    os.chown(ground.path("/state"), NOBODY, NOBODY)
    ground.path("/etc/masv-watch").chmod(0o755)
    base, log = f"http://127.0.0.1:{port}", tmp_path / "daemon.log"
    with log.open("wb") as out:
        ground.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _START, str(ground.folder),
             "/usr/bin/masv-watch", "run", "-c", "/etc/masv-watch/masv-watch.yml"],
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8",
                 "MASV_API_KEY": "sandbox-key", "MASV_WATCH_TOKEN": TOKEN},
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        eventually(lambda: _status(ground.process, log, f"{base}/readyz") == 200, within=60)
        (ground.path("/hot/out") / "shot.mov").write_bytes(b"frame" * 1000)
        eventually(sandbox.packages, within=60)
        bare = curl(f"{base}/api/v1/uploads")
        proven = curl("-H", f"Authorization: Bearer {TOKEN}", f"{base}/api/v1/uploads")
        uids = Path(f"/proc/{ground.process.pid}/status").read_text()
        status = ground.stop()
    finally:
        sandbox.end()

    assert (bare.status, proven.status, status) == (401, 200, 0)
    assert [each["package_name"] for each in proven.tree] == ["shot.mov"]
    assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in uids
    assert "CapBnd:\t0000000000000000" in uids


def _status(process: subprocess.Popen[bytes], log: Path, url: str) -> int:
    if process.poll() is not None:
        pytest.fail(f"the daemon ended:\n{log.read_text('utf-8', 'replace')}")
    try:
        return curl(url).status
    except AssertionError:
        return 0
