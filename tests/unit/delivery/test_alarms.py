"""When a letter about what needs a person is due, in any order of coming and going."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.delivery.alarms import PAUSE_S, decide
from masv_watch.model import Alarm, Need

AFTER_S = 900.0


def alarm(key: str = "a", *, since: float = 0.0, told: bool = False, **more: object) -> Alarm:
    """Give an alarm of one key."""
    is_final, more_since = bool(more.pop("final", False)), more.pop("more_since", None)
    need = Need(key=key, text=f"{key} is wrong", is_final=is_final, more_since=more_since)  # type: ignore[arg-type]
    return Alarm(need=need, since=since, is_told=told, **more)  # type: ignore[arg-type]


def due(*alarms: Alarm, now: float, told_at: float | None = None) -> tuple[list[str], ...] | None:
    """Give the keys of a letter that is due: new, lasting, over."""
    telling = decide(alarms, now=now, after_s=AFTER_S, told_at=told_at)
    if telling is None:
        return None
    kinds = (telling.new, telling.lasting, telling.over)
    return tuple([each.need.key for each in kind] for kind in kinds)


def test_a_need_is_told_of_once_it_lasted_long_enough():
    """What ends before that is nobody's letter."""
    assert due(alarm(), now=AFTER_S - 1) is None
    assert due(alarm(), now=AFTER_S) == (["a"], [], [])
    assert due(alarm(told=True), now=10 * PAUSE_S, told_at=AFTER_S) is None


def test_a_second_letter_waits_an_hour_and_takes_all_along():
    """However much comes meanwhile."""
    first, second = alarm(told=True), alarm("b", since=1000.0)
    assert due(first, second, now=AFTER_S + PAUSE_S - 1, told_at=AFTER_S) is None
    assert due(first, second, now=AFTER_S + PAUSE_S, told_at=AFTER_S) == (["b"], ["a"], [])


def test_the_end_is_told_of_once_nothing_is_left():
    """While something of what was told is left, nobody is told that all is well."""
    over, left = alarm(told=True, ended_at=1000.0), alarm("b", told=True)
    assert due(over, left, now=10_000.0, told_at=AFTER_S) is None
    assert due(over, now=10_000.0, told_at=AFTER_S) == ([], [], ["a"])
    assert due(over, alarm("c", since=9_900.0), now=10_000.0, told_at=AFTER_S) == ([], [], ["a"])


def test_what_can_never_be_well_again_keeps_no_end_from_being_told():
    """A refused letter stays refused."""
    final = alarm("f", told=True, final=True)
    over = alarm(told=True, ended_at=1000.0)
    assert due(final, now=10_000.0, told_at=AFTER_S) is None
    assert due(final, over, now=10_000.0, told_at=AFTER_S) == ([], [], ["a"])


def test_what_joins_a_need_that_was_told_of_is_told_of_once_it_lasted_long_enough():
    """It is news of its own, an hour after the last letter at the earliest."""
    joined = alarm(told=True, more_since=10_000.0)
    assert due(joined, now=10_000.0 + AFTER_S - 1, told_at=AFTER_S) is None
    assert due(joined, now=10_000.0 + AFTER_S, told_at=AFTER_S) == (["a"], [], [])
    assert due(joined, now=10_000.0 + AFTER_S, told_at=9_000.0) is None


def test_letter_that_takes_the_place_of_an_unsent_one_tells_of_what_stood_there_alone():
    """What lasts stands in each letter; what is final is named once, and never on its own again."""
    unsent = alarm("f", told=True, final=True, is_unsent=True)
    over = alarm("o", told=True, ended_at=1000.0)
    assert due(unsent, now=10_000.0, told_at=AFTER_S) is None
    assert due(unsent, alarm("b"), now=10_000.0, told_at=AFTER_S) == (["b", "f"], [], [])
    assert due(unsent, over, now=10_000.0, told_at=AFTER_S) == (["f"], [], ["o"])


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abc")), st.floats(1.0, 3000.0)), min_size=1, max_size=60
    )
)
def test_letters_keep_their_distance_and_no_lasting_need_stays_untold(
    history: list[tuple[set[str], float]],
):
    """Whatever comes and goes: two letters are an hour apart, and what lasts is told of."""
    now, told_at = 0.0, None
    known: dict[str, Alarm] = {}
    letters: list[float] = []
    # at the end everything that is there stays
    for present, pause in [*history, *[(history[-1][0], 600.0)] * 20]:
        now += pause
        known = _pass(known, present, now)
        telling = decide(known.values(), now=now, after_s=AFTER_S, told_at=told_at)
        if telling is not None:
            told_at = now
            letters.append(now)
            for each in telling.new:
                assert now - each.since >= AFTER_S
                known[each.need.key] = Alarm(need=each.need, since=each.since, is_told=True)
            for each in telling.over:
                del known[each.need.key]

    assert all(later - earlier >= PAUSE_S for earlier, later in pairwise(letters))
    assert {key for key, each in known.items() if each.ended_at is None} == history[-1][0]
    assert all(each.is_told for each in known.values())
    assert not [each for each in known.values() if each.ended_at is not None and not history[-1][0]]


def _pass(known: dict[str, Alarm], present: set[str], now: float) -> dict[str, Alarm]:
    """Do as the store does with what is there now."""
    after = {
        key: Alarm(
            need=Need(key=key, text=key),
            since=known[key].since if key in known else now,
            is_told=key in known and known[key].is_told,
        )
        for key in sorted(present)
    }
    for key, each in known.items():
        if key not in present and each.is_told:
            after[key] = Alarm(
                need=each.need, since=each.since, is_told=True, ended_at=each.ended_at or now
            )
    return after
