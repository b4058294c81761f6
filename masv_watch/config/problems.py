"""Say what is wrong with a configuration file and where, without showing a secret.

Owns the shape of every message: `file:line:col: path: what is wrong - what is allowed`, the source
line and a caret. Never decides what is wrong. Called by every module of this package.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: more problems than this say the same thing again
MOST_PROBLEMS = 100

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_SECRET_WORD = re.compile(r"\w*(?:key|pass|pw|secret|token|code|pin)\w*", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"(?:api_?key|access_?code|password|passwd|secret|token\b)", re.IGNORECASE
)
# one damaged letter leaves one of these whole, and may be why the text cannot be parsed
_FRAGMENT = re.compile(r"\w*(?:api|key|pass|word|access|code|secret|token)\w*", re.IGNORECASE)
_OPEN_KEY = re.compile(_FRAGMENT.pattern + r"[\"']?\s*:?\s*[|>]?[-+]?\s*$", re.IGNORECASE)
# a tag with a name may be seen; a default beside it or a secret that begins with `!` may not
_TAGGED = re.compile(r"""["']?\s*:\s*!(?:env|file|secret|credential)(?:\s+[\w./ -]*)?$""")
_LINE = re.compile(
    r"(?P<file>.*?):(?P<line>\d+):(?P<col>\d+): (?P<path>[^:]+): (?P<message>.*)", re.DOTALL
)
_WORD = re.compile(r"[\w.-]+")
_WIDTH = 100


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file, both counted from 1."""

    line: int
    col: int


TOP = Place(1, 1)


class Wrong(Exception):
    """A value that is not allowed; the caller knows its place and makes the problem."""

    def __init__(
        self, message: str, *, passage: str = "", below: tuple[str | int, ...] = ()
    ) -> None:
        """Keep the sentence, the text within the value that is meant, and keys further down."""
        super().__init__(message)
        self.message = message
        self.passage = passage
        self.below = below


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, with its place."""

    file: str
    place: Place
    path: str
    message: str

    def line(self) -> str:
        """Give the problem as one line."""
        where = f"{printable(self.file)}:{self.place.line}:{self.place.col}"
        return f"{where}: {self.path}: {self.message}"


class Source:
    """The text of one file, and what of it may not be shown."""

    def __init__(self, file: str, text: str = "", *, parsed: bool = False) -> None:
        """Keep the text by lines; an unparsed text is masked by the look of its words."""
        self.file = file
        self.lines = _LINE_BREAK.split(text)
        self.parsed = parsed
        self._hidden: dict[int, list[tuple[int, int]]] = {}

    def hide(self, start: Place, end: Place) -> None:
        """Keep what stands between two places out of every message."""
        for number in range(start.line, end.line + 1):
            first = start.col - 1 if number == start.line else 0
            last = end.col - 1 if number == end.line else _FAR
            self._hidden.setdefault(number, []).append((first, last))

    def hide_rest(self, start: Place) -> None:
        """Keep the rest of a line out of every message."""
        self.hide(start, Place(start.line, _FAR))

    def problem(self, place: Place, path: str, message: str) -> Problem:
        """Make a problem of this file."""
        return Problem(self.file, place, path, message)

    def find(self, passage: str, start: Place, end: Place) -> Place:
        """Find where a part of a value stands; the value's own place when it is not to be seen."""
        for number in range(start.line, min(end.line, len(self.lines)) + 1):
            first = start.col - 1 if number == start.line else 0
            at = self.lines[number - 1].find(passage, first)
            if passage and at >= 0:
                return Place(number, at + 1)
        return start

    def excerpt(self, place: Place) -> str:
        """Give the source line with a caret below, cut to a readable width, secrets masked."""
        if place.line > len(self.lines):
            return ""
        text, column = self._masked(place)
        if not text.strip():
            return ""
        first = max(0, column - _WIDTH + 20) if len(text) > _WIDTH else 0
        shown = text[first : first + _WIDTH]
        pad = " " * sum(_cells(char) for char in text[first:column])
        return f"    {shown.rstrip()}\n    {pad}^"

    def _masked(self, place: Place) -> tuple[str, int]:
        """Give the line with three stars for each secret, and where the place now stands in it."""
        raw = self.lines[place.line - 1]
        spans = list(self._hidden.get(place.line, []))
        comment = raw.find("#")
        if not self.parsed:
            spans += self._suspected(place.line)
        elif comment >= 0 and _FRAGMENT.search(raw):
            # a secret that begins with `#`, a line put out of use, or `""#` of a slipped quote
            spans.append((comment + 1, _FAR))
        text, column, at = "", min(place.col - 1, len(raw)), 0
        caret = 0
        for first, last in [*_merged(spans, len(raw)), (len(raw), len(raw))]:
            piece = "".join(char if char.isprintable() else " " for char in raw[at:first])
            if at <= column <= first:
                caret = len(text) + column - at
            elif first <= column < last:
                caret = len(text) + len(piece)
            text += piece + ("***" if first < last else "")
            at = last
        return text, caret

    def _suspected(self, number: int) -> list[tuple[int, int]]:
        """Guess where a secret stands in a text that could not be parsed."""
        line = self.lines[number - 1]
        word = _FRAGMENT.search(line)
        if word is not None:
            rest = line[word.end() :]
            return [] if _TAGGED.fullmatch(rest) else [(word.end(), _FAR)]
        indent = len(line) - len(line.lstrip())
        for above in reversed(self.lines[: number - 1]):
            if not above.strip():
                continue
            if _OPEN_KEY.search(above):
                return [(0, _FAR)]
            if len(above) - len(above.lstrip()) < indent:
                return [(0, _FAR)] if _FRAGMENT.search(above) else []
        return []


