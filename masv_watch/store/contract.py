"""The store's contract: the narrow waist that every room sees.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Implemented once in hand-written SQL (`store.sql`) over an engine (`store.sqlite`).

Law 1. A verb that writes is one transaction: all of it is durable when it returns, or none of it.
Law 2. Only `advance_*` moves a state, after `lifecycle` allowed it; the old state is compared.
Law 3. A verb of a claimer carries the fence of its claim; a newer claim makes it raise FenceLost.
Law 4. Every verb can be asked again with the same values: "no answer" means "perhaps done".
Law 5. Times are store-clock seconds; what waits has a column that says until when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from masv_watch.model import (
    ANY_SIZE,
    MOST_CHUNKS,
    NO_TOLL,
    NO_TURNS,
    Chunk,
    Draft,
    Drop,
    DropDraft,
    DropEvent,
    FileProof,
    HoldReason,
    Sizes,
    SourceFile,
    TaskDraft,
    Toll,
    Turns,
    Upload,
    UploadEvent,
    UploadState,
)
from masv_watch.store.alarming_contract import Alarming
from masv_watch.store.archiving_contract import Archiving
from masv_watch.store.arriving_contract import Arriving
from masv_watch.store.bulletins_contract import Bulletins
from masv_watch.store.history_contract import History
from masv_watch.store.joining_contract import Joining
from masv_watch.store.meeting_contract import Meeting
from masv_watch.store.obligations_contract import Obligations
from masv_watch.store.outages_contract import Outages
from masv_watch.store.packaging_contract import Packaging
from masv_watch.store.recalls_contract import Recalls
from masv_watch.store.receipts_contract import Receipts
from masv_watch.store.relinking_contract import Relinking
from masv_watch.store.rooting_contract import Rooting
from masv_watch.store.shortages_contract import Shortages
from masv_watch.store.steering_contract import Steering
from masv_watch.store.watching_contract import Watching


class Ledger(Protocol):
    """What arrived in the hot folders, generation by generation."""

    def is_adopted(self, hot_folder: str, path: bytes) -> bool:
        """Say whether this hot folder was swept before at this path."""
        ...

    def adopt(self, hot_folder: str, path: bytes) -> None:
        """Remember that the first sweep of the hot folder at this path is dealt with."""
        ...

    def latest_drop(self, hot_folder: str, path: bytes) -> Drop | None:
        """Give the newest generation of a path, or None when it was never seen."""
        ...

    def latest_drops(self, hot_folder: str, paths: Sequence[bytes]) -> list[Drop]:
        """Give the newest generation of each path that was ever seen, in the order of the paths."""
        ...

    def drops(self, hot_folder: str | None = None, *, living: bool = False) -> list[Drop]:
        """List drops, oldest first; `living` leaves out the terminal ones."""
        ...

    def drops_of(self, upload_id: str) -> list[Drop]:
        """List the drops of an upload."""
        ...

    def delivered_before(self, hot_folder: str, path: bytes) -> int:
        """Count the finalized uploads that held this path."""
        ...

    def see_drop(self, hot_folder: str, path: bytes) -> Drop:
        """Give the living drop of a path, made `settling` in a new generation if there is none."""
        ...

    def see_drops(self, hot_folder: str, paths: Sequence[bytes]) -> list[Drop]:
        """Do what `see_drop` does for each path, all of them or none."""
        ...

    def see_firsts(self, hot_folder: str, paths: Sequence[bytes]) -> bool:
        """Make a drop, `settling`, of each path that has none; say whether each had none.

        Made at once where all are UTF-8, and then far faster than `see_drops`; where one is not,
        nothing is made.
        """
        ...

    def advance_drop(
        self,
        drop_id: int,
        event: DropEvent,
        *,
        hold: HoldReason | None = None,
        note: str = "",
        asked: str = "",
        by_look: bool = False,
    ) -> Drop:
        """Move one drop, setting why it is held and what a person is asked.

        `by_look`: a look at its source wants it, which never moves what a person holds.

        Raises:
            IllegalTransition: the table has no such pair, or a person holds it; nothing is changed.
        """
        ...

    def release(self, hot_folder: str, reason: HoldReason) -> int:
        """Send what is held for this reason on its way again; give how many drops."""
        ...

    def seed(self, hot_folder: str) -> int:
        """Record what is held as `initial_ask` as seen and never sent; give how many drops."""
        ...

    def note_change(self, drop_id: int, note: str) -> None:
        """Say that a taken drop changed: no longer whole, its upload not idle, one generation on.

        Changes nothing when the upload's finalize may have reached the cloud, or when the drop is
        known to have changed already. A drop whose upload is complete and that owes nothing itself
        is finished, so that the new version can be seen.
        """
        ...

    def settle_again(self, draft: DropDraft) -> None:
        """Take in what a changed drop holds now that it is quiet again.

        Files of equal identity keep what was acknowledged, others begin their next version (see
        `Versions`), new ones join, and ones that vanished before the cloud knew of them are left
        out and noted.

        Raises:
            SourceVanished: a file that the cloud already has is gone; nothing is changed.
        """
        ...


class Undertakings(Protocol):
    """Uploads with their files and chunks."""

    def create_upload(self, draft: Draft) -> str:
        """Create an upload, take its drops and note every file; give its id (UUID4).

        A draft whose key was used before for the same gives the upload of then.

        Raises:
            IllegalTransition: a drop of it was taken or ended meanwhile; nothing is changed.
            Unprocessable: its key was used before for something else.
        """
        ...

    def open_batch(self, hot_folder: str, *, files: int = 0, size: int = 0) -> str | None:
        """Give the upload that a batch drop of so many files and bytes joins now, or None.

        One that was open long enough, or has no room for the drop, takes none.
        """
        ...

    def join_upload(self, upload_id: str, drop: DropDraft) -> None:
        """Let a drop join an upload that is still open, whole or with what settled of it.

        Raises:
            IllegalTransition: the upload is finalizing or ended; nothing is changed.
        """
        ...

    def upload(self, upload_id: str) -> Upload | None:
        """Give one upload, or None."""
        ...

    def uploads(self) -> list[Upload]:
        """List the uploads that are not hidden, oldest first."""
        ...

    def files(self, upload_id: str) -> list[SourceFile]:
        """List the files of an upload in the order of their paths."""
        ...

    def file(self, file_id: int) -> SourceFile | None:
        """Give one file, or None."""
        ...

    def skipped(self, upload_id: str, *, drop_id: int | None = None) -> list[str]:
        """List what was left out of an upload, or of one drop of it, with the reason each."""
        ...

    def advance_upload(
        self, upload_id: str, event: UploadEvent, *, code: int | None = None, error: str = ""
    ) -> UploadState:
        """Move one upload as a person or the daemon asks; give the new state.

        Raises:
            NotFound: no such upload.
            IllegalTransition: the table has no such pair; nothing is changed.
        """
        ...

    def claim_uploads(self, limit: int, lease_s: float, *, turns: Turns = NO_TURNS) -> list[Upload]:
        """Lease uploads that are transferring or finalizing and due: by priority, place and age.

        What is transferring in a hot folder whose window is closed is left alone, so is what is to
        be finalized in one whose window of delivery is closed, and so is one whose lease is not
        over; each gets a new fence. `limit` is how many slots are free; what a person started and
        what is to be deleted waits for none.
        """
        ...

    def renew(self, upload_id: str, fence: int, lease_s: float, *, toll: Toll = NO_TOLL) -> Upload:
        """Prolong a claim and give the row as it stands.

        `toll` is added to what failures cost the upload, here and wherever it is taken.

        Raises:
            FenceLost: the row has a newer claim or is gone.
        """
        ...

    def let_go(
        self,
        upload_id: str,
        fence: int,
        *,
        retry_at: float = 0.0,
        attempts: int = 0,
        error: str = "",
        code: int | None = None,
        toll: Toll = NO_TOLL,
    ) -> None:
        """End a claim; the upload is not claimed again before `retry_at`.

        `error` says why, `code` which of our errors that is where what waits is told by it.
        """
        ...

    def next_files(
        self, upload_id: str, limit: int, *, sizes: Sizes = ANY_SIZE
    ) -> list[SourceFile]:
        """List files of these sizes that are due and not closed, oldest first."""
        ...

    def next_retry(self, upload_id: str) -> float | None:
        """Give when the first waiting file of an upload is due, or None without one."""
        ...

    def note_files_asked(self, upload_id: str, fence: int, file_ids: Sequence[int]) -> None:
        """Store the intent to add these files to the package."""
        ...

    def note_file_opened(
        self,
        file: SourceFile,
        fence: int,
        *,
        cloud_id: str,
        multipart_id: str,
        chunk_size: int,
        max_chunks: int = MOST_CHUNKS,
    ) -> None:
        """Store where the cloud takes a file's chunks, and how many at most."""
        ...

    def note_file_lost(self, file: SourceFile, fence: int) -> None:
        """Forget what the cloud had of a file, so that it is added afresh."""
        ...

    def note_etag(self, file: SourceFile, fence: int, chunk: Chunk, *, last: bool) -> None:
        """Store that the cloud holds a chunk; `last` also stores the intent to close the file.

        It takes the place of what was kept of an earlier version at its number.

        Raises:
            FenceLost: the file is another version than the claimer has in hand; nothing is stored.
        """
        ...

    def note_file_shipped(self, file: SourceFile, fence: int, chunk: Chunk) -> None:
        """Store that the cloud has a file of one chunk whole: where, its etag, and that it closed.

        `file` carries the cloud's ids, which no earlier verb stored.
        """
        ...

    def chunks(self, file_id: int) -> list[Chunk]:
        """List the acknowledged chunks of a file's present version by number."""
        ...

    def note_file_closed(self, file: SourceFile, fence: int) -> None:
        """Store that the cloud finalized a file, and the hash of all of it (`files.hashes`)."""
        ...

    def note_file_retry(
        self,
        file: SourceFile,
        fence: int,
        *,
        attempts: int,
        retry_at: float,
        error: str,
        toll: Toll = NO_TOLL,
    ) -> None:
        """Store that a file waits until `retry_at`, and why."""
        ...

    def note_source_changed(self, file: SourceFile, fence: int, note: str) -> None:
        """Stop a file whose source changed; its drop is no longer whole."""
        ...

    def advance_claimed(
        self,
        upload: Upload,
        event: UploadEvent,
        *,
        code: int | None = None,
        error: str = "",
        tasks: Sequence[TaskDraft] = (),
    ) -> UploadState:
        """Move an upload that is claimed; FINALIZED hangs the tasks on it in the same transaction.

        Raises:
            FenceLost: the row has a newer claim.
            IllegalTransition: the table has no such pair; nothing is changed.
        """
        ...


