"""Which names no pattern of a hot folder can speak about: nearly all, told at a glance.

Owns the sorting of patterns by what they ask of a name. Never decides what is left out: a name that
is not plain is asked about in full. Called by the rules' matcher.

It stands alone because it may only ever err to one side: a plain name is one that no pattern
matches, while one that is not plain may well be sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import repeat

#: what makes a pattern more than a text with one star at its end or its beginning
_SPECIAL = frozenset("*?[]\\")
_LINE_END = "\udc0a"


class PlainNames:
    """The patterns of one hot folder, by what is quickest to ask; shared between threads."""

    def __init__(self, patterns: Iterable[tuple[str, re.Pattern[str]]]) -> None:
        """Sort the patterns that leave something out: each as it is written, and as it matches."""
        endings, beginnings, names, shapes = [], [], [], []
        for line, shape in patterns:
            body = line.removesuffix("/")
            if body[:2] in ("\\#", "\\!"):
                # elsewhere than at the beginning these signs mean nothing
                body = body[1:]
            if "/" in body or _LINE_END in body or body != body.strip():
                shapes.append(shape)
            elif body[:1] == "*" and not _SPECIAL & set(body[1:]):
                endings.append(body[1:])
            elif body[-1:] == "*" and not _SPECIAL & set(body[:-1]):
                beginnings.append(body[:-1])
            elif _SPECIAL & set(body):
                shapes.append(shape)
            else:
                names.append(body)
        self._endings = tuple(endings)
        self._beginnings = tuple(beginnings)
        self._names = frozenset(names)
        self._shapes = tuple(shapes)

    def has_all(self, above: str, names: Sequence[str]) -> bool:
        """Say whether no pattern matches any of the names in one folder.

        `above` is the path of that folder with a slash at its end, "" for the root. Every name in
        it must be plain itself.
        """
        if (
            any(map(str.endswith, names, repeat(self._endings)))
            or any(map(str.startswith, names, repeat(self._beginnings)))
            or not self._names.isdisjoint(names)
        ):
            return False
        return not self._shapes or not any(self._has_shape(above + name) for name in names)

    def _has_shape(self, path: str) -> bool:
        line = one_line(path)
        return any(shape.match(line) or shape.match(line + "/") for shape in self._shapes)


def one_line(text: str) -> str:
    """Write a path or a pattern without a line's end, at which `.` and `$` of a pattern stop."""
    # no decoded byte gives this sign
    return text.replace("\n", _LINE_END)
