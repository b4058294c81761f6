"""A signature made while a tree is walked: that of a list of its files, in far less memory."""

from __future__ import annotations

import os
import tracemalloc
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Identity
from masv_watch.watch import condensing
from masv_watch.watch.condensing import Condensed, Run
from masv_watch.watch.settle import signature

#: those that sort before a slash, and after it, beside whatever else a name may hold
_names = st.one_of(
    st.text("a-. 0~", min_size=1, max_size=3).map(str.encode),
    st.binary(min_size=1, max_size=3).filter(lambda name: not set(name) & set(b"/\0")),
)
_numbers = st.tuples(st.integers(0, 2**64), st.integers(-(2**64), 2**65))
_trees = st.recursive(
    st.dictionaries(_names, _numbers, max_size=5),
    lambda below: st.dictionaries(_names, st.one_of(_numbers, below), max_size=5),
    max_leaves=20,
)
_NOWHERE = (0, 0, 0, 0, 0)


def listed(tree, above):
    """Give every file of a tree with its path."""
    for name, found in tree.items():
        path = above + b"/" + name
        if isinstance(found, dict):
            yield from listed(found, path)
        else:
            size, mtime_ns = found
            yield path, Identity(size=size, mtime_ns=mtime_ns, ctime_ns=0, inode=1, device=1)


def walked(tree, *, grain_ns=0):
    """Walk a tree as a sweep does."""
    found = Condensed(grain_ns=grain_ns)
    ahead, trees = [(b"CARD", _NOWHERE, True)], {b"CARD": tree}
    while ahead:
        here = ahead.pop()
        if isinstance(here, Run):
            found.take(here)
            continue
        folder = here[0]
        for name, below in trees.pop(folder).items():
            path = folder + b"/" + name
            if isinstance(below, dict):
                trees[path] = below
                found.lead((path, _NOWHERE, True))
            else:
                found.add(name, *below)
        ahead.extend(found.turn(folder))
    return found


@given(tree=_trees, grain_ns=st.sampled_from([0, 2 * 10**9]), at_once=st.integers(1, 3))
def test_condensed_tree_has_the_signature_of_its_list(tree, grain_ns, at_once):
    """Whatever sorts before or behind a slash, in whatever pieces, and with whatever times."""
    files = list(listed(tree, b"CARD"))
    usual, condensing._AT_ONCE = condensing._AT_ONCE, at_once
    try:
        found = walked(tree, grain_ns=grain_ns)
    finally:
        condensing._AT_ONCE = usual

    assert found.signature() == signature(files, grain_ns=grain_ns)
    assert (found.files, found.size) == (len(files), sum(each.size for _, each in files))


@given(files=st.dictionaries(_names, _numbers, max_size=5))
def test_files_that_are_taken_in_together_are_those_that_are_taken_in_one_by_one(files):
    """Names that are no text and an empty list as well."""
    one_by_one, together = Condensed(grain_ns=0), Condensed(grain_ns=0)
    for name, numbers in files.items():
        one_by_one.add(name, *numbers)
    stats = [SimpleNamespace(st_size=size, st_mtime_ns=at) for size, at in files.values()]
    together.add_all([*map(os.fsdecode, files)], stats)

    for each in (one_by_one, together):
        for run in each.turn(b"CARD"):
            each.take(run)
    assert together.signature() == one_by_one.signature()
    assert (together.files, together.size) == (one_by_one.files, one_by_one.size)


def test_condensed_tree_holds_one_folder_at_a_time():
    """A hundred folders take no more than one of them."""

    def peak(folders):
        tree = {
            b"%03d" % folder: {b"clip%07d.mov" % clip: (clip, 10**18) for clip in range(500)}
            for folder in range(folders)
        }
        tracemalloc.start()
        walked(tree)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    def least(folders):
        # what a thread that another test left behind takes meanwhile counts as well
        return min(peak(folders) for _ in range(3))

    assert least(100) < 2 * least(1)
