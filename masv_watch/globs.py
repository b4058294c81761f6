"""Patterns of a rule for names, in gitignore's language: whether a line is one at all.

Owns the words about one that is none. Never matches a name: the matcher of a rule does, by the same
library. Called by the configuration; alone, because that stands below the matcher.
"""

from __future__ import annotations

import re


def why_none(line: str) -> str:
    """Say in a clause why a line is no pattern that can match anything; "" when it is one."""
    if line.startswith("#"):
        return "is a comment in gitignore's language: write \\# for a name that begins so"
    # only a configuration with patterns needs it
    import pathspec  # noqa: PLC0415 - others need it not

    try:
        found = pathspec.GitIgnoreSpec.from_lines(
            [line.replace("\n", " ")], backend="simple"
        ).patterns
    except (ValueError, re.error):
        return "is no pattern as gitignore writes them"
    if not any(each.include is not None and each.regex is not None for each in found):
        return "matches no name: a [ needs its ], or \\[ where the name has it"
    return ""
