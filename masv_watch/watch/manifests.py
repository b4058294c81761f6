"""Whether everything is there that the lists inside a drop name.

Owns the reading of media hash lists (MHL 1, ASC MHL 2.0 with its chain) and of plain lists as
`md5sum`, `sha1sum`, `xxhsum` and SFV tools write them. Never touches the disk and compares no hash:
names and, where a list has them, sizes. Called by `completeness`.

Law 1. A list is somebody's file: what it names outside of its drop is refused, never looked for.
Law 2. A list that cannot be read names nothing, and that is said; it never passes for an empty one.
Law 3. Of a history every generation counts, and the newest says how large a file is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from masv_watch.model import Manifests
from masv_watch.names import shown
from masv_watch.patterns import fold, parse
from masv_watch.watch.controls import Content, Element, Unreadable, bytes_of, elements_of
from masv_watch.watch.listing import Listing, Shortage

_HISTORY = b"ASCMHL"
_CHAIN = b"ascmhl_chain.xml"
#: `hash  name` and `hash *name`; a backslash first says that the name is escaped
_SUM = re.compile(rb"(\\?)(?:[A-Z0-9]{2,12}_)?([0-9a-fA-F]{8,128}) [ *](.+)", re.DOTALL)
_BSD = re.compile(rb"\\?[A-Za-z0-9-]{2,12} ?\((.+)\) ?= ?[0-9a-fA-F]{8,128}", re.DOTALL)
_CRC = re.compile(rb"[0-9a-fA-F]{8}")
_ESCAPES = {rb"\n": b"\n", rb"\r": b"\r", rb"\\": b"\\"}
_ESCAPE = re.compile(rb"\\[nr\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One name of a list."""

    #: from the list's folder on, as it is written
    path: bytes
    #: bytes; None where the list does not say
    size: int | None = None


@dataclass(slots=True, kw_only=True)
class List:
    """What one list names."""

    names: list[Named] = field(default_factory=list)
    #: names of earlier generations that are no more
    former: list[bytes] = field(default_factory=list)


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


def judge(wants: Manifests, listing: Listing, contents: Mapping[bytes, Content]) -> Shortage:
    """Say what is missing of what the lists in a drop name."""
    shortage = Shortage()
    lists = list(reads(wants, listing))
    if not lists and wants.required:
        clause = f"nothing says what must be there ({' or '.join(wants.files)})"
        shortage.fault(listing.top + b"/", clause)
    count = 0
    known = _Known(listing=listing, shortage=shortage)
    for path in lists:
        try:
            found = read(path, contents.get(path, "was not read"))
        except Unreadable as error:
            shortage.fault(path, f"{shown(path)} {error}")
            continue
        count += len(found.names)
        known.take(path, found)
    known.compare()
    shortage.scope = (
        f"{len(lists)} list{'' if len(lists) == 1 else 's'} with {count} names and sizes; "
        "hashes are not compared"
    )
    return shortage


def read(path: bytes, content: Content) -> List:
    """Read one list by what it holds; `path` only tells an SFV file.

    Raises:
        Unreadable: it was not read, or it is no list.
    """
    plain = bytes_of(content)
    start = plain.removeprefix(b"\xef\xbb\xbf").lstrip()[:64]
    if start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")) or fold(path).endswith(b".MHL"):
        return _hash_list(elements_of(plain))
    return _plain_list(plain.removeprefix(b"\xef\xbb\xbf"), is_sfv=fold(path).endswith(b".SFV"))


def is_history(path: bytes) -> bool:
    """Say whether a list belongs to a history: its names then begin one folder higher."""
    return fold(path.rpartition(b"/")[0].rpartition(b"/")[2]) == _HISTORY


def _lists(wants: Manifests, listing: Listing) -> Iterable[bytes]:
    for text in wants.files:
        for found in listing.find(parse(text)):
            yield found.path


