"""What a caller named and what changed on its way: looked at until it is quiet, then sent anew.

Owns the quiet time of files that belong to no drop. Never sends and never asks the cloud. Its one
function runs on the crew's workers, handed out by `transfer.sender`, one at a time for an upload.

Law 1. A changed file goes on only after it looked the same for its whole quiet time.
Law 2. One that stands still but for what its share makes up at every look waits for ever: somebody
       is told, and what helps (P6).
Law 3. It is read by the same rights as at first: what its caller may not read any more fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from masv_watch.errors import SourceForbidden, SourceVanished
from masv_watch.lifecycle import MOUNT_CURE, OPEN
from masv_watch.loops import Clock
from masv_watch.model import Identity, Need, SourceFile
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import Claim

#: files looked at in one piece
AT_ONCE = 500
#: looks within a quiet time
LOOKS = 4
#: changing files that are remembered; one that is forgotten begins its quiet time anew
_MOST_SEEN = 4096
#: seconds, and changes of nothing but inode and change time, after which somebody is told
ALARM_S, DRIFTS = 3600.0, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    identity: Identity
    #: monotonic seconds of the first look that showed it, and of the first that showed its size
    #: and modification time
    since: float
    stands_since: float
    #: how often anything else of it changed by then
    drifts: int = 0


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
            stands = seen if seen is not None and _is_drift(seen.identity, identity) else None
            self._seen[file.id] = _Seen(
                identity=identity,
                since=now,
                stands_since=now if stands is None else stands.stands_since,
                drifts=0 if stands is None else stands.drifts + 1,
            )
            return False
        return now - seen.since >= quiet_s

    def needs(self) -> Iterator[Need]:
        """Say which uploads wait for files that drift and do not change; any thread may ask."""
        found = {}
        for file_id, seen in tuple(self._seen.items()):
            if seen.drifts < DRIFTS or seen.since - seen.stands_since < ALARM_S:
                continue
            file = self._store.file(file_id)
            upload = self._store.upload(file.upload_id) if file is not None and file.stale else None
            if upload is None or upload.state not in OPEN:
                self._seen.pop(file_id, None)
            else:
                found[upload.id] = upload.name
        for upload_id, name in found.items():
            yield Need(
                key=f"drift {upload_id}",
                text=f"upload {name}: a file of it has had one size and time for an hour, and"
                " another inode or change time at every look: it is not sent",
                cure=f"if it lies on a share, {MOUNT_CURE}; else see what writes to it:"
                f" masv-watch show {upload_id}",
            )


def _is_drift(before: Identity, now: Identity) -> bool:
    """Say whether all that changed is what some shares make up at every look."""
    return (before.size, before.mtime_ns, before.device) == (now.size, now.mtime_ns, now.device)
