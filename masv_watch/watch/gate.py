"""The gate of one root: whether what stands at its path may be believed.

Owns the identity that a root had and what its absence means. Never lists anything below the root
and never touches a row. Used by intake before every sweep.

Law 1. With the gate closed nothing is missing, nothing is deleted and nothing is new (fault 8).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from masv_watch import files
from masv_watch.errors import SourceForbidden, SourceUnreadable
from masv_watch.model import Rule
from masv_watch.names import shown
from masv_watch.watch.settle import RootState, judge_root

log = logging.getLogger(__name__)


class Gate:
    """The root of one rule, looked at before each sweep by one thread."""

    def __init__(self, rule: Rule, denied: Callable[[], frozenset[tuple[int, int]]]) -> None:
        """Begin without knowing the root; `denied` is what `files.never_sent` gives."""
        self._rule = rule
        self._denied = denied
        self._expected: tuple[int, int] | None = None
        #: None before the first look
        self.root_state: RootState | None = None
        #: one sentence for people while the gate is closed; "" while it is open
        self.why = ""

    def open(self, *, expects: Callable[[], bool]) -> files.Root | None:
        """Give the root, or None while the gate is closed.

        `expects` tells whether drops of the root are on their way or held; while they are, neither
        another file system at the path nor an empty folder at the start is let in.
        """
        network = files.filesystem_kind(self._rule.path) == "network"
        try:
            root = files.Root.open(self._rule.path, fresh=network, reach=self._reach())
        except SourceForbidden as error:
            self._show(RootState.UNREACHABLE, f"{error.message}; watch another folder")
            return None
        except SourceUnreadable as error:
            verdict = judge_root(self._expected, error, network=network)
            self._show(verdict.state, f"{error.message}; it is taken up when it is there")
            return None
        verdict = judge_root(self._expected, root.identity, network=network)
        doubt = self._doubt(root, is_same=verdict.state is RootState.PRESENT)
        if doubt and expects():
            root.close()
            self._show(RootState.REPLACED, doubt)
            return None
        self._expected = root.identity
        self._show(RootState.PRESENT, "")
        return root

    def _reach(self) -> files.Reach:
        # our own files are never sent, whatever is mounted or linked into a hot folder
        return files.Reach(roots=None, uid=None, gids=frozenset(), denied=self._denied())

    def _doubt(self, root: files.Root, *, is_same: bool) -> str:
        """Say what speaks against a root of which drops are expected; "" when nothing does."""
        path = shown(self._rule.path)
        if not is_same and self._is_foreign(root):
            return (
                f"another file system stands at {path} while drops of the earlier one are on their"
                " way or held; mount that one again"
            )
        if self._expected is None and next(root.list_folder(), None) is None:
            # what a mount point looks like before its file system is mounted (fault 8)
            return (
                f"{path} is empty while drops of it are on their way or held; mount its file"
                " system, or put any file into it if it is empty indeed"
            )
        return ""

    def _is_foreign(self, root: files.Root) -> bool:
        # a folder made anew on the same file system is the same place (fault 6)
        return self._expected is not None and self._expected[0] != root.identity[0]

    def _show(self, state: RootState, why: str) -> None:
        if (state, why) == (self.root_state, self.why):
            return
        if why:
            log.warning("a hot folder waits", extra={"hot_folder": self._rule.name, "reason": why})
        elif self.root_state is not None:
            log.info("a hot folder is there", extra={"hot_folder": self._rule.name})
        self.root_state, self.why = state, why
