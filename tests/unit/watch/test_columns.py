"""Large drops in columns: the same files as objects, number for number, in less memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Identity
from masv_watch.watch.columns import Columns, Growing, bytes_of, in_order
from masv_watch.watch.gathering import gather
from masv_watch.watch.settle import signature

#: beyond what the column of each holds, too
_numbers = st.one_of(
    st.integers(-(2**65), 2**65), st.sampled_from([0, -1, 2**63 - 1, 2**63, 2**64 - 1, 2**64])
)
_identities = st.builds(
    Identity, size=_numbers, mtime_ns=_numbers, ctime_ns=_numbers, inode=_numbers, device=_numbers
)
_placed = st.lists(st.tuples(st.binary(min_size=1, max_size=6), _identities), max_size=12)


def columns(files):
    made = Columns()
    for each in files:
        made.append(each)
    return made


def many(count, *, top=b"CARD"):
    """Give the files of a card, in no order."""
    return [
        (top + b"/%03d/clip%07d.mov" % (number * 7919 % 300, number),
         Identity(size=number, mtime_ns=10**18 + number, ctime_ns=10**18, inode=number, device=5))
        for number in range(count)
    ]  # fmt: skip


@given(files=_placed)
def test_columns_give_what_was_put_in(files):
    """Every number of every file, those that no column can hold as well, one by one and sliced."""
    held = columns(files)

    assert list(held) == files
    assert len(held) == len(files)
    assert [held[at] for at in range(len(files))] == files
    assert list(held[1:-1]) == files[1:-1]
    assert [held[-at] for at in range(1, len(files) + 1)] == files[::-1]
    with pytest.raises(IndexError):
        held[len(files)]


@given(files=_placed)
def test_columns_are_ordered_and_summed_as_a_list_is(files):
    """Equal paths stay in the order in which they came."""
    ordered = sorted(files, key=lambda file: file[0])
    found = in_order(columns(files))

    assert list(found) == list(in_order(files)) == ordered
    assert [found[at] for at in range(len(found))] == ordered
    assert list(found[:2]) == ordered[:2]
    assert bytes_of(columns(files)) == bytes_of(files) == sum(each.size for _, each in files)


def test_signature_and_drafts_of_columns_are_those_of_the_list():
    """A drop does not change by what it is held in."""
    files = many(3000)
    grown = Growing()
    for each in files:
        grown.append(each)

    assert isinstance(grown.all(), Columns)
    assert signature(grown.all()) == signature(files)
    assert tuple(gather(b"CARD", grown.all())) == tuple(gather(b"CARD", files))
    assert gather(b"CARD", grown.all())[7] == tuple(gather(b"CARD", files))[7]
    assert gather(b"CARD", grown.all())[3:5] == tuple(gather(b"CARD", files))[3:5]
    with pytest.raises(ValueError, match="another drop"):
        gather(b"CAR", grown.all())


def test_few_files_stay_the_objects_that_they_were():
    """Most drops are small, and nothing would be saved."""
    files = many(1000)
    grown = Growing()
    for each in files:
        grown.append(each)

    assert grown.all() == tuple(files)
    assert isinstance(gather(b"CARD", files), tuple)


def test_file_in_columns_takes_less_than_half_and_its_draft_nothing():
    """Counted by Python itself, so that no machine and no load makes it another number."""

    def held(make):
        tracemalloc.start()
        try:
            kept = make()
            return tracemalloc.get_traced_memory(), kept
        finally:
            tracemalloc.stop()

    count = 20_000
    (as_objects, _), _ = held(lambda: many(count))
    (as_columns, _), files = held(lambda: columns(iter(many(count))))

    def gone_through():
        drafts = gather(b"CARD", files)
        return sum(draft.identity.size for draft in drafts)

    (_, peak), _ = held(gone_through)
    assert as_columns < as_objects / 2
    # an order of them and no more
    assert peak < count * 60
