"""When something that arrived counts as whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import HoldReason, Identity, Settle
from masv_watch.watch.markers import Marker
from masv_watch.watch.settle import (
    Entry,
    Seen,
    State,
    Verdict,
    judge,
    quiet_for,
    signature,
)

ID = Identity(size=5, mtime_ns=7, ctime_ns=8, inode=9, device=10)


def sample(version: int = 0, *, size: int = 10, kind: str = "file", files: int = 1) -> Seen:
    """Make a sample that differs from another exactly by its version."""
    return Seen(kind=kind, signature=f"s{version}", fence=f"f{version}", files=files, size=size)


def sample_until(
    seen: Seen, *, quiet_s: float, samples: int = 3, start: float = 100.0
) -> tuple[Verdict, float, int]:
    """Sample an unchanging entry whenever it is said to be of use, until it is not growing."""
    wants, now, known = Settle(samples=samples), start, None
    for count in range(1, 1000):
        verdict = judge(known, seen, now, wants, quiet_s=quiet_s)
        if verdict.state not in (State.GROWING, State.EMPTY):
            return verdict, now - start, count
        assert verdict.retry_at > now
        known, now = verdict.entry, verdict.retry_at
    raise AssertionError("never quiet")


@given(st.floats(1, 10_000), st.integers(2, 20), st.floats(0, 1e9))
def test_judge_of_an_unchanging_file_becomes_quiet_and_not_before_its_time(
    quiet_s: float, samples: int, start: float
) -> None:
    """Asked at its own `retry_at`, an unchanging file is quiet after quiet, not before."""
    verdict, waited, count = sample_until(sample(), quiet_s=quiet_s, samples=samples, start=start)

    assert verdict.state is State.QUIET
    assert verdict.hold is None
    assert quiet_s * 0.999999 - 1e-3 <= waited <= quiet_s * 1.1 + 15
    assert count >= samples


@given(st.floats(1, 1000), st.lists(st.booleans(), min_size=1, max_size=6), st.floats(0.1, 4.2))
def test_judge_of_a_folder_asks_four_times_the_quiet_time_while_a_temporary_name_stands_in_it(
    quiet_s: float, versions: list[bool], look: float
) -> None:
    """Whatever came, went and was renamed before: the last change decides (pain 21)."""
    known: Entry | None = None
    now, seen = 0.0, sample()
    for version, is_unfinished in enumerate(versions):
        name = "CARD/b.mov.part" if is_unfinished else ""
        seen = replace(sample(version, kind="folder"), unfinished=name)
        now += look * quiet_s
        known = judge(known, seen, now, Settle(), quiet_s=quiet_s).entry
    began, asked_s = now, quiet_s * (4 if versions[-1] else 1)
    for _ in range(1000):
        verdict = judge(known, seen, now, Settle(), quiet_s=quiet_s)
        assert (verdict.state is State.QUIET) is (
            verdict.entry.samples >= 3 and now >= began + asked_s
        )
        if verdict.state is State.QUIET:
            break
        known, now = verdict.entry, max(verdict.retry_at, now + 1e-6)

    assert asked_s * 0.999 <= now - began <= asked_s * 1.1 + 15
    (said,) = [each.detail for each in verdict.findings if each.test == "quiet"]
    assert said.endswith("four times as long as CARD/b.mov.part stands in it") is versions[-1]


def test_judge_of_a_folder_with_a_done_marker_waits_for_no_temporary_name() -> None:
    """Its writer said that it is done."""
    seen = replace(sample(kind="folder"), unfinished="CARD/b.mov.part")
    marker = Marker(path=b"CARD.done", identity=ID)
    known: Entry | None = None
    for now in (0.0, 1.1, 2.2):
        verdict = judge(known, seen, now, Settle(), quiet_s=60.0, marker=marker)
        known = verdict.entry

    assert verdict.state is State.QUIET


@given(
    st.lists(st.floats(0.01, 9.9), min_size=3, max_size=60),
    st.lists(st.floats(0.01, 4.0), min_size=3, max_size=100),
)
def test_judge_of_a_writer_that_pauses_less_than_quiet_is_never_quiet(
    gaps: list[float], looks: list[float]
) -> None:
    """While changes come more often than the quiet time, no order of samples makes it quiet."""
    changes = [0.0]
    for gap in gaps:
        changes.append(changes[-1] + gap)
    known: Entry | None = None
    now = 0.0
    for look in looks:
        now += look
        if now > changes[-1]:
            break
        version = sum(1 for at in changes if at <= now)
        verdict = judge(known, sample(version), now, Settle(), quiet_s=10.0)
        known = verdict.entry

        assert verdict.state is State.GROWING


@given(st.lists(st.floats(0, 30), min_size=1, max_size=50))
def test_judge_counts_samples_only_when_they_are_spread(looks: list[float]) -> None:
    """A quiet verdict rests on the wanted samples, none closer to the one before than spacing."""
    known, now, counted = None, 0.0, []
    for look in looks:
        now += look
        verdict = judge(known, sample(), now, Settle(samples=4), quiet_s=12.0)
        if known is None or verdict.entry.samples > known.samples:
            counted.append(now)
        known = verdict.entry

        if verdict.state is State.QUIET:
            assert len(counted) >= 4
            assert now - counted[0] >= 12.0
    assert all(later - earlier >= 3.0 - 1e-9 for earlier, later in pairwise(counted))


def test_judge_of_a_burst_of_samples_is_not_quiet() -> None:
    """Many samples at one moment are one sample, however many notifications rang."""
    first = judge(None, sample(), 0.0, Settle(), quiet_s=15.0)
    entry = first.entry
    for _ in range(10):
        entry = judge(entry, sample(), 0.1, Settle(), quiet_s=15.0).entry

    assert entry.samples == 1
    assert judge(entry, sample(), 16.0, Settle(), quiet_s=15.0).state is State.GROWING


def test_judge_of_the_same_size_with_another_fence_restarts() -> None:
    """A same-size rewrite changes the fence, and the clock starts anew (faults 13, 14)."""
    entry = Entry(signature="s0", fence="f0", since=0.0, sampled_at=90.0, samples=9)
    changed = Seen(kind="file", signature="s0", fence="f1", files=1, size=10)
    verdict = judge(entry, changed, 100.0, Settle(), quiet_s=15.0)

    assert verdict.state is State.GROWING
    assert verdict.entry.since == 100.0
    assert verdict.entry.samples == 1
    assert verdict.hold is HoldReason.GROWING


def test_judge_of_an_empty_file_waits_four_times() -> None:
    """Writers create first and fill later: an empty top-level file waits 4 x quiet (fault 27)."""
    verdict, waited, _ = sample_until(sample(size=0), quiet_s=10.0)

    assert verdict.state is State.QUIET
    assert 40.0 <= waited <= 55.0


def test_judge_of_an_empty_file_after_quiet_is_empty_and_held_as_growing() -> None:
    """Between quiet and 4 x quiet an empty file is shown as empty, still waiting."""
    entry = Entry(signature="s0", fence="f0", since=0.0, sampled_at=10.0, samples=5)
    verdict = judge(entry, sample(size=0), 20.0, Settle(), quiet_s=10.0)

    assert verdict.state is State.EMPTY
    assert verdict.hold is HoldReason.GROWING


def test_judge_of_a_quiet_folder_without_a_file_is_held_empty() -> None:
    """A folder without a sendable file makes no package."""
    entry = Entry(signature="s0", fence="f0", since=0.0, sampled_at=10.0, samples=5)
    verdict = judge(entry, sample(size=0, kind="folder", files=0), 20.0, Settle(), quiet_s=10.0)

    assert verdict.state is State.EMPTY
    assert verdict.hold is HoldReason.EMPTY


def test_judge_of_an_unreadable_entry_is_odd_however_quiet() -> None:
    """Nothing is sent while something of it cannot be read (fault 29)."""
    entry = Entry(signature="s0", fence="f0", since=0.0, sampled_at=10.0, samples=5)
    seen = Seen(
        kind="folder",
        signature="s0",
        fence="f0",
        files=3,
        size=9,
        unreadable=("a cannot be read: Permission denied", "b too"),
    )
    verdict = judge(entry, seen, 100.0, Settle(), quiet_s=10.0)

    assert verdict.state is State.ODD
    assert verdict.hold is HoldReason.UNREADABLE
    assert "and 1 more" in verdict.findings[0].detail
    assert not verdict.findings[0].passed


def test_judge_findings_name_every_test() -> None:
    """Every verdict says which tests it made (law 14 of the house)."""
    verdict = judge(None, sample(), 0.0, Settle(), quiet_s=15.0)

    assert [each.test for each in verdict.findings] == [
        "readable",
        "changes",
        "quiet",
        "samples",
        "content",
    ]


def test_signature_depends_on_path_size_and_mtime_alone() -> None:
    """A changed ctime, inode or device alone is never a new generation."""
    moved = Identity(size=5, mtime_ns=7, ctime_ns=80, inode=90, device=100)
    later = Identity(size=5, mtime_ns=8, ctime_ns=8, inode=9, device=10)

    assert signature([(b"a", ID)]) == signature([(b"a", moved)])
    assert signature([(b"a", ID)]) != signature([(b"a", later)])
    assert signature([(b"a", ID)]) != signature([(b"b", ID)])


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=6), st.integers(0, 9)), unique=True))
def test_signature_does_not_depend_on_the_order_of_the_walk(files: list[tuple[bytes, int]]) -> None:
    """The file system may list in any order."""
    placed = [
        (path, Identity(size=size, mtime_ns=0, ctime_ns=0, inode=0, device=0))
        for path, size in dict(files).items()
    ]

    assert signature(placed) == signature(placed[::-1])


@given(
    st.lists(st.binary(min_size=1, max_size=4), max_size=4, unique=True),
    st.lists(st.binary(min_size=1, max_size=4), max_size=4, unique=True),
)
def test_signature_of_different_names_differs(one: list[bytes], other: list[bytes]) -> None:
    """Names are framed, so that no two lists of names run into each other."""
    first = signature((name, ID) for name in one)
    second = signature((name, ID) for name in other)

    assert (first == second) == (sorted(one) == sorted(other))


def test_quiet_for_uses_the_rule_and_else_the_file_system() -> None:
    """15 s on a local file system and 60 s on a network one, unless the rule says otherwise."""
    assert quiet_for(Settle(), "local") == 15.0
    assert quiet_for(Settle(), "network") == 60.0
    assert quiet_for(Settle(quiet_s=2.0), "network") == 2.0


def test_judge_says_no_more_seconds_than_it_asks_for() -> None:
    """Of what waits for something else it would read as a reckoning that does not add up."""
    first = judge(None, sample(), 0.0, Settle(), quiet_s=3.0)
    said = {each.test: each.detail for each in judge(
        first.entry, sample(), 46.0, Settle(), quiet_s=3.0
    ).findings}  # fmt: skip

    assert said["quiet"] == "3 of 3 s unchanged"
    assert said["content"] == "1 file, 10 bytes"
