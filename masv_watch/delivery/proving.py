"""Whether a folder holds what a receipt says was delivered.

Owns which file on a disk is which of the receipt, and the words for every difference. Never reads a
file: whoever does hands in what a walk showed and the hashes that it was asked for. Called by
`verify`.

Law 1. A name may stand on the disk as it was sent, with `%XX`, or as its source had it; and in
       another normal form, as a Mac writes it. One file is never taken for two.
Law 2. Every file that is wrong is named once, with what is there instead where that is known.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from masv_watch.delivery.receipt import Entry, Flaw
from masv_watch.files.hashes import hash_of_file
from masv_watch.files.markers import MARKER_NAME
from masv_watch.model import Chunk
from masv_watch.names import sent_path, shown

#: what a desktop leaves in every folder that somebody opens, and we in each hot folder; told of,
#: but no flaw
_LITTER = frozenset({b".DS_Store", b"Thumbs.db", b"desktop.ini", MARKER_NAME})
#: differing chunks of a file that are named
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a walk showed at one path of a folder, beside folders."""

    #: as `files.Observation`: `file`, `link`, `other`, `unreadable`
    kind: str
    #: bytes; 0 of all but files
    size: int = 0
    #: why it is no file that can be read
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the reading of one file came to."""

    #: hash of each chunk of the size that was asked for
    hashes: tuple[str, ...] = ()
    #: why it could not be read; "" when it was
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which file is which."""

    #: entry -> path on the disk
    pairs: Mapping[str, bytes]
    missing: tuple[Entry, ...]
    #: on the disk, and in no receipt
    extra: tuple[bytes, ...]
    #: likewise, and of no weight
    litter: tuple[bytes, ...]


def match(entries: Collection[Entry], seen: Mapping[bytes, Seen]) -> Match:
    """Say which file of the folder is which of the receipt (law 1)."""
    paths = [entry.path for entry in entries]
    pairs = _pairs(paths, sorted(seen))
    rest = sorted(set(seen) - set(pairs.values()))
    return Match(
        pairs=pairs,
        missing=tuple(entry for entry in entries if entry.path not in pairs),
        extra=tuple(path for path in rest if not _is_litter(path)),
        litter=tuple(path for path in rest if _is_litter(path)),
    )


def to_read(
    entries: Collection[Entry], seen: Mapping[bytes, Seen], found: Match
) -> dict[bytes, int]:
    """Give the files whose content has to be read, each with the size of its chunks.

    Of one that is not where it should be, or has not its size, only where another of the receipt
    has that size: then it may be that one.
    """
    wanted: dict[bytes, int] = {}
    sizes = {entry.size: entry.chunk_size for entry in entries if entry.hash}
    for entry in entries:
        path = found.pairs.get(entry.path)
        if path is not None and seen[path].kind == "file":
            if seen[path].size != entry.size:
                _want(wanted, path, sizes.get(seen[path].size))
            elif entry.hash:
                wanted[path] = entry.chunk_size
    lost = {entry.size: entry.chunk_size for entry in found.missing if entry.hash}
    for path in found.extra:
        if seen[path].kind == "file":
            _want(wanted, path, lost.get(seen[path].size))
    return wanted


def compare(
    entries: Collection[Entry],
    seen: Mapping[bytes, Seen],
    found: Match,
    contents: Mapping[bytes, Content],
) -> list[Flaw]:
    """Name every difference between a receipt and a folder (law 2)."""
    return list(_Comparison(entries, seen, found, contents).flaws())


def without_hashes(entries: Collection[Entry]) -> int:
    """Count the files of which only the size can be compared."""
    return sum(not entry.hash for entry in entries)


