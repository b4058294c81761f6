"""Read XML control files of a drop without trusting them.

Owns the limits within which an index or a list is read. Never opens a file: its bytes are handed
in, block by block where there may be many. Used by the deciders that read card indexes and media
hash lists.

Law 1. No entity, no document type, no reference to anything outside: such a file is not read.
Law 2. What is too large or too deep is not read either, and the reader says which.
Law 3. Whoever reads on keeps what he wants: here nothing grows with the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from xml.parsers import expat

#: bytes of the largest control file that is read
LARGEST = 1024 * 1024
#: bytes of the largest list: that of a card with a hundred thousand files
LARGEST_LIST = 64 * 1024 * 1024
_DEEPEST = 32
#: an index of 1 MiB holds a fifth of them; each costs many times what it takes in the file
_MOST_ELEMENTS = 60_000
#: a list of 64 MiB holds no more: six for each of its files
MOST_IN_LIST = 2_000_000
_LONGEST_TEXT = 16 * 1024
#: bytes of a tag, a comment or a line
LONGEST_PIECE = 256 * 1024


class Blocks(Protocol):
    """The content of a large control file, which can be read from its start as often as wanted."""

    def __iter__(self) -> Iterator[bytes]:
        """Give block after block.

        Raises: Unreadable when it cannot be read, or changed meanwhile.
        """


#: the content of a control file, or the clause that says why it was not read
Content = bytes | str | Blocks


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
    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0
        #: that ended since they were asked for last
        self.ended: list[Element] = []
        self.open: list[Element] = []
        self.text: list[str] = []
        self.length = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.open) >= _DEEPEST:
            raise Unreadable(f"is nested deeper than {_DEEPEST} levels")
        self.count += 1
        if self.count > self.most:
            raise Unreadable(f"holds more than {self.most} elements")
        above = self.open[-1].path if self.open else ()
        path = (*above, name.rpartition(" ")[2])
        # most elements have none
        local = attributes and {key.rpartition(" ")[2]: at for key, at in attributes.items()}
        self.open.append(Element(path=path, attributes=local))
        self._forget_text()

    def end(self, _name: str) -> None:
        element = self.open.pop()
        element.text = "".join(self.text)
        self.ended.append(element)
        self._forget_text()

    def take(self, text: str) -> None:
        self.text.append(text)
        self.length += len(text)
        if self.length > _LONGEST_TEXT:
            raise Unreadable("holds more text in one element than a name has")

    def _forget_text(self) -> None:
        self.text.clear()
        self.length = 0

    def refuse(self, *_: object) -> None:
        raise Unreadable("declares a document type or an entity, and such a file is not trusted")


def elements_of(content: Content) -> list[Element]:
    """Give every element of an index.

    Raises:
        Unreadable: it was not read, is no XML, or is not to be trusted.
    """
    return list(elements_in([bytes_of(content)], most=_MOST_ELEMENTS))


def elements_in(blocks: Iterable[bytes], *, most: int) -> Iterator[Element]:
    """Give the elements of an XML file as they end, each with the text behind its last child.

    Raises: as `elements_of`.
    """
    # names come with their namespace before a space, of which only the local name is kept
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    reader = _Reader(most)
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.take
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.ExternalEntityRefHandler = reader.refuse  # type: ignore[assignment]
    done = 0
    for block in blocks:
        done += len(block)
        _parse(parser, block, is_last=False)
        if done - parser.CurrentByteIndex > LONGEST_PIECE + len(block):
            raise Unreadable("holds a tag or a comment that does not end")
        yield from reader.ended
        reader.ended.clear()
    _parse(parser, b"", is_last=True)
    yield from reader.ended


def _parse(parser: expat.XMLParserType, block: bytes, *, is_last: bool) -> None:
    try:
        parser.Parse(block, is_last)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "it cannot be parsed")
        raise Unreadable(f"is no XML: {reason} at line {error.lineno}") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("is written in an encoding that is not known") from error


def bytes_of(content: Content) -> bytes:
    """Give the content of a control file that is small.

    Raises:
        Unreadable: it was not read, or is larger than such files are.
    """
    if isinstance(content, str):
        raise Unreadable(content)
    if not isinstance(content, bytes) or len(content) > LARGEST:
        raise Unreadable(TOO_LARGE)
    return content


def blocks_of(content: Content) -> Iterable[bytes]:
    """Give the content of a list, block by block.

    Raises:
        Unreadable: it was not read, or is larger than lists are.
    """
    if isinstance(content, str):
        raise Unreadable(content)
    if not isinstance(content, bytes):
        return content
    if len(content) > LARGEST_LIST:
        raise Unreadable(TOO_LARGE_LIST)
    return [content]


#: the clauses about a file beyond `LARGEST`, and about a list beyond `LARGEST_LIST`
TOO_LARGE = f"is larger than {LARGEST // 1024} KiB, and is not read"
TOO_LARGE_LIST = f"is larger than {LARGEST_LIST // 1024**2} MiB, and is not read"
