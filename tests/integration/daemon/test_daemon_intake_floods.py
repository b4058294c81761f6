"""Many drops at once, and one drop of very many files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.daemon.field import Field, digest, digests, write_tree


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Give a ready daemon over the hot folders of this module."""
    made = Field(tmp_path_factory.mktemp("floods"), {"many": "", "burst": ""})
    try:
        made.daemon.start().until_ready()
        yield made
    finally:
        made.close()


def test_two_hundred_files_dropped_at_once_each_become_a_package(field: Field):
    """A flood of drops loses none and sends none twice."""
    hot = field.top / "many"
    write_tree(hot, {f"{number}.mov": b"%d" % number for number in range(200)})
    packages = field.until_delivered("many", 200, within=60)

    assert {package["name"]: digests(package) for package in packages} == {
        f"{number}.mov": {f"{number}.mov": digest(b"%d" % number)} for number in range(200)
    }


@pytest.mark.fault(2)
def test_burst_of_new_folders_becomes_one_package_with_every_file(field: Field):
    """Folders that appear faster than they can be listened to lose nothing (pain 25)."""
    clips = {f"d{number % 300}/clip{number}.mxf": b"clip %d" % number for number in range(1200)}
    write_tree(field.top / "CARD", clips)
    subprocess.run(["cp", "-r", field.top / "CARD", field.top / "burst"], check=True)
    package = field.until_delivered("burst", 1, within=100)[0]

    assert digests(package) == {f"CARD/{path}": digest(clip) for path, clip in clips.items()}
    assert len(package["files"]) == len(clips)
