"""Listings: paths that stand for a hot folder, however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cli.listings import read
from masv_watch.cli.outcomes import WrongUsage

ROOT = b"/srv/out"
NAMES = st.binary(min_size=1, max_size=6).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)


def walked(listing, above=b""):
    for entry in listing.list_folder(above):
        yield entry
        if entry.kind == "folder":
            yield from walked(listing, entry.path)


def test_listing_is_walked_as_a_folder_is():
    """What holds others is a folder, named or not; size and time come behind tabs."""
    listing = read(
        b"A/x.mov\t12\t1700000000.25\nA\nB/\n./c d.mov\t7\r\n/srv/out/e.mov\n", ROOT, by_nul=False
    )

    found = {entry.path: (entry.kind, entry.identity) for entry in walked(listing)}
    assert {path: kind for path, (kind, _) in found.items()} == {
        b"A": "folder", b"A/x.mov": "file", b"B": "folder", b"c d.mov": "file", b"e.mov": "file",
    }  # fmt: skip
    assert found[b"A/x.mov"][1].size == 12
    assert found[b"A/x.mov"][1].mtime_ns == 1_700_000_000_250_000_000
    assert found[b"c d.mov"][1].size == 7
    assert listing.observe(b"A/x.mov").path == b"A/x.mov"
    assert listing.observe(b"A/y.mov") is None


@given(st.lists(PATHS, max_size=12))
def test_every_path_of_bytes_is_found_again(paths):
    """Names are bytes and hostile: with both columns and NUL none is lost and none made up."""
    listing = read(b"\0".join(path + b"\t5\t1" for path in paths), ROOT, by_nul=True)

    files = {entry.path for entry in walked(listing) if entry.kind == "file"}
    above = {path[:at] for path in paths for at in range(len(path)) if path[at : at + 1] == b"/"}
    assert files == set(paths) - above
    assert all(entry.identity.size == 5 for entry in walked(listing) if entry.kind == "file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ok\n/etc/passwd", "line 2 of the listing: '/etc/passwd' lies outside /srv/out"),
        (b"/srv/outer/x", "lies outside"),
        (b"a/../../b", "is no path below a hot folder"),
        (b"./", "is no path below a hot folder"),
        (b"/srv/out/", "is no path below a hot folder"),
    ],
)
def test_path_that_is_none_is_refused_with_its_line(content, said):
    """2, and where."""
    with pytest.raises(WrongUsage, match=said.replace(".", r"\.")):
        read(content, ROOT, by_nul=False)
