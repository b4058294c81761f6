"""Chunks of an earlier version that the storage has: kept where the file still has the same bytes.

Owns the comparing of kept chunks and what follows when the cloud takes no more for a file that
carries some. Never sends a byte. Used by `transfer.sending`, on the crew's workers.

Law 1. A chunk is kept only for the hash of its bytes as they are now, read under the fence of the
       version that settled (`files.Slice`).
Law 2. What is kept at a number is forgotten before other bytes go there: it tells what the storage
       has, and nobody knows that any more once a PUT has begun.
Law 3. A close of an earlier version whose answer was lost is asked about before anything is added.
Law 4. What the cloud refuses of a file that carries an earlier version begins anew, once: a PUT
       that was given up may have taken effect after the one that followed it.
"""

from __future__ import annotations

from collections.abc import Callable

from masv_watch import files
from masv_watch.cloud import wire
from masv_watch.cloud.client import CloudClient
from masv_watch.errors import CloudRefused, CloudUnreachable
from masv_watch.metrics import Metrics
from masv_watch.model import Chunk, SourceFile, Transfer, Verify
from masv_watch.store.contract import Store
from masv_watch.transfer.chunks import Span
from masv_watch.transfer.claims import Claim, FileInHand
from masv_watch.transfer.packages import held_package
from masv_watch.transfer.readback import piece_of

#: statuses by which the cloud or the storage may say that parts, or a whole file, are not as named
_NOT_AS_NAMED = {400, 404, 409, 410, 412, 422}


class Keeping:
    """The kept chunks over one store and one cloud."""

    def __init__(
        self,
        store: Store,
        cloud: CloudClient,
        *,
        transfer: Callable[[], Transfer],
        reach: Callable[[Claim, SourceFile], files.Reach | None],
        metrics: Metrics,
    ) -> None:
        """Work with these; `transfer` gives the settings as they are now.

        `reach` gives within what a file is read.
        """
        self._store = store
        self._cloud = cloud
        self._transfer = transfer
        self._reach = reach
        self._metrics = metrics

    def keep(self, claim: Claim, in_hand: FileInHand, span: Span) -> bool:
        """Take over what the storage has of a chunk; False when the chunk must be sent.

        Raises:
            CloudUnreachable: an earlier version was closed after all; the file begins anew.
            SourceError: it changed again, or cannot be read.
        """
        file, fence = in_hand.file, claim.upload.fence
        if not file.version:
            return False
        self._demand_open(claim, in_hand)
        kept = self._store.kept_chunk(file, span.number)
        if kept is None:
            return False
        if not self._has_same_bytes(claim, file, span, kept):
            self._store.forget_kept(file, fence, span.number)
            return False
        last = in_hand.acknowledge()
        self._store.note_etag(file, fence, kept, last=last)
        self._metrics.count("chunks_kept")
        return True

    def _has_same_bytes(self, claim: Claim, file: SourceFile, span: Span, kept: Chunk) -> bool:
        verify = self._transfer().verify
        if verify is Verify.SIZE or kept.size != span.size:
            return False
        reach = self._reach(claim, file)
        body = piece_of(claim, file, offset=span.offset, size=span.size, reach=reach, verify=verify)
        with body:
            while body.read():
                pass
        return body.hash == kept.hash and wire.etag_agrees(kept.etag, body.md5)

    def _demand_open(self, claim: Claim, in_hand: FileInHand) -> None:
        """Assure that no close of an earlier version took effect, once for a file in hand."""
        if not in_hand.may_be_closed:
            return
        with in_hand.asking:
            if not in_hand.may_be_closed:
                return
            for seen in self._cloud.files(*held_package(claim.upload)):
                if seen.id == in_hand.file.cloud_id and seen.completed:
                    self._begin_anew(claim, in_hand, "an earlier version of it was closed")
            # the close that is still to come is this version's own
            in_hand.may_be_closed = False

    def judge(self, claim: Claim, in_hand: FileInHand, error: CloudRefused) -> None:
        """Let a file that carries an earlier version begin anew when the cloud refuses it.

        Raises:
            CloudUnreachable: it begins anew.
        """
        if in_hand.file.version and error.facts.get("status") in _NOT_AS_NAMED:
            self._begin_anew(claim, in_hand, error.message)

    def _begin_anew(self, claim: Claim, in_hand: FileInHand, why: str) -> None:
        self._store.note_file_lost(in_hand.file, claim.upload.fence)
        raise CloudUnreachable(f"a changed file cannot keep what was sent and begins anew: {why}")
