"""Loose files that are known: a number each says the same as path and fence would."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.files import Observation
from masv_watch.model import Identity
from masv_watch.watch.fences import file_marks, joined, mark_of, numbers_of, told
from masv_watch.watch.marks import Listed, Marks
from tests.searching import examples

FOLDER = b"day1"
NAMES = st.sampled_from([f"{letter}\udcff.mov" for letter in "abcdefgh"])
SWEEPS = st.lists(
    st.fixed_dictionaries({
        # each name with the time that it shows
        "found": st.dictionaries(NAMES, st.sampled_from([0, 0, 0, 1]), max_size=6),
        "order": st.one_of(st.none(), st.randoms(use_true_random=False)),
        "doubted": st.sets(NAMES, max_size=1),
        # what is looked at and not concluded
        "open": st.sets(NAMES, max_size=1),
        "batch": st.integers(1, 4),
        "one_by_one": st.booleans(),
        # files that the list tells of before it breaks off
        "breaks_at": st.one_of(st.none(), st.integers(0, 4)),
        "hidden": st.booleans(),
    }),
    max_size=6,
)  # fmt: skip


def identity(time: int) -> Identity:
    """Give what a file shows."""
    return Identity(size=1, mtime_ns=time, ctime_ns=time, inode=5, device=6)


def stat(time: int) -> Any:
    """Give the stat of the same file."""
    return SimpleNamespace(st_size=1, st_mtime_ns=time, st_ctime_ns=time, st_ino=5, st_dev=6)


def path_of(name: str) -> bytes:
    """Give the path of a file in the folder."""
    return FOLDER + b"/" + os.fsencode(name)


def fence_of(name: str, time: int) -> str:
    """Give the fence that a look at a file gives."""
    return told(joined(0, name, numbers_of(identity(time))))


def unknown_of(listed: Listed, found: list[tuple[str, int]], sweep: dict[str, Any]) -> set[str]:
    """Have files compared as the walk does; give the names that are to be looked at."""
    if sweep["one_by_one"]:
        seen = [
            (name, Observation(path=path_of(name), kind="file", identity=identity(time)))
            for name, time in found
        ]
        return {name for name, entry in seen if not listed.knows(entry)}
    unknown = set()
    for start in range(0, len(found), sweep["batch"]):
        some = found[start : start + sweep["batch"]]
        names, stats = [name for name, _ in some], [stat(time) for _, time in some]
        unknown.update(names[place] for place in listed.unknown(names, stats))
    return unknown


@settings(max_examples=examples(250))
@given(SWEEPS)
def test_marks_ask_for_the_same_looks_as_fences_by_path(sweeps: list[dict[str, Any]]) -> None:
    """In any order of a listing, with doubts, and after a sweep that broke off.

    Only after one that broke off where something differed may more be looked at; nothing that
    changed is ever passed over.
    """
    marks, plain = Marks(), dict[str, str]()
    may_ask_more = False
    for sweep in sweeps:
        listing = sorted(sweep["found"].items())
        if sweep["order"] is not None:
            sweep["order"].shuffle(listing)
        found = listing[: sweep["breaks_at"]]
        marks.begin()
        for name in sweep["doubted"]:
            marks.doubt(path_of(name))
            plain.pop(name, None)
        wanted = {name for name, time in found if plain.get(name) != fence_of(name, time)}
        listed = marks.list_folder(FOLDER)

        unknown = unknown_of(listed, found, sweep)

        assert unknown == wanted or (may_ask_more and unknown > wanted), (unknown, wanted)
        for name, time in found:
            if name in unknown:
                plain.pop(name, None)
                if name not in sweep["open"]:
                    plain[name] = fence_of(name, time)
                    marks.note(path_of(name), fence_of(name, time))
        if len(found) == len(listing):
            listed.is_whole = True
            marks.end(set())
            plain = {name: fence for name, fence in plain.items() if name in sweep["found"]}
            assert len(marks) == len(plain)
            may_ask_more = False
            continue
        if sweep["hidden"]:
            marks.end({FOLDER})
        may_ask_more = may_ask_more or bool(unknown or sweep["doubted"])


def test_folder_that_a_whole_sweep_did_not_meet_is_forgotten_unless_it_was_hidden() -> None:
    """What cannot be listed is not missing."""
    marks = Marks()
    for path in (b"a", b"gone/a", b"locked/a", b"locked/below/a"):
        marks.note(path, fence_of("a", 1))

    marks.begin()
    listed = marks.list_folder(b"")
    assert listed.unknown(["a"], [stat(1)]) == ()
    listed.is_whole = True
    marks.end({b"locked"})

    assert len(marks) == 3
    marks.begin()
    marks.end(set())
    assert len(marks) == 0


def test_mark_is_the_fence_as_a_number() -> None:
    """Both ways to it agree, whatever the sign."""
    names = [f"{number}" for number in range(64)]
    found = file_marks(names, [stat(7) for _ in names])

    assert list(found) == [mark_of(fence_of(name, 7)) for name in names]
    assert {mark < 0 for mark in found} == {True, False}


class Asked(Listed):
    """A list that counts the files of which it asked one by one."""

    count = 0

    def _knows(self, name: str, mark: int) -> bool:
        Asked.count += 1
        return super()._knows(name, mark)


def test_unchanged_folder_is_compared_without_a_look_at_any_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A million names cost little more than their stats, and the order heals by itself."""
    monkeypatch.setattr("masv_watch.watch.marks.Listed", Asked)
    marks = Marks()
    names, stats = [f"{number}" for number in range(1000)], [stat(3)] * 1000
    for name in reversed(names):
        marks.note(path_of(name), fence_of(name, 3))
    counts = []
    for _ in range(2):
        marks.begin()
        listed = marks.list_folder(FOLDER)
        for start in range(0, 1000, 250):
            some = slice(start, start + 250)
            assert len(listed.unknown(names[some], stats[some])) == 0
        listed.is_whole = True
        marks.end(set())
        counts.append(Asked.count)

    assert counts == [1000, 1000]


