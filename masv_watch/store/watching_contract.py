"""The part of the store's contract that serves the judging of what arrives in hot folders.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.watching`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from masv_watch.model import DeliveredAt, DeliveredFile, Disposal, Drop, DropEvent, Identity

#: the note of what was there before a hot folder was watched, and is not to be sent
RECORDED = "recorded as seen"


class Watching(Protocol):
    """What intake asks of the past of a hot folder and of its drops."""

    def arrivals(self, hot_folder: str) -> tuple[float, float] | None:
        """Give when the first and the newest drop of a hot folder were seen; None without one."""
        ...

    def gaps(self, hot_folder: str) -> Sequence[float]:
        """Give the longest pauses of the last drops of a hot folder, seconds, newest first."""
        ...

    def note_gap(self, hot_folder: str, seconds: float) -> None:
        """Remember the longest pause of one more drop; the oldest beyond `gaps.KEPT` goes."""
        ...

    def living_paths(self, hot_folder: str) -> list[bytes]:
        """List the paths of all drops of a hot folder that have not come to their end."""
        ...

    def unsettled_paths(self, hot_folder: str) -> list[bytes]:
        """List those of them that were not taken, or not in whole."""
        ...

    def judged_ahead(self, hot_folder: str, wall: float) -> Sequence[bytes]:
        """List the paths of what was found too old by a clock that was later than this second."""
        ...

    def ended_signatures(self, hot_folder: str, paths: Sequence[bytes]) -> Mapping[bytes, str]:
        """Give the signatures of those paths whose newest row ended with content that is known.

        Of what somebody cancelled, or had forgotten, nothing is said.
        """
        ...

    def delivered_files(self, hot_folder: str, path: bytes) -> Mapping[bytes, DeliveredFile]:
        """Give every file that was delivered of a drop's path, each as it was the last time."""
        ...

    def delivered_within(
        self, hot_folder: str, path: bytes, folders: Sequence[bytes]
    ) -> Mapping[bytes, DeliveredAt]:
        """Give what was delivered at a path and below it with a drop of another path.

        That is with one of these folders above it, or with drops below it; each as the last time.
        """
        ...

    def recorded_before(self, hot_folder: str, path: bytes) -> Drop | None:
        """Give the newest row of a path that says what is not to be sent of it: seen or duplicate.

        None where a whole was delivered under the path: then its files are known one by one.
        """
        ...

    def ended_before(self, drop: Drop) -> Drop | None:
        """Give the generation of a drop's path that ended last before it with a known content."""
        ...

    def was_delivered(self, hot_folder: str, path: bytes) -> bool:
        """Say whether anything was delivered of a drop's path."""
        ...

    def like_drops(
        self, hot_folder: str, path: bytes, *, files: int, size: int, most: int
    ) -> list[Drop]:
        """List delivered drops of other paths with so many files and bytes, the newest first."""
        ...

    def coming_drops(
        self, hot_folder: str, path: bytes, *, files: int, size: int, most: int
    ) -> list[Drop]:
        """List as `like_drops` those of which all is up and that are not delivered yet."""
        ...

    def ongoing_drops(
        self, hot_folder: str, path: bytes, *, files: int, size: int, most: int
    ) -> list[Drop]:
        """List as `like_drops` those that are on their way alone, and go on without a person."""
        ...

    def same_inodes(
        self, hot_folder: str, wanted: Sequence[Identity], *, grain_ns: int
    ) -> list[list[DeliveredAt]]:
        """Give for each identity what was delivered with its size, inode and time, newest first.

        Times that differ by less than `grain_ns` are the same. At most 16 of each.
        """
        ...

    def tops_of_file(self, hot_folder: str, path: bytes, identity: Identity) -> Sequence[bytes]:
        """List some paths of other drops, delivered or on their way, that hold such a file.

        One of its size, time and inode, wherever in the drop.
        """
        ...

    def same_sizes(
        self, hot_folder: str, wanted: Identity, *, grain_ns: int, most: int
    ) -> list[DeliveredAt]:
        """Give what was delivered with the size of an identity: of its time, then the youngest."""
        ...

    def replaceable(self, hot_folder: str, path: bytes) -> Sequence[str]:
        """List the uploads whose packages a new one of this path replaces, the newest first.

        The last delivery of the path and what was added to it, none of which was replaced or
        deleted, or shares its package with another drop.
        """
        ...

    def delivered_by(self, hot_folder: str, path: bytes) -> str | None:
        """Give the upload that delivered last what a path held; None where one of them is gone.

        Gone is one that was deleted, whose package makes way for another, or whose links ended.
        """
        ...

    def was_disposed(self, drop_id: int, upload_id: str) -> bool:
        """Say whether our own post-action took away what a drop was delivered from.

        Also where that was only renamed or equal: its task hangs on the upload that delivered it.
        """
        ...

    def sources(self, drop_id: int) -> Mapping[bytes, Identity]:
        """Give the files of a drop that ended as a duplicate and whose source is owed something."""
        ...

    def late_drops(self, hot_folder: str, path: bytes) -> int:
        """Count the drops of late files of a path within the last 24 hours."""
        ...

    def conclude_drop(
        self,
        drop_id: int,
        event: DropEvent,
        *,
        signature: str,
        size: int,
        files: int,
        note: str,
        disposal: Disposal | None = None,
        judged_at: float | None = None,
    ) -> None:
        """End a drop without sending it: this content is not judged again.

        `judged_at` is the wall clock, seconds, by which it was too old, where that is the reason.

        One that is on its way leaves its upload; the last one takes the upload along.

        What its source is owed is stored in the same transaction.

        Raises:
            IllegalTransition: it ended already; nothing is changed.
        """
        ...

    def resend_drop(self, drop_id: int) -> Drop:
        """Let a drop that ended go again, whatever was delivered of it.

        One that was delivered has ended once its source is put away, whoever waits for a letter.

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: it has not ended, or has a newer generation; nothing is changed.
        """
        ...

    def forget_path(self, hot_folder: str, path: bytes) -> int:
        """Let what ended under a path count no more; give how many rows. What stands there is new.

        Of a removable hot folder every volume is meant.

        A drop that settles, waits or is on its way stays as it is.
        """
        ...

    def forgotten_paths(self, hot_folder: str) -> Sequence[bytes]:
        """List the paths of a hot folder that a person had forgotten, and nothing came of since."""
        ...

    def ledger_page(self, hot_folder: str | None, *, after: int, limit: int) -> list[Drop]:
        """List drops with a number above `after`, in their order, whatever became of them."""
        ...

    def changes_of(self, drop_id: int) -> int:
        """Count how often a drop changed within the last 24 hours after it had been taken."""
        ...

    def taken_since(self, hot_folder: str, at: float, *, but: int | None = None) -> int:
        """Count the bytes of a hot folder's drops that were taken since a store second.

        What still arrives counts with what has been taken in of it; one drop may be left out.
        """
        ...

    def delivered_sizes(self, hot_folder: str, limit: int) -> Sequence[int]:
        """Give the bytes of the last drops of a hot folder that were delivered, newest first."""
        ...

    def delivered_to(self, hot_folder: str, domain: str) -> bool:
        """Say whether anything of a hot folder was ever delivered to this domain, without case.

        What came another way, through the API or with another hot folder, tells nothing of whom
        those who write into this one may reach.
        """
        ...
