"""A rate follows from the blocks that left and their times alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.transfer.rate import FILLING_S, LEAST_S, SPAN_S, Rate

MIB = 1024 * 1024
#: seconds between two notes, and bytes of one
FLOWS = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 200 * MIB)), min_size=1, max_size=60)


def fed(flow, *, began=0.0):
    """Give a rate with these notes, and the time of the last one."""
    rate, at = Rate(), began
    for step, size in flow:
        at += step
        rate.note(at, size)
    return rate, at


def steady(*, block, gap, seconds, began=0.0):
    """Give a rate into which one block leaves after the other, and the time of the last one."""
    rate, count = Rate(), int(seconds / gap)
    for number in range(count + 1):
        rate.note(began + number * gap, block)
    return rate, began + count * gap


def test_rate_without_a_note_is_nothing():
    """Nothing is guessed."""
    assert Rate().at(1e9) == 0.0


@given(
    st.integers(64 * 1024, 4 * MIB), st.floats(0.0002, 0.4), st.floats(0, 1e6), st.floats(12, 25)
)
def test_rate_of_a_steady_flow_is_its_rate_whatever_its_blocks(block, gap, began, seconds):
    """Once a span is over, it is off by no more than two of the blocks that it counts."""
    gap = max(gap, seconds / 2000)
    rate, at = steady(block=block, gap=gap, seconds=seconds, began=began)

    assert abs(rate.at(at) - block / gap) <= 2 * block / SPAN_S + block / gap * 0.1


def test_rate_at_the_begin_leaves_out_what_fills_buffers():
    """What a socket swallows at once says nothing about the link behind it."""
    rate = Rate()
    rate.note(100.0, 40 * MIB)
    for number in range(1, 30):
        rate.note(100.0 + number / 10, MIB // 10)
        if number / 10 < FILLING_S + LEAST_S:
            assert rate.at(100.0 + number / 10) == 0.0

    assert rate.at(102.9) == pytest.approx(MIB, rel=0.05)


@given(FLOWS, st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_rate_of_what_stands_still_only_falls_and_is_nothing_after_a_span(flow, looks):
    """A stall is seen within ten seconds, and no look at it ever shows more than the one before."""
    rate, at = fed(flow)
    before = None
    for step in looks:
        at += step
        seen = rate.at(at)
        if before:
            assert seen <= before * (1 + 1e-9)
        before = seen

    assert rate.at(fed(flow)[1] + SPAN_S + 1.0) == 0.0


@given(FLOWS, st.floats(0, 12))
def test_rate_is_never_negative_nor_more_than_all_that_left_in_a_span(flow, later):
    """However the blocks come, no rate is made of bytes that did not leave."""
    rate, at = fed(flow)
    at += later
    times = []
    passed = 0.0
    for step, size in flow:
        passed += step
        times.append((passed, size))
    left = sum(size for when, size in times if when >= at - SPAN_S - 0.5)

    assert 0.0 <= rate.at(at) <= left / LEAST_S + 1e-6


@given(st.floats(0.05, 2.0), st.integers(3, 8))
def test_rate_of_chunks_that_leave_block_by_block_never_jumps(gap, connections):
    """A chunk of 100 MiB that is acknowledged moves nothing: its blocks left one by one."""
    rate, at, before = Rate(), 0.0, 0.0
    block = MIB
    while at < 40.0:
        at += gap / connections
        rate.note(at, block)
        seen = rate.at(at)
        if at > SPAN_S + FILLING_S:
            # at most the block that came and those that went are new
            assert abs(seen - before) <= (2 + gap / connections * 2) * block / SPAN_S * 2
        before = seen


def test_rate_after_a_long_stall_begins_anew():
    """Minutes of nothing are no reason to call a fast link slow."""
    rate, at = steady(block=MIB, gap=0.1, seconds=20)
    began = at + 600.0
    for number in range(40):
        rate.note(began + number * 0.1, MIB)

    assert rate.at(began + 3.9) == pytest.approx(10 * MIB, rel=0.05)


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(0, MIB)), min_size=1, max_size=60))
def test_rate_takes_times_in_any_order(notes):
    """Threads ask for the time before they wait for their turn."""
    rate = Rate()
    for at, size in notes:
        rate.note(at, size)

    newest = max(at for at, _ in notes)
    assert rate.at(newest) >= 0.0
    assert rate.at(newest + SPAN_S + 1.0) == 0.0


def test_rate_whose_notes_and_looks_cross_says_the_same():
    """A moment that was asked for a little too early neither loses bytes nor counts them twice."""
    rate = Rate()
    for number in range(300):
        # every other note is older than the one before it
        at = number * 0.1 - (0.15 if number % 2 else 0.0)
        rate.note(at, MIB)

    assert rate.at(30.0) == pytest.approx(10 * MIB, rel=0.03)
    assert rate.at(29.4) == rate.at(29.5)
