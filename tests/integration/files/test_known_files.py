"""What a sweep asks to be looked at, by marks beside by paths, on a real tree that moves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masv_watch.files import Root
from masv_watch.model import Depth, DropMode, Rule, To
from masv_watch.watch.marks import Marks
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import Tree, changes
from masv_watch.watch.tops import Alike, Same
from tests.searching import examples

DEEP = {"drop": DropMode.FILE, "depth": Depth.ANY}
FLAT = {"drop": DropMode.EACH, "to": To(recipients=(), by_subfolder=((b"day1", ("a@x.org",)),))}
PLACES = ("a", "b\udcff", "day1/a", "day1/b", "day1/cam/a", "day2/a")
WORDS = st.sampled_from(["write", "remove", "private", "link", "late", "swap", "nothing"])
LATE_NS = 10**19 // 1000 * 1100


def move(hot: Path, word: str, place: str) -> None:
    """Do something to one place of the tree."""
    path = hot / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if word == "write":
        path.unlink(missing_ok=True)
        path.write_bytes(b"x")
    elif word == "remove":
        path.unlink(missing_ok=True)
    elif word == "link":
        path.unlink(missing_ok=True)
        path.symlink_to("elsewhere")
    elif word == "swap":
        for one, other in (("day1", "aside"), ("day2", "day1"), ("aside", "day2")):
            if (hot / one).exists():
                (hot / one).rename(hot / other)
    elif path.is_file() and not path.is_symlink():
        if word == "private":
            path.chmod(0o600)
        elif word == "late":
            os.utime(path, ns=(LATE_NS, LATE_NS))


@pytest.mark.parametrize("fresh", [False, True], ids=["local", "network"])
@pytest.mark.parametrize("layout", [DEEP, FLAT], ids=["any", "top"])
@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(WORDS, st.sampled_from(PLACES)), max_size=8))
def test_marks_ask_of_a_tree_what_fences_by_path_ask(tmp_path, fresh, layout, steps) -> None:
    """Each sweep looks at the same entries, and says of the same that they are there as they were.

    Times beyond 2262, files that only their owner may read, links and folders that change places
    are among them.
    """
    hot = tmp_path / "hot"
    shutil.rmtree(hot, ignore_errors=True)
    hot.mkdir()
    rule = Rule(name="hot", path=os.fsencode(hot), **{"to": To(recipients=()), **layout})
    matcher, marks, fences = Matcher(rule), Marks(), dict[bytes, str]()
    for place in PLACES:
        move(hot, "write", place)
    for word, place in [("nothing", PLACES[0]), *steps, ("nothing", PLACES[0])]:
        move(hot, word, place)
        marks.begin()
        with Root.open(os.fsencode(hot), fresh=fresh) as root:
            plain = list(changes(root, matcher, known=fences.get))
            found = list(changes(root, matcher, known=folders(fences, hot).get, marks=marks))
        looked = {each.top: each for each in plain if isinstance(each, Tree)}
        alike = [each for each in found if isinstance(each, Alike)]
        same = [top for each in alike for top in each.tops]
        same += [each.top for each in found if isinstance(each, Same)]

        assert sorted(looked) == sorted(each.top for each in found if isinstance(each, Tree))
        assert sorted(same) == sorted(each.top for each in plain if isinstance(each, Same))
        for top in fences.keys() - {*looked, *same}:
            del fences[top]
        for top, tree in looked.items():
            fences.pop(top, None)
            if tree.is_drop:
                fences[top] = tree.fence
                if tree.kind == "file":
                    marks.note(top, tree.fence)
        marks.end(set())


def folders(fences: dict[bytes, str], hot: Path) -> dict[bytes, str]:
    """Give the fences of folders alone: files are known by their marks."""
    return {
        top: fence for top, fence in fences.items() if os.path.isdir(os.fsencode(hot) + b"/" + top)
    }
