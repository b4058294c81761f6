"""The commands of a sentence, as somebody at a terminal pastes them.

Owns how far each of them reaches: as far as our own command line reads it. Never part of the
product. Used by the tests of cures.
"""

from __future__ import annotations

import contextlib
import io
import shlex

from masv_watch.cli import table


def commands(sentence: str) -> list[list[str]]:
    """Give the words behind `masv-watch` of each command in a sentence.

    Raises:
        AssertionError: what stands behind it is no command.
    """
    return [_command(text) for text in sentence.split("masv-watch ")[1:]]


def _command(text: str) -> list[str]:
    words = [word.rstrip(";,") for word in shlex.split(text.rstrip(".;,"))]
    for count in range(1, len(words) + 1):
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            if hasattr(table.parser().parse_args(words[:count]), "command"):
                return words[:count]
    raise AssertionError(f"no command: masv-watch {text}")
