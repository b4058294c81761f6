"""Patterns of a rule for names, in gitignore's language: how they are compiled, and what is none.

Owns the library that knows the language, and the words about a line that is no pattern. Never
matches a name: the matcher of a rule does, with what is compiled here. Called by that matcher and
by the configuration; alone, because the latter stands below the former.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    Patterns = GitIgnoreSpec

#: lists of patterns that are kept compiled: hot folders mostly have the same ones
_KEPT = 64
#: engines that the library loads wherever they are installed, before anybody chose one
_ENGINES = ("hyperscan", "re2")


@functools.lru_cache(maxsize=_KEPT)
def compiled(lines: tuple[str, ...]) -> Patterns:
    """Compile patterns, none of which may hold a line's end; any thread may share what is given.

    Raises:
        ValueError: one of them is none.
    """
    # the plain backend: the faster ones cannot hold names that are not UTF-8
    found: Patterns = _library().GitIgnoreSpec.from_lines(lines, backend="simple")
    return found


def leaving_out(*specs: Patterns) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Give the patterns that leave something out: each as it is written, and as it matches."""
    for spec in specs:
        for pattern in spec.patterns:
            if pattern.include and pattern.regex is not None:
                yield str(pattern.pattern), pattern.regex


def why_none(line: str) -> str:
    """Say in a clause why a line is no pattern that can match anything; "" when it is one."""
    if line.startswith("#"):
        return "is a comment in gitignore's language: write \\# for a name that begins so"
    try:
        found = compiled((line.replace("\n", " "),)).patterns
    except (ValueError, re.error):
        return "is no pattern as gitignore writes them"
    if not any(each.include is not None and each.regex is not None for each in found):
        return "matches no name: a [ needs its ], or \\[ where the name has it"
    return ""


@functools.cache
def _library() -> ModuleType:
    """Load the library as where its engines are not installed: they take more than all of it."""
    hidden = [name for name in _ENGINES if name not in sys.modules]
    # None says to an import that there is no such module
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # as the language has it
    try:
        # only a configuration with patterns needs it
        import pathspec  # noqa: PLC0415 - others need it not
    finally:
        for name in hidden:
            del sys.modules[name]
    return pathspec
