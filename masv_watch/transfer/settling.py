"""What a caller named and what changed on its way: looked at until it is quiet, then sent anew.

Owns the quiet time of files that belong to no drop. Never sends and never asks the cloud. Its one
function runs on the crew's workers, handed out by `transfer.sender`, one at a time for an upload.

Law 1. A changed file goes on only after it looked the same for its whole quiet time.
Law 2. It is read by the same rights as at first: what its caller may not read any more fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from masv_watch.errors import SourceForbidden, SourceVanished
from masv_watch.loops import Clock
from masv_watch.model import Identity, SourceFile
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import Claim

#: files looked at in one piece
AT_ONCE = 500
#: looks within a quiet time
LOOKS = 4
#: changing files that are remembered; one that is forgotten begins its quiet time anew
_MOST_SEEN = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    identity: Identity
    #: monotonic seconds of the first look that showed it
    since: float


class Settling:
    """The changed files of callers; what was seen of them is forgotten by a restart."""

    def __init__(
        self,
        store: Store,
        *,
        look: Callable[[bytes, int | None], Identity],
        quiet_s: Callable[[bytes], float],
        clock: Clock,
    ) -> None:
        """Look by `look` (path below "/", user whose rights count); `quiet_s` of such a path."""
        self._store = store
        self._look = look
        self._quiet_s = quiet_s
        self._clock = clock
        self._seen: dict[int, _Seen] = {}

    def look_again(self, claim: Claim) -> None:
        """Look at every changed file that is due, and take in those that are quiet.

        Raises:
            SourceVanished: one is not there any more, or is not the caller's to read.
            SourceUnreadable: one cannot be read now.
        """
        upload = claim.upload
        for file in self._store.files_to_settle(upload.id, AT_ONCE):
            identity = self._identify(file)
            quiet_s = self._quiet_s(file.path)
            if self._is_quiet(file, identity, quiet_s):
                self._seen.pop(file.id, None)
                self._store.settle_file(file, upload.fence, identity)
            else:
                again = self._store.now() + quiet_s / LOOKS
                self._store.delay_file(file, upload.fence, again)

    def _identify(self, file: SourceFile) -> Identity:
        try:
            return self._look(file.path, file.reader)
        except (SourceVanished, SourceForbidden) as error:
            # what comes back is quiet only after a whole quiet time of its own
            self._seen.pop(file.id, None)
            raise SourceVanished(
                f"a source changed and cannot be sent any more: {error.message}",
                hint="put it back, then resume the upload; or delete the upload",
            ) from error

    def _is_quiet(self, file: SourceFile, identity: Identity, quiet_s: float) -> bool:
        now, seen = self._clock.monotonic(), self._seen.get(file.id)
        if seen is None or seen.identity != identity:
            while len(self._seen) >= _MOST_SEEN:
                # an upload that was deleted while its file changed asks for it no more
                self._seen.pop(next(iter(tuple(self._seen))), None)
            self._seen[file.id] = _Seen(identity=identity, since=now)
            return False
        return now - seen.since >= quiet_s
