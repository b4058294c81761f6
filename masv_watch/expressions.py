"""Regular expressions of a rule, matched in time that grows with the length of a path alone.

Owns their language, which is RE2's: no backreference and no lookaround, and in return no
expression and no path makes a match take long. Python's own engine takes a lifetime over a short
name with some expressions, and both stand in other people's hands. Never touches the disk. Called
by the configuration, which refuses a wrong one, and by the matcher of a rule.

Law 1. No name is too odd to be matched: names are bytes, and what is not UTF-8 in one counts as
       U+FFFD for each byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: bytes that an expression may take once it is compiled
_MOST_MEMORY = 8 * 1024 * 1024


class BadExpression(ValueError):
    """A text that is no regular expression; it says why in a clause."""


class Expressions:
    """The regular expressions of one key of a rule; shared between threads."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Compile them.

        Raises:
            BadExpression: one of them is none.
        """
        self._compiled = [(text, _compiled(text)) for text in texts]

    def find(self, path: bytes) -> str | None:
        """Give the first expression that is found anywhere in a path; None when none is."""
        text = path.decode("utf-8", "surrogateescape").translate(_ODD)
        return next((known for known, one in self._compiled if one.search(text)), None)


#: what stands for bytes that are no UTF-8
_ODD = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")


def _compiled(text: str) -> Any:
    # few rules hold an expression, and the engine is as large as all that a hot folder remembers
    import re2  # noqa: PLC0415 - only once an expression is there

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    # a name may hold a line break, and `.` is any sign of a name
    options.dot_nl = True
    try:
        return re2.compile(text, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        shown = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadExpression(shown) from error
