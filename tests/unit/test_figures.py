"""Numbers stand with their nouns in one form everywhere."""

from __future__ import annotations

import re

import pytest

from masv_watch.figures import counted
from tests.processes import PROJECT

#: how a plural is made by hand
_BY_HAND = re.compile(r"== 1 else f?[\"']s[\"']|[\"']s[\"'] \* \(|1 file[\"'] if ")


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 files"), (1, "1 file"), (2, "2 files"), (12_345, "12,345 files")],
)
def test_number_is_written_with_its_noun(number, said):
    """One is one, and what is large can be read."""
    assert counted(number, "file") == said


def test_no_other_module_makes_a_plural_by_hand():
    """Six did, and wrote the same number in three ways."""
    sources = (PROJECT / "masv_watch").rglob("*.py")
    found = [str(each) for each in sources if _BY_HAND.search(each.read_text())]

    assert found == [str(PROJECT / "masv_watch/figures.py")]
