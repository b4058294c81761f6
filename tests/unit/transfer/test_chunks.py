"""The arithmetic of chunks: every byte once, within the cloud's limits."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from masv_watch.cloud import wire
from masv_watch.cloud.wire import AddedFile, Blueprint
from masv_watch.errors import CloudGarbled, Remedy, SourceForbidden
from masv_watch.transfer.chunks import (
    MIB,
    MOST_CHUNKS,
    Limits,
    cut,
    is_cut_too_small,
    missing,
    spans,
    window,
)
from masv_watch.transfer.limits import limits_of, limits_of_spec

TB = 10**12
LIMITS = Limits()
SIZES = st.integers(0, 60 * TB)
ASKED = st.integers(1, 6 * 1024 * MIB)


@given(st.integers(0, LIMITS.max_count * LIMITS.max_chunk), ASKED)
def test_chunk_size_of_any_file_that_fits_keeps_every_limit(size, asked):
    """Count and size both stay within what the cloud said."""
    chunk = cut(size, asked, LIMITS)

    assert LIMITS.min_chunk <= chunk <= LIMITS.max_chunk
    assert -(-size // chunk) <= LIMITS.max_count
    assert chunk % MIB == 0
    assert chunk >= min(asked, LIMITS.max_chunk)


@given(
    SIZES,
    ASKED,
    st.integers(1, 10 * MIB),
    st.integers(1, 10 * 1024 * MIB),
    st.integers(1, 20_000),
)
@example(20_000 * 5 * MIB, 1, 5 * MIB, 5 * MIB, 20_000)
@example(20_000 * 5 * MIB, 1, 5 * MIB, 10 * MIB, 20_000)
def test_chunk_size_under_any_limits_fits_or_is_refused(size, asked, least, most, count):
    """Whatever limits the cloud names, a file is cut within them or not at all."""
    assume(least <= most)
    limits = Limits(min_chunk=least, max_chunk=most, max_count=count)
    try:
        chunk = cut(size, asked, limits)
    except SourceForbidden:
        assert size > most * min(count, MOST_CHUNKS)
    else:
        assert least <= chunk <= most
        assert -(-size // chunk) <= min(count, MOST_CHUNKS)


@given(SIZES, *(st.none() | st.integers(1, 2**62) for _ in range(3)))
@example(TB, None, 1, 2**62)
@example(TB, 1, 1, 2**62)
@example(1, 6 * 1024 * MIB, None, None)
@example(5 * MIB, None, 5 * MIB - 1, None)
def test_limits_of_a_lying_cloud_never_make_too_many_chunks(size, least, most, count):
    """Whatever the cloud names, a file is at most 10,000 chunks of a size that storages take."""
    blueprint = Blueprint(method="POST", url="https://storage.example/k")
    added = AddedFile(id="f", blueprint=blueprint, min_chunk=least, max_chunk=most, max_count=count)
    try:
        chunk = cut(size, 1, limits_of(added, size))
    except (CloudGarbled, SourceForbidden):
        return

    assert not is_cut_too_small(size, chunk)
    assert -(-size // chunk) <= min(MOST_CHUNKS, count or MOST_CHUNKS)
    assert most is None or chunk <= most
    assert chunk >= min(size, least or 5 * MIB, 5 * MIB)


@pytest.mark.parametrize(
    ("size", "least", "most"),
    [(5 * MIB, None, 5 * MIB - 1), (TB, 1, 1), (TB, 1, MIB), (1, 6 * 1024 * MIB, None)],
)
def test_limits_that_no_storage_has_are_garbled(size, least, most):
    """The cloud is asked again later, not believed."""
    blueprint = Blueprint(method="POST", url="https://storage.example/k")
    added = AddedFile(id="f", blueprint=blueprint, min_chunk=least, max_chunk=most, max_count=2**62)

    with pytest.raises(CloudGarbled, match="which no storage takes"):
        limits_of(added, size)


@pytest.mark.parametrize(
    ("size", "chunk_size", "is_too_small"),
    [
        (0, 1, False),
        (10_000, 1, False),
        (10_001, 1, True),
        (TB, 1024, True),
        (TB, 100 * MIB, False),
    ],
)
def test_stored_chunk_size_is_too_small_from_one_chunk_over_the_most(
    size, chunk_size, is_too_small
):
    """What a row says is not cut before it is known to be few."""
    assert is_cut_too_small(size, chunk_size) is is_too_small


@pytest.mark.parametrize(
    ("size", "asked", "chunk"),
    [
        (0, 100 * MIB, 100 * MIB),
        (1, 1, 5 * MIB),
        (10**9, 100 * MIB, 100 * MIB),
        (10**9, 100 * MIB + 1, 101 * MIB),
        (10_000 * 100 * MIB, 100 * MIB, 100 * MIB),
        (10_000 * 100 * MIB + 1, 100 * MIB, 101 * MIB),
        (15 * TB, 100 * MIB, 1431 * MIB),
        (10**9, 10 * 1024 * MIB, 5 * 1024 * MIB),
    ],
)
def test_chunk_size_of_known_cases_is_as_computed_by_hand(size, asked, chunk):
    """The documented largest file, 15 TB, needs 1,431 MiB a chunk."""
    assert cut(size, asked, LIMITS) == chunk


def test_largest_file_on_paper_is_sent_whole():
    """15 TB: fewer than 10,000 chunks, no gap, no overlap."""
    size = 15 * TB
    found = spans(size, cut(size, 100 * MIB, LIMITS))

    assert len(found) == 9997
    assert sum(span.size for span in found) == size
    assert found[-1].offset + found[-1].size == size


def _cloud_says(spelling: str, count: int, size: int) -> dict[str, object]:
    return {
        "file": {"id": "f"},
        "create_blueprint": {"method": "POST", "url": "https://storage.example/k"},
        spelling: count,
        "max_chunk_size": size,
        "min_chunk_size": 5 * MIB,
    }


@given(
    ASKED,
    st.sampled_from(["max_chunks_count", "max_chunk_count"]),
    st.integers(1, 20_000),
    st.integers(5 * MIB, 5 * 1024 * MIB),
)
@example(100 * MIB, "max_chunk_count", 10_000, 5 * 1024 * MIB)
@example(100 * MIB, "max_chunks_count", 2_794, 5 * 1024 * MIB)
@example(100 * MIB, "max_chunks_count", 2_793, 5 * 1024 * MIB)
def test_largest_file_on_paper_is_cut_within_whatever_the_cloud_answers(
    asked: int, spelling: str, count: int, most: int
):
    """15 TB from the answer's JSON to the last chunk: within count and size, or refused."""
    size = 15 * TB
    limits = limits_of(wire.added_file(_cloud_says(spelling, count, most)), size)
    fits = size <= min(count, MOST_CHUNKS) * most
    try:
        chunk = cut(size, asked, limits)
    except SourceForbidden:
        assert not fits
        return
    found = spans(size, chunk)

    assert fits
    assert len(found) <= min(count, MOST_CHUNKS)
    assert 5 * MIB <= chunk <= most
    assert all(span.size == chunk for span in found[:-1])
    assert 0 < found[-1].size <= chunk
    assert found[-1].offset + found[-1].size == size


