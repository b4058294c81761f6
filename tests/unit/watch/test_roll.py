"""Whom a sweep met: few are asked about, and what is said of them is what a set of all would."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.files import MARKER_NAME
from masv_watch.watch.addresses import above
from masv_watch.watch.roll import Roll
from masv_watch.watch.tops import Alike
from tests.searching import examples

PATHS = [b"a", b"b\xff", b"d/a", b"d/b", b"d/e/a", b"f/a"]
SOME = st.sets(st.sampled_from(PATHS))


@settings(max_examples=examples(200))
@given(
    expected=st.tuples(SOME, SOME, SOME),
    #: how each is met: not at all, as something else, as a drop, among those alike
    met=st.lists(st.sampled_from(["", "other", "drop", "alike"]), min_size=6, max_size=6),
    hidden=st.sets(st.sampled_from([b"d", b"d/e", b"f"])),
)
def test_roll_says_of_whom_it_expects_what_sets_of_all_would(expected, met, hidden) -> None:
    """The sets are those of names and of drops that were met, with what lies hidden."""
    drops, told, odd = expected
    roll = Roll(drops, told, odd)
    names, seen = set(), set()
    for path, how in zip(PATHS, met, strict=True):
        folder, _, name = path.rpartition(b"/")
        looked = [path] if how in ("other", "drop") else []
        if how == "alike":
            looked = roll.meet_alike(Alike(folder, [os.fsdecode(name)]))
            assert looked == ([path] if path in odd else [])
            seen.add(path)
        for top in looked:
            roll.meet(top, is_drop=how != "other")
            names.add(top)
            if how != "other":
                seen.add(top)

    assert (roll.has_drop, roll.has_name) == (bool(seen), bool(seen or names))
    below = {path for path in drops | told if not hidden.isdisjoint(above(path))}
    names, seen = names | below, seen | below
    roll.spare(hidden)

    assert roll.missing == drops - seen
    assert roll.untold == told - names - seen
    assert roll.unjudged == odd - names


def test_roll_of_a_root_that_holds_its_marker_alone_has_met_nothing() -> None:
    """Only our own file lies there: it is the mount point of a full one as likely as not."""
    roll = Roll((), (), ())
    roll.meet(MARKER_NAME, is_drop=False)

    assert not roll.has_name
    assert not roll.has_drop
