"""The wheel outside of the tree: all files of the package, and a program that runs without it.

The libraries are those of the environment under test; `make test-packages` has the whole way.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.processes import Sandbox, free_port

_CONFIG = """\
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: delivery@example.com}}
hot_folders:
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    initial: send
    bundles: [p2]
    to: {{recipients: [client@example.com]}}
    link: {{mail_to: [producer@example.com]}}
"""


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, as pip does by itself."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(project / "masv_watch", tree / "masv_watch", ignore=unwanted)
    for name in ("setup.cfg", "pyproject.toml", "README.rst", "MANIFEST.in"):
        shutil.copy(project / name, tree)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(out), str(tree)],
        capture_output=True, text=True, timeout=800, check=False, cwd=out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an environment in which the wheel is installed, beside the libraries that are here."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60
    )
    python = str(folder / "bin" / "python")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "--quiet", "install", "--no-deps",
         "--no-index", str(wheel)],
        check=True, timeout=600, cwd=folder, env=without_the_tree(),
    )  # fmt: skip
    (packages,) = folder.glob("lib/python*/site-packages")
    # no .pth file of that folder is read, so this tree does not come back by it
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def without_the_tree() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(place / "bin" / "masv-watch"), *words],
        capture_output=True, text=True, timeout=600, check=False, cwd=place,
        env=without_the_tree(),
    )  # fmt: skip


def test_wheel_holds_every_file_of_the_package(wheel, project):
    """A query, a template or a page that is forgotten would be missed at the first drop."""
    package = project / "masv_watch"
    wanted = {
        str(each.relative_to(project))
        for each in package.rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }

    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("masv_watch/")}

    assert held == wanted


def test_wheel_outside_of_the_tree_is_what_runs(place, project):
    """The tests below would prove nothing if the tree were imported."""
    ask = "import masv_watch; print(masv_watch.__file__)"
    answer = subprocess.run(
        [str(place / "bin" / "python"), "-I", "-c", ask],
        capture_output=True, text=True, timeout=60, check=True, cwd=place,
    )  # fmt: skip

    assert str(project) not in answer.stdout
    assert answer.stdout.startswith(str(place))


def test_wheel_outside_of_the_tree_says_what_each_key_means(place):
    """The words of reference.yml come along, though that lies beside the package in the tree."""
    told = run(place, "config", "schema", "--json")

    assert told.returncode == 0, told.stderr
    keys = json.loads(told.stdout)["properties"]["masv"]["properties"]
    assert keys["api_url"]["description"] == "the service, without a version"


def test_wheel_outside_of_the_tree_delivers(place, tmp_path):
    """With its migrations, queries, card profiles and templates: from a drop to its letter."""
    sandbox = Sandbox(tmp_path / "cloud")
    config = tmp_path / "masv-watch.yml"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shot.mov").write_bytes(b"frame" * 1000)
    config.write_text(
        _CONFIG.format(api=sandbox.api, port=free_port(), smtp=sandbox.smtp_port, top=tmp_path)
    )
    config.chmod(0o600)
    try:
        checked = run(place, "check", "-c", str(config))
        ran = run(place, "run", "--once", "-c", str(config))
        packages, letters = sandbox.packages(), sandbox.witness("mail")
    finally:
        sandbox.end()

    assert checked.returncode == 0, checked.stderr
    assert ran.returncode == 0, ran.stderr
    assert [package["name"] for package in packages] == ["shot.mov"]
    assert [letter["to"] for letter in letters] == [["producer@example.com"]]
    assert "shot.mov" in letters[0]["html"]
