"""Patterns of paths below a folder: what they match, and the names that they stand for.

Owns the small language of card profiles, sequences and companions: literal text, `*`, and
placeholders that carry what they matched from one name to another. Never touches the disk. Called
by the configuration, which refuses a wrong pattern, and by the deciders that ask what is missing.

Law 1. Case does not matter: cards are FAT or exFAT, and copies of them change the case of names.
Law 2. No name is too odd to be matched: names are bytes, and one with a line break is one name.
Law 3. A pattern costs what its length costs: at most two open places in one name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

#: `{word}` is text within one name, `{word:03d}` a number of three digits and more
_PLACE = re.compile(r"\{([a-z_]+)(?::(?:0([1-9]))?(d))?\}|(\*)|([{}])")
#: more digits than this count nothing
_MOST_DIGITS = 18
_MOST_OPEN = 2
_LONGEST = 200


class BadPattern(ValueError):
    """A text that is no pattern; it says why in a clause, and names the passage that is meant."""

    def __init__(self, why: str, passage: str = "") -> None:
        """Keep both."""
        super().__init__(why)
        self.passage = passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A path that a pattern matched."""

    path: bytes
    #: what stands before the pattern, with its slash; empty at the root
    base: bytes
    #: what the placeholders matched, but for the number
    words: Mapping[str, bytes]
    #: None where the pattern has no number
    number: int | None = None

    @property
    def kin(self) -> tuple[bytes, tuple[bytes, ...]]:
        """Give what all numbers of one row have in common; case does not matter."""
        words = tuple(fold(self.words[word]) for word in sorted(self.words))
        return fold(self.base), words


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One pattern, compiled."""

    text: str
    #: the placeholders but the number, each once
    words: tuple[str, ...]
    #: the placeholder that is a number; empty without one
    number: str
    #: digits of the number, filled with zeros; 0 without filling
    width: int
    #: ends in a slash: a folder is meant
    is_folder: bool
    _whole: re.Pattern[bytes] = field(repr=False, compare=False)
    _above: re.Pattern[bytes] = field(repr=False, compare=False)

    @property
    def is_open(self) -> bool:
        """Say whether filling it leaves a `*`, so that it names no single path."""
        return "*" in self.text

    def leads_to(self, folder: bytes) -> bool:
        """Say whether something directly in this folder may match; the path has no last slash."""
        return self._above.fullmatch(folder) is not None

    def match(self, path: bytes) -> Found | None:
        """Match a path, or the end of one that begins at a slash; folders have no last slash."""
        hit = self._whole.fullmatch(path)
        if hit is None:
            return None
        return Found(
            path=path,
            base=hit["BASE"] or b"",
            words={word: hit[word] for word in self.words},
            number=int(hit[self.number]) if self.number else None,
        )

    def fill(self, words: Mapping[str, bytes], number: int | None = None) -> bytes:
        """Give the path that it stands for; a folder's ends in a slash, and each `*` stays."""

        def value(place: re.Match[str]) -> str:
            word = place[1]
            if word is None:
                return place[0]
            if word == self.number:
                return f"{number or 0:0{max(self.width, 1)}d}"
            return words[word].decode("utf-8", "surrogateescape")

        return _PLACE.sub(value, self.text).encode("utf-8", "surrogateescape")


def parse(text: str) -> Pattern:
    """Compile a pattern.

    Raises:
        BadPattern: it is none.
    """
    _check_form(text)
    places = list(_PLACE.finditer(text))
    _check_places(text, places)
    numbers = [place for place in places if place[3]]
    number = numbers[0][1] if numbers else ""
    body = text.rstrip("/")
    above, slash, _ = body.rpartition("/")
    base = rb"(?P<BASE>(?:.*/)?)"
    return Pattern(
        text=text,
        words=tuple(dict.fromkeys(place[1] for place in places if place[1] and not place[3])),
        number=number,
        width=int(numbers[0][2] or 0) if numbers else 0,
        is_folder=text.endswith("/"),
        _whole=re.compile(base + _expression(body), re.DOTALL | re.IGNORECASE),
        _above=re.compile(
            rb"(?:.*/)?" + _expression(above) if slash else rb".*", re.DOTALL | re.IGNORECASE
        ),
    )


def fold(path: bytes) -> bytes:
    """Give what is equal for paths that a card or a copy of one takes for the same."""
    if path.isascii():
        return path.upper()
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return path.upper()
    return unicodedata.normalize("NFC", text).upper().encode("utf-8", "surrogatepass")


def glob(path: bytes) -> re.Pattern[bytes]:
    """Compile a filled pattern in which each `*` stands for any text within one name."""
    steps = rb"[^/]*".join(re.escape(step) for step in path.split(b"*"))
    return re.compile(steps, re.DOTALL | re.IGNORECASE)


def _check_form(text: str) -> None:
    if not text or text == "/":
        raise BadPattern("is empty")
    if len(text) > _LONGEST:
        raise BadPattern(f"is longer than {_LONGEST} characters")
    if text.startswith("/"):
        raise BadPattern("begins with a slash, and patterns begin at the card's own folder")
    steps = text.removesuffix("/").split("/")
    if any(step in ("", ".", "..") for step in steps):
        raise BadPattern("holds an empty name, `.` or `..`")
    if "**" in text:
        raise BadPattern("holds `**`: one `*` stands for any text within one name", "**")
    if not text.isprintable():
        raise BadPattern("holds a control character")


def _check_places(text: str, places: list[re.Match[str]]) -> None:
    numbers: set[tuple[str, str | None]] = set()
    words: set[tuple[str, str | None]] = set()
    for place in places:
        if place[5]:
            raise BadPattern("holds a brace that is no placeholder such as {clip} or {number:03d}")
        if place[1]:
            (numbers if place[3] else words).add((place[1], place[2]))
    if len(numbers) > 1:
        raise BadPattern("holds two different numbers, and one is counted")
    names = {word for word, _ in words} & {word for word, _ in numbers}
    if names:
        raise BadPattern(f"has {{{names.pop()}}} as a number and as text")
    for step in text.split("/"):
        is_open = [place for place in _PLACE.finditer(step) if not place[3]]
        if len(is_open) > _MOST_OPEN:
            raise BadPattern(f"holds more than {_MOST_OPEN} open places in one name", step)
        if any(one.end() == two.start() for one, two in pairwise(is_open)):
            raise BadPattern("holds two open places side by side: nobody knows where one ends")


def _expression(text: str) -> bytes:
    out, at = "", 0
    known: set[str] = set()
    for place in _PLACE.finditer(text):
        out += re.escape(text[at : place.start()])
        word = place[1]
        if word is None:
            out += "[^/]*"
        elif word in known:
            out += f"(?P={word})"
        else:
            known.add(word)
            out += f"(?P<{word}>{_digits(place[2]) if place[3] else '[^/]+'})"
        at = place.end()
    return (out + re.escape(text[at:])).encode()


def _digits(width: str | None) -> str:
    if width is None:
        return rf"0|[1-9][0-9]{{0,{_MOST_DIGITS - 1}}}"
    return rf"[0-9]{{{width}}}|[1-9][0-9]{{{width},{_MOST_DIGITS - 1}}}"
