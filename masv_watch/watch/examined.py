"""What the tests say of one look at an entry, and what of it they are asked about.

Owns the form of that answer, what is no drop at all, and what is sent of one. Never makes a test
and draws no consequence. Used by the entries of a hot folder and by whoever explains or previews.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from masv_watch import files
from masv_watch.model import Decision
from masv_watch.watch.assessing import Assessment
from masv_watch.watch.generations import Related
from masv_watch.watch.markers import urgent_marks
from masv_watch.watch.redrops import Compared, Kind
from masv_watch.watch.rules import Role, Standing
from masv_watch.watch.scan import LeftOut, Tree
from masv_watch.watch.tops import seen_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Decision):
    """What every test says of one look at an entry, with no consequence drawn."""

    #: why it is no drop; "" when it is one
    reason: str = ""
    related: Related | None = None
    #: a file where folders are sent
    is_loose: bool = False
    #: None where the ledger says all
    assessed: Assessment | None = None


def is_urged(root: files.Root, tree: Tree) -> bool:
    """Say whether a marker beside a drop, or in it, lets it go outside of its windows."""
    found = (seen_at(root, path) for path in urgent_marks(tree.top, tree.kind))
    return any(seen is not None and seen.kind == "file" for seen in found)


def sent_of(tree: Tree, compared: Compared | None) -> Tree:
    """Give what is sent of a tree: of one that was delivered before, only what is new."""
    if compared is None or compared.kind is not Kind.LATE:
        return tree
    was = LeftOut(
        path=tree.top, reason=f"has {compared.delivered} files that were delivered before"
    )
    return replace(tree, files=compared.new, folders=(), skipped=(*tree.skipped, was))


def delivered_of(tree: Tree, compared: Compared | None) -> frozenset[bytes]:
    """Give the files of a tree that were delivered as they are, where the others go alone."""
    if compared is None or compared.kind is not Kind.LATE:
        return frozenset()
    return frozenset(path for path, _ in tree.files) - {path for path, _ in compared.new}


def left_out(tree: Tree, standing: Role) -> str:
    """Give why a top-level entry is no drop; "" when it is one."""
    if tree.kind == "unreadable" and tree.unreadable:
        # nothing is known but that it is there: held until it can be read
        return ""
    if not tree.is_drop and tree.skipped:
        return tree.skipped[0].reason
    return standing.findings[-1].detail if standing.standing is Standing.SKIPPED else ""
