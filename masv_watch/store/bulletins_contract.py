"""The part of the store's contract by which hooks are told what becomes of drops.

Owns the promises of each verb, not how an engine keeps them. Never tells anybody. Part of
`store.contract`, whose laws hold here; implemented in `store.bulletins`. Alone, because the
contract has no lines left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from masv_watch.model import Bulletin, Told


class Bulletins(Protocol):
    """What whoever tells hooks asks."""

    def gather_bulletins(self, wanted: Mapping[str, Sequence[Collection[Told]]]) -> bool:
        """Note what moved since the last time and is to be told; say whether that was all of it.

        `wanted` are the hot folders that tell anybody, each hook with what it is told of. Of what
        moved before anybody was to be told, nobody is.
        """
        ...

    def due_bulletin(self) -> Bulletin | None:
        """Give what is to be told first and is due; None when nothing is."""
        ...

    def end_bulletin(self, bulletin: Bulletin, note: str) -> None:
        """Note that something was told, or is not to be told any more."""
        ...

    def retry_bulletin(self, bulletin: Bulletin, *, retry_at: float, note: str) -> None:
        """Let it wait, and say why."""
        ...

    def untold_bulletins(self, attempts: int) -> list[tuple[Bulletin, str]]:
        """List of each hook the oldest that failed so often, with why it did the last time."""
        ...
