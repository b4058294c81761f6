"""The rooms of commands that are entered late."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from masv_watch.cli import rooms, verbs
from masv_watch.cli.rooms import Deed
from masv_watch.cli.table import parser


def deeds(of: argparse.ArgumentParser) -> Iterator[Deed]:
    """Give what the commands do that are done in a room."""
    does = of.get_default("command")
    if isinstance(does, Deed):
        yield does
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from deeds(below)


def test_every_command_finds_what_it_does_in_its_room() -> None:
    """No checker of types sees a name that is looked up when the command is given."""
    found = list(deeds(parser()))

    assert len(found) > 20
    for each in found:
        assert callable(each.does)


def test_deed_of_an_unknown_name_is_refused() -> None:
    """What the test above asks would otherwise be true of every name."""
    assert rooms.verbs.pause.does is verbs.pause
    with pytest.raises(AttributeError, match="pauze"):
        _ = rooms.verbs.pauze.does
