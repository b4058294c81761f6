"""Wheel and source distribution in fresh environments, with their libraries from the index."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packages.ground import ran
from tests.processes import PROJECT, free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

_CONFIG = """\
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
hot_folders:
  - {{name: out, path: {top}/out, settle: {{quiet: 1s}}, initial: send, to: {{recipients: []}}}}
"""


def without_the_tree() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def fresh(folder: Path, distribution: Path) -> Path:
    """Install a distribution as its user does; give the command."""
    ran(sys.executable, "-m", "venv", folder, timeout=300)
    pip = folder / "bin" / "pip"
    ran(pip, "install", "-q", distribution, timeout=1200, cwd=folder, env=without_the_tree())
    return folder / "bin" / "masv-watch"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_fresh_environment_delivers_with_the_sandbox_it_brought(kind, request, tmp_path):
    """Both commands are those that were installed, and the working folder is not the tree."""
    command = fresh(tmp_path / "environment", request.getfixturevalue(kind))
    environ = without_the_tree()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shot.mov").write_bytes(b"frame" * 1000)
    sandbox = subprocess.Popen(
        [str(command), "sandbox", "--listen", "127.0.0.1:0", "--smtp", "127.0.0.1:0"],
        stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environ,
    )  # fmt: skip
    try:
        assert sandbox.stdout is not None
        api = sandbox.stdout.readline().split("api=")[1].split()[0]
        config = tmp_path / "masv-watch.yml"
        config.write_text(_CONFIG.format(api=api, port=free_port(), top=tmp_path))
        config.chmod(0o600)
        done = subprocess.run(
            [str(command), "run", "--once", "-c", str(config)],
            capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path, env=environ,
        )  # fmt: skip
    finally:
        sandbox.terminate()
        sandbox.wait(20)

    assert done.returncode == 0, done.stderr
    assert "upload finalized" in done.stderr or "complete" in done.stderr, done.stderr


def test_source_distribution_holds_what_builds_and_tests_it(sdist):
    """Everything that is kept under version control, but the notes for it."""
    listed = ran("git", "-C", PROJECT, "ls-files", "-z").stdout.split("\0")
    wanted = {each for each in listed if each and each != ".gitignore"}

    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}

    assert wanted - held == set()
    assert not [each for each in held if each.endswith(".pyc")]


def test_wheel_says_that_it_is_typed(wheel):
    """Its classifier would be a lie without the marker."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(each for each in names if each.endswith("/METADATA")))

    assert "masv_watch/py.typed" in names
    assert b"Classifier: Typing :: Typed" in metadata
