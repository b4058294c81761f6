"""The part of the store's contract that serves the judging of what arrives in hot folders.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.watching`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Watching(Protocol):
    """What intake asks of the past of a hot folder and of its drops."""

    def gaps(self, hot_folder: str) -> Sequence[float]:
        """Give the longest pauses of the last drops of a hot folder, seconds, newest first."""
        ...

    def note_gap(self, hot_folder: str, seconds: float) -> None:
        """Remember the longest pause of one more drop; the oldest beyond `gaps.KEPT` goes."""
        ...

    def changes_of(self, drop_id: int) -> int:
        """Count how often a drop changed within the last 24 hours after it had been taken."""
        ...
