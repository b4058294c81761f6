"""The part of the store's contract about an upload's package as a whole.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.packaging`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from masv_watch.model import NO_TURNS, LeftPackage, Secret, SourceFile, Stray, Terms, Turns, Upload

#: among leftovers: whatever the package holds that no row names
UNNAMED = "?"


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
        """List cloud files of the package that must go before it is finalized.

        `UNNAMED` among them stands for whatever the package holds that no row names.
        """
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

    def rebind_upload(
        self, upload_id: str, terms: Terms, *, password: Secret | None = None
    ) -> None:
        """Let an upload go to whom these terms name, behind this password, whatever was sent of it.

        A package that was made for others is left: it is to be cancelled, its upload has none any
        more, and all files are to be sent to a new one. Where the cloud was told nothing that
        changes, the package stays. An idle upload is transferring again.

        Raises:
            NotFound: no such upload.
            IllegalTransition: it is being delivered, or ended; nothing is changed.
        """
        ...

    def fail_vanished(self, upload_id: str, *, code: int, error: str) -> None:
        """Stop an upload of which a source vanished until a person resumes it; leave its package.

        Raises:
            NotFound: no such upload.
            IllegalTransition: it cannot fail any more; nothing is changed.
        """
        ...

    def drop_vanished(self, drop_id: int, note: str, *, is_renamed: bool = False) -> bool:
        """Take a drop that vanished out of its upload and note it; False when it is the last one.

        What the cloud has of it goes before the finalize; its path may come again as another drop.
        `note` says in a clause why. `is_renamed` says that all of it stands elsewhere and goes by
        itself: then the last one leaves too and takes its upload along, and those who get the rest
        are told nothing. False also when it may be delivered already.
        """
        ...

    def leave_package(self, upload: Upload, package_id: str, token: Secret) -> None:
        """Let a package be cancelled that was made for an upload which is not so any more.

        Its claim ended while the cloud made it: no row names it, and nobody finalizes it.
        """
        ...

    def note_stray(self, package_id: str, upload_id: str, why: str) -> None:
        """Note that a package stays in the cloud, or may have been delivered, and why."""
        ...

    def strays(self) -> Sequence[Stray]:
        """List the packages that were noted so within a week, oldest first."""
        ...

    def left_packages(self) -> list[LeftPackage]:
        """List the packages that are left, still in the cloud and due to be cancelled."""
        ...

    def has_left_packages(self) -> bool:
        """Say whether a package is left that is still in the cloud, due or not."""
        ...

    def retry_left(self, package_id: str, *, retry_at: float, attempts: int) -> None:
        """Try to cancel a package that is left only at `retry_at` again."""
        ...

    def note_left_gone(self, package_id: str) -> None:
        """Store that nothing more is to be done about a package that was left."""
        ...

    def note_file_refused(self, file: SourceFile, fence: int, reason: str) -> None:
        """Store that the cloud never takes a file, in its words; nothing more of it is sent."""
        ...

    def leave_out_refused(self, upload_id: str, fence: int) -> str:
        """Take the refused files out of an upload and note each; "" when that is done.

        Where no other file is in the cloud nothing is changed, and the words about one are given.
        """
        ...
