"""The part of the store's contract that serves callers: lists, steering, deletion, moves.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.steering`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from masv_watch.model import (
    NO_TURNS,
    Consigned,
    FileDraft,
    FilesNamed,
    Identity,
    Move,
    Repeat,
    Secret,
    Selection,
    SourceFile,
    Turns,
    Upload,
    UploadEvent,
    UploadLine,
    UploadState,
)


class Steering(Protocol):
    """What callers ask of uploads and hot folders beside what hot folders ask themselves."""

    def select_uploads(self, wanted: Selection) -> list[UploadLine]:
        """List the uploads of a selection."""
        ...

    def files_named(self, needle: str) -> FilesNamed:
        """Give of each upload the first file whose name holds a text.

        It ends after half a second, with what it found by then. Letters count without regard to
        case; those beyond ASCII as they are written, all small, all large, or only the first large.
        """
        ...

    def consigned(self, upload_ids: Sequence[str]) -> Mapping[str, Consigned]:
        """Say of these uploads to whom they go, and what goes with them."""
        ...

    def upload_states(self, reader: int | None) -> dict[UploadState, int]:
        """Count the uploads in each state, hidden ones left out; of a reader as `Selection`."""
        ...

    def queued(self, turns: Turns = NO_TURNS) -> list[str]:
        """List the ids of uploads that wait for a slot, in the order in which they get one.

        Those of a hot folder whose window is closed wait for that and not for a slot.
        """
        ...

    def unsent(self) -> int:
        """Give the bytes that are not acknowledged of all uploads that are to be sent."""
        ...

    def unsettled(self) -> set[str]:
        """Give the ids of uploads that wait for a source to be quiet again."""
        ...

    def repeated(self, repeat: Repeat) -> str | None:
        """Give the upload that was created under this key, or None.

        Raises:
            Unprocessable: the key was used for something else.
        """
        ...

    def add_files(
        self,
        upload_id: str,
        files: Sequence[FileDraft],
        skipped: Sequence[str],
        *,
        reader: int | None,
    ) -> UploadState:
        """Add files that a caller named to an open upload; those that it has are left as they are.

        Raises:
            NotFound: no such upload.
            IllegalTransition: it takes no files in its state; nothing is changed.
        """
        ...

    def delete_upload(
        self, upload_id: str, *, takes_package: bool, if_unasked: bool = False
    ) -> UploadState:
        """Have an upload deleted: what it still owes is withdrawn, what the cloud has follows.

        One of which the cloud knows nothing, or whose package stays, is gone at once.
        `if_unasked`: only where no finalize of it may have reached the cloud.

        Raises:
            NotFound: no such upload.
            IllegalTransition: it is gone already, or was asked for; nothing is changed.
        """
        ...

    def note_deleted(self, upload: Upload, *, was_finalized: bool) -> None:
        """Store that the cloud has nothing more to delete of a claimed upload.

        `was_finalized`: its finalize took effect after all, so that its drops are delivered.
        """
        ...

    def prioritize(self, upload_id: str, priority: int) -> None:
        """Set whose turn it is as a person says it: higher goes first."""
        ...

    def adopt_priorities(self, priorities: Mapping[str, int]) -> int:
        """Give each unfinished upload the priority of its hot folder; say how many changed.

        One that a person gave a priority of its own keeps it.
        """
        ...

    def in_line(self, limit: int, turns: Turns = NO_TURNS) -> list[int]:
        """List the priorities of uploads that wait for a slot and are due, the highest first."""
        ...

    def is_astir(self) -> bool:
        """Say whether time alone can move an upload; whatever else moves one rings."""
        ...

    def start_upload(self, upload_id: str) -> None:
        """Let an upload go at once: it waits for no slot and for no retry."""
        ...

    def advance_uploads(self, before: UploadState, event: UploadEvent) -> list[str]:
        """Move every upload that is in a state; give their ids."""
        ...

    def files_to_settle(self, upload_id: str, limit: int) -> list[SourceFile]:
        """List a caller's files whose source changed and that are due to be looked at again."""
        ...

    def delay_file(self, file: SourceFile, fence: int, retry_at: float) -> None:
        """Look at a changed file again at `retry_at`."""
        ...

    def settle_file(self, file: SourceFile, fence: int, identity: Identity) -> None:
        """Take in what a changed file of a caller is now that it is quiet: its next version."""
        ...

    def pause_folder(self, hot_folder: str) -> None:
        """Take nothing new from a hot folder until a person resumes it."""
        ...

    def resume_folder(self, hot_folder: str) -> None:
        """Take from a hot folder again, what its pause held as well."""
        ...

    def paused_folders(self) -> Mapping[str, float]:
        """Give the paused hot folders, and since when (store clock, seconds)."""
        ...

    def moves(self, after: int, limit: int) -> list[Move]:
        """List what moved after the move of this number, oldest first."""
        ...

    def newest_move(self) -> int:
        """Give the number of the newest move; 0 before the first."""
        ...

    def oldest_move(self) -> int:
        """Give the number of the oldest move that is still known; 0 without one."""
        ...

    def digest(self, content: bytes) -> str:
        """Give a hash that tells nothing about its content to who has not this state's key."""
        ...

    def readers(self, upload_id: str) -> set[int | None]:
        """Give whose rights the files of an upload were read by; None stands for the daemon's."""
        ...

    def living_secrets(self) -> list[Secret]:
        """List the codes and tokens of what is not delivered yet, and every password."""
        ...

    def remember_rate_limit(self, text: str | None) -> None:
        """Keep the limit that a caller posted; None forgets it."""
        ...

    def remembered_rate_limit(self) -> str | None:
        """Give the limit that a caller posted, or None."""
        ...

    def remember_session(self, text: str | None) -> None:
        """Keep who signed in, sealed; None forgets it."""
        ...

    def remembered_session(self) -> str | None:
        """Give who signed in, or None."""
        ...
