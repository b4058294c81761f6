"""Done markers: whose they are, and what they do to settling."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import UNKEPT_CTIME_NS, DeliveredFile, HoldReason, Identity, Rule, Settle, To
from masv_watch.watch.addresses import Layout
from masv_watch.watch.markers import Marker, is_left_over, marker_of, shape_of
from masv_watch.watch.rules import Fate, Matcher
from masv_watch.watch.settle import MARKED_QUIET_S, Entry, Seen, State, judge

SEEN = Seen(kind="file", signature="s", fence="f", files=1, size=10)
DONE = Identity(size=0, mtime_ns=1, ctime_ns=2, inode=3, device=4)
WANTS = Settle(done_marker="{name}.done")
_NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: not {0, 47} & set(name))


@pytest.mark.parametrize(
    ("template", "top", "kind", "path"),
    [
        ("{name}.done", b"a.mov", "file", b"a.mov.done"),
        ("{stem}.ok", b"a.b.mov", "file", b"a.b.ok"),
        ("{stem}.ok", b"CARD.1", "folder", b"CARD.1.ok"),
        ("{stem}.ok", b".hidden", "file", b".hidden.ok"),
        ("{name}/DONE", b"CARD", "folder", b"CARD/DONE"),
    ],
)
def test_marker_of_a_drop_is_named_by_its_template(
    template: str, top: bytes, kind: str, path: bytes
) -> None:
    """`{name}` is the whole name, `{stem}` that without its ending, which folders have not."""
    assert marker_of(template, top, kind) == path


@given(_NAMES, st.sampled_from(["{name}.done", "_{stem}_", "{name}/DONE", "{name}/a/{stem}"]))
def test_marker_of_any_name_is_left_out_and_the_drop_itself_is_not(
    top: bytes, template: str
) -> None:
    """Whatever bytes a name has, its marker is known as one, wherever the template puts it."""
    path = marker_of(template, top, "folder")
    matcher = Matcher(
        Rule(
            name="hot",
            path=b"/hot",
            to=To(recipients=()),
            settle=Settle(done_marker=template),
            ignore_builtin=False,
        )
    )

    assert shape_of(template, Layout()).fullmatch(path.decode("utf-8", "surrogateescape"))
    assert matcher.match(path, "file").fate is Fate.SKIP


def test_judge_without_the_marker_never_settles_and_says_which_is_missing() -> None:
    """It is waited for however long, whatever the quiet time says."""
    known: Entry | None = None
    for now in range(0, 100_000, 100):
        verdict = judge(
            known, SEEN, now, WANTS, quiet_s=15, marker=Marker(path=b"a.done", identity=None)
        )
        assert (verdict.state, verdict.hold) == (State.GROWING, HoldReason.MARKER_MISSING)
        known = verdict.entry
    [finding] = [each for each in verdict.findings if each.test == "marker"]
    assert "a.done is not there" in finding.detail


def _walk(marks: list[tuple[float, Identity | None]], seen: Seen = SEEN) -> float:
    """Sample each tenth of a second; give when it is quiet. `marks` says what the marker was."""
    known: Entry | None = None
    for tenth in range(10_000):
        now = tenth / 10
        identity = next(mark for at, mark in reversed(marks) if at <= now)
        marker = Marker(path=b"a.done", identity=identity)
        verdict = judge(known, seen, now, WANTS, quiet_s=60, marker=marker)
        if verdict.state is State.QUIET:
            return now
        known = verdict.entry
    raise AssertionError("never quiet")


def test_judge_with_a_marker_settles_two_seconds_after_it_came() -> None:
    """The marker takes the place of the quiet time, not of sameness."""
    assert _walk([(0, None), (5, DONE)]) == pytest.approx(5 + MARKED_QUIET_S, abs=0.11)


def test_judge_of_a_marker_that_went_and_came_again_counts_from_the_last_time() -> None:
    """A marker that is removed before the drop goes takes back what it said."""
    marks = [(0.0, None), (5.0, DONE), (6.0, None), (50.0, DONE)]

    assert _walk(marks) == pytest.approx(50 + MARKED_QUIET_S, abs=0.11)


def test_judge_of_an_empty_file_with_a_marker_does_not_wait_four_times_as_long() -> None:
    """Its writer said that it is done."""
    empty = Seen(kind="file", signature="s", fence="f", files=1, size=0)

    assert _walk([(0, DONE)], empty) == pytest.approx(MARKED_QUIET_S, abs=0.11)


WAS = DeliveredFile(size=1, mtime_ns=5, inode=1, hash="", chunk_size=1)


@pytest.mark.parametrize(
    ("mtime_ns", "ctime_ns", "is_known", "is_left"),
    [
        (10, 10, False, False),
        (11, 11, False, True),
        # written before the marker, and its rights changed since
        (9, 11, False, False),
        # the same of what came beside delivered files: put there with an old time
        (9, 11, True, True),
        (9, 10, True, False),
        # delivered as it is
        (5, 99, True, False),
    ],
)
def test_marker_that_is_older_than_a_change_is_left_over(mtime_ns, ctime_ns, is_known, is_left):
    """It speaks for what was there when it was made, and for no more."""
    marker = Identity(size=0, mtime_ns=10, ctime_ns=10, inode=3, device=4)
    changed = Identity(size=1, mtime_ns=mtime_ns, ctime_ns=ctime_ns, inode=1, device=4)

    delivered = {b"a": WAS} if is_known else {}
    assert is_left_over(marker, [(b"a", changed)], delivered) is is_left


@pytest.mark.parametrize(("mtime_ns", "is_left"), [(9, False), (10, False), (11, True)])
def test_marker_where_no_change_time_is_kept_is_left_over_by_its_modification_time(
    mtime_ns, is_left
):
    """There nothing else tells whether it speaks for what came since."""
    marker = Identity(size=0, mtime_ns=10, ctime_ns=UNKEPT_CTIME_NS, inode=3, device=4)
    changed = replace(marker, size=1, mtime_ns=mtime_ns)

    assert is_left_over(marker, [(b"a", changed)], {}) is is_left


def test_judge_with_a_marker_that_was_left_over_waits_for_one_of_its_own() -> None:
    """An old marker neither settles a drop nor shortens its quiet time."""
    known: Entry | None = None
    for now in range(0, 1000, 10):
        marker = Marker(path=b"a.done", identity=DONE, is_stale=True)
        verdict = judge(known, SEEN, now, WANTS, quiet_s=15, marker=marker)
        assert (verdict.state, verdict.hold) == (State.GROWING, HoldReason.MARKER_MISSING)
        known = verdict.entry
    [finding] = [each for each in verdict.findings if each.test == "marker"]
    assert "a.done is older than what it marks" in finding.detail
