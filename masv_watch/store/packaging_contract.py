"""The part of the store's contract about an upload's package as a whole.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.packaging`.
"""

from __future__ import annotations

from typing import Protocol

from masv_watch.model import NO_TURNS, Secret, Turns


class Packaging(Protocol):
    """What is stored about a package: its making, what must go from it, and its finalize."""

    def note_package_asked(self, upload_id: str, fence: int) -> None:
        """Store the intent to create the package."""
        ...

    def note_package(self, upload_id: str, fence: int, package_id: str, token: Secret) -> None:
        """Store the cloud's package, or a fresh token of it."""
        ...

    def package_is_ours(self, package_id: str) -> bool:
        """Say whether an upload of ours names this package."""
        ...

    def leftovers(self, upload_id: str) -> list[str]:
        """List cloud files of the package that must go before it is finalized."""
        ...

    def note_leftover_gone(self, upload_id: str, fence: int, cloud_id: str) -> None:
        """Store that the cloud deleted a leftover file."""
        ...

    def advance_all_sent(self, upload_id: str, fence: int) -> bool:
        """Move to idle if every drop is whole and every file closed; say whether it did."""
        ...

    def finalize_due(self, turns: Turns = NO_TURNS) -> list[str]:
        """Move every idle upload whose time has come to finalizing; give their ids.

        What a hot folder's window of delivery keeps stays idle, unless a person started it.
        """
        ...

    def note_finalize_asked(self, upload_id: str, fence: int) -> None:
        """Store that the finalize goes out, if every drop is still taken, whole and without hold.

        Raises:
            SourceChanged: a drop is not whole any more; nothing is stored.
        """
        ...

    def note_finalize_unasked(self, upload_id: str, fence: int) -> None:
        """Store that the cloud said that no finalize has reached it."""
        ...
