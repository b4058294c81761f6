"""How long a file is left alone before it is read again, by whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from masv_watch.departure import quiet_of
from masv_watch.model import Rule, Settle, To

PAUSES = {"out": [20.0] * 5}


def rule(path: Path, settle: Settle) -> Rule:
    """Give a hot folder."""
    return Rule(name="out", path=os.fsencode(path), to=To(), settle=settle)


@pytest.mark.parametrize(
    ("settle", "seconds"),
    [
        (None, 15.0),
        (Settle(), 15.0),
        (Settle(quiet_s=3.0), 3.0),
        (Settle(is_learned=True), 60.0),
        (Settle(quiet_s=3.0, is_learned=True), 3.0),
    ],
    ids=["a caller's", "the default", "the rule's", "learned", "the rule's before what is learned"],
)
def test_quiet_time_of_a_file_is_that_of_its_hot_folder(
    tmp_path: Path, settle: Settle | None, seconds: float
) -> None:
    """The same for which its drop had to be quiet."""
    of = None if settle is None else rule(tmp_path, settle)
    path = os.fsencode(tmp_path / "card" / "film.mov")

    assert quiet_of(path, of, gaps=PAUSES.__getitem__) == seconds
