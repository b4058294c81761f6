"""How many notifications are asked of the kernel."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.files import Counted, Held
from masv_watch.watch.budget import enough_watches, shortages

ROOMY = Held(watches=10, instances=3, most_watches=8192, most_instances=128)


def test_shortage_of_watches_names_need_holders_limit_and_the_whole_command() -> None:
    """Pains 13 and 32: the number is folders, what others hold and a margin; one line to paste."""
    held = replace(ROOMY, watches=500)

    (told,) = shortages(Counted(folders=8000, is_cut=False), held)
    assert told == (
        "8,000 folders need a watch each and other programs of this user hold 500, but the kernel"
        " allows 8192: run sysctl fs.inotify.max_user_watches=10200"
    )


def test_shortage_says_when_the_counting_was_given_up() -> None:
    """A number that is only a lower bound is never given as the whole need."""
    (told,) = shortages(Counted(folders=9000, is_cut=True), ROOMY)

    assert told.startswith("at least 9,000 folders need")
    assert told.endswith("or more, as the counting was given up")


def test_shortage_of_instances_is_told_when_none_is_left() -> None:
    """Pain 13: each daemon needs one, and the last one is taken."""
    few = replace(ROOMY, instances=600, most_instances=600)

    (told,) = shortages(Counted(folders=1, is_cut=False), few)
    assert "hold 600 of 600 instances" in told
    assert told.endswith("run sysctl fs.inotify.max_user_instances=728")


@given(folders=st.integers(1, 10**7), held=st.integers(0, 10**7), limit=st.integers(0, 10**7))
def test_shortage_is_told_exactly_when_the_need_is_over_the_limit(
    folders: int, held: int, limit: int
) -> None:
    """The advised limit is never short itself."""
    counted, now = Counted(folders=folders, is_cut=False), replace(ROOMY, watches=held)

    found = shortages(counted, replace(now, most_watches=limit))
    assert bool(found) == (folders + held > limit)
    assert not shortages(counted, replace(now, most_watches=enough_watches(folders + held)))
    assert shortages(counted, replace(now, most_watches=None)) == []
