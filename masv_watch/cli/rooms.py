"""The rooms of the commands that call the daemon, each entered by the first command done in it.

Owns that a room is brought in when something is done in it and not before. Never does it. Used by
the table of commands, as if it had imported the rooms themselves.

The daemon and the sandbox have no need of any: all of them together are as large as SQLite, and
take longer to load than a command takes that needs one of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from types import ModuleType


class Deed:
    """What a command does, by the name that it has in its room."""

    def __init__(self, enter: Callable[[], ModuleType], word: str) -> None:
        """Enter nothing yet."""
        self._enter, self._word = enter, word

    @property
    def does(self) -> Callable[[argparse.Namespace], int]:
        """Give the function of the room; AttributeError where there is none of that name."""
        found: Callable[[argparse.Namespace], int] = getattr(self._enter(), self._word)
        return found

    def __call__(self, options: argparse.Namespace) -> int:
        """Do it and give the exit status."""
        return self.does(options)


class Room:
    """A module of commands; each attribute is one of its functions."""

    def __init__(self, enter: Callable[[], ModuleType]) -> None:
        """Enter nothing yet."""
        self._enter = enter

    def __getattr__(self, word: str) -> Deed:
        """Give what the command of this name does."""
        return Deed(self._enter, word)


def _creation() -> ModuleType:
    from masv_watch.cli import creation  # noqa: PLC0415

    return creation


def _explaining() -> ModuleType:
    from masv_watch.cli import explaining  # noqa: PLC0415

    return explaining


def _overseeing() -> ModuleType:
    from masv_watch.cli import overseeing  # noqa: PLC0415

    return overseeing


def _records() -> ModuleType:
    from masv_watch.cli import records  # noqa: PLC0415

    return records


def _verbs() -> ModuleType:
    from masv_watch.cli import verbs  # noqa: PLC0415

    return verbs


def _views() -> ModuleType:
    from masv_watch.cli import views  # noqa: PLC0415

    return views


creation, explaining, overseeing = Room(_creation), Room(_explaining), Room(_overseeing)
records, verbs, views = Room(_records), Room(_verbs), Room(_views)
