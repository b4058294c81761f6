"""Whether what stands at a root's path is the root that it was."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.errors import SourceUnreadable
from masv_watch.model import RootRow
from masv_watch.watch.sameness import RootSight, RootState, Whose, judge_root

MARKED = RootRow(path=b"/hot", is_marked=True, uuid="a", place=(1, 2), boot="b")
UNMARKED = replace(MARKED, is_marked=False)
SEEN = RootSight(place=(1, 2), boot="b", uuid="a")

rows = st.builds(
    RootRow,
    path=st.just(b"/hot"),
    is_marked=st.booleans(),
    uuid=st.sampled_from(["", "a", "z"]),
    place=st.sampled_from([None, (1, 2), (9, 2), (1, 8)]),
    boot=st.sampled_from(["", "b", "c"]),
)
sights = st.builds(
    RootSight,
    whose=st.sampled_from(Whose),
    place=st.sampled_from([(1, 2), (9, 2), (1, 8)]),
    boot=st.sampled_from(["", "b", "c"]),
    uuid=st.sampled_from(["", "a", "z"]),
    is_network=st.booleans(),
    is_empty=st.booleans(),
)


@given(rows, sights)
def test_judge_root_with_our_marker_is_present_whatever_else_it_shows(
    known: RootRow, seen: RootSight
) -> None:
    """Another device after a remount, new inodes after a restore, emptied: the same root."""
    verdict = judge_root(known, replace(seen, whose=Whose.OURS), expects=True)

    assert verdict.state is RootState.PRESENT
    assert not verdict.asks


@given(rows, sights)
def test_judge_root_of_an_accepted_root_is_present(known: RootRow, seen: RootSight) -> None:
    """A person's word counts over every sign."""
    verdict = judge_root(replace(known, is_accepted=True), seen, expects=True)

    assert verdict.state is RootState.PRESENT
    assert not verdict.asks


@given(st.none() | rows, sights)
def test_judge_root_never_believes_an_empty_root_of_which_drops_are_expected(
    known: RootRow | None, seen: RootSight
) -> None:
    """An empty mount point is what an unmounted disk looks like (fault 8; pains 15, 56)."""
    seen = replace(seen, is_empty=True, whose=Whose.NOBODY)

    assert judge_root(known, seen, expects=True).state is RootState.REPLACED


@given(rows, sights)
def test_judge_root_lets_no_content_of_another_file_system_in(
    known: RootRow, seen: RootSight
) -> None:
    """A known UUID that differs closes the gate, whatever the numbers say (fault 9)."""
    known, seen = replace(known, uuid="a"), replace(seen, uuid="z", whose=Whose.NOBODY)

    assert judge_root(known, seen).state is RootState.REPLACED


@given(rows, sights)
def test_judge_root_never_sends_by_surprise_from_a_root_of_another_state(
    known: RootRow, seen: RootSight
) -> None:
    """A foreign marker closes the gate of a marked root, and asks in any other."""
    verdict = judge_root(known, replace(seen, whose=Whose.FOREIGN))

    assert (verdict.state is RootState.REPLACED) == known.is_marked
    assert verdict.asks == (not known.is_marked)


@pytest.mark.parametrize(
    ("known", "seen", "state", "lost_marker"),
    [
        # the marker was taken away
        (MARKED, replace(SEEN, has_known=True), RootState.PRESENT, True),
        (MARKED, SEEN, RootState.PRESENT, True),
        (MARKED, replace(SEEN, place=(1, 8)), RootState.REPLACED, False),
        (MARKED, replace(SEEN, place=(1, 8), has_known=True), RootState.PRESENT, True),
        (MARKED, replace(SEEN, place=(1, 8), is_empty=True), RootState.PRESENT, True),
        # without a UUID the numbers of this boot are no proof for a root that had a marker
        (replace(MARKED, uuid=""), SEEN, RootState.REPLACED, False),
        (replace(MARKED, uuid=""), replace(SEEN, is_empty=True), RootState.PRESENT, True),
        (replace(MARKED, uuid=""), replace(SEEN, has_known=True), RootState.PRESENT, True),
        (replace(MARKED, uuid="", boot="x"), SEEN, RootState.REPLACED, False),
        (replace(MARKED, uuid="", boot="x"), replace(SEEN, is_empty=True), RootState.REPLACED,
         False),
        # deleted and made anew on the same file system (fault 6), which another one is not
        (replace(MARKED, uuid=""), replace(SEEN, place=(1, 8), was_removed=True),
         RootState.PRESENT, True),
        (replace(MARKED, uuid=""), replace(SEEN, place=(9, 8), was_removed=True),
         RootState.REPLACED, False),
        # one that never had a marker
        (replace(UNMARKED, uuid=""), SEEN, RootState.PRESENT, False),
        (replace(UNMARKED, uuid=""), replace(SEEN, place=(9, 2)), RootState.REPLACED, False),
        (replace(UNMARKED, uuid=""), replace(SEEN, place=(9, 2), is_network=True),
         RootState.PRESENT, False),
        (replace(UNMARKED, uuid="", boot="x"), replace(SEEN, place=(9, 9)), RootState.PRESENT,
         False),
        (RootRow(path=b"/hot"), SEEN, RootState.PRESENT, False),
    ],
)  # fmt: skip
def test_judge_root_without_a_marker_goes_by_uuid_then_by_numbers_of_this_boot(
    known: RootRow, seen: RootSight, state: RootState, lost_marker: bool
) -> None:
    """The order is marker, UUID, device and inode within one boot (pain 17; faults 6 and 7)."""
    verdict = judge_root(known, seen)

    assert (verdict.state, verdict.lost_marker) == (state, lost_marker)
    assert verdict.findings


@pytest.mark.parametrize(
    ("known", "whose", "state"),
    [
        (None, Whose.NOBODY, RootState.REPLACED),
        (None, Whose.OURS, RootState.PRESENT),
        (UNMARKED, Whose.NOBODY, RootState.PRESENT),
        (RootRow(path=b"", is_accepted=True), Whose.NOBODY, RootState.PRESENT),
    ],
)
def test_judge_root_on_a_bare_mount_point_closes_only_where_nothing_is_known_of_it(
    known: RootRow | None, whose: Whose, state: RootState
) -> None:
    """A table may be old: what was noted, the marker and a person's word count for more."""
    verdict = judge_root(known, replace(SEEN, whose=whose, lack="none is mounted there"))

    assert verdict.state is state


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("ENOENT", RootState.MISSING),
        ("ENOTDIR", RootState.MISSING),
        ("ESTALE", RootState.UNREACHABLE),
        ("EIO", RootState.UNREACHABLE),
    ],
)
def test_judge_root_tells_missing_from_unreachable(name: str, state: RootState) -> None:
    """What cannot be opened is away, never empty (faults 5 and 10)."""
    for known, expects in itertools.product((None, MARKED), (False, True)):
        error = SourceUnreadable("no", errno=name)
        assert judge_root(known, error, expects=expects).state is state
