"""What waits for another drop, answered by a look at that one as long as nothing moved.

Owns how long such an answer is used again. Never compares anything itself and writes no row. Used
by the tests of an entry.

It stands alone because a thousand equal frames that wait for the first of them would else each be
compared with it anew every quarter of a minute, for as long as that is on its way.

Law 1. An answer holds for the very same files, row and rule, and only while the one that is waited
       for is as it was: its row, its upload, and what stands at its path.
Law 2. It holds for a while only: what else may answer a drop is asked for again after that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from masv_watch.files import Root
from masv_watch.model import Drop, Rule, UploadState
from masv_watch.store.contract import Store
from masv_watch.watch.redrops import Compared, Kind
from masv_watch.watch.scan import Tree
from masv_watch.watch.tops import seen_at

Comparing = Callable[[Rule, Root, Tree, Drop | None], Compared]

#: states of an upload in which its drop is waited for, as the ledger lists those
ON_THE_WAY = (UploadState.TRANSFERRING, UploadState.IDLE, UploadState.FINALIZING)
#: monotonic seconds after which all is compared again, whatever moved
USED_S = 120.0
#: answers that are kept; of a large folder none is, as it holds the list of its files
_KEPT = 16384
_FEW_FILES = 16


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer, and what it holds for."""

    asked: tuple[object, ...]
    awaited: tuple[object, ...]
    until: float
    found: Compared


class Awaiting:
    """The drops of one hot folder that wait for another one."""

    def __init__(self, store: Store, compare: Comparing) -> None:
        """Have what cannot be answered by a look at the other one compared."""
        self._store, self._compare = store, compare
        self._answers: dict[bytes, _Answer] = {}
        #: those that are waited for, each looked at once through one opened root: many wait for one
        self._seen: tuple[Root, dict[int, tuple[object, ...]]] | None = None
        self._now = 0.0

    def begin_look(self, now: float) -> None:
        """Begin a look; `now` is monotonic."""
        self._now = now
        over = [top for top, answer in list(self._answers.items()) if answer.until <= now]
        for top in over:
            self._answers.pop(top, None)

    def compare(self, rule: Rule, root: Root, tree: Tree, drop: Drop | None) -> Compared:
        """Say what a settled tree is to what was delivered, or is on its way."""
        known, asked = self._answers.get(tree.top), (rule, tree.files, drop)
        if known is not None and known.asked == asked and self._stands(root, known):
            return known.found
        self._answers.pop(tree.top, None)
        found = self._compare(rule, root, tree, drop)
        if found.kind is not Kind.ONGOING or found.twin is None:
            return found
        awaited = self._as_it_is(root, found.twin)
        # what moved while it was compared is compared again
        is_as_compared = awaited[0] == found.twin and awaited[1] in ON_THE_WAY
        if is_as_compared and len(tree.files) <= _FEW_FILES and len(self._answers) < _KEPT:
            self._answers[tree.top] = _Answer(asked, awaited, self._now + USED_S, found)
        return found

    def _stands(self, root: Root, known: _Answer) -> bool:
        twin = known.found.twin
        return twin is not None and self._as_it_is(root, twin) == known.awaited

    def _as_it_is(self, root: Root, awaited: Drop) -> tuple[object, ...]:
        if self._seen is None or self._seen[0] is not root:
            self._seen = root, {}
        seen = self._seen[1]
        if awaited.id not in seen:
            seen[awaited.id] = self._look(root, awaited)
        return seen[awaited.id]

    def _look(self, root: Root, awaited: Drop) -> tuple[object, ...]:
        upload = self._store.upload(awaited.upload_id) if awaited.upload_id else None
        return (
            self._store.latest_drop(awaited.hot_folder, awaited.path),
            upload and upload.state,
            upload and (upload.finalized_at, upload.terms, upload.is_retired),
            seen_at(root, awaited.path),
        )
