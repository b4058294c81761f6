"""A daemon that can write nowhere but in its state, as in a container with a read-only root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PROJECT, Sandbox, free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")

_CONFIG = """\
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
hot_folders:
  - {{name: out, path: {top}/out, settle: {{quiet: 1s}}, initial: send, to: {{recipients: []}}}}
"""
_CLOSED = 'mount --bind "$0" "$0"; mount -o remount,bind,ro /; exec "$@"'


def test_drop_is_delivered_though_no_temporary_file_can_be_made(tmp_path: Path) -> None:
    """What the database needs for a moment has its place in memory, not in /tmp."""
    sandbox = Sandbox(tmp_path / "cloud")
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shot.mov").write_bytes(b"frame" * 1000)
    config = tmp_path / "masv-watch.yml"
    config.write_text(_CONFIG.format(api=sandbox.api, port=free_port(), top=tmp_path))
    config.chmod(0o600)
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", _CLOSED, str(tmp_path / "state"),
             sys.executable, "-m", "masv_watch", "run", "--once", "-c", str(config)],
            cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        packages = sandbox.packages()
    finally:
        sandbox.end()

    assert done.returncode == 0, done.stderr
    assert [package["name"] for package in packages] == ["shot.mov"]
