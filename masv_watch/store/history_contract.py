"""The part of the store's contract by which what is long over is forgotten.

Owns the promises of each verb, not how an engine keeps them. Never says how long anything is kept.
Part of `store.contract`, whose laws hold here; implemented in `store.history`.

It stands alone because only housekeeping and the look for absent sources ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from masv_watch.model import EndedDrop


class History(Protocol):
    """What is kept of the past, and until when.

    A drop that ended is known by its rows for as long as something stands at its path. It is over
    once nothing stood there for as long as history is kept, and a last look found it so: a hot
    folder that is away says nothing about what is in it.
    """

    def asks_anew(self, hot_folder: str) -> bool:
        """Say whether the state was restored, and what is new in this folder not held since."""
        ...

    def restored_at(self, hot_folder: str) -> float | None:
        """Give when the state was restored (unix), where its copy knew nothing of a hot folder.

        None where it knew it, was not restored, or nobody knows when.
        """
        ...

    def note_asked(self, hot_folder: str) -> None:
        """Note that what is new in a hot folder since the copy of the state is held."""
        ...

    def ended_drops(self, hot_folder: str, *, after: int, limit: int) -> Sequence[EndedDrop]:
        """List drops that ended, by number above `after`."""
        ...

    def note_missed(
        self, *, gone: Sequence[int] = (), back: Sequence[int] = (), over: Sequence[int] = ()
    ) -> None:
        """Note what is missed from now on, what is back, and what was missed for long enough."""
        ...

    def over_uploads(self, older_than_s: float, *, limit: int) -> Sequence[str]:
        """List uploads that have been over for so long, and their drops with them; oldest first.

        Over is one that is complete or deleted, that owes nothing and whose package serves no
        other upload.
        """
        ...

    def forget_upload(self, upload_id: str) -> int:
        """Remove some rows of an upload that is over; give how many, 0 when it is not or is gone.

        A small part at each call, so that no other write waits for it.
        """
        ...

    def forget_drops(self) -> int:
        """Remove some drops that are over and were never sent; give how many rows."""
        ...
