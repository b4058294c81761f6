"""The folders on which a hot folder stands: whether a name came, went or moved in any of them.

Owns what is remembered of the folders between two sweeps. Never looks at a file: one that is
written in place changes no folder. Filled by a sweep, asked by intake between two of them.
"""

from __future__ import annotations

from masv_watch.errors import SourceError
from masv_watch.files import Root
from masv_watch.watch.fences import Numbers, joined, numbers_of

#: folders of one hot folder that are remembered, about 100 bytes each
MOST = 100_000


class Ground:
    """The folders of one hot folder as one sweep walked them."""

    def __init__(self, root: Root) -> None:
        """Begin with the root as it stands before it is listed."""
        self._paths: list[bytes] = []
        self._sum = joined(0, b"", numbers_of(root.own_identity()))

    def add(self, path: bytes, numbers: Numbers) -> None:
        """Put a folder on it; what was put there before, in the same sweep, counts once more."""
        if len(self._paths) <= MOST:
            self._paths.append(path)
            self._sum = joined(self._sum, path, numbers)

    @property
    def is_whole(self) -> bool:
        """Say whether every folder found room."""
        return len(self._paths) <= MOST

    def is_like(self, other: Ground) -> bool:
        """Say whether both are the same folders, unchanged."""
        return self._sum == other._sum and len(self._paths) == len(other._paths)

    def still_stands(self, root: Root) -> bool:
        """Look at every folder, and at nothing else, and say whether all are as they were.

        Raises: SourceUnreadable when the root is gone.
        """
        now = joined(0, b"", numbers_of(root.own_identity()))
        for path in self._paths:
            try:
                seen = root.observe(path)
            except SourceError:
                # what stands in the way is found and told of by the sweep that follows
                return False
            if seen is None or seen.kind != "folder" or seen.identity is None:
                return False
            now = joined(now, path, numbers_of(seen.identity))
        return now == self._sum
