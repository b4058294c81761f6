"""What a rule sends of what is there: `only`, `size` and `age`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Age, DropMode, HoldReason, Identity, Rule, Sizes, To
from masv_watch.watch.filters import misfits, too_old, too_young
from masv_watch.watch.rules import Fate, Matcher, starts_early

NOW = 1_800_000_000.0
AT = "masv-watch.yml:7"
DAY = 86400.0


def identity(age: float) -> Identity:
    """Give a file that was changed so many seconds ago."""
    return Identity(size=1, mtime_ns=int((NOW - age) * 1e9), ctime_ns=0, inode=1, device=1)


def rule(**changes: object) -> Rule:
    """Make a rule, changed as wanted."""
    plain: dict[str, object] = {"name": "out", "path": b"/o", "to": To(recipients=()), "at": AT}
    return Rule(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (b"a.mov", True), (b"CARD/b.mov", True), (b"CARD/b.txt", False), (b"stills/x.txt", True),
        (b"CARD/proxy.mov", False), (b"\xff.mov", True), (b"a.mov\n", False),
    ],
)  # fmt: skip
def test_only_names_the_files_that_are_sent(path, sent):
    """gitignore patterns, of which the last that fits counts; every folder is walked."""
    matcher = Matcher(rule(only=("*.mov", "stills/", "!proxy.mov")))

    found = matcher.match(path, "file")

    assert (found.fate is Fate.KEEP) is sent
    assert matcher.match(b"CARD", "folder").fate is Fate.KEEP
    if not sent:
        assert (found.findings[0].test, found.findings[0].rule_at) == ("only", AT)


def test_only_takes_back_nothing_that_is_left_out():
    """`ignore` and the built-in list come first."""
    matcher = Matcher(rule(only=("*",), ignore=("*.xmp",)))

    assert matcher.match(b"a.xmp", "file").findings[0].test == "ignore"
    assert matcher.match(b"a.part", "file").temporary
    assert matcher.match(b".masv-watch", "file").findings[0].test == "ours"


@pytest.mark.parametrize(("size", "sent"), [(9, False), (10, True), (20, True), (21, False)])
def test_size_leaves_out_files_below_and_above_it(size, sent):
    """Both ends included; what is left out may grow on, so its folder waits for it."""
    matcher = Matcher(rule(size=Sizes(least=10, most=20)))

    found = matcher.match(b"a", "file", size=size)

    assert (found.fate is Fate.KEEP) is sent
    assert found.temporary is not sent
    if not sent:
        assert (found.findings[0].test, found.findings[0].rule_at) == ("size", AT)
        assert found.reason in {"is smaller than 10 B (size)", "is larger than 20 B (size)"}
    assert matcher.match(b"a", "folder", size=4096).fate is Fate.KEEP
    assert matcher.match(b"a", "file").fate is Fate.KEEP


@given(st.integers(0, 2**60))
def test_size_without_a_range_leaves_nothing_out(size):
    """The default sends all."""
    assert misfits(size, Sizes()) == ""


def young(*ages: float, unchanged_s: float = 0.0):
    """Ask whether files of these ages have to wait for ten minutes."""
    files = tuple(map(identity, ages))
    return too_young(files, Age(min_s=600), wall=NOW, unchanged_s=unchanged_s, at=AT)


def test_youngest_file_keeps_its_drop_until_it_is_old_enough():
    """It says for how long, and which line asks for it."""
    found = young(3600, 200)

    assert (found.hold, found.retry_at) == (HoldReason.GROWING, 400)
    assert found.note == "its youngest file is not yet 10m old"
    assert found.findings[0].rule_at == AT
    assert young(3600, 600).hold is None
    assert young().hold is None


@given(st.floats(1, 1e12))
def test_file_from_the_future_waits_as_long_as_one_of_now_and_no_longer(ahead):
    """A clock that is wrong by minutes or by centuries keeps nothing for ever (behaviour 3.3)."""
    assert young(-ahead).retry_at == 600
    assert young(-ahead, unchanged_s=599).hold is HoldReason.GROWING
    assert young(-ahead, unchanged_s=600).hold is None


def old(*ages: float, arrived_at: float = NOW) -> bool:
    """Ask whether files of these ages are too old where a month is allowed."""
    files = tuple(map(identity, ages))
    return not too_old(files, Age(max_s=30 * DAY), arrived_at=arrived_at, at=AT).passed


def test_drop_is_too_old_when_its_newest_file_is():
    """One new file in a folder of old ones is a new drop."""
    assert old(31 * DAY)
    assert not old(31 * DAY, 29 * DAY)
    assert not old()


def test_drop_that_waited_is_as_old_as_it_was_when_it_was_seen_first():
    """A window, a limit or a weekend makes nothing too old."""
    assert old(31 * DAY)
    assert not old(31 * DAY, arrived_at=NOW - 2 * DAY)


@pytest.mark.parametrize("mtime_ns", [0, -1, 315_532_799 * 10**9])
def test_file_whose_time_was_never_set_is_not_too_old(mtime_ns):
    """1970 is no age, and nothing is left out for it for ever (behaviour 3.3)."""
    odd = Identity(size=1, mtime_ns=mtime_ns, ctime_ns=0, inode=1, device=1)

    assert too_old((odd,), Age(max_s=DAY), arrived_at=NOW, at=AT).passed


def test_age_of_a_whole_drop_lets_nothing_of_it_go_before_the_rest():
    """What could still be left out must not have been sent."""
    assert starts_early(rule(drop=DropMode.FOLDER)).is_early
    found = starts_early(rule(drop=DropMode.FOLDER, age=Age(max_s=DAY)))
    assert (found.is_early, found.reason) == (False, "an age is asked of the whole drop")
