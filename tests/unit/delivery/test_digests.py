"""Which deliveries one letter tells of, and when it may go."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.delivery import digests
from masv_watch.model import OwedLetter, Task, TaskKind, TaskState
from tests.searching import examples

OURS, THEIRS = None, "/etc/masv-watch/letter.html"
seconds = st.floats(min_value=0, max_value=4e9)


def owed(number: int, template: str | None = OURS, upload: str | None = None) -> OwedLetter:
    task = Task(
        id=number,
        upload_id=upload or f"upload-{number}",
        kind=TaskKind.LETTER,
        key="producer@example.com",
        state=TaskState.DUE,
        asked=False,
        attempts=0,
        retry_at=0.0,
        created_at=0.0,
        fence=1,
        note="",
        facts={},
    )
    return OwedLetter(task=task, template=template)


def test_letter_to_an_address_that_was_never_mailed_goes_at_once() -> None:
    """A single delivery is never late."""
    assert digests.opens_at(None, now=7.0, digest_s=600.0) == 7.0


@settings(max_examples=examples(200))
@given(mailed_at=seconds, now=seconds, digest_s=st.floats(min_value=1, max_value=86400))
def test_wait_for_the_next_letter_ends_at_its_time_whatever_the_clock_says(
    mailed_at: float, now: float, digest_s: float
) -> None:
    """Never before the time is over, never longer than it, and a time of the future is as now."""
    at = digests.opens_at(mailed_at, now=now, digest_s=digest_s)

    assert now <= at <= now + digest_s
    if mailed_at <= now:
        assert at == max(now, mailed_at + digest_s)


@settings(max_examples=examples(200))
@given(templates=st.lists(st.sampled_from([OURS, THEIRS]), max_size=180))
def test_letters_hold_every_delivery_of_a_template_once_and_in_order(
    templates: list[str | None],
) -> None:
    """As few letters as hold them, none of one delivery, and nothing of another template."""
    waiting = [owed(number, template) for number, template in enumerate(templates)]
    fitting = [number for number, template in enumerate(templates) if template == OURS]

    made = digests.letters(waiting, template=OURS)

    if len(fitting) < 2:
        assert made == {}
        return
    assert [number for group in made.values() for number in group] == fitting
    assert all(2 <= len(group) <= digests.MOST for group in made.values())
    assert len(made) == -(-len(fitting) // digests.MOST)


def test_letters_of_any_number_of_deliveries_leave_none_over() -> None:
    """One that is left over would wait for the next letter, a whole time later."""
    for number in range(2, 3 * digests.MOST + 2):
        made = digests.letters(map(owed, range(number)), template=OURS)
        assert [one for group in made.values() for one in group] == list(range(number))
        assert all(len(group) >= 2 for group in made.values()), number


def test_letter_is_told_from_every_other_by_what_it_tells() -> None:
    """The same deliveries make the same letter, also in another state; any other ones another."""
    first, second = owed(1, upload="u1"), owed(2, upload="u2")
    (key,) = digests.letters([first, second], template=OURS)
    (elsewhere,) = digests.letters([owed(8, upload="u1"), owed(9, upload="u2")], template=OURS)
    (other,) = digests.letters([first, second, owed(3)], template=OURS)

    assert re.fullmatch("[0-9a-f]{40}", key)
    assert key == elsewhere
    assert key != other