def _hash_list(elements: list[Element]) -> List:
    root = elements[-1].name if elements else ""
    if root not in ("hashlist", "ascmhldirectory"):
        raise Unreadable("is no media hash list")
    found = List()
    sizes: dict[int, str] = {}
    for element in elements:
        below = element.path[1:]
        if root == "ascmhldirectory":
            # the chain names its generations beside itself, all lists one folder higher
            if below == ("hashlist", "path"):
                found.names.append(Named(path=b"ascmhl/" + _plain(element.text)))
        elif below == ("hash", "file"):
            found.names.append(Named(path=_plain(element.text)))
        elif below == ("hash", "size"):
            sizes[len(found.names) - 1] = element.text
        elif below in (("hashes", "hash", "path"), ("references", "hashlistreference", "path")):
            size = _number(element.attributes.get("size", ""))
            found.names.append(Named(path=_plain(element.text), size=size))
        elif below[-1:] == ("previousPath",):
            found.former.append(_plain(element.text))
    for at, text in sizes.items():
        if at >= 0:
            found.names[at] = Named(path=found.names[at].path, size=_number(text))
    return found


def _plain_list(content: bytes, *, is_sfv: bool) -> List:
    if b"\0" in content:
        raise Unreadable("is no text, so it is no list of names")
    found = List()
    for raw in content.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if not line.strip() or line.startswith((b"#", b";")):
            continue
        found.names.append(Named(path=_name(line, is_sfv=is_sfv)))
    return found


def _name(line: bytes, *, is_sfv: bool) -> bytes:
    if is_sfv and _CRC.fullmatch(line[-8:]) and (name := line[:-8].rstrip(b" \t")) != line[:-8]:
        return name
    if entry := _SUM.fullmatch(line):
        return _unescaped(entry[3]) if entry[1] else entry[3]
    if entry := _BSD.fullmatch(line):
        return _unescaped(entry[1]) if line.startswith(b"\\") else entry[1]
    return line


def _unescaped(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], name)


def _plain(text: str) -> bytes:
    return text.strip("\r\n").encode("utf-8", "surrogatepass")


def _number(text: str) -> int | None:
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 19 else None


def _base(path: bytes, found: List, listing: Listing) -> bytes:
    """Give the folder from which a list's names go on.

    A history's is the folder that holds it. Any other list speaks of its own folder, or, as some
    tools write them, of one above: the one where most of what it names is there, the nearest first.
    """
    folder = path.rpartition(b"/")[0]
    if is_history(path):
        return folder.rpartition(b"/")[0]
    best, most = folder, -1
    while True:
        hits = sum(_is_there(folder, named, listing) for named in found.names)
        if hits > most:
            best, most = folder, hits
        if hits == len(found.names) or not folder or not listing.encloses(folder + b"/x"):
            return best
        folder = folder.rpartition(b"/")[0]


def _is_there(base: bytes, named: Named, listing: Listing) -> bool:
    path = _joined(base, named.path)
    return path is not None and listing.has(path)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What all lists of a drop name together."""

    listing: Listing
    shortage: Shortage
    #: folded path -> path and bytes, as the newest list says them
    sizes: dict[bytes, tuple[bytes, int | None]] = field(default_factory=dict)

    def take(self, path: bytes, found: List) -> None:
        """Put what one list names beside what earlier ones did."""
        base = _base(path, found, self.listing)
        for former in found.former:
            before = _joined(base, former)
            if before is not None:
                self.sizes.pop(fold(before), None)
        for named in found.names:
            whole = _joined(base, named.path)
            if whole is not None and self.listing.encloses(whole):
                self.sizes[fold(whole)] = (whole, named.size)
                continue
            clause = f"{shown(path)} names {shown(named.path)}, which lies outside of the drop"
            self.shortage.fault(path + b"\0" + named.path, clause)

    def compare(self) -> None:
        """Note what of it is not there, or not as large as it should be."""
        for path, size in self.sizes.values():
            there = self.listing.size(path)
            if there is None:
                if not self.listing.has(path):
                    self.shortage.miss(path)
            elif size is not None and there != size:
                clause = f"{shown(path)} has {there} bytes and not {size}"
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
