"""What a settled drop is to one of another name that is on its way, and whose hash nobody has yet.

Owns that comparison: both contents are read by the intake, as the hash of a drop is only known once
all of it was sent. Never reads a byte itself and decides nothing. Used by `histories`.

Law 1. Whoever waits for another waits for one that was taken before it: nobody waits in a circle.
Law 2. Only a drop whose files stand as they were taken is waited for; in doubt the second one goes.
Law 3. A file that cannot be read holds back nobody but its own drop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from masv_watch.errors import SourceBusy, SourceError
from masv_watch.files import Root
from masv_watch.model import Identity, SourceFile
from masv_watch.watch.redrops import Compared, Placed
from masv_watch.watch.tops import seen_at
from masv_watch.watch.twins import Contents, Likeness

#: files by their path below their drop, each with the hash of what was read of it, if it was
Shape = Mapping[bytes, tuple[Placed, str | None]]

#: bytes of the chunks by which both are read: any does, as long as it is one for both
CHUNK_BYTES = 1 << 26
#: seconds for which a file that could not be read counts as one that cannot be: no longer, as a
#: share that failed for a moment would have copies sent until the daemon starts anew
UNREADABLE_S = 900.0
#: files of which it is remembered that they could not be read
_KEPT_UNREADABLE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A drop beside one that is on its way."""

    likeness: Likeness
    #: what has to be read before it can be said, of both
    unread: tuple[Placed, ...] = ()


class Unreadable:
    """The files of a hot folder that could not be read lately, as they were then."""

    def __init__(self) -> None:
        """Begin without one."""
        self._now = 0.0
        self._known: dict[Placed, tuple[float, SourceError]] = {}

    def begin(self, now: float) -> None:
        """Let go of what was found too long before a monotonic second."""
        self._now = now
        over = [placed for placed, (until, _) in self._known.items() if until <= now]
        for placed in over:
            del self._known[placed]

    def note(self, placed: Placed, why: SourceError) -> None:
        """Remember why a file could not be read just now."""
        self.lose(placed)
        self._known[placed] = (self._now + UNREADABLE_S, why)
        if len(self._known) > _KEPT_UNREADABLE:
            del self._known[next(iter(self._known))]

    def lose(self, placed: Placed) -> None:
        """Forget it of a file that was read."""
        self._known.pop(placed, None)

    def why(self, files: Iterable[Placed]) -> str:
        """Say why the first of some files that could not be read could not; "" without one."""
        error = self._first(files)
        return "" if error is None else str(error)

    def told(self, found: Compared) -> Compared:
        """Give a comparison with why it gets no further, where what it waits for was tried."""
        error = self._first(found.unread)
        if error is None:
            return found
        return replace(found, stuck=str(error), is_in_use=isinstance(error, SourceBusy))

    def _first(self, files: Iterable[Placed]) -> SourceError | None:
        found = (self._known.get(placed) for placed in files)
        return next((known[1] for known in found if known is not None), None)


def standing(root: Root, files: Mapping[bytes, SourceFile]) -> Mapping[bytes, Placed] | None:
    """Give the files of a drop on its way as they stand, by their path below it.

    None where one of them is not as it was taken, or cannot be read.
    """
    found: dict[bytes, Placed] = {}
    for below, file in files.items():
        seen = seen_at(root, file.path)
        if seen is None or seen.identity is None or not _is_as_taken(seen.identity, file.identity):
            return None
        found[below] = (file.path, seen.identity)
    return found


def shape_of(files: Sequence[Placed], top: bytes, contents: Contents) -> Shape:
    """Give the files of a drop by their path below it, with the hashes of what was read of them."""
    return {
        placed[0][len(top) :]: (placed, contents.get((*placed, CHUNK_BYTES))) for placed in files
    }


def beside(shape: Shape, going: Mapping[bytes, Placed], contents: Contents) -> Beside:
    """Say what a drop is to one on its way; `contents` are the hashes of what was read of that."""
    if shape.keys() != going.keys():
        return Beside(likeness=Likeness.OTHER)
    unread: list[Placed] = []
    for below, (placed, own) in shape.items():
        other = going[below]
        if placed[1].size != other[1].size:
            return Beside(likeness=Likeness.OTHER)
        hashed = contents.get((*other, CHUNK_BYTES))
        if own is not None and hashed is not None and own != hashed:
            return Beside(likeness=Likeness.OTHER)
        unread += [each for each, read in ((placed, own), (other, hashed)) if read is None]
    return Beside(likeness=Likeness.UNREAD if unread else Likeness.TWIN, unread=tuple(unread))


def _is_as_taken(now: Identity, then: Identity) -> bool:
    return (now.size, now.mtime_ns, now.inode) == (then.size, then.mtime_ns, then.inode)
