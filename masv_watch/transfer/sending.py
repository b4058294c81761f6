"""What is done to one file: add it, send its chunks, close it.

Owns the order of asking and doing for a file, and the fence around each chunk. Never decides about
a retry and never chooses what comes next. Its functions run on the crew's workers.

Law 1. The intent is stored before the effect; an intent of an earlier try makes it look first.
Law 2. A chunk counts only once its etag is stored; one stored for this version is never sent again.
Law 3. A body is a fresh slice of the identity that settled; what is not that identity raises.
Law 4. What a caller named is opened by his rights of that moment, as at first (P8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict

from masv_watch import files
from masv_watch.cloud import wire
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.streams import BLOCK
from masv_watch.cloud.wire import Blueprint
from masv_watch.errors import (
    CloudRefused,
    CloudUnreachable,
    EtagMismatch,
    FenceLost,
    MasvWatchError,
    SourceForbidden,
    SourceUnreadable,
    UrlExpired,
)
from masv_watch.metrics import Metrics
from masv_watch.model import Chunk, SourceFile, Transfer
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.transfer.chunks import Span, cut, window
from masv_watch.transfer.claims import Claim, FileInHand, Key, Step
from masv_watch.transfer.crew import worth_handing_out
from masv_watch.transfer.keeping import Keeping
from masv_watch.transfer.leftbehind import Listing, listing_of
from masv_watch.transfer.limits import KnownLimits
from masv_watch.transfer.meter import Meter, Sent
from masv_watch.transfer.packages import delete_cloud_file, held_package
from masv_watch.transfer.rereading import Rereading, hashing_of
from masv_watch.transfer.throttle import Throttle

#: chunk URLs asked for at once; they expire, so not for a whole large file
URL_WINDOW = 16
#: fresh URLs tried for one chunk before the file waits
FRESH_URLS = 3


class Sending:
    """The effects on files over one cloud and one store."""

    def __init__(
        self,
        store: Store,
        cloud: CloudClient,
        *,
        transfer: Callable[[], Transfer],
        rights: Callable[[bytes, int | None], files.Reach],
        quiet_s: Callable[[bytes, str | None], float],
        throttle: Throttle,
        on_sent: Callable[[int], None],
        meter: Meter,
        metrics: Metrics,
    ) -> None:
        """Work with these; `transfer` gives the settings as they are now.

        `rights` gives within what a caller's file is opened, by its path and its reader; `quiet_s`
        how long a source must be quiet, by its absolute path and its hot folder.

        `on_sent` is told the bytes of each block of a chunk of its own piece, `meter` of every one.
        """
        self._store = store
        self._cloud = cloud
        self._transfer = transfer
        self._rights = rights
        self._throttle = throttle
        self._on_sent = on_sent
        self._meter = meter
        self._keeping = Keeping(store, cloud, transfer=transfer, reach=self._reach, metrics=metrics)
        self._rereading = Rereading(store, reach=self._reach, quiet_s=quiet_s)
        self._limits = KnownLimits(cloud)

    def worth_handing_out(self) -> int:
        """Say how many pieces of small files may be out, of all claims together."""
        return worth_handing_out(self._cloud.answer_s)

    def workers(self, claim: Claim, most: int) -> int:
        """Say how many pieces of a claim's small files may be out: more would only wait.

        What waits for a limit of its own must not have every worker of the lane.
        """
        sizes = (in_hand.file.identity.size for in_hand in claim.waiting)
        return self._throttle.workers(claim.upload.hot_folder, sizes, most)

    def ship_each(self, key: Key) -> None:
        """Send the small files of a piece one after the other, as long as they are wanted.

        At an error `key.in_hand` is the file that it is about, and the rest waits in the batch.
        """
        claim = key.claim
        while key.batch and not claim.abort.is_set() and not claim.halt.is_set():
            key.in_hand = key.batch.popleft()
            self.ship(claim, key.in_hand)
            claim.shipped.append(key.in_hand)
            key.in_hand = None

    def ship(self, claim: Claim, in_hand: FileInHand) -> None:
        """Add, send and close a small file in one go, and store it once at its end.

        What was reached is stored when it cannot be ended, so that the next try goes on from there.
        """
        file = in_hand.file
        # what was acknowledged is stored before it is read again
        if file.cloud_id is not None or in_hand.may_exist or not file.identity.is_whole:
            self._ship_by_steps(claim, in_hand)
            return
        whole = Span(number=1, offset=0, size=file.identity.size)
        with (
            _refused_now(),
            self._meter.began(claim.upload) as sent,
            self._slice(claim, file, whole, sent, is_piece=False) as body,
        ):
            in_hand.file = self._begin(claim, file)
            in_hand.cut([])
            if in_hand.missing > 1:
                # the cloud takes smaller chunks than we took the file for
                self._note_opened(claim, in_hand.file)
                in_hand.is_small = False
                return
            self._ship_whole(claim, in_hand, body, sent)

    def _ship_whole(self, claim: Claim, in_hand: FileInHand, body: files.Slice, sent: Sent) -> None:
        chunk = None
        try:
            chunk = self._deliver(claim, in_hand, body, number=1)
            self._cloud.close_file(*held_package(claim.upload), **_closing(in_hand.file, [chunk]))
        except MasvWatchError:
            self._note_opened(claim, in_hand.file)
            if chunk is not None:
                self._store.note_etag(in_hand.file, claim.upload.fence, chunk, last=True)
                sent.acknowledged()
            raise
        self._store.note_file_shipped(in_hand.file, claim.upload.fence, chunk)
        sent.acknowledged()
        self._meter.file_closed(claim.upload)
        in_hand.missing = 0

    def _ship_by_steps(self, claim: Claim, in_hand: FileInHand) -> None:
        if in_hand.file.cloud_id is None:
            self.open(claim, in_hand)
        while in_hand.to_send and not claim.abort.is_set():
            self.send(claim, in_hand, in_hand.to_send.pop(0))
        if not in_hand.missing:
            self.close(claim, in_hand)

    def open(self, claim: Claim, in_hand: FileInHand) -> None:
        """Add a file to the package and begin its multipart upload."""
        file = in_hand.file
        self._look_at(claim, file)
        if in_hand.may_exist:
            self._clear_orphans(claim, file)
        self._note_opened(claim, self._begin(claim, file))
        self._reread(in_hand)

    def _begin(self, claim: Claim, file: SourceFile) -> SourceFile:
        """Give a file as it is once the cloud takes its chunks; nothing is stored yet."""
        upload = claim.upload
        package_id, token = held_package(upload)
        added = self._cloud.add_file(
            package_id,
            token,
            name=file.name,
            path=file.package_path,
            last_modified=_iso(file.identity.mtime_ns),
        )
        asked = upload.chunk_size or self._transfer().chunk_size
        limits = self._limits.of(added, file.identity.size)
        chunk_size = cut(file.identity.size, asked, limits)
        multipart_id = self._cloud.start_multipart(added.blueprint)
        return replace(
            file,
            cloud_id=added.id,
            multipart_id=multipart_id,
            chunk_size=chunk_size,
            max_chunks=limits.max_count,
        )

    def _note_opened(self, claim: Claim, file: SourceFile) -> None:
        self._store.note_file_opened(
            file,
            claim.upload.fence,
            cloud_id=file.cloud_id or "",
            multipart_id=file.multipart_id or "",
            chunk_size=file.chunk_size or 0,
            max_chunks=file.max_chunks,
        )

    def _reread(self, in_hand: FileInHand) -> None:
        row = self._store.file(in_hand.file.id)
        if row is None or row.chunk_size is None:
            # its source settled anew in between, and with it the file began anew
            raise FenceLost(f"file {in_hand.file.id} began anew meanwhile")
        in_hand.file = row
        in_hand.cut(self._store.chunks(row.id))

    def _clear_orphans(self, claim: Claim, file: SourceFile) -> None:
        """Delete what an add whose answer was lost left in the package."""
        place = (file.package_path, file.name)
        for cloud_id in self._left_behind(claim).orphans.get(place, ()):
            delete_cloud_file(self._cloud, *held_package(claim.upload), cloud_id)

    def _left_behind(self, claim: Claim) -> Listing:
        def ask() -> Listing:
            ours = {row.cloud_id for row in self._store.files(claim.upload.id)}
            return listing_of(self._cloud.files(*held_package(claim.upload)), ours)

        return claim.left_behind.listing(ask)

    def send(self, claim: Claim, in_hand: FileInHand, span: Span) -> None:
        """Send one chunk and store its etag; what the storage has of it already is kept."""
        if claim.ending:
            # its upload yields: what nobody began is for its next turn
            return
        try:
            with _refused_now():
                is_kept = self._keeping.keep(claim, in_hand, span)
            if not is_kept:
                self._send_bytes(claim, in_hand, span)
        except CloudRefused as error:
            self._keeping.judge(claim, in_hand, error)
            raise

    def _send_bytes(self, claim: Claim, in_hand: FileInHand, span: Span) -> None:
        with self._meter.began(claim.upload) as sent:
            with (
                _refused_now(),
                self._slice(claim, in_hand.file, span, sent, is_piece=True) as body,
            ):
                chunk = self._deliver(claim, in_hand, body, number=span.number)
            last = in_hand.acknowledge()
            self._store.note_etag(in_hand.file, claim.upload.fence, chunk, last=last)
            sent.acknowledged()

    def _deliver(
        self, claim: Claim, in_hand: FileInHand, body: files.Slice, *, number: int
    ) -> Chunk:
        """Bring one chunk to the storage, with a fresh URL where one has expired."""
        if len(body) <= BLOCK:
            # sent in one go by a call whose time runs on: it waits before
            self._throttle.admit(len(body), claim.upload.hot_folder, claim.abort)
        for attempt in range(1, FRESH_URLS):
            blueprint = self._url(claim, in_hand, number, is_first=attempt == 1)
            try:
                return self._put(claim, in_hand, body, number=number, blueprint=blueprint)
            except UrlExpired as error:
                body.seek(0)
                self._meter.retried(claim.upload, Step.SEND_CHUNK, error)
        blueprint = self._url(claim, in_hand, number, is_first=False)
        return self._put(claim, in_hand, body, number=number, blueprint=blueprint)

    def _judge_forgotten(self, claim: Claim, in_hand: FileInHand) -> None:
        """Find out why the storage does not know a multipart upload.

        Raises:
            PackageGone: its package was deleted.
            CloudUnreachable: it was begun long ago and swept away; the file begins anew.
        """
        self._cloud.files(*held_package(claim.upload))
        if in_hand.was_begun:
            self._store.note_file_lost(in_hand.file, claim.upload.fence)
            raise CloudUnreachable("the storage forgot what it had of a file, which begins anew")

    def _put(
        self,
        claim: Claim,
        in_hand: FileInHand,
        body: files.Slice,
        *,
        number: int,
        blueprint: Blueprint,
    ) -> Chunk:
        try:
            etag = self._cloud.put_chunk(blueprint, body)
        except CloudRefused as error:
            if error.facts.get("status") == 404:
                self._judge_forgotten(claim, in_hand)
            raise
        if body.left:
            raise CloudUnreachable("the storage answered before it had the whole chunk")
        # what the kernel sent by itself may have left after the slice's own look
        body.check()
        if not wire.etag_agrees(etag, body.md5):
            raise EtagMismatch("the storage acknowledged other bytes than were sent", limit=5)
        return Chunk(number=number, size=len(body), etag=etag, hash=body.hash)

    def _slice(
        self, claim: Claim, file: SourceFile, span: Span, sent: Sent, *, is_piece: bool
    ) -> files.Slice:
        toll = self._throttle.toll(claim.upload.hot_folder, claim.abort)
        # what goes in one call has waited for all of it before
        is_paced = span.size > BLOCK

        def most(wanted: int) -> int:
            granted = toll.ask(wanted) if is_paced else wanted
            claim.demand_wanted()
            return granted

        def on_bytes(size: int) -> None:
            claim.demand_wanted()
            toll.note(size)
            sent.note(size)
            if is_piece:
                self._on_sent(size)

        return files.Slice(
            claim.upload.root,
            file.path,
            file.identity,
            offset=span.offset,
            size=span.size,
            verify=hashing_of(file, self._transfer()),
            follow=claim.upload.terms.follow,
            reach=self._reach(claim, file),
            on_bytes=on_bytes,
            most=most,
        )

    def _look_at(self, claim: Claim, file: SourceFile) -> None:
        """Assure that a source is the settled one, and its reader's to send."""
        upload = claim.upload
        with _refused_now():
            files.check_identity(
                upload.root,
                file.path,
                file.identity,
                follow=upload.terms.follow,
                reach=self._reach(claim, file),
            )

    def _reach(self, claim: Claim, file: SourceFile) -> files.Reach | None:
        """Give within what a caller's file is read; a hot folder's is the daemon's own to read."""
        if claim.upload.hot_folder is not None:
            return None
        return self._rights(file.path, file.reader)

    def _url(self, claim: Claim, in_hand: FileInHand, number: int, *, is_first: bool) -> Blueprint:
        """Give the URL of a chunk, used once; the first is asked for in windows."""
        file = in_hand.file
        with in_hand.asking:
            known = in_hand.urls.pop(number, None)
            if known is not None:
                return known
            # one that expired says nothing about its neighbours (fault 57)
            later = {other for other in in_hand.unasked if other > number} if is_first else set()
            start, count = window(sorted({number} | later), URL_WINDOW)
            package_id, token = held_package(claim.upload)
            found = self._cloud.chunk_urls(
                package_id,
                token,
                file_id=file.cloud_id or "",
                multipart_id=file.multipart_id or "",
                start=start,
                count=count,
            )
            numbers = range(start + 1, start + 1 + count)
            in_hand.unasked.difference_update(numbers)
            in_hand.urls.update(zip(numbers, found, strict=True))
            return in_hand.urls.pop(number)

    def close(self, claim: Claim, in_hand: FileInHand) -> None:
        """Finalize a file whose chunks are all acknowledged, or let it rest until it may be."""
        file, upload = in_hand.file, claim.upload
        if self._rereading.rests(claim, file):
            return
        self._look_at(claim, file)
        self._rereading.demand_sent(claim, file)
        if in_hand.may_be_closed and self._is_closed(claim, file):
            self._note_closed(claim, file)
            return
        try:
            self._cloud.close_file(
                *held_package(upload), **_closing(file, self._store.chunks(file.id))
            )
        except CloudRefused as error:
            claim.left_behind.doubt()
            if not self._is_closed(claim, file):
                self._keeping.judge(claim, in_hand, error)
                raise
        self._note_closed(claim, file)

    def _note_closed(self, claim: Claim, file: SourceFile) -> None:
        self._store.note_file_closed(file, claim.upload.fence)
        self._meter.file_closed(claim.upload)

    def _is_closed(self, claim: Claim, file: SourceFile) -> bool:
        whole = self._left_behind(claim).whole
        return file.cloud_id in whole and whole[file.cloud_id] in {None, file.identity.size}


