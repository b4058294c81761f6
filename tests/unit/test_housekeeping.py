"""When a copy of the state is due, what it is called, and which of the old ones go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.housekeeping import BACKUP_S, is_copy, is_due, name_of, surplus

NOW = 1_700_000_000.0


def test_copy_is_due_once_a_day_whatever_the_clock_showed_before():
    """None yet, an old one, one of the future of a wrong clock: due. A newer one: not."""
    assert is_due([], NOW)
    assert is_due([NOW - BACKUP_S], NOW)
    assert is_due([NOW + 1], NOW)
    assert not is_due([NOW - BACKUP_S, NOW - 60], NOW)


@given(
    times=st.lists(st.integers(min_value=0, max_value=10**6), unique=True, max_size=12),
    ahead=st.lists(st.integers(min_value=10**6 + 1, max_value=10**7), unique=True, max_size=4),
    others=st.lists(
        st.sampled_from(["notes.txt", "masv-watch-old.db", "masv-watch-20260101T000000.db.key"]),
        unique=True,
    ),
    keep=st.integers(min_value=1, max_value=8),
)
def test_surplus_are_copies_of_the_future_and_the_oldest_and_nothing_else(
    times, ahead, others, keep
):
    """The one just made and the newest `keep` stay, and so does every file that is not ours."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    made = name_of(begin + timedelta(seconds=10**6))
    names = [name_of(begin + timedelta(seconds=each)) for each in sorted({*times, 10**6})]
    wrong = [name_of(begin + timedelta(seconds=each)) for each in sorted(ahead)]
    gone = surplus([*others, *reversed(wrong), *reversed(names)], made, keep=keep)

    assert all(is_copy(name) for name in names)
    assert gone == [*wrong, *names][: max(len(wrong) + len(names) - keep, 0)]
    assert made not in gone
