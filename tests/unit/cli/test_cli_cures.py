"""The cures of holds, as somebody at a terminal pastes them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.cli import table
from masv_watch.model import Drop, DropState, HoldReason
from masv_watch.names import quoted
from masv_watch.uploads import cure_of
from tests.pasting import commands
from tests.searching import examples

ROOT = b"/srv/hot folder"
PATH = b"CARD (1)/DROP it's"


def drop(hold: HoldReason) -> Drop:
    """Give a held drop with a name in which a careless text would replace words."""
    return Drop(
        id=7, hot_folder="out", path=PATH, generation=1, state=DropState.HELD, hold=hold, note="",
        whole=False, upload_id="11111111-2222-3333-4444-555555555555", signature="", size=0,
        file_count=0, seen_at=0.0, settled_at=None,
    )  # fmt: skip


@pytest.mark.parametrize("hold", list(HoldReason))
def test_cure_of_every_hold_holds_a_command_that_can_be_pasted(hold: HoldReason) -> None:
    """Behaviour 1: one complete command line, with the drop, the upload, the folder it is about."""
    found = commands(cure_of(drop(hold), ROOT))

    assert found
    for words in found:
        told = vars(table.parser().parse_args(words))
        assert told.get("path", "/srv/hot folder/CARD (1)/DROP it's").encode() == (
            ROOT + b"/" + PATH
        )
        assert told.get("drop") in (None, "7")
        assert told.get("folder") in (None, "out")
        assert told.get("id") in (None, "11111111-2222-3333-4444-555555555555")


@settings(max_examples=examples(30))
@given(st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name))
def test_quoted_name_is_read_back_by_a_shell_exactly(name: bytes) -> None:
    """Names are bytes, and hostile: none breaks out of its word, none spans a line."""
    word = quoted(name)

    assert word.isprintable()
    done = subprocess.run(
        ["bash", "-c", b"printf %s " + word.encode()], capture_output=True, check=True,
        env={"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.stdout == name
