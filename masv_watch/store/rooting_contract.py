"""The part of the store's contract about roots: how each is known again, and what waits for it.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.rooting`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from masv_watch.model import BatchMark, FoundBy, RootRow


class Rooting(Protocol):
    """What is known of the roots of hot folders."""

    def state_id(self) -> str:
        """Give the id of this state (a UUID), made when it is first asked for."""
        ...

    def root(self, hot_folder: str) -> RootRow | None:
        """Give what was noted of a root, or None before anything was."""
        ...

    def note_root(self, hot_folder: str, root: RootRow) -> None:
        """Note what an adopted root shows now; a person's word about it is used up."""
        ...

    def accept_root(self, hot_folder: str) -> None:
        """Take whatever stands at the path for the root, as at a first start; its ledger stays.

        What was mounted below it is forgotten.
        """
        ...

    def submounts(self, hot_folder: str, root: bytes) -> Sequence[bytes]:
        """List the folders below a root on which another file system was mounted once.

        Each comes after the folders in which it lies.
        """
        ...

    def note_submounts(
        self,
        hot_folder: str,
        root: bytes,
        *,
        mounted: Collection[bytes] = (),
        gone: Collection[bytes] = (),
    ) -> None:
        """Note on which folders below a root another file system is mounted.

        Those that are gone, not only unmounted, are forgotten.
        """
        ...

    def rename_folder(self, old: str, new: str) -> bool:
        """Let all that is known of a hot folder, its volumes and uploads too, be known of another.

        False when both are known: nothing is changed then, for two histories cannot be one.
        """
        ...

    def close_root(
        self,
        hot_folder: str,
        path: bytes,
        why: str,
        *,
        but: Collection[str] = (),
        only: Collection[int] | None = None,
    ) -> int:
        """Hold what settles in a root that is not there, or is sent from it; give how many drops.

        All volumes of a removable one are meant, except the ledgers that `but` names.
        What is held already, delivered, failed or sent from another path stays as it is, and what
        is not among `only` these drops.
        """
        ...

    def knows_below(self, hot_folder: str, path: bytes) -> bool:
        """Say whether the ledger has a drop of this path, or of one below it."""
        ...

    def batch_mark(self, hot_folder: str) -> BatchMark | None:
        """Give the done marker of a hot folder's batch as it was seen last, or None."""
        ...

    def note_batch_mark(self, hot_folder: str, mark: str) -> None:
        """Note that a done marker of a batch was seen, before anything follows from it.

        The same one again changes nothing.
        """
        ...

    def close_batch(self, hot_folder: str, mark: str) -> None:
        """Let a hot folder's open batch take no further drop, and use its marker up, at once.

        The batch is finalized once all of it is sent. Without an open one the marker is used up.
        """
        ...

    def forget_batch_mark(self, hot_folder: str) -> None:
        """Forget a marker that was used up and is gone: an equal one is a new one."""
        ...

    def unfound(self, hot_folder: str) -> Sequence[tuple[int, bytes]]:
        """List the living drops, as (id, path), of which it was not noted what found them."""
        ...

    def note_found(self, found: Mapping[int, FoundBy]) -> None:
        """Note what found each of these drops, by their ids."""
        ...

    def open_root(
        self,
        hot_folder: str,
        *,
        with_volumes: bool = True,
        only: Collection[int] | None = None,
    ) -> int:
        """Let go on, at once, what was held because its root was not there; give how many drops.

        What came on a volume goes on too, unless only what has no volume is meant, or `only` these
        drops.
        """
        ...
