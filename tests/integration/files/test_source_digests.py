"""Hashes of real files, made piece by piece, in every way that lists name."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.errors import SourceChanged
from masv_watch.files import Digest, Root
from masv_watch.watch.sums import _LENGTHS, _NAMED, by_length, named

WAYS = sorted({way for ways in _LENGTHS.values() for way in ways} | set(_NAMED.values()))
#: published for the text "123456789" or the empty one
KNOWN = {
    "crc32": ("cbf43926", "00000000"),
    "md5": ("25f9e794323b453885f5181f1b624d0b", "d41d8cd98f00b204e9800998ecf8427e"),
    "sha1": (
        "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    ),
    "xxh32": ("937bad67", "02cc5d05"),
    "xxh64": ("8cb841db40e6ae83", "ef46db3751d8e999"),
    "xxh64_little": ("83aee640db41b88c", "99e9d85137db46ef"),
    "c4": (
        "",
        "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT",
    ),
}


def digest(path: Path, *ways: str) -> Digest:
    with Root.open(os.fsencode(path.parent)) as root:
        identity = root.identify(os.fsencode(path.name))
    return Digest(os.fsencode(path.parent), os.fsencode(path.name), identity, ways)


@pytest.mark.parametrize("way", KNOWN)
def test_hash_of_every_way_is_the_one_that_is_published(tmp_path: Path, way: str) -> None:
    """By known values, not by the same library."""
    for content, value in zip((b"123456789", b""), KNOWN[way], strict=True):
        (tmp_path / "f").write_bytes(content)
        made = digest(tmp_path / "f", way)
        made.read_on(100)

        assert made.is_whole
        assert made.values[way] == value or not value


@pytest.mark.parametrize("tool", ["md5sum", "sha1sum", "sha256sum", "sha512sum"])
def test_line_that_a_tool_of_the_machine_writes_fits_the_file(tmp_path: Path, tool: str) -> None:
    """What people make their lists with."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    (tmp_path / "f").write_bytes(os.urandom(3_000_000))
    line = subprocess.run([tool, "f"], cwd=tmp_path, capture_output=True, check=True).stdout
    wanted = by_length(line.split()[0])
    made = digest(tmp_path / "f", *wanted.ways)
    made.read_on(4_000_000)

    assert wanted.fits(made.values)


@given(content=st.binary(max_size=2000), pieces=st.lists(st.integers(1, 700), max_size=20))
def test_hash_is_the_same_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, pieces: list[int]
) -> None:
    """A look reads some bytes, the next one goes on."""
    path = tmp_path_factory.mktemp("digest") / "f"
    path.write_bytes(content)
    whole, cut = digest(path, *WAYS), digest(path, *WAYS)
    whole.read_on(len(content))
    for piece in (*pieces, 2000):
        cut.read_on(piece)

    assert whole.is_whole
    assert cut.is_whole
    assert whole.values == cut.values


def test_file_that_changes_between_two_pieces_has_no_hash(tmp_path: Path) -> None:
    """Never one of mixed content."""
    path = tmp_path / "f"
    path.write_bytes(b"a" * 100)
    made = digest(path, "md5")
    made.read_on(50)
    path.write_bytes(b"b" * 100)

    with pytest.raises(SourceChanged):
        made.read_on(50)
    assert not made.is_whole


def test_reading_that_is_ended_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """A stop of the daemon waits for one block."""
    path = tmp_path / "f"
    path.write_bytes(b"a" * 3_000_000)
    made, other = digest(path, "md5"), digest(path, "md5")
    answers = iter([False, True])
    assert made.read_on(3_000_000, stop=lambda: next(answers)) == 1 << 20
    made.read_on(3_000_000)
    other.read_on(3_000_000)

    assert made.values == other.values


def test_names_of_hashes_in_lists_are_known_and_others_are_no_hash() -> None:
    """Upper case is lower case, but not for c4."""
    c4 = KNOWN["c4"][1]
    assert named("md5", " AB" + "0" * 30 + "\n").value == "ab" + "0" * 30
    assert (named("c4", c4).ways, named("c4", c4).value) == (("c4",), c4)
    assert named("lastmodificationdate", "2026") is None
    assert named("md5", "") is None
    assert named("md5", "zz").ways == ()
    assert by_length(b"0" * 10).ways == ()
