"""What proves that a file of a drop was moved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.model import DeliveredAt, DeliveredFile, Identity
from masv_watch.watch.moves import (
    is_continued,
    is_half,
    is_probable,
    is_ruled_out,
    is_same_file,
    is_telling,
    may_be,
    weigh,
)

ID = Identity(size=5, mtime_ns=100, ctime_ns=1, inode=7, device=1)


def was(path: bytes, hashed: str = "one", *, size: int = 5, chunk_size: int = 8) -> DeliveredAt:
    """Make a delivered file of the folder OLD, which had three."""
    file = DeliveredFile(size=size, mtime_ns=100, inode=7, hash=hashed, chunk_size=chunk_size)
    return DeliveredAt(path=path, file=file, drop_id=1, top=b"OLD", files=3, upload_id="u")


@pytest.mark.parametrize(
    ("now", "is_same"),
    [
        (replace(ID, ctime_ns=9, device=9), True),
        (replace(ID, inode=8), False),
        (replace(ID, size=6), False),
        (replace(ID, mtime_ns=101), False),
    ],
)
def test_file_is_the_same_by_its_inode_size_and_time(now: Identity, is_same: bool):
    """Its device and change time say nothing: a rename changes the one, a remount the other."""
    before = was(b"OLD/a").file

    assert is_same_file(now, before) is is_same
    assert is_same_file(replace(ID, mtime_ns=101), before, grain_ns=2)
    assert not is_same_file(replace(ID, mtime_ns=102), before, grain_ns=2)
    # a file system without inodes shows none
    assert not is_same_file(replace(ID, inode=0), replace(before, inode=0))


@pytest.mark.parametrize(
    ("mtime_ns", "grain_ns", "tells"),
    [
        (1_000_000_001, 0, True),
        (1_999_999_999, 1, True),
        (2_000_000_000, 0, False),
        (0, 0, False),
        (2_000_000_001, 2, False),
    ],
)
def test_time_tells_files_of_one_inode_apart_by_its_fraction(mtime_ns, grain_ns, tells):
    """Whole seconds are those of an archive, or of a file system that rounds."""
    assert is_telling(replace(ID, mtime_ns=mtime_ns), grain_ns=grain_ns) is tells


def test_empty_file_may_only_be_one_of_its_name():
    """All of them have the same content."""
    empty = replace(ID, size=0)

    assert may_be((b"NEW/a", empty), was(b"OLD/a", size=0))
    assert not may_be((b"NEW/b", empty), was(b"OLD/a", size=0))
    assert may_be((b"NEW/b", ID), was(b"OLD/a"))
    assert not may_be((b"NEW/b", ID), was(b"OLD/a", hashed=""))
    assert not may_be((b"NEW/b", ID), was(b"OLD/a", size=6))


_HASHES = st.sampled_from(["one", "two", "three"])
_BEFORE = st.lists(st.tuples(_HASHES, st.sampled_from([8, 16])), min_size=1, max_size=4)


@settings(max_examples=80)
@given(
    st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), _BEFORE, min_size=1),
    st.dictionaries(
        st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([8, 16])), _HASHES
    ),
)
def test_weighing_names_an_origin_only_where_the_content_was_read_and_is_equal(before, read):
    """Nothing is left unsent by a guess, and nothing is ruled out unread (Law 3)."""
    options = {
        (path, ID): [was(b"OLD/x", hashed, chunk_size=size) for hashed, size in befores]
        for path, befores in before.items()
    }
    contents = {(path, ID, size): hashed for (path, size), hashed in read.items()}
    found = weigh(options, contents)
    unread = {path for path, _ in found.unread}

    for path, befores in before.items():
        equal = [one for one in befores if read.get((path, one[1])) == one[0]]
        assert (path in found.origins) == bool(equal)
        open_sizes = [size for _, size in befores if (path, size) not in read]
        assert (path in unread) == (not equal and bool(open_sizes))
        assert path not in unread or found.chunk_sizes[path] in open_sizes
    is_all = all(path in found.origins or path in unread for path in before)
    assert is_ruled_out(options, found) is not is_all


def test_folder_is_half_of_one_by_the_larger_of_both():
    """Two cards that share a table are two cards."""
    assert is_half(1, 2, 2)
    assert not is_half(1, 3, 1)
    assert not is_half(1, 1, 3)
    assert is_half(0, 0, 0)


def test_folder_is_read_on_while_no_more_was_unlike_than_like():
    """The first frame of a new version ends the reading of it."""
    options = {(name, ID): [was(b"OLD/" + name)] for name in (b"a", b"b", b"c")}
    other, like = {(b"a", ID, 8): "two"}, {(b"a", ID, 8): "one"}

    assert is_probable(options, weigh(options, {}))
    assert is_probable(options, weigh(options, like))
    assert not is_probable(options, weigh(options, other))
    assert is_probable(options, weigh(options, {**like, (b"b", ID, 8): "two"}))


def test_folder_goes_on_under_another_name_where_its_files_stand_as_they_did():
    """One that merely got a delivered file is another folder."""
    files = [(b"NEW/" + name, ID) for name in (b"a", b"b", b"x")]
    origins = {b"NEW/a": was(b"OLD/a"), b"NEW/b": was(b"OLD/b")}

    assert is_continued(files, b"NEW", origins)
    assert not is_continued(files, b"NEW", {b"NEW/a": was(b"OLD/a")})
    assert not is_continued(files, b"NEW", {b"NEW/a": was(b"OLD/b"), b"NEW/b": was(b"OLD/a")})
