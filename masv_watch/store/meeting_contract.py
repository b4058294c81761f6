"""The part of the store's contract about what was there when a hot folder was met first.

Owns the promises of each verb, not how an engine keeps them. Never looks at a root. Part of
`store.contract`, whose laws hold here; implemented in `store.meeting`.

It stands alone because a person's `initial` outlives the first start for these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from masv_watch.model import HoldReason, Unread

#: path, signature, size and number of files of a drop
Met = tuple[bytes, str, int, int]


class Meeting(Protocol):
    """What `initial` still has to be applied to.

    Drops that are held by the thousands are so in parts, in between which others write. The first
    part notes that they are, until the last one: after a crash the rest is held whatever is left.
    """

    def hold_new(
        self,
        hot_folder: str,
        found: Sequence[Met],
        reason: HoldReason,
        *,
        anew: bool = False,
    ) -> None:
        """Make drops that are held at once.

        Of paths that were never seen; with `anew` also of those whose last drop ended.
        """
        ...

    def is_holding(self, hot_folder: str) -> bool:
        """Say whether a crash came while what was there first was held (`hold_new`)."""
        ...

    def unread(self, hot_folder: str) -> Sequence[Unread]:
        """List what could not be read when the hot folder was met first."""
        ...

    def note_unread(self, hot_folder: str, unread: Sequence[Unread]) -> None:
        """Note what could not be read at a first start, beside what an earlier one noted.

        Of a path that it noted as well the later word counts.
        """
        ...

    def meet(
        self,
        hot_folder: str,
        unread: Unread,
        found: Sequence[Met],
        *,
        rest: Sequence[Unread] = (),
        is_recorded: bool = False,
    ) -> None:
        """Hold what was found where nothing could be read before, as `initial_ask`, at once.

        Of drops that are on their way, or that a person ended, nothing changes. `is_recorded` says
        that they are not to be sent; `rest` is what still cannot be read there. Whatever was found,
        this path is met, unless it is of the rest. After a crash in between it is as unread as it
        was, and what stands there is held however little is left.
        """
        ...
