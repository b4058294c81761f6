"""Which files of a folder settle while the rest of it still arrives."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import UNKEPT_CTIME_NS, UNKEPT_INODE, Identity, Settle
from masv_watch.watch.arrivals import Arrivals, Look, Placed
from masv_watch.watch.settle import Entry, Seen, State, judge

QUIET_S = 9.0
WANTS = Settle()
SPACING_S = QUIET_S / 3
ID = Identity(size=5, mtime_ns=7, ctime_ns=8, inode=9, device=10)
NAMES = (b"CARD/a", b"CARD/b", b"CARD/deep/c", b"CARD/\xff\n")

#: seconds to the next sample, and what changes before it: a name with its new version, 0 for gone
steps = st.lists(
    st.tuples(
        st.floats(0.05, 6.0),
        st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 3)), max_size=3),
    ),
    min_size=1,
    max_size=40,
)


def files_of(versions: dict[bytes, int]) -> list[Placed]:
    """Give the files that are there, each version of another identity."""
    return [(name, replace(ID, ctime_ns=version)) for name, version in versions.items() if version]


def look(arrivals: Arrivals, versions: dict[bytes, int], now: float, samples: int = 3) -> Look:
    """Sample the files."""
    return arrivals.look(files_of(versions), now, Settle(samples=samples), quiet_s=QUIET_S)


def paths(look: Look) -> list[bytes]:
    """Give the paths of what settled."""
    return [path for path, _ in look.settled]


@given(steps, st.integers(2, 6))
def test_file_settles_exactly_when_a_judge_of_its_own_says_so(
    story: list[tuple[float, list[tuple[bytes, int]]]], samples: int
) -> None:
    """Files that are judged together settle at the very sample at which each alone would."""
    arrivals, wants, now = Arrivals(), Settle(samples=samples), 100.0
    versions: dict[bytes, int] = {}
    alone: dict[bytes, Entry] = {}
    for wait, changes in story:
        now += wait
        versions.update(changes)
        told = look(arrivals, versions, now, samples)
        expected = []
        for name, version in versions.items():
            if not version:
                alone.pop(name, None)
                continue
            seen = Seen(kind="folder", signature=str(version), fence=str(version), files=1, size=1)
            verdict = judge(alone.get(name), seen, now, wants, quiet_s=QUIET_S)
            alone[name] = verdict.entry
            if verdict.state is State.QUIET:
                expected.append(name)

        assert paths(told) == expected
        assert told.unsettled == sum(map(bool, versions.values())) - len(expected)


@given(steps)
def test_file_is_told_once_for_each_version_that_settles(
    story: list[tuple[float, list[tuple[bytes, int]]]],
) -> None:
    """What was handed on comes again only after it changed, and then only after a quiet time."""
    arrivals, now = Arrivals(), 100.0
    versions: dict[bytes, int] = {}
    handed: dict[bytes, int] = {}
    since: dict[bytes, float] = {}
    for wait, changes in story:
        now += wait
        before = dict(versions)
        versions.update(changes)
        for name, version in versions.items():
            if version and version != before.get(name, 0):
                since[name] = now
        told = look(arrivals, versions, now)
        arrivals.hand_on(paths(told))

        for name in told.changed:
            assert handed.pop(name) != versions[name]
        for name in told.gone:
            assert handed.pop(name)
            assert not versions[name]
        for name in paths(told):
            assert name not in handed
            assert now - since[name] >= QUIET_S
            handed[name] = versions[name]
        assert all(versions[name] == version for name, version in handed.items())


def test_files_settle_one_after_the_other_whatever_moves_beside_them() -> None:
    """A file that keeps growing delays nobody but itself."""
    arrivals, now = Arrivals(), 0.0
    settled = []
    for number in range(12):
        versions = {b"CARD/a": 1, b"CARD/grows": number + 1}
        if number >= 3:
            versions[b"CARD/late"] = 1
        told = look(arrivals, versions, now)
        arrivals.hand_on(paths(told))
        settled += [(path, now) for path in paths(told)]
        now += SPACING_S

    assert settled == [(b"CARD/a", QUIET_S), (b"CARD/late", 2 * QUIET_S)]


def test_what_was_not_handed_on_is_told_again() -> None:
    """What a full disk or a pause kept from the ledger is not lost."""
    arrivals = Arrivals()
    for number in range(4):
        told = look(arrivals, {b"CARD/a": 1}, number * SPACING_S)
    assert paths(told) == [b"CARD/a"]

    again = look(arrivals, {b"CARD/a": 1}, 4 * SPACING_S)
    arrivals.hand_on(paths(again))
    assert paths(again) == [b"CARD/a"]
    assert paths(look(arrivals, {b"CARD/a": 1}, 5 * SPACING_S)) == []


def test_empty_file_inside_a_folder_waits_no_longer_than_others() -> None:
    """Only an empty file at the top waits four times."""
    arrivals = Arrivals()
    files = [(b"CARD/empty", replace(ID, size=0)), (b"CARD/full", ID)]
    for number in range(4):
        told = arrivals.look(files, number * SPACING_S, Settle(), quiet_s=QUIET_S)

    assert paths(told) == [b"CARD/empty", b"CARD/full"]


def test_burst_of_samples_settles_nothing() -> None:
    """Notifications may ring as often as they like: samples count only when they are spread."""
    arrivals = Arrivals()
    looks = [look(arrivals, {b"CARD/a": 1}, 0.01 * number) for number in range(90)]

    assert not any(each.settled for each in looks)
    assert not look(arrivals, {b"CARD/a": 1}, QUIET_S).settled


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_look_names_what_changed_and_what_went_of_what_was_handed_on(story: list[int]) -> None:
    """Nothing else is told of, and each change once."""
    arrivals = Arrivals()
    versions = {b"CARD/a": 4}
    for number in range(4):
        told = look(arrivals, versions, number * SPACING_S)
    arrivals.hand_on(paths(told))
    now = QUIET_S
    is_known = True
    for before, after in pairwise([4, *story]):
        now += 0.01
        told = look(arrivals, {b"CARD/a": after}, now)

        assert told.changed == ((b"CARD/a",) if is_known and after not in (0, before) else ())
        assert told.gone == ((b"CARD/a",) if is_known and not after else ())
        is_known = is_known and after == before


UNKEPT = {"inode": UNKEPT_INODE, "ctime_ns": UNKEPT_CTIME_NS}


def handed_on(arrivals: Arrivals, identity: Identity) -> None:
    """Let a file settle and be known to the ledger."""
    for number in range(4):
        told = arrivals.look([(b"CARD/a", identity)], number * SPACING_S, WANTS, quiet_s=QUIET_S)
    arrivals.hand_on(paths(told))


def after(arrivals: Arrivals, *looks: Identity) -> list[tuple[bytes, ...]]:
    """Look at the file as it is one time after the other, and give what changed each time."""
    return [
        arrivals.look(
            [(b"CARD/a", identity)], (number + 4) * SPACING_S, WANTS, quiet_s=QUIET_S
        ).changed
        for number, identity in enumerate(looks)
    ]


@pytest.mark.parametrize("field", UNKEPT)
def test_field_that_is_left_out_or_counts_again_is_no_change(field: str) -> None:
    """The file system was found out, and nothing of the file moved."""
    arrivals, lesser = Arrivals(), replace(ID, **{field: UNKEPT[field]})
    handed_on(arrivals, ID)
    other = replace(ID, **{field: 77})

    assert after(arrivals, lesser, ID, lesser, other, replace(other, **{field: 78})) == [()] * 5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ID, replace(ID, ctime_ns=UNKEPT_CTIME_NS, size=6)),
        (ID, replace(ID, ctime_ns=UNKEPT_CTIME_NS, mtime_ns=9)),
        (ID, replace(ID, ctime_ns=UNKEPT_CTIME_NS, inode=11)),
        (replace(ID, inode=UNKEPT_INODE), replace(ID, ctime_ns=9)),
        (ID, replace(ID, ctime_ns=9)),
        (ID, replace(ID, device=11, size=6)),
    ],
)
def test_what_both_looks_tell_is_a_change_whatever_one_of_them_leaves_out(
    first: Identity, second: Identity
) -> None:
    """Size and time always count, and so does the field that is kept."""
    arrivals = Arrivals()
    handed_on(arrivals, first)

    assert after(arrivals, second) == [(b"CARD/a",)]


def test_file_whose_device_has_another_number_settles_anew_unchanged() -> None:
    """A share that is mounted anew shows one; what was sent from it is not given up for that."""
    arrivals, now = Arrivals(), 10 * SPACING_S
    handed_on(arrivals, ID)
    again = replace(ID, device=11)
    looks = [
        arrivals.look([(b"CARD/a", again)], now + number * SPACING_S, WANTS, quiet_s=QUIET_S)
        for number in range(4)
    ]

    assert [each.changed for each in looks] == [()] * 4
    assert [paths(each) for each in looks] == [[], [], [], [b"CARD/a"]]


def test_look_carries_its_finding() -> None:
    """Whoever explains the drop can say how far it is."""
    told = look(Arrivals(), {b"CARD/a": 1, b"CARD/b": 1}, 0.0)

    assert [(each.test, each.passed, each.detail) for each in told.findings] == [
        ("files", False, "0 of 2 files settled")
    ]
