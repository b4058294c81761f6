"""What could not be read when a hot folder was met first, until `initial` has reached it.

Owns when such a path is looked at again, and that nothing there is taken before. Never decides what
`initial` means: `adoption` does. Built by intake, and used on its thread only.

Law 1. What stood in a hot folder at its first start is sent only where `initial` says so, whoever
       could read it then; the rest of the hot folder waits for none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from masv_watch import files
from masv_watch.loops import Clock
from masv_watch.model import Rule, Unread
from masv_watch.store.contract import Store
from masv_watch.watch.addresses import above
from masv_watch.watch.adoption import adopt_later, is_awake
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import Tree, one, sweep
from masv_watch.watch.tops import leads_on, seen_at, unfollowed


class Unmet:
    """The paths of one hot folder that `initial` has not reached."""

    def __init__(
        self,
        rule: Rule,
        matcher: Matcher,
        *,
        ledger: Store,
        clock: Clock,
        stop: Callable[[], bool],
    ) -> None:
        """Take in what the ledger has of them; `stop` ends a long look."""
        self.rule = rule
        self._matcher = matcher
        self._clock = clock
        self._stop = stop
        self._known: dict[bytes, Unread] = {}
        #: whether the ledger may have other ones by now
        self._is_stale = False
        self.turn_to(ledger)

    def turn_to(self, ledger: Store) -> None:
        """Take in what this ledger has of them now."""
        self._ledger = ledger
        self._known = {each.path: each for each in ledger.unread(self.rule.name)}
        self._is_stale = False

    def hides(self, top: bytes, root: files.Root) -> bool:
        """Say whether a drop lies where `initial` has not been yet."""
        if not self._known:
            return False
        met = (self._known[path] for path in (top, *above(top)) if path in self._known)
        return any(is_awake(unread, root) for unread in met)

    def look(self, root: files.Root) -> None:
        """Apply `initial` to all that can be read by now, and go on with the rest.

        What is gone is forgotten: whatever comes there is new. Of a file system that is gone from
        its mount point it is kept for the day when that is there again.

        Raises: SourceUnreadable when the root is gone.
        """
        if self._is_stale:
            self.turn_to(self._ledger)
        for unread in self._known.values():
            if not is_awake(unread, root):
                continue
            trees = self._there(root, unread.path)
            if trees is not None:
                # a look that breaks off at the next one must not meet this one again
                self._is_stale = True
                adopt_later(
                    self.rule,
                    unread,
                    trees,
                    store=self._ledger,
                    clock=self._clock,
                    stop=self._stop,
                    root=root,
                )
        if self._is_stale:
            self.turn_to(self._ledger)

    def _there(self, root: files.Root, path: bytes) -> Iterable[Tree] | None:
        """Give what may be a drop at a path, or below it; None while it cannot be read."""
        seen = seen_at(root, path)
        if seen is None:
            return ()
        tree = one(root, path, self._matcher, stop=self._stop)
        if tree is not None:
            return None if tree.unreadable else (tree,)
        return self._below(root, path) if leads_on(unfollowed(seen), self._matcher) else ()

    def _below(self, root: files.Root, folder: bytes) -> Iterator[Tree]:
        for tree in sweep(root, self._matcher, stop=self._stop):
            # its list may begin well and break off: then the folder itself comes, as unread
            if tree.top == folder or folder in above(tree.top):
                yield tree
            elif tree.unreadable and tree.top in above(folder):
                # the walk did not come to it: it is as unread as before
                yield replace(tree, top=folder)
