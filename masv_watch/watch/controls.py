"""Read small XML control files of a drop without trusting them.

Owns the limits within which an index or a manifest is read. Never opens a file: its bytes are
handed in. Used by the deciders that read card indexes and media hash lists.

Law 1. No entity, no document type, no reference to anything outside: such a file is not read.
Law 2. What is too large or too deep is not read either, and the reader says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

#: bytes of the largest control file that is read
LARGEST = 1024 * 1024
_DEEPEST = 32
#: a list of 1 MiB holds a fifth of them; each costs many times what it takes in the file
_MOST_ELEMENTS = 60_000
_LONGEST_TEXT = 16 * 1024

#: the content of a control file, or the clause that says why it was not read
Content = bytes | str


class Unreadable(ValueError):
    """A control file that cannot be used; it says why in a clause."""


@dataclass(slots=True, kw_only=True)
class Element:
    """One element of a file, in the order in which elements end."""

    #: local names from the outermost element to this one
    path: tuple[str, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    #: its own text
    text: str = ""

    @property
    def name(self) -> str:
        """Give its local name."""
        return self.path[-1]


class _Reader:
    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.texts: list[list[str]] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.open) >= _DEEPEST:
            raise Unreadable(f"is nested deeper than {_DEEPEST} levels")
        if len(self.elements) + len(self.open) >= _MOST_ELEMENTS:
            raise Unreadable(f"holds more than {_MOST_ELEMENTS} elements")
        above = self.open[-1].path if self.open else ()
        local = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        self.open.append(Element(path=(*above, name.rpartition(" ")[2]), attributes=local))
        self.texts.append([])

    def end(self, _name: str) -> None:
        element = self.open.pop()
        element.text = "".join(self.texts.pop())
        self.elements.append(element)

    def take(self, text: str) -> None:
        texts = self.texts[-1]
        texts.append(text)
        if len(text) > _LONGEST_TEXT or len(texts) > _LONGEST_TEXT:
            raise Unreadable("holds more text in one element than a name has")

    def refuse(self, *_: object) -> None:
        raise Unreadable("declares a document type or an entity, and such a file is not trusted")


def elements_of(content: Content) -> list[Element]:
    """Give every element of an XML file.

    Raises:
        Unreadable: it was not read, is no XML, or is not to be trusted.
    """
    plain = bytes_of(content)
    # names come with their namespace before a space, of which only the local name is kept
    parser = expat.ParserCreate(namespace_separator=" ")
    reader = _Reader()
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.take
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.ExternalEntityRefHandler = reader.refuse  # type: ignore[assignment]
    try:
        parser.Parse(plain, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "it cannot be parsed")
        raise Unreadable(f"is no XML: {reason} at line {error.lineno}") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("is written in an encoding that is not known") from error
    return reader.elements


def bytes_of(content: Content) -> bytes:
    """Give the content of a control file.

    Raises:
        Unreadable: it was not read, or is larger than control files are.
    """
    if isinstance(content, str):
        raise Unreadable(content)
    if len(content) > LARGEST:
        raise Unreadable(TOO_LARGE)
    return content


#: the clause about a file beyond `LARGEST`
TOO_LARGE = f"is larger than {LARGEST // 1024} KiB, and is not read"
