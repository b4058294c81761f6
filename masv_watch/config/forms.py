"""Take a tree of nodes apart by hand, and say at which place it has another form.

Owns the words for wrong forms in files that the schema does not know. Never knows a key: who reads
such a file does. Used by `cards`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from masv_watch.config import nodes
from masv_watch.config.problems import (
    Problem,
    Source,
    Wrong,
    listed,
    nearest,
    path_text,
    shown_key,
)
from masv_watch.config.reading import Path
from masv_watch.config.values import check_pattern
from masv_watch.config.values import name as valid_name

_MOST = 99_999


class Form:
    """One file's tree; every wrong form is noted, and something harmless stands for it."""

    def __init__(self, source: Source) -> None:
        """Begin without a problem."""
        self.problems: list[Problem] = []
        self._source = source

    def wrong(self, tree: nodes.Tree, path: Path, message: str, *, passage: str = "") -> None:
        """Note a problem at a value."""
        place = tree.start
        if passage and isinstance(tree, nodes.Scalar):
            place = self._source.find(passage, tree.start, tree.end)
        self.problems.append(self._source.problem(place, path_text(path), message))

    def mapping(
        self,
        tree: nodes.Tree,
        path: Path,
        *,
        needed: Sequence[str],
        optional: Sequence[str] = (),
    ) -> dict[str, nodes.Tree]:
        """Give the values of a mapping by their keys; empty when it is none."""
        known = (*needed, *optional)
        if not isinstance(tree, nodes.Mapping) or tree.tag:
            self.wrong(tree, path, f"must be a mapping - with {listed(known, 'and')}")
            return {}
        found = {}
        for key, (place, value) in tree.entries.items():
            if key in known:
                found[key] = value
                continue
            meant = nearest(key, known)
            advice = f"did you mean `{meant}`?" if meant else f"known here: {', '.join(known)}"
            message = f"unknown key {shown_key(key)} - {advice}"
            self.problems.append(self._source.problem(place, path_text(path), message))
        for key in needed:
            if key not in found:
                self.wrong(tree, path, f"`{key}` is missing")
        return found

    def each(
        self, tree: nodes.Tree | None, path: Path, *, may_lack: bool = False
    ) -> Iterator[tuple[Path, nodes.Tree]]:
        """Give the entries of a list with their paths."""
        if tree is None:
            return
        if not isinstance(tree, nodes.Sequence):
            self.wrong(tree, path, "must be a list - [..., ...]")
            return
        if not tree.elements and not may_lack:
            self.wrong(tree, path, "is empty - name at least one")
        for at, one in enumerate(tree.elements):
            yield (*path, at), one

    def text(self, tree: nodes.Tree | None, path: Path) -> str:
        """Give a text on one line; "" for what is none."""
        if tree is None:
            return ""
        is_text = isinstance(tree, nodes.Scalar) and not tree.tag and isinstance(tree.value, str)
        if not is_text or not isinstance(tree, nodes.Scalar):
            self.wrong(tree, path, "must be text - put it in quotes")
            return ""
        if not tree.text or not tree.text.isprintable():
            self.wrong(tree, path, "must be text on one line, and not empty")
            return ""
        return tree.text

    def name(self, tree: nodes.Tree | None, path: Path) -> str:
        """Give a name of letters, digits and `-_.`; "" for what is none."""
        given = self.text(tree, path)
        try:
            return valid_name(given) if given else ""
        except Wrong as wrong:
            if tree is not None:
                self.wrong(tree, path, wrong.message)
            return ""

    def flag(self, tree: nodes.Tree | None, path: Path) -> bool:
        """Give true or false; false for what is neither."""
        if tree is None:
            return False
        if isinstance(tree, nodes.Scalar) and isinstance(tree.value, bool) and not tree.tag:
            return tree.value
        self.wrong(tree, path, "must be true or false")
        return False

    def whole(self, tree: nodes.Tree | None, path: Path) -> int | None:
        """Give a whole number; None for what is none, and for what is not there."""
        if tree is None:
            return None
        value = tree.value if isinstance(tree, nodes.Scalar) and not tree.tag else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return value
        self.wrong(tree, path, f"must be a whole number from 0 to {_MOST}")
        return None

    def pattern(
        self,
        tree: nodes.Tree | None,
        path: Path,
        *,
        knows: str | None = None,
        counts: bool = False,
    ) -> str:
        """Give a pattern; "" for what is none.

        With `knows` its placeholders must be those of that pattern; with `counts` it has a number,
        which the other pattern need not have.
        """
        text = self.text(tree, path)
        if tree is None or not text:
            return ""
        try:
            check_pattern(text, knows=knows, counts=counts)
        except Wrong as wrong:
            self.wrong(tree, path, wrong.message, passage=wrong.passage)
            return ""
        return text
