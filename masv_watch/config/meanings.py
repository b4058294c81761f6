"""What is said of each key of the file: the words beside it in reference.yml.

Owns the way from a key to its words, for editors and for the reference of the documentation. Never
judges a value. Called by `describing`, and by what writes the documentation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from masv_watch.config import nodes
from masv_watch.config.guarded import read_text
from masv_watch.config.problems import Place, Source

#: every key with its meaning; it ships with the package
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference.yml")
_LARGEST = 256 * 1024
_COMMENT = re.compile(r"\s# ?(.*)$")
#: that a key is required is said by the schema itself
_REQUIRED = re.compile(r"^required(; |$)")
#: what may stand before the first key of a line
_INDENT = re.compile(r"\s*(- )?\{?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What reference.yml says at the first mention of a key."""

    #: the comment of its line; "" where it has none, and beside another key
    words: str
    #: it stands behind another key on the same line
    is_beside: bool = False


def said_of_keys() -> dict[str, Said]:
    """Read what is said of each key, by its dotted path with lists as `[]`."""
    text = read_text(FILE, _LARGEST)[0].decode("utf-8")
    source = Source("reference.yml", text)
    tree, _ = nodes.read(source, text)
    found: dict[str, Said] = {}
    _read(tree, "", text.splitlines(), found)
    return found


def _read(tree: nodes.Tree | None, path: str, lines: list[str], found: dict[str, Said]) -> None:
    if isinstance(tree, nodes.Sequence):
        for one in tree.elements:
            _read(one, f"{path}[]", lines, found)
    if not isinstance(tree, nodes.Mapping) or tree.tag:
        return
    for key, (place, value) in tree.entries.items():
        below = f"{path}.{key}".removeprefix(".")
        found.setdefault(below, _said(place, lines[place.line - 1]))
        _read(value, below, lines, found)


def _said(place: Place, line: str) -> Said:
    comment = _COMMENT.search(line)
    is_first = _INDENT.fullmatch(line[: place.col - 1]) is not None
    return Said(words=comment[1] if comment and is_first else "", is_beside=not is_first)


def general_of(path: str, known: Collection[str]) -> str:
    """Give the key by which a hot folder's key of that name is explained; "" where it is its own.

    What is said of `defaults.redrop` or of `bandwidth` counts for a hot folder's as well.
    """
    bare = path.removeprefix("hot_folders[].")
    if bare == path:
        return ""
    return next((each for each in (f"defaults.{bare}", bare) if each in known), "")


def meaning_of(path: str, said: Mapping[str, Said]) -> str:
    """Give the words for a key: its own, else the general ones, else those of its section.

    Several keys on one line share what is said of the section above them.
    """
    own, general = said.get(path), said.get(general_of(path, said))
    above = said.get(path.rpartition(".")[0]) if own is not None and own.is_beside else None
    words = next((each.words for each in (own, general, above) if each and each.words), "")
    return _REQUIRED.sub("", words)
