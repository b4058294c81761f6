"""The part of the store's contract that serves uploads which need no package of their own.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.relinking`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from masv_watch.model import TaskDraft, Upload


class Relinking(Protocol):
    """What the rooms ask where several uploads share one package."""

    def relink(self, upload: Upload, earlier: Upload, tasks: Sequence[TaskDraft]) -> bool:
        """Complete a claimed upload with the package of an earlier one; say whether that was done.

        Only while every drop of it is whole and unheld, each file has its equal there, and the
        earlier upload stands. Then its tasks hang on it, all in one transaction.

        Raises:
            FenceLost: the row has a newer claim; nothing is changed.
        """
        ...

    def forget_relink(self, upload: Upload, why: str) -> None:
        """Let a claimed upload have a package of its own, and say why.

        Raises:
            FenceLost: the row has a newer claim; nothing is changed.
        """
        ...

    def shares_package(self, upload: Upload) -> bool:
        """Say whether the package of an upload serves another one, which is complete, as well."""
        ...

    def note_link_by_hand(self, upload: Upload, link_id: str) -> None:
        """Note a link that somebody had us make beside the one that letters bring."""
        ...

    def links_by_hand(self, upload: Upload) -> set[str]:
        """Give the links of an upload that somebody had us make."""
        ...

    def named_beside(self, upload: Upload) -> set[str]:
        """Give the recipients of the other complete uploads that an upload's package serves."""
        ...

    def known_links(self, upload: Upload) -> set[str]:
        """Give the links of the other uploads with which an upload shares its package."""
        ...
