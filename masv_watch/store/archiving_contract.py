"""The part of the store's contract about where delivered sources are moved.

Owns the promises of each verb, not how an engine keeps them. Never looks at a disk. Part of
`store.contract`, whose laws hold here; implemented in `store.archiving`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from masv_watch.model import Archive


class Archiving(Protocol):
    """What is known of the archives of hot folders."""

    def archive(self, hot_folder: str, path: bytes) -> Archive | None:
        """Give what was noted of an archive, or None before anything was."""
        ...

    def note_archive(self, archive: Archive) -> None:
        """Note on what an archive stands; nothing speaks against it any more.

        Where something did, all that was to be moved is tried at once.
        """
        ...

    def note_archive_away(self, archive: Archive, why: str) -> None:
        """Note why nothing is moved to an archive now; what it stood on stays noted."""
        ...

    def adopt_archives(self, hot_folder: str) -> None:
        """Take whatever stands at a hot folder's targets for its archive, and try again at once."""
        ...

    def archives_away(self) -> Sequence[Archive]:
        """List the archives against which something speaks while a source is to be moved there."""
        ...
