"""Whether a file still has the bytes that were sent of it, read once more before it is closed.

Owns that second look at files whose file system does not keep what tells a rewrite, and how far it
came. Never sends a byte. Used by `transfer.sending`, on the crew's workers.

Law 1. Where an identity is not whole, bytes take the place of what it lacks: a file is closed only
       after each of its chunks was read again, once the last of them had gone, with the hash under
       which it was acknowledged (P2). No hash proves nothing.
Law 2. Between the last acknowledgement and the first byte read again lies a quiet time: a writer
       that sets size and time before the bytes looks done all the while he writes.
Law 3. How far it came is stored with every chunk: a window, a restart or a failed close has none of
       it read once more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from masv_watch import files
from masv_watch.errors import FenceLost, SourceChanged
from masv_watch.model import Chunk, SourceFile, Transfer, Verify
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import Claim
from masv_watch.transfer.readback import piece_of


def hashing_of(file: SourceFile, transfer: Transfer) -> Verify:
    """Say how the chunks of a file are hashed: those that are read twice always are."""
    if transfer.verify is Verify.SIZE and not file.identity.is_whole:
        return Verify.FAST
    return transfer.verify


class Rereading:
    """The second reads over one store."""

    def __init__(
        self,
        store: Store,
        *,
        reach: Callable[[Claim, SourceFile], files.Reach | None],
        quiet_s: Callable[[bytes, str | None], float],
    ) -> None:
        """Work with these; `reach` gives within what a file is read.

        `quiet_s` gives the quiet time of an absolute path in a hot folder, or in none.
        """
        self._store = store
        self._reach = reach
        self._quiet_s = quiet_s

    def rests(self, claim: Claim, file: SourceFile) -> bool:
        """Let a file wait that was sent too lately to be read again; say whether it waits.

        Raises:
            FenceLost: its source settled anew meanwhile.
        """
        if file.identity.is_whole:
            return False
        upload, row = claim.upload, self._row_of(file)
        path = upload.root.rstrip(b"/") + b"/" + file.path
        left_s = row.sent_at - self._store.ago(self._quiet_s(path, upload.hot_folder))
        if left_s <= 0:
            return False
        self._store.note_file_retry(
            row,
            upload.fence,
            attempts=row.attempts,
            retry_at=self._store.now() + left_s,
            error="sent, and read once more after a quiet time, before it is closed",
        )
        return True

    def demand_sent(self, claim: Claim, file: SourceFile) -> None:
        """Assure by its bytes that a file is as it was sent, where nothing else can tell it.

        Raises:
            SourceChanged: it has other bytes by now.
            SourceVanished, SourceUnreadable, SourceForbidden: as `files.Slice`.
            FenceLost: its source settled anew meanwhile.
            CloudUnreachable: its upload is not wanted now.
        """
        if file.identity.is_whole:
            return
        read = self._row_of(file).reread
        for chunk in self._store.chunks(file.id)[read:]:
            self._demand_same(claim, file, chunk)
            self._store.note_reread(file, claim.upload.fence, chunk.number)

    def _row_of(self, file: SourceFile) -> SourceFile:
        row = self._store.file(file.id)
        if row is None or row.version != file.version:
            raise FenceLost(f"file {file.id} began anew meanwhile")
        return row

    def _demand_same(self, claim: Claim, file: SourceFile, chunk: Chunk) -> None:
        offset = (chunk.number - 1) * (file.chunk_size or 0)
        reach = self._reach(claim, file)
        with piece_of(claim, file, offset=offset, size=chunk.size, reach=reach) as body:
            body.forget_cached()
            for _ in iter(partial(body.read), b""):
                pass
            if not chunk.hash or body.hash != chunk.hash:
                raise SourceChanged(
                    f"{shown(file.path)} has other bytes than were sent of it, with the same size"
                    " and time",
                    path=file.path,
                )
