"""The folders on which a hot folder stands: whether a name came, went or moved in any of them.

Owns what is remembered of the folders between two sweeps. Never looks at a file: one that is
written in place changes no folder. Filled by a sweep, asked by intake between two of them.
"""

from __future__ import annotations

from masv_watch.errors import SourceError
from masv_watch.files import Root
from masv_watch.watch.addresses import above
from masv_watch.watch.fences import Numbers, joined, numbers_of

#: folders of one hot folder that are remembered, about 100 bytes each
MOST = 100_000
#: seconds: the coarsest clock of a file system (FAT); within it a folder may change twice and show
#: one time only, so that a name could come after it was listed
GRAIN_S = 2.0
#: bytes of the longest path by which the kernel takes a watch (PATH_MAX, its end included)
LONGEST_PATH = 4095


class Known:
    """The folders of one hot folder as its sweeps found them, one after the other."""

    def __init__(self) -> None:
        """Begin without a sweep."""
        self._ground: Ground | None = None
        #: monotonic seconds of the first and of the last sweep that found them so
        self._since = self._full_at = 0.0

    def note(self, ground: Ground, now: float) -> None:
        """Remember what a whole sweep walked that ended at a monotonic second."""
        if self._ground is None or not self._ground.is_like(ground):
            self._since = now
        self._ground, self._full_at = ground, now

    def forget(self) -> None:
        """Remember nothing: the next look has to be at everything."""
        self._ground = None

    @property
    def is_sure(self) -> bool:
        """Say whether two sweeps with enough time between found the same folders."""
        is_whole = self._ground is not None and self._ground.is_whole
        return is_whole and self._full_at - self._since > GRAIN_S

    def full_ago_s(self, now: float) -> float | None:
        """Give the seconds since the last whole sweep; None without one."""
        return None if self._ground is None else now - self._full_at

    def stands(self, root: Root) -> bool:
        """Look at every folder, and at nothing else, and say whether all are as they were."""
        return self._ground is not None and self._ground.still_stands(root)


class Ground:
    """The folders of one hot folder as one sweep walked them."""

    def __init__(self, root: Root) -> None:
        """Begin with the root as it stands before it is listed."""
        self._paths: list[bytes] = []
        #: bytes that a path below the root may have to be named to the kernel with it
        self._room = LONGEST_PATH - len(root.path.rstrip(b"/")) - 1
        #: folders that lie too deep for that: they are walked to, and not watched
        self.too_deep = 0
        numbers = numbers_of(root.own_identity())
        self._sum = joined(0, b"", numbers)
        self._device = numbers[-1]
        #: folders on which another file system is mounted, each with its device
        self.points: dict[bytes, int] = {}

    def add(self, path: bytes, numbers: Numbers, *, is_led: bool = False) -> None:
        """Put a folder on it; one that was walked twice in the same sweep counts twice.

        `is_led` says that a link leads there.
        """
        if numbers[-1] != self._device_around(path) and not is_led:
            self.points[path] = numbers[-1]
        self.too_deep += len(path) > self._room
        if len(self._paths) <= MOST:
            self._paths.append(path)
            self._sum = joined(self._sum, path, numbers)

    def _device_around(self, path: bytes) -> int:
        if self.points:
            for each in above(path):
                if each in self.points:
                    return self.points[each]
        return self._device

    @property
    def folders(self) -> int:
        """Count the folders, the root included."""
        return len(self._paths) + 1

    @property
    def is_whole(self) -> bool:
        """Say whether every folder found room."""
        return len(self._paths) <= MOST

    def is_like(self, other: Ground) -> bool:
        """Say whether both are the same folders, unchanged."""
        return self._sum == other._sum and len(self._paths) == len(other._paths)

    def still_stands(self, root: Root) -> bool:
        """Say whether all folders are as they were; nothing else is looked at.

        What stands in the way is found, and told of, by the sweep that follows.
        """
        now = joined(0, b"", numbers_of(root.own_identity()))
        for path in self._paths:
            try:
                seen = root.observe(path)
            except SourceError:
                return False
            if seen is None or seen.kind != "folder" or seen.identity is None:
                return False
            now = joined(now, path, numbers_of(seen.identity))
        return now == self._sum