def begun(marks: Marks, *files: tuple[str, int], is_whole: bool) -> list[int]:
    """List some files in a sweep that breaks off; give the places of those to be looked at."""
    marks.begin()
    listed = marks.list_folder(FOLDER)
    unknown = listed.unknown([name for name, _ in files], [stat(time) for _, time in files])
    listed.is_whole = is_whole
    return list(unknown)


@pytest.mark.parametrize("is_doubted", [False, True])
def test_broken_list_that_asked_for_a_look_leaves_nothing_known(is_doubted: bool) -> None:
    """What was looked at for once must not pass for known when it is again as it was."""
    marks = Marks()
    for name in "ab":
        marks.note(path_of(name), fence_of(name, 0))
    if is_doubted:
        marks.doubt(path_of("b"))
        assert begun(marks, ("a", 0), is_whole=False) == []
    else:
        assert begun(marks, ("a", 1), is_whole=False) == [0]

    assert begun(marks, ("a", 0), ("b", 0), is_whole=True) == [0, 1]


def test_list_that_ended_counts_although_its_sweep_broke_off() -> None:
    """What became known in it is known, and what it did not meet is not."""
    marks = Marks()
    marks.note(path_of("a"), fence_of("a", 0))
    assert begun(marks, ("b", 0), is_whole=True) == [0]
    marks.note(path_of("b"), fence_of("b", 0))

    assert begun(marks, ("a", 0), ("b", 0), is_whole=True) == [0]


def test_folder_beside_known_files_is_no_difference() -> None:
    """A list that breaks off behind a subfolder leaves known what it was."""
    marks = Marks()
    marks.note(path_of("a"), fence_of("a", 0))
    marks.begin()
    listed = marks.list_folder(FOLDER)
    assert not listed.knows(Observation(path=path_of("sub"), kind="folder", identity=identity(0)))

    assert begun(marks, ("a", 0), is_whole=True) == []


def test_what_is_recognised_becomes_known_unless_it_is_doubted() -> None:
    """Only of a folder of which nothing is known is anything else asked."""
    marks = Marks()
    asked = []

    def recognised(folder: bytes, names: Sequence[str], _stats: Sequence[Any]) -> set[int]:
        asked.append((folder, list(names)))
        return {1}

    marks.recognised = recognised
    files = (("a", 0), ("b", 0))
    assert begun(marks, *files, is_whole=True) == [0]
    assert begun(marks, *files, is_whole=True) == [0]
    assert asked == [(FOLDER, ["a", "b"])]

    marks = Marks()
    assert begun(marks, *files, is_whole=False) == [0, 1]
    marks.recognised = recognised
    marks.doubt(path_of("b"))
    assert begun(marks, *files, is_whole=True) == [0, 1]


def test_resting_file_is_passed_over_by_one_sweep_as_long_as_it_is_the_same() -> None:
    """It is not known by that: what settles must be looked at again."""
    marks = Marks()
    marks.begin([(path_of("a"), fence_of("a", 0)), (path_of("b"), fence_of("b", 0))])
    listed = marks.list_folder(FOLDER)
    assert listed.unknown(["a", "b", "c"], [stat(0), stat(1), stat(0)]) == [1, 2]
    listed.is_whole = True
    marks.end(set())

    marks.begin()
    assert len(marks) == 0
    assert marks.list_folder(FOLDER).unknown(["a"], [stat(0)]) == [0]
