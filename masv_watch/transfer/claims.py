"""What the sender has in hand: a claimed upload and those of its files that are being sent.

Owns the bookkeeping in memory between two rows: which chunks are still to be handed out, which are
out, which URLs are known. Never talks to the store or the cloud; a restart forgets all of it and
reads the rows again. Used by `transfer.sender` and `transfer.sending`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from masv_watch.cloud.wire import Blueprint
from masv_watch.errors import CloudUnreachable
from masv_watch.model import Chunk, SourceFile, Turns, Upload, UploadState
from masv_watch.transfer.chunks import Span, missing
from masv_watch.transfer.crew import Lane
from masv_watch.transfer.leftbehind import LeftBehind

#: bytes; below, the calls of a file cost more than its bytes, so one worker makes them all
SMALL = 5 * 1024 * 1024


class Step(StrEnum):
    """What a piece of work does."""

    OPEN_PACKAGE = "open_package"
    RENEW_TOKEN = "renew_token"  # noqa: S105 - the name of a step, not a secret
    SHIP_FILE = "ship_file"
    OPEN_FILE = "open_file"
    SEND_CHUNK = "send_chunk"
    CLOSE_FILE = "close_file"
    FINALIZE = "finalize"
    LOOK_AGAIN = "look_again"
    DELETE = "delete"


@dataclass(eq=False, slots=True, kw_only=True)
class FileInHand:
    """One file on its way, shared by the sender and the workers that send its chunks."""

    file: SourceFile
    #: an earlier try may have added it to the package: look before it is added
    may_exist: bool
    #: an earlier try may have closed it: look before it is closed
    may_be_closed: bool
    #: its multipart upload was begun in an earlier try: the storage may have forgotten it since
    was_begun: bool
    #: one worker does all of it at once: it is one chunk
    is_small: bool
    #: held for a moment only: the sender waits for nobody
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: held by the one worker that asks for URLs, as long as the cloud takes; never by the sender
    asking: threading.Lock = field(default_factory=threading.Lock)
    #: chunks that nobody sends yet, in order; None until the file was opened
    to_send: list[Span] | None = None
    #: numbers of chunks whose URL nobody asked for yet
    unasked: set[int] = field(default_factory=set)
    #: chunks that the storage does not have yet, handed out or not
    missing: int = 0
    #: pieces of this file that are with the workers
    out: int = 0
    #: nothing more of it is handed out, and its row is read again once nothing of it is out
    stopped: bool = False
    urls: dict[int, Blueprint] = field(default_factory=dict)

    def cut(self, held: Sequence[Chunk]) -> None:
        """Find the chunks that the storage does not have, now that the chunk size is known."""
        if self.file.chunk_size is None:
            raise ValueError("a file is cut only after it was opened")
        todo = missing(
            [chunk.number for chunk in held],
            size=self.file.identity.size,
            chunk_size=self.file.chunk_size,
        )
        self.to_send, self.missing = todo, len(todo)
        self.unasked = {span.number for span in todo}

    def acknowledge(self) -> bool:
        """Note one more chunk that the storage has; say whether it was the last."""
        with self.lock:
            self.missing -= 1
            return self.missing == 0


@dataclass(eq=False, slots=True, kw_only=True)
class Claim:
    """An upload whose lease we hold."""

    upload: Upload
    #: store clock, seconds of the last renewal
    renewed_at: float
    files: dict[int, FileInHand] = field(default_factory=dict)
    #: those of them whose chunks are pieces of their own
    large: dict[int, FileInHand] = field(default_factory=dict)
    #: lanes for which the store had no further file at the last look
    exhausted: set[Lane] = field(default_factory=set)
    #: small files in hand that were not handed out yet, in order
    waiting: deque[FileInHand] = field(default_factory=deque)
    #: small files that went, as their workers say; put down by the sender
    shipped: deque[FileInHand] = field(default_factory=deque)
    #: pieces of this upload that are with the workers
    out: int = 0
    #: chunks of large files among them
    chunks_out: int = 0
    #: pieces of small files among them
    ships_out: int = 0
    #: what earlier tries left in the package, looked up once
    left_behind: LeftBehind = field(default_factory=LeftBehind)
    #: the row is read again before anything else is decided
    is_stale: bool = False
    #: store clock, seconds of the last look at the row
    looked_at: float = 0.0
    #: set when the sender should hand out nothing more and let the upload go
    ending: bool = False
    #: set when every worker of this upload should give up at its next block
    abort: threading.Event = field(default_factory=threading.Event)
    #: set when workers should begin no further file: the cloud asked us to slow down
    halt: threading.Event = field(default_factory=threading.Event)
    #: a token is being renewed: nothing else goes out meanwhile
    renewing: bool = False
    #: the step that is out is one of the whole upload, beside which no file goes out
    is_alone: bool = False
    #: the token was renewed and has proved nothing yet: another refusal is not about its age
    is_token_fresh: bool = False
    #: store clock, seconds; nothing is due before, so nothing is looked for
    rest_until: float = 0.0
    #: monotonic, seconds: when its window closed under it; None while it did not
    shut_at: float | None = None
    retry_at: float = 0.0
    attempts: int = 0
    error: str = ""
    #: which of our errors that is, where what waits is told by it
    error_code: int | None = None
    #: it was claimed in order to be deleted
    is_deletion: bool = field(init=False)

    def __post_init__(self) -> None:
        """Remember what it was claimed for."""
        self.is_deletion = self.upload.state is UploadState.DELETING

    def take(self, in_hand: FileInHand) -> None:
        """Take a file in hand."""
        self.files[in_hand.file.id] = in_hand
        if in_hand.is_small:
            self.waiting.append(in_hand)
        else:
            self.large[in_hand.file.id] = in_hand

    def put_down_shipped(self) -> None:
        """Put down the small files that went since the last look."""
        while self.shipped:
            self.put_down(self.shipped.popleft())

    def put_down(self, in_hand: FileInHand) -> None:
        """Put down a file that is closed; one that turned out to have several chunks goes on."""
        if not in_hand.missing:
            self.forget(in_hand)
        elif not in_hand.is_small:
            self.large[in_hand.file.id] = in_hand

    def forget(self, in_hand: FileInHand) -> None:
        """Hold a file no more; its row says what is still to be done."""
        self.files.pop(in_hand.file.id, None)
        self.large.pop(in_hand.file.id, None)

    def demand_wanted(self) -> None:
        """Have a worker go on only while its upload is wanted.

        Raises:
            CloudUnreachable: it is not, for now.
        """
        if self.abort.is_set():
            raise CloudUnreachable("sending was stopped")

    @property
    def goes_on(self) -> bool:
        """Say whether the upload still wants what it was claimed for."""
        if self.upload.state is UploadState.DELETING:
            return self.is_deletion
        return self.upload.state in (UploadState.TRANSFERRING, UploadState.FINALIZING)

    @property
    def sends_chunks(self) -> bool:
        """Say whether chunks of it are out or could be."""
        files = self.large.values()
        return bool(self.chunks_out) or (
            not self.ending and any(each.to_send and not each.stopped for each in files)
        )

    @property
    def takes_slot(self) -> bool:
        """Say whether it counts among the active uploads."""
        return not self.is_deletion and not self.upload.is_started


def is_shut(claim: Claim, turns: Turns) -> bool:
    """Say whether a claim waits for a window, which a person may start past, or for the disk.

    A finalize that may have reached the cloud is never kept: what became of it must be learned.
    """
    upload = claim.upload
    if turns.disk_trouble and upload.state is UploadState.TRANSFERRING:
        # fault 38: what was acknowledged could not be noted before long
        return True
    if upload.is_started:
        return False
    if upload.state is UploadState.FINALIZING:
        return not upload.finalize_asked and upload.hot_folder in turns.undelivered
    return upload.state is UploadState.TRANSFERRING and upload.hot_folder in turns.closed


def share(claim: Claim, claims: Iterable[Claim], *, workers: int, now: float) -> int:
    """Say how many chunks of a claim may be out before its next one waits.

    One more than there are workers when it is alone, so that none of them waits for the sender;
    else one worker is left to each other claim that has something to do: a chunk may last minutes,
    and a small drop overtakes it.
    """
    others = sum(1 for other in claims if other is not claim and other.rest_until <= now)
    return max(1, workers - others) if others else workers + 1


def guests(claims: Collection[Claim], *, connections: int) -> int:
    """Count the claims with chunks to send that have no connection because others have them all.

    A chunk of a large upload may last many minutes: each guest gets a connection beside the others,
    at once, until one of theirs is free.
    """
    out = sum(claim.chunks_out for claim in claims)
    sending = [claim for claim in claims if claim.sends_chunks]
    found = sum(out - claim.chunks_out >= connections for claim in sending)
    # where each has chunks out that wait for others', one of them is the host all the same
    return max(min(found, len(sending) - 1), 0)


@dataclass(eq=False, slots=True, kw_only=True)
class Key:
    """Which piece of work an outcome belongs to."""

    claim: Claim
    step: Step
    #: the file that it is about; of several small ones the one that is being sent
    in_hand: FileInHand | None = None
    span: Span | None = None
    #: refused finalizes in a row by the time that it was handed out
    refusals: int = 0
    #: small files that are still to be sent, one after the other
    batch: deque[FileInHand] = field(default_factory=deque)
