"""The packages that `make dist deb` made, and clean ground for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages.ground import Ground


def built(project: Path, pattern: str) -> Path:
    """Give the one package of a kind, or fail: nothing here is skipped quietly."""
    found = list((project / "dist").glob(pattern))
    if len(found) != 1:
        pytest.fail(f"dist/ holds {len(found)} of {pattern}: run `make test-packages`")
    return found[0]


@pytest.fixture(scope="session")
def wheel(project: Path) -> Path:
    return built(project, "*.whl")


@pytest.fixture(scope="session")
def sdist(project: Path) -> Path:
    return built(project, "*.tar.gz")


@pytest.fixture(scope="session")
def deb(project: Path) -> Path:
    return built(project, "*.deb")


@pytest.fixture(scope="session")
def room() -> Iterator[Path]:
    """Give a folder for whole systems: outside of what a private /tmp would hide."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-packages-", dir="/var/lib"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def installed(room: Path, deb: Path) -> Iterator[Ground]:
    """Give a clean system on which the package was just installed."""
    if os.geteuid() != 0:
        pytest.fail("a package is installed by root: run `make test-packages` as root")
    ground = Ground.made(room / "installed")
    ground.install(deb)
    yield ground
    ground.remove()


@pytest.fixture
def ground(installed: Ground, room: Path) -> Iterator[Ground]:
    """Give such a system to a test that changes it."""
    copy = installed.copy(room / "changed")
    yield copy
    copy.remove()
