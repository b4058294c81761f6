"""The part of the store's contract that serves drops which are taken while they still arrive.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.arriving`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from masv_watch.model import Arrived, Drop, SourceFile


class Arriving(Protocol):
    """What intake says of a drop between its first settled file and its last."""

    def note_arrived(self, arrived: Arrived) -> None:
        """Take in what one sample showed of a taken drop that is not whole.

        Settled files join the upload or, with equal identity, stay as they are. Changed ones stop
        until they settle anew, which counts as a generation. Gone ones leave as long as the cloud
        was asked for nothing of them. An upload that is being deleted takes nothing in.

        Raises:
            IllegalTransition: the drop is whole, or ended meanwhile; nothing is changed.
        """
        ...

    def note_file_unasked(self, file: SourceFile, fence: int) -> None:
        """Take back the intent to add a file, of which the cloud was not asked for anything.

        A file that the cloud is known to have stays asked for.
        """
        ...

    def abandon(self, drop_id: int, note: str, *, only_unsent: bool = False) -> bool:
        """End a drop that still arrives as if it had never been taken; say whether it was one.

        The last drop of an upload takes the upload along. `only_unsent` leaves alone a drop of
        which the cloud was asked for a file.
        """
        ...

    def cancel_drop(self, drop_id: int, note: str, *, sight: str = "") -> Drop:
        """End a drop that has not gone yet, for good: what still comes of it is not sent.

        `sight` is what was seen of it last (`watch.memory`): by that other content is told from it.
        One on its way leaves its upload; the last one has it deleted, its package with it.

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: it ended before, or may be delivered already; nothing is changed.
        """
        ...

    def given_up(self, hot_folder: str) -> list[Drop]:
        """List the drops that ended with their upload before all of them had arrived."""
        ...

    def note_awaited(self, drop_id: int, note: str) -> None:
        """Say what a drop that settles waits for; one that moved meanwhile keeps its own note."""
        ...

    def note_given_up(self, drop_id: int, signature: str) -> None:
        """Say what a drop that was given up came to: only other content is a new drop."""
        ...

    def files_up(self) -> Mapping[int, tuple[int, int]]:
        """Count, for each drop that arrives or is held on its way, its files and those sent."""
        ...

    def held_drops(self) -> list[Drop]:
        """List the taken drops whose hold is all that their upload waits for."""
        ...

    def drop(self, drop_id: int) -> Drop | None:
        """Give one drop, or None."""
        ...

    def hold_drop(self, drop_id: int) -> Drop:
        """Hold one drop that no upload has until a person releases it; give it as it is now.

        No look at its source ends that, whatever becomes of the source.

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: an upload has it, or it ended; nothing is changed.
        """
        ...

    def release_drop(self, drop_id: int) -> Drop:
        """Release one drop from a hold that asks a person; give it as it is now.

        One that was held for its limits is not held for them again, as long as it holds and goes
        to no more than was asked about. What its hot folder holds for the same question goes with
        it, where that is one about several drops (`model.ASKED_TOGETHER`).

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: it is not held, or not for a person's answer; nothing is changed.
        """
        ...
