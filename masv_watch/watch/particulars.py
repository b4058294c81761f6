"""What only whoever asks about a path is told: what is left out, what changed last, who writes.

Owns these findings, which no decision needs. Never makes a test and changes nothing. Called by
`explain`.

Law 1. They stop nothing: each says what a test that failed leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator

from masv_watch import files
from masv_watch.model import Finding, HoldReason
from masv_watch.names import shown
from masv_watch.watch.decision import Outcome
from masv_watch.watch.scan import Tree

#: names in one finding
_MOST = 5
_CHANGING = frozenset({None, HoldReason.GROWING, HoldReason.UNSTABLE_SOURCE})


def particulars(tree: Tree, outcome: Outcome | None) -> Iterator[Finding]:
    """Say what of a tree is left out, and which file of a folder that settles changed last."""
    if tree.is_drop and tree.skipped:
        more = len(tree.skipped) - _MOST
        named = "; ".join(map(str, tree.skipped[:_MOST])) + (f"; and {more} more" * (more > 0))
        yield Finding(test="skipped", passed=True, detail=f"{len(tree.skipped)} left out: {named}")
    if outcome is not None and outcome.hold in _CHANGING and tree.kind == "folder" and tree.files:
        newest, _ = max(tree.files, key=lambda each: max(each[1].mtime_ns, each[1].ctime_ns))
        yield Finding(test="newest", passed=True, detail=f"{shown(newest)} changed last")


def writers_named(root: files.Root, tree: Tree) -> str:
    """Name the programs that have a file of a tree open for writing; "" where none can be seen."""
    found = files.programs_writing(root.path, {path for path, _ in tree.files}, most=_MOST)
    return ", ".join(f"{shown(each.name)} (pid {each.pid})" for each in found)