class Versions(Protocol):
    """The versions of a file whose source changed on its way.

    A next version keeps the cloud file as long as it is open and takes the new size, and of the
    chunks those that have a hash and lie in the new size as they did in the old; else it begins
    anew, with a cloud file of its own. What is kept counts as sent only once `note_etag` took it
    over. The cloud goes on showing the modification time of the version that opened the file.
    """

    def kept_chunk(self, file: SourceFile, number: int) -> Chunk | None:
        """Give what the storage has of an earlier version at this number, or None."""
        ...

    def forget_kept(self, file: SourceFile, fence: int, number: int) -> None:
        """Store that other bytes go to this number, before they do: what is kept there is over."""
        ...

    def note_reread(self, file: SourceFile, fence: int, number: int) -> None:
        """Store that the chunks of a file up to this number were read again, and were the same.

        An acknowledgement after that, and a next version, begin it anew.

        Raises:
            FenceLost: the file is another version than the claimer has in hand; nothing is stored.
        """
        ...

    def prove(self, upload_id: str) -> list[FileProof]:
        """Show of every file of an upload, by path, which one version the cloud put together.

        One without a doubt is closed under the identity that settled last, all its chunks were
        acknowledged under it, none is missing, and its hash is made of theirs.
        """
        ...


class Store(
    Ledger,
    Arriving,
    Watching,
    Rooting,
    Recalls,
    Meeting,
    Relinking,
    Undertakings,
    Packaging,
    Versions,
    Steering,
    Obligations,
    Archiving,
    Joining,
    Outages,
    Shortages,
    Bulletins,
    Alarming,
    History,
    Receipts,
    Protocol,
):
    """All verbs of the store, and its clock."""

    def now(self) -> float:
        """Give the store clock's seconds; a jump of the wall clock never moves it."""
        ...

    def ago(self, seconds: float) -> float:
        """Give the store time since which so much time passed.

        What the clock leapt from one run to the next by more than a month does not count.
        """
        ...

    def listen(self, ring: Callable[[], None]) -> None:
        """Have `ring` called after every commit that moved a state."""
        ...

    def start_over(self) -> None:
        """End every lease of an earlier process, so that what was in flight is taken up at once."""
        ...

    def trouble(self) -> str:
        """Give what kept the last write from being stored; "" when it was stored."""
        ...

    def demand_writable(self) -> None:
        """Make sure that the state takes a write now.

        Raises:
            StoreError: it does not.
        """
        ...

    def back_up(self, to: str, *, with_key: bool, stop: Callable[[], bool]) -> int:
        """Copy the state to a file, and its key beside it, while it is written; give the bytes.

        Raises:
            StoreUnusable: it cannot be written, or `stop` ended it; nothing of it is left.
        """
        ...

    def damage(self, *, stop: Callable[[], bool]) -> str:
        """Look through the whole state for damage; "" when there is none (fault 39).

        Whatever it says once `stop` said so means nothing.
        """
        ...

    def tend(self) -> None:
        """Keep the files of the state small; waits for nobody, and nobody waits for it."""
        ...

    def disk_trouble(self) -> str:
        """Give how little room the disk of the state has; "" while that is enough (fault 38)."""
        ...

    def demand_room(self) -> None:
        """Make sure that the disk of the state has room for something new.

        Raises:
            StoreFull: it has too little.
        """
        ...

    def forget_events(self, older_than_s: float) -> int:
        """Remove the notes of moves, and of creates' keys, that are so old; give how many moves."""
        ...

    def hurry(self) -> None:
        """Let everything that waits for a retry be tried at once; a reload may have mended it."""
        ...

    def close(self) -> None:
        """Finish what is queued and close; no verb may be called afterwards."""
        ...
