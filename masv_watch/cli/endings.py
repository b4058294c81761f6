"""Ctrl-C and its like, answered between two steps instead of in the middle of one.

Owns which signals ask a command to end and the sentence when it did. Never ends anything by itself.
Used by the commands that make something which must not stay behind.

It stands alone because an exception out of a handler could fall between a name change and its end,
or into the removing itself.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from masv_watch.cli.outcomes import Ended

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Whether somebody asked this command to end."""

    def __init__(self) -> None:
        """Begin without listening."""
        self._before: dict[signal.Signals, Any] = {}
        self._asked: int | None = None

    def listen(self) -> None:
        """Note the signals from now on, instead of being ended by them."""
        for number in _ENDING:
            self._before[number] = signal.signal(number, self._note)

    def stop(self) -> None:
        """Let the signals do again what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def check(self, what: str) -> None:
        """Go on, unless somebody asked for the end.

        Raises:
            Ended: he did; `what` says what that left.
        """
        if self._asked is not None:
            raise Ended(f"ended by {signal.Signals(self._asked).name} - {what}")

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._asked = number
