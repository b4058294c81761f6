"""The gate of one root: whether what stands at its path may be believed.

Owns the identity that a root had and what its absence means. Never lists anything below the root
and never touches a row. Used by intake before every sweep.

Law 1. With the gate closed nothing is missing, nothing is deleted and nothing is new (fault 8).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from masv_watch import files
from masv_watch.errors import SourceUnreadable
from masv_watch.model import Rule
from masv_watch.names import shown
from masv_watch.watch.settle import RootState, judge_root

log = logging.getLogger(__name__)


class Gate:
    """The root of one rule, looked at before each sweep by one thread."""

    def __init__(self, rule: Rule) -> None:
        """Begin without knowing the root."""
        self._rule = rule
        self._expected: tuple[int, int] | None = None
        #: None before the first look
        self.root_state: RootState | None = None
        #: one sentence for people while the gate is closed; "" while it is open
        self.why = ""

    def open(self, *, in_flight: Callable[[], bool]) -> files.Root | None:
        """Give the root, or None while the gate is closed.

        `in_flight` tells whether drops of the root are on their way; while they are, another file
        system at the path is not let in.
        """
        network = files.filesystem_kind(self._rule.path) == "network"
        try:
            root = files.Root.open(self._rule.path, fresh=network)
        except SourceUnreadable as error:
            verdict = judge_root(self._expected, error, network=network)
            self._show(verdict.state, f"{error.message}; it is taken up when it is there")
            return None
        verdict = judge_root(self._expected, root.identity, network=network)
        if verdict.state is not RootState.PRESENT and self._is_foreign(root) and in_flight():
            root.close()
            self._show(
                RootState.REPLACED,
                f"another file system stands at {shown(self._rule.path)} while drops of the"
                " earlier one are on their way; mount that one again",
            )
            return None
        self._expected = root.identity
        self._show(RootState.PRESENT, "")
        return root

    def _is_foreign(self, root: files.Root) -> bool:
        # a folder made anew on the same file system is the same place (fault 6)
        return self._expected is None or self._expected[0] != root.identity[0]

    def _show(self, state: RootState, why: str) -> None:
        if (state, why) == (self.root_state, self.why):
            return
        if why:
            log.warning("a hot folder waits", extra={"hot_folder": self._rule.name, "reason": why})
        elif self.root_state is not None:
            log.info("a hot folder is there", extra={"hot_folder": self._rule.name})
        self.root_state, self.why = state, why
