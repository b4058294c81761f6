"""Which frames are missing: the algebra of ranges, and what is no gap."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Frames, HoldReason, Incomplete
from masv_watch.names import shown
from masv_watch.watch.completeness import Completeness, assess
from masv_watch.watch.sequences import Run, gaps, judge, judge_loose, runs, strays
from tests.unit.watch.cards import listing, rule

NUMBERS = st.sets(st.integers(0, 400), min_size=1, max_size=80)
EXR = "{stem}.{frame:04d}.exr"


def expanded(known: list[Run], step: int = 1) -> list[int]:
    """List every number of some runs."""
    return [number for run in known for number in range(run.first, run.last + 1, step)]


def looked(*names: bytes, pattern: str = EXR, **wants: object) -> Completeness:
    """Ask about frames in the folder `shot`."""
    frames = Frames(patterns=(pattern,), **wants)  # type: ignore[arg-type]
    files = {b"shot/" + name: b"" for name in names}
    return assess(rule(incomplete=None, frames=frames), listing(files, b"shot"), {})


@given(NUMBERS)
def test_runs_and_gaps_together_are_everything_between_the_ends(numbers: set[int]) -> None:
    """Nothing is counted twice, nothing is left out, and neighbours are joined."""
    there, missing = runs(numbers), gaps(numbers)

    assert expanded(there) == sorted(numbers)
    assert expanded(missing) == sorted(set(range(min(numbers), max(numbers) + 1)) - numbers)
    assert sum(run.count() for run in (*there, *missing)) == max(numbers) - min(numbers) + 1
    assert all(one.last + 1 < two.first for one, two in pairwise(there))


@given(st.integers(0, 50), st.integers(1, 7), st.sets(st.integers(1, 60), max_size=20))
def test_gaps_of_every_nth_frame_are_those_of_the_grid(
    start: int, step: int, gone: set[int]
) -> None:
    """With a step only what lies on it is missed."""
    there = {start + step * at for at in range(62)} - {start + step * at for at in gone}

    assert expanded(gaps(there, step=step), step) == sorted(start + step * at for at in gone)
    assert sum(gap.count(step) for gap in gaps(there, step=step)) == len(gone)


@given(st.integers(1, 9), st.integers(1, 30))
def test_runs_of_every_nth_number_are_one_run_without_a_gap(step: int, count: int) -> None:
    """Neighbours on a grid belong together, and no gap is empty."""
    numbers = [step * at for at in range(count)]

    assert runs(numbers, step) == [Run(0, numbers[-1])]
    assert runs(numbers, step)[0].count(step) == count
    assert gaps(numbers, step=step) == []


@given(st.integers(0, 9), NUMBERS)
def test_gaps_before_a_known_beginning_are_missing_too(first: int, numbers: set[int]) -> None:
    """Where a row must begin is known of the pieces of a clip."""
    known = {number + 10 for number in numbers}

    assert expanded(gaps(known, first=first)) == sorted(set(range(first, max(known) + 1)) - known)


def test_gaps_of_a_thousand_million_frames_cost_what_one_costs() -> None:
    """No number is counted by itself."""
    assert gaps([0, 10**15]) == [Run(1, 10**15 - 1)]


@given(st.integers(3, 60), st.data())
def test_any_one_inner_frame_that_is_removed_is_the_one_that_is_named(
    count: int, data: st.DataObject
) -> None:
    """However long the sequence is."""
    gone = data.draw(st.integers(1, count - 2))
    found = looked(*(b"A003.%04d.exr" % n for n in range(count) if n != gone))

    assert found.hold is HoldReason.INCOMPLETE
    assert [lack.text for lack in found.missing] == [f"shot/A003.{gone:04d}.exr"]


def test_gap_is_told_as_first_and_last_name_with_the_number_of_files() -> None:
    """The names that a person looks for."""
    there = (b"A003_%04d.exr" % n for n in range(1, 120) if not 87 <= n <= 91)
    found = looked(*there, pattern="{stem}_{frame:04d}.exr")

    assert found.note == "missing: shot/A003_0087.exr to A003_0091.exr (5 files)"
    assert found.findings[0].detail == f"1 sequence: {found.note}"


def test_sequences_side_by_side_and_below_are_each_their_own() -> None:
    """Another stem, folder or padding is another row; another case is not."""
    found = looked(
        b"a.0001.exr", b"a.0003.exr", b"A.0002.EXR", b"b.0007.exr", b"b.0009.exr",
        b"sub/a.0001.exr", b"sub/a.0004.exr", b"a.5.exr", b"a.jpg",
    )  # fmt: skip

    assert [lack.text for lack in found.missing] == [
        "shot/b.0008.exr",
        "shot/sub/a.0002.exr to a.0003.exr (2 files)",
    ]
    assert found.findings[0].detail.startswith("3 sequences: ")


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((1,), []),
        ((1, 1_000_000), []),
        ((1, 2, 3, 9999), []),
        ((0, 1001, 1002, 1003), []),
        ((1, 2, 3, 14), ["4 to 13"]),
        ((1, 2, 3, 5000, 5001), ["4 to 4999"]),
        ((1, 3), ["2"]),
    ],
)
def test_single_number_far_off_is_a_stray_and_holds_nothing(
    numbers: tuple[int, ...], missing: list[str]
) -> None:
    """A slate or a still beside a sequence is no thousand missing frames."""
    found = looked(*(b"x.%04d.exr" % n for n in numbers))
    told = [lack.text.replace("shot/x.", "").replace("x.", "") for lack in found.missing]
    plain = [text.replace(".exr", "").split(" (")[0] for text in told]

    assert [" to ".join(str(int(n)) for n in text.split(" to ")) for text in plain] == missing
    assert bool(found.warnings) == (len(numbers) > 1 and not missing)


@given(NUMBERS)
def test_strays_are_single_numbers_at_the_ends(numbers: set[int]) -> None:
    """What is left without them still begins and ends with numbers that were there."""
    known = runs(numbers)
    far = strays(known)

    assert all(run.first == run.last and run in (known[0], known[-1]) for run in far)
    assert len(far) < max(len(known), 1) or len(known) == 2


@given(st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40)))
def test_every_loose_frame_knows_its_own_sequence_and_one_of_it_tells(
    ours: set[int], theirs: set[int]
) -> None:
    """Another sequence beside it is another matter; the one that tells stands behind a gap."""
    names = [b"a.%04d.exr" % n for n in ours] + [b"b.%04d.exr" % n for n in theirs]
    listed = listing(dict.fromkeys([*names, b"c.mov"], b""), b"")
    found = judge_loose(Frames(patterns=(EXR,)), listed)
    alone = judge(Frames(patterns=(EXR,)), listing({b"a.%04d.exr" % n: b"" for n in ours}, b""))

    assert found.keys() == set(names)
    assert {str(f.shortage.lacks) for p, f in found.items() if p.startswith(b"a")} == {
        str(alone.lacks)
    }
    speakers = [path for path, each in found.items() if each.speaks]
    expected = [(b"a", ours), (b"b", theirs)]
    assert sorted(speakers) == [
        b"%b.%04d.exr" % (stem, runs(numbers)[1].first)
        for stem, numbers in expected
        if len(runs(numbers)) > 1
    ]


@pytest.mark.parametrize(
    ("gaps_say", "incomplete", "held"),
    [
        (None, None, True),
        (None, Incomplete.SEND, False),
        (None, Incomplete.HOLD, True),
        (Incomplete.HOLD, Incomplete.SEND, True),
        (Incomplete.SEND, Incomplete.HOLD, False),
    ],
)
def test_gap_holds_or_warns_as_the_sequences_say_and_else_as_the_rule(
    gaps_say: Incomplete | None, incomplete: Incomplete | None, held: bool
) -> None:
    """The nearer word counts."""
    frames = Frames(patterns=(EXR,), gaps=gaps_say)
    wants = rule(incomplete=incomplete, frames=frames)
    files = {b"shot/x.%04d.exr" % n: b"" for n in (1, 3)}
    found = assess(wants, listing(files, b"shot"), {})

    assert (found.hold is not None) is held
    assert bool(found.warnings) is not held
    assert ("sequences" in wants.whole.can_refuse) is held


@given(st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & set(b"/\0")))
def test_gap_under_any_stem_is_named_on_one_line(stem: bytes) -> None:
    """Line breaks and direction marks in a stem neither hide nor forge a gap."""
    files = {b"shot/" + stem + b".%04d.exr" % n: b"" for n in (7, 9)}
    found = judge(Frames(patterns=(EXR,)), listing(files, b"shot"))

    assert [lack.text for lack in found.lacks.values()] == [shown(b"shot/" + stem + b".0008.exr")]
