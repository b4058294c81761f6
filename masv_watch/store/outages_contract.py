"""The part of the store's contract about uploads that do not get through.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.outages`. Alone,
because the contract has no lines left.
"""

from __future__ import annotations

from typing import Protocol

from masv_watch.model import Upload
from masv_watch.retry import Outage


class Outages(Protocol):
    """What the sender notes while nothing gets through."""

    def note_outage(self, upload: Upload) -> Outage:
        """Store that something of a claimed upload did not get through; give since when.

        Whatever got through since the failure before begins it anew.

        Raises:
            FenceLost: the row has a newer claim; nothing is changed.
        """
        ...

    def give_up(self, upload: Upload, *, code: int, error: str) -> float | None:
        """Stop a claimed upload; give when it is tried again by itself, None: by a person alone.

        Raises:
            FenceLost: the row has a newer claim; nothing is changed.
            IllegalTransition: its state knows no failure.
        """
        ...

    def revive_due(self) -> int:
        """Let uploads that were given up be tried once more when it is time; give how many."""
        ...