_FAR = 1 << 30


def _merged(spans: Iterable[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for first, last in sorted((min(a, length), min(b, length)) for a, b in spans):
        if first >= last:
            continue
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def place_of(text: str, offset: int) -> Place:
    """Give the place of a character, counting every line break that YAML knows."""
    line, begin = 1, 0
    for found in _LINE_BREAK.finditer(text, 0, offset):
        line, begin = line + 1, found.end()
    return Place(line, offset - begin + 1)


def looks_secret(key: str) -> bool:
    """Say whether the value of a key like this one may be a secret."""
    return _SECRET_WORD.search(key) is not None


def mentions_secret(text: str) -> bool:
    """Say whether a value swallowed a key that holds a secret, as a slip of indentation does."""
    return _SECRET_NAME.search(text) is not None and not _WORD.fullmatch(text)


def printable(text: str) -> str:
    """Escape every character that a terminal would obey instead of showing."""
    return (
        "".join(
            char if char.isprintable() else char.encode("unicode_escape", "replace").decode()
            for char in text
        )
        .encode("utf-8", "backslashreplace")
        .decode()
    )


def quoted(text: str) -> str:
    """Show a value of the file in back quotes, escaped and cut."""
    if mentions_secret(text):
        return "`***`"
    shown = printable(text)
    return f"`{shown[:40]}...`" if len(shown) > 43 else f"`{shown}`"


def swallows_secret(key: str) -> bool:
    """Say whether a key may hold its own value, as a lost space makes it: `api_key:x`."""
    return not _WORD.fullmatch(key) and looks_secret(key)


def shown_key(key: str) -> str:
    """Show a key of the file in back quotes, unless it may hold a secret."""
    return "`***`" if swallows_secret(key) else quoted(key)


def path_text(path: Iterable[str | int]) -> str:
    """Write a path of keys as people do: `hot_folders[0].settle.quiet`.

    It ends at a secret's key: what stands below one may be the secret itself.
    """
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            plain = re.fullmatch(r"[A-Za-z_][\w-]*", step, re.ASCII)
            safe = step if plain else shown_key(step).replace(":", "?")
            out += f".{safe}" if out else safe
            if looks_secret(step):
                break
    return out or "top level"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known name that somebody who wrote this word may have meant."""
    close = difflib.get_close_matches(word[:60].lower().replace("-", "_"), list(known), n=1)
    return close[0] if close else None


def listed(words: Sequence[str], last: str = "or") -> str:
    """Join words as a sentence does: `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def rendered(problems: Iterable[Problem], sources: Sequence[Source]) -> tuple[str, ...]:
    """Write problems in the order of their places, each with its source line and a caret."""
    ranks = {source.file: rank for rank, source in enumerate(sources)}
    by_file = {source.file: source for source in sources}
    ordered = sorted(set(problems), key=lambda p: (ranks.get(p.file, len(ranks)), p))
    out = []
    for problem in ordered[:MOST_PROBLEMS]:
        source = by_file.get(problem.file)
        excerpt = source.excerpt(problem.place) if source else ""
        out.append(f"{problem.line()}\n{excerpt}" if excerpt else problem.line())
    if len(ordered) > MOST_PROBLEMS:
        left = ordered[MOST_PROBLEMS]
        message = "more problems follow from here on - mend the first ones"
        out.append(Problem(left.file, left.place, left.path, message).line())
    return tuple(out)


def as_records(problems: Iterable[str]) -> list[dict[str, str | int]]:
    """Take problem or warning lines apart for machines: file, line, col, path, message."""
    records: list[dict[str, str | int]] = []
    for problem in problems:
        found = _LINE.fullmatch(problem.split("\n", 1)[0])
        if found is None:
            records.append({"file": "", "line": 0, "col": 0, "path": "", "message": problem})
            continue
        records.append(
            {
                "file": found["file"],
                "line": int(found["line"]),
                "col": int(found["col"]),
                "path": found["path"],
                "message": found["message"].removeprefix("warning: "),
            }
        )
    return records