@given(
    SIZES,
    ASKED,
    *(st.none() | st.integers(0, 2**62) for _ in range(6)),
)
@example(15 * TB, 100 * MIB, None, None, None, None, None, None)
@example(15 * TB, 100 * MIB, None, None, None, 5 * MIB, 5 * 1024 * MIB, 10_000)
@example(15 * TB, 100 * MIB, None, None, None, 1, 5 * MIB, 1)
def test_limits_from_answer_and_specification_together_never_break_a_storage(
    size, asked, least, most, count, spec_least, spec_most, spec_count
):
    """Whatever the two say: few enough chunks, of a size that every storage takes, or an error."""
    blueprint = Blueprint(method="POST", url="https://storage.example/k")
    added = AddedFile(id="f", blueprint=blueprint, min_chunk=least, max_chunk=most, max_count=count)
    spec = wire.Spec(min_chunk=spec_least, max_chunk=spec_most, max_count=spec_count)
    try:
        limits = limits_of(added, size, limits_of_spec(spec))
        chunk = cut(size, asked, limits)
    except (CloudGarbled, SourceForbidden):
        return

    assert -(-size // chunk) <= min(MOST_CHUNKS, count or spec_count or MOST_CHUNKS)
    assert chunk <= (most or spec_most or 5 * 1024 * MIB)
    named = [each for each in (least, spec_least) if each is not None]
    assert chunk >= min(size, 5 * MIB, *named)


def test_file_larger_than_the_cloud_takes_is_refused_with_a_way_out():
    """The message names the numbers, and nobody tries again."""
    limits = Limits(min_chunk=1, max_chunk=10, max_count=3)

    with pytest.raises(SourceForbidden, match=r"31 bytes.*3 chunks of 10 bytes") as caught:
        cut(31, 5, limits)

    assert caught.value.remedy is Remedy.NEVER
    assert caught.value.hint


@given(st.integers(0, 10**6), st.integers(1, 10**5))
def test_spans_cover_every_byte_once_and_in_order(size, chunk_size):
    """All but the last have the declared size."""
    assume(size // chunk_size < 2000)
    found = spans(size, chunk_size)

    assert [span.number for span in found] == list(range(1, len(found) + 1))
    assert [span.offset for span in found] == [n * chunk_size for n in range(len(found))]
    assert all(span.size == chunk_size for span in found[:-1])
    assert sum(span.size for span in found) == size
    assert found[-1].size <= chunk_size


@pytest.mark.fault(27)
def test_empty_file_is_one_chunk_of_no_bytes():
    """S3 allows one empty part, and a file without parts cannot be finalized."""
    (only,) = spans(0, 5 * MIB)

    assert (only.number, only.offset, only.size) == (1, 0, 0)


@given(st.integers(0, 300), st.integers(1, 40), st.sets(st.integers(1, 300)))
def test_missing_chunks_are_those_without_an_etag(size, chunk_size, have):
    """After a restart nothing acknowledged is sent again (promise P4)."""
    found = missing(have, size=size, chunk_size=chunk_size)

    assert {span.number for span in found}.isdisjoint(have)
    every = spans(size, chunk_size)
    assert found == [span for span in every if span.number not in have]


@given(st.sets(st.integers(1, 200), min_size=1), st.integers(1, 40))
def test_window_is_a_run_of_missing_chunks_from_the_first(numbers, at_most):
    """URLs are asked for only where they are needed; `start` counts from zero."""
    ordered = sorted(numbers)
    start, count = window(ordered, at_most)

    asked = list(range(start + 1, start + 1 + count))
    assert asked[0] == ordered[0]
    assert set(asked) <= numbers
    assert count == at_most or asked[-1] + 1 not in numbers


@pytest.mark.parametrize(("numbers", "at_most"), [([], 5), ([1], 0)])
def test_window_over_nothing_is_a_mistake(numbers, at_most):
    """Nobody asks for no URLs."""
    with pytest.raises(ValueError, match="missing chunk"):
        window(numbers, at_most)