class _Comparison:
    """One folder beside one receipt."""

    def __init__(
        self,
        entries: Collection[Entry],
        seen: Mapping[bytes, Seen],
        found: Match,
        contents: Mapping[bytes, Content],
    ) -> None:
        self._entries, self._seen, self._found = entries, seen, found
        self._contents, self._asked = contents, to_read(entries, seen, found)
        #: size and hash of a whole content -> whose it is
        self._owners: dict[tuple[int, str], str] = {}
        for entry in entries:
            if entry.hash:
                self._owners.setdefault((entry.size, entry.hash), entry.path)

    def flaws(self) -> Iterator[Flaw]:
        moved = self._moved()
        for entry in self._entries:
            path = self._found.pairs.get(entry.path)
            flaw = self._absent(entry, moved) if path is None else self._wrong(entry, path)
            if flaw is not None:
                yield flaw
        for path in self._found.extra:
            if path not in moved.values():
                yield self._extra(path)

    def _moved(self) -> dict[str, bytes]:
        """Give the missing files that stand there under another name."""
        lost = {(entry.size, entry.hash): entry.path for entry in self._found.missing if entry.hash}
        moved: dict[str, bytes] = {}
        for path in self._found.extra:
            owner = lost.get((self._seen[path].size, self._hash(path)))
            if owner is not None:
                moved.setdefault(owner, path)
        return moved

    def _absent(self, entry: Entry, moved: Mapping[str, bytes]) -> Flaw:
        if entry.path in moved:
            there = shown(moved[entry.path])
            return Flaw(
                test="renamed",
                path=printable(entry.path),
                what=f"it is not there under its name; {there} has its content",
                cure="give it its name back; whatever fetched it may have changed it",
            )
        return Flaw(
            test="missing",
            path=printable(entry.path),
            what="it was delivered, and is not there",
            cure="fetch it once more from the package",
        )

    def _extra(self, path: bytes) -> Flaw:
        owner = self._owner(path)
        also = f"; it has the content of {printable(owner)}" if owner else ""
        return Flaw(
            test="extra",
            path=shown(path),
            what=f"it is there, and was not delivered with this receipt{also}",
            cure="move it elsewhere, or name the folder that holds the package alone",
        )

    def _wrong(self, entry: Entry, path: bytes) -> Flaw | None:
        seen, content = self._seen[path], self._contents.get(path, Content())
        name, again = shown(path), "fetch it once more from the package"
        if seen.kind != "file" or content.trouble:
            return Flaw(
                test="unreadable",
                path=name,
                what=f"it cannot be compared: {content.trouble or seen.detail}",
                cure="a link is not followed; else see to it that this user can read it",
            )
        owner = self._owner(path)
        also = f"; it has the content of {printable(owner)}" if owner else ""
        if seen.size != entry.size:
            what = f"it has {seen.size:,} bytes, and {entry.size:,} were delivered{also}"
            return Flaw(test="size", path=name, what=what, cure=again)
        if entry.hash and self._hash(path) != entry.hash:
            where = _differing(entry, content.hashes)
            what = f"its content is not what was delivered{also or where}"
            return Flaw(test="content", path=name, what=what, cure=again)
        return None

    def _owner(self, path: bytes) -> str:
        return self._owners.get((self._seen[path].size, self._hash(path)), "")

    def _hash(self, path: bytes) -> str:
        """Give the hash of a file's content as it was read; "" where it was not."""
        content, size = self._contents.get(path), self._seen[path].size
        if content is None or content.trouble or not content.hashes:
            return ""
        return whole_hash(content.hashes, size, self._asked[path])


def printable(path: str) -> str:
    """Write a path of a receipt for people."""
    return shown(path.encode("utf-8", "surrogateescape"))


def whole_hash(hashes: tuple[str, ...], size: int, chunk_size: int) -> str:
    """Give the hash of a content of this size from those of its chunks."""
    sizes = [min(chunk_size, size - at) for at in range(0, size, chunk_size)] or [0]
    chunks = [
        Chunk(number=number, size=each, etag="", hash=one)
        for number, (each, one) in enumerate(zip(sizes, hashes, strict=True), start=1)
    ]
    return hash_of_file(chunks, size=size, chunk_size=chunk_size)


def _differing(entry: Entry, hashes: tuple[str, ...]) -> str:
    """Say which chunks of a file are others, where the receipt has them."""
    if len(entry.chunks) != len(hashes) or len(hashes) < 2:
        return ""
    others = [
        number
        for number, ((_, known), read) in enumerate(zip(entry.chunks, hashes, strict=True), start=1)
        if known != read
    ]
    if not others:
        return ""
    more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
    first = (others[0] - 1) * entry.chunk_size
    named = ", ".join(map(str, others[:_NAMED]))
    return f": of {len(hashes):,} chunks these differ: {named}{more}, from byte {first:,} on"


def _want(wanted: dict[bytes, int], path: bytes, chunk_size: int | None) -> None:
    if chunk_size is not None:
        wanted[path] = chunk_size


def _is_litter(path: bytes) -> bool:
    name = path.rpartition(b"/")[2]
    return name in _LITTER or name.startswith(b"._")


def _pairs(paths: Collection[str], found: Collection[bytes]) -> dict[str, bytes]:
    """Pair paths of a receipt with those of a disk, by whichever way of naming most are there."""
    pairs: dict[str, bytes] = {}
    used: set[bytes] = set()
    wanted = frozenset(paths)
    ways: list[dict[str, bytes]] = [_named(found, _as_sent), _named(found, sent_path)]
    ways.sort(key=lambda way: -len(wanted & way.keys()))
    for way in ways:
        _take(pairs, used, {path: way.get(path) for path in paths})
    for way in ways:
        normal = {unicodedata.normalize("NFC", name): path for name, path in way.items()}
        _take(pairs, used, {path: normal.get(unicodedata.normalize("NFC", path)) for path in paths})
    return pairs


def _take(pairs: dict[str, bytes], used: set[bytes], offered: Mapping[str, bytes | None]) -> None:
    for path, there in offered.items():
        if there is not None and path not in pairs and there not in used:
            pairs[path] = there
            used.add(there)


def _named(found: Collection[bytes], name: Callable[[bytes], str | None]) -> dict[str, bytes]:
    named: dict[str, bytes] = {}
    for path in found:
        text = name(path)
        if text is not None:
            named.setdefault(text, path)
    return named


def _as_sent(path: bytes) -> str | None:
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return None
