"""What earlier tries left in an open package, looked up at the cloud once for a claim.

Owns the memory of one listing. Never deletes and never decides. Used by `transfer.sending`, on the
crew's workers.

Law 1. A listing is used only as long as no step of the claim failed since it was asked for: a step
       without an answer may have had its effect after all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from masv_watch.cloud.wire import FileSeen

#: folder inside the package and base name
Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a package holds, as far as it matters to us."""

    #: ids of files that no row of ours names, by their place
    orphans: dict[Place, list[str]] = field(default_factory=dict)
    #: ids of files that the cloud has whole, with their size where it says one
    whole: dict[str, int | None] = field(default_factory=dict)


def listing_of(seen: Iterable[FileSeen], ours: set[str | None]) -> Listing:
    """Sort what the cloud lists, `ours` being the ids that our rows name."""
    listing = Listing()
    for file in seen:
        if file.id not in ours:
            listing.orphans.setdefault((file.path, file.name), []).append(file.id)
        elif file.completed:
            listing.whole[file.id] = file.size
    return listing


class LeftBehind:
    """The listing of one claim; any worker may ask."""

    def __init__(self) -> None:
        """Begin without one."""
        self._door = threading.Lock()
        self._listing: Listing | None = None
        #: failures so far
        self._failures = 0

    def doubt(self) -> None:
        """Forget the listing: a step failed, and nobody knows what it left."""
        self._failures += 1
        self._listing = None

    def listing(self, ask: Callable[[], Listing]) -> Listing:
        """Give the listing, asked for by one worker while the others wait."""
        with self._door:
            known, failures = self._listing, self._failures
            if known is not None:
                return known
            found = ask()
            if failures == self._failures:
                self._listing = found
            return found
