"""What a share keeps of an untouched file, as the looks at our own marker teach it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Identity
from masv_watch.watch.drift import LEAST_S, MOST_STEPS, STEADY_STEPS, STEPS, Drift, named, said

MARKER = {"size": 60, "mtime_ns": 10**18, "ctime_ns": 10**18, "inode": 5, "device": 7}
CTIME, INODE = frozenset({"ctime_ns"}), frozenset({"inode"})
#: looks after which what changes at each of them is left out
LOOKS = STEPS + 1


def after(looks: Iterable[dict[str, int]], *, spacing_s: float = 30.0) -> Drift:
    """Look at a marker that shows this, one look after the other."""
    drift = Drift()
    for number, other in enumerate(looks):
        drift.note(Identity(**{**MARKER, **other}), number * spacing_s)
    return drift


@pytest.mark.parametrize(
    ("shown", "left_out"),
    [
        (lambda n: {"ctime_ns": n}, CTIME),
        (lambda n: {"inode": n + 1}, INODE),
        (lambda n: {"ctime_ns": n, "inode": n + 1}, CTIME | INODE),
        # two replicas that answer in turn
        (lambda n: {"ctime_ns": n % 2}, CTIME),
        (lambda _n: {}, frozenset()),
        # a file that is written: what it shows says nothing about the share
        (lambda n: {"ctime_ns": n, "mtime_ns": n}, frozenset()),
        (lambda n: {"ctime_ns": n, "size": n}, frozenset()),
        # a share that is mounted anew each time is another one each time
        (lambda n: {"ctime_ns": n, "device": n}, frozenset()),
    ],
)
def test_what_changes_at_every_look_at_the_marker_is_left_out(shown, left_out):
    """Nobody writes the marker: what differs there tells nothing of the files beside it."""
    assert after(shown(n) for n in range(LOOKS)).fields == left_out


def test_lesson_is_of_the_file_system_that_gave_it_alone():
    """Another one may keep what this one does not."""
    drift = after({"ctime_ns": n} for n in range(LOOKS))

    assert drift.is_of(MARKER["device"])
    assert not drift.is_of(MARKER["device"] + 1)
    assert not Drift().is_of(MARKER["device"])


def test_look_too_soon_after_another_counts_nothing():
    """A client answers out of its memory for a while, and a burst of looks is one."""
    assert not after(({"ctime_ns": n} for n in range(50)), spacing_s=LEAST_S / 51).fields


@given(st.lists(st.booleans(), max_size=60), st.sampled_from(["ctime_ns", "inode"]))
def test_what_changes_now_and_then_is_never_left_out(changes: list[bool], field: str):
    """A chmod, a backup or a repair of rights leaves its trace, and then stands still."""
    value, looks = 1, []
    for number, changed in enumerate(changes):
        recent = changes[max(0, number - MOST_STEPS + 1) : number]
        value += changed and sum(recent) < STEPS - 1
        changes[number] = changed and sum(recent) < STEPS - 1
        looks.append({field: value})

    assert not after(looks).fields


@given(st.integers(0, STEADY_STEPS), st.booleans())
def test_what_stood_still_for_long_counts_again(steps: int, goes_on: bool):
    """A share that was mounted better, or whose replica is repaired, is an ordinary one."""
    drifting = [{"ctime_ns": n + 1} for n in range(LOOKS)]
    still = [{"ctime_ns": LOOKS}] * steps
    rest = [{"ctime_ns": 99}] if goes_on else []

    assert bool(after(drifting + still + rest).fields) is (steps < STEADY_STEPS)


def test_share_that_is_mounted_anew_has_to_show_it_again():
    """Another file system may keep what this one did not."""
    drifting = [{"ctime_ns": n} for n in range(LOOKS)]

    assert after(drifting).fields
    assert not after([*drifting, {"device": 8}]).fields


def test_marker_that_is_written_anew_changes_nothing_of_what_is_known():
    """It tells of its content, and the share is the same."""
    drifting = [{"ctime_ns": n} for n in range(LOOKS)]

    assert after([*drifting, {"mtime_ns": 3}]).fields == CTIME


def test_what_is_left_out_is_named_for_people():
    """Status, explain and log say the same."""
    assert named(CTIME | INODE) == "inode and change time"
    assert said(INODE).startswith("without inode, which the share does not keep")
    assert said(frozenset()) == ""
