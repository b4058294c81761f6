"""Folders that a sweep knows by their signature: what it says of them beside what a look says."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masv_watch.files import Root
from masv_watch.model import DropMode, Rule, To
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import Tree, changes, sweep
from masv_watch.watch.tops import Kept, Same
from tests.searching import examples

PATHS = st.sampled_from(
    ["a", "a-b", "a.d/x", "a.d/x y", "a.d/.hidden", "b/c/d", "b/c0", "b\udcff/d", "b/skip.tmp"]
)
WORDS = st.sampled_from(["write", "private", "link", "folder"])
GRAIN_NS = 2 * 10**9


def put(hot, word, path):
    """Put one thing into the drop."""
    whole = hot / "CARD" / path
    if os.path.lexists(whole):
        return
    whole.parent.mkdir(parents=True, exist_ok=True)
    if word == "folder":
        whole.mkdir()
    elif word == "link":
        whole.symlink_to("../elsewhere")
    else:
        whole.write_bytes(path.encode("utf-8", "surrogateescape"))
        if word == "private":
            whole.chmod(0o600)


def found(root, matcher, kept, **more):
    """Give what one sweep gives of the drop."""
    (seen,) = changes(root, matcher, known=lambda _top: None, kept=kept, **more)
    return seen


@pytest.mark.parametrize("grain_ns", [0, GRAIN_NS])
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(WORDS, PATHS), max_size=9))
def test_kept_folder_is_seen_as_by_a_look_and_any_other_is_looked_at(tmp_path, grain_ns, steps):
    """Names on both sides of a slash, files that a pattern leaves out, links and empty folders."""
    hot = tmp_path / "hot"
    shutil.rmtree(hot, ignore_errors=True)
    (hot / "CARD").mkdir(parents=True)
    for step in steps:
        put(hot, *step)
    rule = Rule(
        name="hot",
        path=os.fsencode(hot),
        to=To(recipients=()),
        drop=DropMode.EACH,
        ignore=("*.tmp",),
    )
    matcher = Matcher(rule)
    with Root.open(rule.path) as root:
        (tree,) = sweep(root, matcher)
        looked = tree.seen(grain_ns=grain_ns)
        same = found(root, matcher, lambda _top: Kept(looked.signature, grain_ns))
        other = found(root, matcher, lambda _top: Kept("0" * 32, grain_ns))

    is_seen = bool(looked.files) and not looked.unreadable
    assert same == (Same(b"CARD", looked) if is_seen else tree)
    assert isinstance(other, Tree)
    assert other.fence == tree.fence


def test_kept_folder_with_more_than_a_drop_may_have_is_given_up_as_by_a_look(tmp_path):
    """A folder that grew beyond all bounds is not held in memory for its signature."""
    hot = tmp_path / "hot"
    for number in range(30):
        put(hot, "write", f"{number % 3}/{number}")
    rule = Rule(name="hot", path=os.fsencode(hot), to=To(recipients=()))
    with Root.open(rule.path) as root:
        (tree,) = sweep(root, Matcher(rule))
        signature = tree.seen().signature
        small = found(root, Matcher(rule), lambda _top: Kept(signature, 0), budget=40)
        large = found(root, Matcher(rule), lambda _top: Kept(signature, 0), budget=20)

    assert isinstance(small, Same)
    assert isinstance(large, Tree)
    assert large.unreadable
