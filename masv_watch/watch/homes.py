"""Whether an opened root is the hot folder that a delivered source came from.

Owns that question for whoever moves or removes a source, watched or not, and of what is on its way
from where nobody watches. Never touches a source. Handed to the outbox by `daemon`.

Law 1. Nothing is missing from a bare mount point, and nothing is made in one (fault 8).
Law 2. What is unknown proves nothing: a root of which nothing was noted is let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from masv_watch import files
from masv_watch.errors import SourceUnreadable
from masv_watch.model import Drop, Identity
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.gate import is_bare, owner_of
from masv_watch.watch.sameness import RootSight, RootState, judge_root

#: delivered files that are looked for before none counts as there
_FILES = 100


def demand_home(
    store: Store, root: files.Root, drop: Drop, expected: Mapping[bytes, Identity]
) -> None:
    """Make sure that an opened root is the one in which a drop was delivered.

    Raises:
        SourceUnreadable: something else stands at its path now; the source is where that is not.
    """
    if _shows_any(root, expected):
        # whatever the root is called by now: what was delivered stands in it
        return
    why = _difference(store, root, drop.hot_folder)
    if why:
        raise SourceUnreadable(
            f"{shown(root.path)} {why}; delivered sources stay where they are",
            hint=(
                "mount the file system that was there, or say masv-watch adopt"
                f" {drop.hot_folder} if this one is to take its place"
            ),
        )


def why_not_home(
    store: Store, root: files.Root, hot_folder: str, expected: Mapping[bytes, Identity]
) -> str:
    """Say why an opened root cannot be believed to be that of what is on its way; "" when it is.

    Where nothing was noted of it, or of another path by now, an empty folder may be a mount point.
    """
    if _shows_any(root, expected):
        return ""
    known = store.root(hot_folder)
    if (known is None or known.path != root.path) and is_bare(root):
        return "is empty, as a mount point is"
    return _difference(store, root, hot_folder)


def _difference(store: Store, root: files.Root, hot_folder: str) -> str:
    """Say what speaks against a root; "" when nothing does."""
    known = store.root(hot_folder)
    if known is None or known.path != root.path:
        return ""
    volume, is_empty = files.volume_of(root), is_bare(root)
    sight = RootSight(
        whose=owner_of(files.read_marker(root), store.state_id(), hot_folder),
        place=volume.place,
        boot=volume.boot,
        uuid=volume.uuid,
        is_network=volume.is_network,
        is_empty=is_empty,
    )
    # the very folder that was known may have been emptied by hand
    is_place = (known.boot, known.place) == (volume.boot, volume.place)
    verdict = judge_root(known, sight, expects=is_empty and not is_place)
    return "" if verdict.state is RootState.PRESENT else verdict.findings[0].detail


def _shows_any(root: files.Root, expected: Mapping[bytes, Identity]) -> bool:
    """Say whether any file stands there as it was delivered."""
    for path, wanted in islice(expected.items(), _FILES):
        seen = root.observe(path)
        if seen is not None and seen.identity is not None:
            found = seen.identity
            if (found.size, found.mtime_ns) == (wanted.size, wanted.mtime_ns):
                return True
    return False
