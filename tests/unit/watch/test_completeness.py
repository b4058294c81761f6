"""What a drop lacks, joined: what holds, what is only told, and how it is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.lifecycle import LACKING_S
from masv_watch.model import Companion, Frames, HoldReason, Incomplete, Manifests
from masv_watch.watch.completeness import MOST_READS, WHOLE, assess, is_overdue, reads
from masv_watch.watch.listing import Listing
from masv_watch.watch.rules import starts_early
from tests.unit.watch.cards import identity, listing, rule

EXR = Frames(patterns=("{stem}.{frame:04d}.exr",))
SIDECARS = (Companion(each="{stem}.mxf", needs=("{stem}.xml",)),)
LISTS = Manifests(files=("*.txt",))
MESS = {
    b"card/CONTENTS/VIDEO/0001AB.MXF": b"",
    b"card/shot.0001.exr": b"",
    b"card/shot.0003.exr": b"",
    b"card/list.txt": b"gone.mov\n",
    b"card/a.mxf": b"",
}


def test_drop_that_lacks_something_of_every_kind_names_all_of_it() -> None:
    """Each test speaks, in one order, and each has its finding with the rule's line."""
    wants = rule("p2", frames=EXR, companions=SIDECARS, manifests=LISTS)
    found = assess(wants, listing(MESS), MESS)

    assert found.note == (
        "missing: card/gone.mov, card/CONTENTS/CLIP/0001AB.XML, card/shot.0002.exr,"
        " card/CONTENTS/VIDEO/0001AB.xml, card/a.xml"
    )
    assert [each.test for each in found.findings] == [
        "manifest", "bundles", "sequences", "companions",
    ]  # fmt: skip
    assert {(each.passed, each.rule_at) for each in found.findings} == {(False, "w.yml:7")}


@pytest.mark.parametrize(
    ("incomplete", "held"),
    [
        (None, {"manifest", "sequences", "companions"}),
        (Incomplete.SEND, set()),
        (Incomplete.HOLD, {"manifest", "sequences", "companions", "bundles"}),
    ],
)
def test_tests_that_hold_are_those_that_the_rule_says_and_no_such_drop_starts_early(
    incomplete: Incomplete | None, held: set[str]
) -> None:
    """What can refuse a whole drop is not begun before it is whole."""
    wants = rule("p2", incomplete=incomplete, frames=EXR, companions=SIDECARS, manifests=LISTS)
    found = assess(wants, listing(MESS), MESS)
    early = starts_early(
        type(wants)(name="h", path=b"/h", to=wants.to, whole=wants.whole, early=True)
    )

    assert {each.test for each in found.findings if not each.passed} == held
    assert set(wants.whole.can_refuse) == held
    assert (found.hold is HoldReason.INCOMPLETE) is bool(held)
    assert early.is_early is not bool(held)
    assert len(found.missing) + len(found.warnings) >= 5


def test_loose_file_and_rule_that_asks_nothing_are_whole_by_themselves() -> None:
    """Nothing is read, nothing is tested."""
    file = Listing(b"a.mxf", "file", [(b"a.mxf", identity(1))])
    wants = rule("p2", frames=EXR, companions=SIDECARS, manifests=LISTS)

    assert (reads(wants, file), assess(wants, file, {})) == ((), WHOLE)
    assert (reads(rule(), listing(MESS)), assess(rule(), listing(MESS), {})) == ((), WHOLE)


@given(st.integers(1, 300), st.integers(1, 250))
def test_note_names_the_first_and_counts_the_rest(count: int, length: int) -> None:
    """However many are missing and however long their names: one readable sentence."""
    files = {b"card/%03d%b.mxf" % (n, b"x" * (length - 1)): b"" for n in range(count)}
    found = assess(rule(companions=SIDECARS), listing(files), {})

    assert 1 <= len(found.missing) <= 20
    assert len(found.missing) + found.more == count
    assert len(found.note) < 1300
    assert (f" and {found.more} more" in found.note) is (found.more > 0)
    assert len(found.remarks) == len(found.missing) + (found.more > 0)


def test_control_files_that_are_read_are_each_named_once_and_bounded() -> None:
    """A drop of nothing but indexes is read up to a limit, and the rest is said not to be."""
    clips = [b"%06d" % number for number in range(MOST_READS + 5)]
    files = {b"card/CONTENTS/CLIP/" + clip + b".XML": b"" for clip in clips}
    wants = rule("p2", manifests=Manifests(files=("*.XML",)))
    paths = reads(wants, listing(files))
    found = assess(wants, listing(files), dict.fromkeys(paths, b"<x/>"))

    assert len(paths) == len(set(paths)) == MOST_READS
    assert found.hold is HoldReason.INCOMPLETE


@given(st.floats(0, 1e9), st.floats(0, 10_000))
def test_drop_is_overdue_after_the_wait_and_not_before(since: float, passed: float) -> None:
    """Half an hour from the first look at which it lacked something."""
    assert is_overdue(since, since + LACKING_S + 1 + passed)
    assert not is_overdue(since, since + min(passed, LACKING_S - 1))
