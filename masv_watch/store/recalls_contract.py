"""The part of the store's contract that is about recall windows.

Owns the promises of each verb, not how an engine keeps them. Never says when a window ends:
`recall` does. Part of `store.contract`, whose laws hold here; implemented in `store.recalls`.
Alone, because the contract has no lines left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Recalls(Protocol):
    """What the sending room and `run --once` ask."""

    def adopt_recalls(self, windows: Mapping[str, float]) -> int:
        """Give each unfinished upload the window of its hot folder; say how many changed.

        `windows` are seconds. What is in its window ends with the new one, at once where that is
        over already.
        """
        ...

    def recallable_batches(self) -> Mapping[str, Sequence[str]]:
        """Give by hot folder the batches that are up and wait in a window, oldest first."""
        ...

    def end_batch(self, upload_id: str) -> None:
        """Let a batch take no further drop; once all of it is up its finalize is due.

        One that ended before stays as it is.
        """
        ...
