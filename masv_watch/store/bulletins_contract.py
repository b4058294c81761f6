"""The part of the store's contract by which hooks are told what becomes of drops.

Owns the promises of each verb, not how an engine keeps them. Never tells anybody. Part of
`store.contract`, whose laws hold here; implemented in `store.bulletins`. Alone, because the
contract has no lines left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from masv_watch.model import Bulletin, Hook


class Bulletins(Protocol):
    """What whoever tells hooks asks."""

    def gather_bulletins(self, wanted: Mapping[str, Sequence[Hook]]) -> bool:
        """Note what moved since the last time and is to be told; say whether that was all of it.

        `wanted` are the hot folders that tell anybody, with their hooks. Of what moved before
        anybody was to be told, nobody is.
        """
        ...

    def mark_of(self, hook: Hook) -> str:
        """Give what tells a hook's kind and address from every other and shows nothing of them."""
        ...

    def inherit_bulletins(self, wanted: Mapping[str, Sequence[Hook]]) -> None:
        """Give to a hook of a new address what waits for the one that stood in its place.

        Only where that one is gone and never took anything: its address was a mistake. What waits
        for one that took something, however long ago, is for nobody else.
        """
        ...

    def due_bulletin(self) -> Bulletin | None:
        """Give the oldest thing that is due; None when nothing is.

        While a hook is kept by its own trouble (`retry_bulletin`), nothing is due for it.
        """
        ...

    def end_bulletin(self, bulletin: Bulletin, note: str, *, taken: bool = False) -> None:
        """Note that something was told and taken, or is not to be told any more."""
        ...

    def give_up_bulletins(self, bulletin: Bulletin, note: str, *, older_than_s: float) -> int:
        """End it with all that has waited for the same hook for so long; give how many."""
        ...

    def retry_bulletin(
        self, bulletin: Bulletin, *, retry_at: float, note: str, deferred: bool
    ) -> None:
        """Let it wait, and say why; `deferred`: everything for the same hook waits with it."""
        ...

    def untold_bulletins(self, attempts: int) -> list[tuple[Bulletin, str]]:
        """List of each hook the oldest that failed so often, with why it did the last time."""
        ...
