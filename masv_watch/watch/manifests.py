"""Whether everything is there that the lists inside a drop name.

Owns the reading of media hash lists (MHL 1, ASC MHL 2.0 with its chain) and of plain lists as
`md5sum`, `sha1sum`, `xxhsum` and SFV tools write them. Never touches the disk and makes no hash:
names, sizes where a list has them, and hashes where somebody hands in those of the files. Called by
`completeness`.

Law 1. A list is somebody's file: what it names outside of its drop is refused, never looked for.
Law 2. A list that cannot be read names nothing, and that is said; it never passes for an empty one.
Law 3. Of a history every generation counts, and the newest says how large a file is and its hash.
Law 4. A list is read name by name: what is kept of it grows with the drop, not with the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from masv_watch.figures import counted
from masv_watch.model import Manifests
from masv_watch.names import shown
from masv_watch.patterns import fold, parse
from masv_watch.watch.controls import (
    LONGEST_PIECE,
    MOST_IN_LIST,
    Content,
    Unreadable,
    blocks_of,
    elements_in,
)
from masv_watch.watch.listing import Listing, Shortage
from masv_watch.watch.sums import Sum, by_length, named

#: names of one list, and names of all lists that are missing or lie outside of the drop
MOST_NAMES = 1_000_000
MOST_MISSING = 100_000
_HISTORY = b"ASCMHL"
_CHAIN = b"ascmhl_chain.xml"
#: `hash  name` and `hash *name`; a backslash first says that the name is escaped
_SUM = re.compile(rb"(\\?)(?:[A-Z0-9]{2,12}_)?([0-9a-fA-F]{8,128}) [ *](.+)", re.DOTALL)
_BSD = re.compile(rb"\\?[A-Za-z0-9-]{2,12} ?\((.+)\) ?= ?([0-9a-fA-F]{8,128})", re.DOTALL)
_CRC = re.compile(rb"[0-9a-fA-F]{8}")
_ESCAPES = {rb"\n": b"\n", rb"\r": b"\r", rb"\\": b"\\"}
_ESCAPE = re.compile(rb"\\[nr\\]")

#: by the paths of files, their hashes by the ways in which they were made
Digests = Mapping[bytes, Mapping[str, str]]


class Named(NamedTuple):
    """One name of a list."""

    #: from the list's folder on, as it is written
    path: bytes
    #: bytes; None where the list does not say
    size: int | None = None
    sums: tuple[Sum, ...] = ()
    #: a name of an earlier generation that is no more, instead of one that is
    is_former: bool = False


def reads(wants: Manifests, listing: Listing) -> Iterator[bytes]:
    """Give the paths of the lists whose contents `judge` wants, in the order of generations."""
    given = set()
    for path in sorted(_lists(wants, listing)):
        if path not in given:
            given.add(path)
            yield path
        above, _, _ = path.rpartition(b"/")
        chain = above + b"/" + _CHAIN
        if is_history(path) and chain not in given and listing.size(chain) is not None:
            given.add(chain)
            yield chain


def judge(
    wants: Manifests, listing: Listing, contents: Mapping[bytes, Content], digests: Digests
) -> Shortage:
    """Say what is missing of what the lists in a drop name.

    With `is_strict` the hashes that they name are compared with `digests`; what is not in there is
    noted as `unread`.
    """
    shortage = Shortage()
    lists = list(reads(wants, listing))
    if not lists and wants.required:
        clause = f"nothing says what must be there ({' or '.join(wants.files)})"
        shortage.fault(listing.top + b"/", clause)
    count = 0
    known = _Known(listing=listing, shortage=shortage, is_strict=wants.is_strict)
    for path in lists:
        content = contents.get(path, "was not read")
        try:
            survey = _survey(path, content, listing)
            known.take(path, survey, read(path, content))
        except Unreadable as error:
            shortage.fault(path, f"{shown(path)} {error}")
            continue
        count += survey.names
    compared = known.compare(digests)
    shortage.scope = f"{counted(len(lists), 'list')} with {count} names and sizes; {compared}"
    return shortage


def read(path: bytes, content: Content) -> Iterator[Named]:
    """Give the names of one list by what it holds; `path` only tells an SFV file.

    Raises:
        Unreadable: it was not read, or it is no list.
    """
    blocks = iter(blocks_of(content))
    first = next(blocks, b"")
    start = first[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()[:64]
    whole = chain([first], blocks)
    if start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")) or fold(path).endswith(b".MHL"):
        return _hash_list(whole)
    return _plain_list(whole, is_sfv=fold(path).endswith(b".SFV"))


def is_history(path: bytes) -> bool:
    """Say whether a list belongs to a history: its names then begin one folder higher."""
    return fold(path.rpartition(b"/")[0].rpartition(b"/")[2]) == _HISTORY


def _lists(wants: Manifests, listing: Listing) -> Iterable[bytes]:
    for text in wants.files:
        for found in listing.find(parse(text)):
            yield found.path


@dataclass(slots=True)
class _Entry:
    """One `hash` element of a media hash list, as its children end."""

    path: bytes | None = None
    size: int | None = None
    former: bytes | None = None
    sums: list[Sum] = field(default_factory=list)

    def take(self, name: str, text: str, attributes: Mapping[str, str]) -> None:
        if name in ("file", "path"):
            self.path = _plain(text)
            self.size = _number(attributes.get("size", "")) if self.size is None else self.size
        elif name == "size":
            self.size = _number(text)
        elif name == "previousPath":
            self.former = _plain(text)
        # what did not fit when the list was made says nothing of what should be there
        elif attributes.get("action") != "failed" and (found := named(name, text)) is not None:
            self.sums.append(found)


def _hash_list(blocks: Iterable[bytes]) -> Iterator[Named]:
    entry = _Entry()
    for element in elements_in(blocks, most=MOST_IN_LIST):
        root, below = element.path[0], element.path[1:]
        if root not in ("hashlist", "ascmhldirectory"):
            raise Unreadable("is no media hash list")
        if root == "ascmhldirectory":
            # the chain names its generations beside itself, all lists one folder higher
            if below == ("hashlist", "path"):
                yield Named(b"ascmhl/" + _plain(element.text))
        elif below == ("references", "hashlistreference", "path"):
            yield Named(_plain(element.text))
        elif below[-1:] == ("hash",):
            if entry.former is not None:
                yield Named(entry.former, is_former=True)
            if entry.path is not None:
                yield Named(entry.path, entry.size, tuple(entry.sums))
            entry = _Entry()
        elif below[:-1] in (("hash",), ("hashes", "hash")):
            entry.take(below[-1], element.text, element.attributes)


def _plain_list(blocks: Iterable[bytes], *, is_sfv: bool) -> Iterator[Named]:
    for raw in _lines(blocks):
        line = raw.removesuffix(b"\r")
        if line.strip() and not line.startswith((b"#", b";")):
            yield _name(line, is_sfv=is_sfv)


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest, is_first = b"", True
    for block in blocks:
        if b"\0" in block:
            raise Unreadable("is no text, so it is no list of names")
        *lines, rest = (rest + block).split(b"\n")
        if max(map(len, (*lines, rest))) > LONGEST_PIECE:
            raise Unreadable("holds a line that is longer than a name can be")
        for line in lines:
            yield line.removeprefix(b"\xef\xbb\xbf") if is_first else line
            is_first = False
    yield rest.removeprefix(b"\xef\xbb\xbf") if is_first else rest


def _name(line: bytes, *, is_sfv: bool) -> Named:
    if is_sfv and _CRC.fullmatch(line[-8:]) and (name := line[:-8].rstrip(b" \t")) != line[:-8]:
        return Named(name, sums=(by_length(line[-8:]),))
    if entry := _SUM.fullmatch(line):
        return Named(_unescaped(entry[3]) if entry[1] else entry[3], sums=(by_length(entry[2]),))
    if entry := _BSD.fullmatch(line):
        name = _unescaped(entry[1]) if line.startswith(b"\\") else entry[1]
        return Named(name, sums=(by_length(entry[2]),))
    return Named(line)


def _unescaped(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], name)


def _plain(text: str) -> bytes:
    return text.strip("\r\n").encode("utf-8", "surrogatepass")


def _number(text: str) -> int | None:
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 19 else None


class _Survey(NamedTuple):
    """What a first reading of a list shows."""

    #: the folder from which its names go on
    base: bytes
    names: int
    former: tuple[bytes, ...]


def _survey(path: bytes, content: Content, listing: Listing) -> _Survey:
    """Read a list once, for how many names it has and where they begin.

    A history's begin in the folder that holds it. Any other list speaks of its own folder, or, as
    some tools write them, of one above: the one where most of what it names is there, the nearest
    first.
    """
    folder = path.rpartition(b"/")[0]
    if is_history(path):
        folder = folder.rpartition(b"/")[0]
    count = hits = 0
    former = []
    for one in read(path, content):
        if one.is_former:
            former.append(one.path)
            continue
        count += 1
        hits += _is_there(folder, one, listing)
        if count > MOST_NAMES or len(former) > MOST_NAMES:
            raise Unreadable(f"names more than {MOST_NAMES} files")
    if hits < count and not is_history(path):
        folder = _best(folder, hits, read(path, content), listing)
    return _Survey(folder, count, tuple(former))


def _best(folder: bytes, hits: int, names: Iterable[Named], listing: Listing) -> bytes:
    bases, at = [], folder
    while at and listing.encloses(at + b"/x"):
        at = at.rpartition(b"/")[0]
        bases.append(at)
    counts = dict.fromkeys(bases, 0)
    for one in names:
        for base in bases:
            counts[base] += _is_there(base, one, listing)
    best = max(bases, key=lambda base: counts[base], default=folder)
    return best if counts.get(best, 0) > hits else folder


def _is_there(base: bytes, named_: Named, listing: Listing) -> bool:
    path = _joined(base, named_.path)
    return path is not None and listing.has(path)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What all lists of a drop name together and is not as they say."""

    listing: Listing
    shortage: Shortage
    is_strict: bool
    #: folded path -> path
    missing: dict[bytes, bytes] = field(default_factory=dict)
    #: folded path -> path and bytes, as the newest list says them
    wrong: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    #: folded path -> path as the drop spells it, and hashes as the newest list that names some does
    sums: dict[bytes, tuple[bytes, tuple[Sum, ...]]] = field(default_factory=dict)
    outside: int = 0

    def take(self, path: bytes, survey: _Survey, names: Iterable[Named]) -> None:
        """Put what one list names beside what earlier ones did."""
        for former in survey.former:
            before = _joined(survey.base, former)
            if before is not None:
                self._forget(fold(before))
        for one in names:
            if one.is_former:
                continue
            whole = _joined(survey.base, one.path)
            if whole is not None and self.listing.encloses(whole):
                self._note(whole, one)
            else:
                self.outside += 1
                clause = f"{shown(path)} names {shown(one.path)}, which lies outside of the drop"
                self.shortage.fault(path + b"\0" + one.path, clause)
            if len(self.missing) + self.outside > MOST_MISSING:
                raise Unreadable(f"names more than {MOST_MISSING} files that are not there")

    def _note(self, path: bytes, one: Named) -> None:
        key = fold(path)
        self._forget(key, but_sums=not one.sums)
        there = self.listing.placed(path)
        if there is None:
            if not self.listing.has(path):
                self.missing[key] = path
            return
        if one.size is not None and there[1].size != one.size:
            self.wrong[key] = path, one.size
        if self.is_strict and one.sums:
            self.sums[key] = there[0], one.sums

    def _forget(self, key: bytes, *, but_sums: bool = False) -> None:
        self.missing.pop(key, None)
        self.wrong.pop(key, None)
        if not but_sums:
            self.sums.pop(key, None)

    def compare(self, digests: Digests) -> str:
        """Note what is not there or not as it should be, and say what came of the hashes."""
        for path in self.missing.values():
            self.shortage.miss(path)
        for path, size in self.wrong.values():
            there = self.listing.size(path)
            self.shortage.fault(path, f"{shown(path)} has {there} bytes and not {size}")
        if not self.is_strict:
            return "hashes are not compared (verify is not strict)"
        compared = unknown = 0
        for key, (path, sums) in self.sums.items():
            ways = frozenset(way for each in sums for way in each.ways)
            if key in self.wrong:
                continue
            if not ways:
                unknown += 1
            elif any(each.awaits(digests.get(path, {})) for each in sums):
                self.shortage.unread[path] = ways
            else:
                compared += 1
                self._compare_sums(path, sums, digests[path])
        said = f"the hashes of {compared} files are compared"
        return f"{said}, those of {unknown} are of no known kind" if unknown else said

    def _compare_sums(self, path: bytes, sums: tuple[Sum, ...], digests: Mapping[str, str]) -> None:
        for each in sums:
            if each.ways and not each.fits(digests):
                made = ", ".join(f"{way} {digests[way]}" for way in each.ways if way in digests)
                clause = f"{shown(path)} has not the hash {each.value} of its list, but {made}"
                self.shortage.fault(path, clause)


def _joined(base: bytes, name: bytes) -> bytes | None:
    """Give the path that a name means; None when it leads out of its folder, or nowhere."""
    if b"/" not in name and b"\\" in name:
        # lists from Windows; a name that really holds a backslash comes from no card
        name = name.replace(b"\\", b"/")
    steps = [step for step in name.split(b"/") if step not in (b"", b".")]
    if name.startswith(b"/") or b".." in steps or not steps or b"\0" in name:
        return None
    return b"/".join((base, *steps)) if base else b"/".join(steps)
