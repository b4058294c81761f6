"""The fence around a tree changes with everything in it, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Identity
from masv_watch.watch.fences import all_joined, folded, joined, numbers_of, raw_of, told

ID = Identity(size=5, mtime_ns=7, ctime_ns=8, inode=9, device=10)


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode", "device"])
def test_sum_changes_with_every_field_of_a_file_and_of_a_folder(field: str) -> None:
    """All five fields of every file and folder are in the fence."""
    other = numbers_of(replace(ID, **{field: 77}))

    assert joined(0, "a", numbers_of(ID)) != joined(0, "a", other)
    assert folded(0, b"a", numbers_of(ID), 3) != folded(0, b"a", other, 3)


def test_sum_changes_with_a_name_and_with_what_lies_in_a_folder() -> None:
    """A rename is a change, and so is a file in another folder."""
    numbers = numbers_of(ID)

    assert joined(0, "a", numbers) != joined(0, "b", numbers)
    assert folded(0, b"a", numbers, 3) != folded(0, b"a", numbers, 4)
    assert folded(0, b"a", numbers, 3) != folded(0, b"b", numbers, 3)
    assert len(told(joined(0, "a", numbers))) == 16


@given(st.lists(st.tuples(st.text(), st.integers(0, 2**63)), unique=True), st.randoms())
def test_sum_does_not_depend_on_the_order_of_a_listing(entries, order) -> None:
    """No file system promises to list its names twice in the same order."""

    def over(listed: list[tuple[str, int]]) -> int:
        total = 0
        for name, size in listed:
            total = joined(total, name, (size, 1, 2, 3, 4))
        return total

    shuffled = entries.copy()
    order.shuffle(shuffled)

    assert over(shuffled) == over(entries)


@given(st.lists(st.tuples(st.text(), st.integers(0, 2**63)), unique_by=lambda each: each[0]))
def test_sum_of_many_stats_is_that_of_each_identity(entries: list[tuple[str, int]]) -> None:
    """A glance at a folder must give the fence that a look in full gave."""
    stats = [
        SimpleNamespace(st_size=size, st_mtime_ns=1, st_ctime_ns=2, st_ino=3, st_dev=4)
        for _, size in entries
    ]
    one_by_one = 7
    for name, size in entries:
        identity = Identity(size=size, mtime_ns=1, ctime_ns=2, inode=3, device=4)
        one_by_one = joined(one_by_one, name, numbers_of(identity))

    assert all_joined(7, [name for name, _ in entries], stats) == one_by_one


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_sum_of_many_stats_is_that_of_each_whatever_their_times(mtime_ns: int, ctime_ns: int):
    """A time beyond the ledger's columns is cut there, and not in the fence."""
    status = SimpleNamespace(
        st_size=1, st_mtime_ns=mtime_ns, st_ctime_ns=ctime_ns, st_ino=3, st_dev=4
    )

    assert all_joined(7, ["a"], [status]) == joined(7, "a", raw_of(status))
