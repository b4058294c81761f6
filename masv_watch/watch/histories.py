"""What the ledger and the disk say of a settled drop's past: the facts for `redrops`.

Owns which earlier deliveries are asked for, and the content that was read to compare. Never decides
what follows and writes no row. Used by the tests of an entry.

Law 1. Content is read only by the intake's own thread, and only where time alone differs; whoever
       explains is told that it has to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from masv_watch import files
from masv_watch.errors import SourceError
from masv_watch.model import DeliveredFile, Drop, DropEvent, Finding, Identity, Objection, Rule
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.watch.redrops import Compared, Kind, Moment, answer, compare, renamed
from masv_watch.watch.scan import Placed, Tree

#: earlier drops of the same number of files and bytes that are looked through for a renamed one
_ALIKE = 20
#: drops whose read content is remembered; a few are compared at a time
_KEPT = 64


class Histories:
    """The past of one hot folder's drops."""

    def __init__(self, store: Store, *, stop: Callable[[], bool]) -> None:
        """Ask this store; `stop` ends a long reading."""
        self._store = store
        self._stop = stop
        self._contents: dict[bytes, dict[Placed, str]] = {}

    def compare(self, rule: Rule, tree: Tree, drop: Drop | None) -> Compared:
        """Say what a settled tree is to what was delivered under its name."""
        answered = drop is not None and drop.is_answered
        delivered = {} if answered else self._store.delivered_files(rule.name, tree.top)
        contents = self._contents.get(tree.top, {})
        return compare(tree.files, delivered, contents, is_answered=answered)

    def objection(
        self, rule: Rule, root: files.Root, tree: Tree, *, found: Compared, moment: Moment
    ) -> Objection:
        """Say what the rule has against sending what was compared."""
        if found.kind is Kind.FIRST:
            old = self._renamed_from(rule, root, tree)
            if old is not None:
                note = f"renamed: it was delivered as {shown(old)}"
                finding = Finding(test="renamed", passed=False, detail=note)
                return Objection(
                    ends=DropEvent.SAME_CONTENT, note=note, findings=(*found.findings, finding)
                )
        added = self._store.late_drops(rule.name, tree.top) if found.kind is Kind.LATE else 0
        return answer(found, rule.redrop, rule.late, moment=moment, added_of_late=added)

    def read(self, rule: Rule, root: files.Root, tree: Tree, found: Compared) -> None:
        """Read the content that a comparison lacks; a file that changes meanwhile is left out."""
        delivered = self._store.delivered_files(rule.name, tree.top)
        while len(self._contents) >= _KEPT:
            self._contents.pop(next(iter(self._contents)))
        known = self._contents.setdefault(tree.top, {})
        for path, identity in found.unread:
            if self._stop():
                return
            hashed = self._hash(root, path, identity, delivered[path])
            if hashed is not None:
                known[path, identity] = hashed

    def forget(self, top: bytes) -> None:
        """Let go of what was read of a drop that is taken or has ended."""
        self._contents.pop(top, None)

    def _hash(
        self, root: files.Root, path: bytes, identity: Identity, before: DeliveredFile
    ) -> str | None:
        try:
            return files.hash_content(
                root.path,
                path,
                identity,
                chunk_size=max(before.chunk_size, 1),
                stop=self._stop,
            )
        except SourceError:
            # it changes or cannot be read: the next sample says so
            return None

    def _renamed_from(self, rule: Rule, root: files.Root, tree: Tree) -> bytes | None:
        alike = self._store.like_drops(
            rule.name, tree.top, files=len(tree.files), size=tree.size, most=_ALIKE
        )
        gone = [drop for drop in alike if root.observe(drop.path) is None]
        return renamed(
            tree.files, tree.top, ((drop.path, self._files_below(drop)) for drop in gone)
        )

    def _files_below(self, drop: Drop) -> Mapping[bytes, Placed]:
        if drop.upload_id is None:
            return {}
        return {
            file.path[len(drop.path) :]: (file.path, file.identity)
            for file in self._store.files(drop.upload_id)
            if file.drop_id == drop.id
        }