@contextmanager
def _refused_now() -> Iterator[None]:
    """End an upload for whose caller a source is closed by now (P8): no retry opens it."""
    try:
        yield
    except SourceUnreadable as error:
        if not isinstance(error.__cause__, files.NoRight):
            raise
        path = error.facts.get("path")
        name = shown(b"/" + path) if isinstance(path, bytes) else "a source"
        raise SourceForbidden(
            f"{name} is not any more to be read by whoever named it",
            hint="give him the right to it, then resume the upload; or delete the upload",
            path=path,
        ) from error


class _Closing(TypedDict):
    file_id: str
    multipart_id: str
    size: int
    chunk_size: int
    chunks: Sequence[Chunk]


def _closing(file: SourceFile, chunks: Sequence[Chunk]) -> _Closing:
    return _Closing(
        file_id=file.cloud_id or "",
        multipart_id=file.multipart_id or "",
        size=file.identity.size,
        chunk_size=file.chunk_size or 0,
        chunks=chunks,
    )


def _iso(mtime_ns: int) -> str:
    """Write a modification time as the cloud does, [3p-aiohttp]; what no calendar holds as 1970."""
    try:
        at = datetime.fromtimestamp(mtime_ns / 1e9, tz=UTC)
    except (ValueError, OverflowError, OSError):
        at = datetime.fromtimestamp(0, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
