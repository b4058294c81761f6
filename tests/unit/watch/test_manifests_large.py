"""Lists of real size and of hostile form: what they cost, and which hashes of them are compared."""

from __future__ import annotations

import hashlib
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import HoldReason, Identity, Manifests
from masv_watch.watch import manifests
from masv_watch.watch.completeness import Completeness, assess
from masv_watch.watch.controls import LONGEST_PIECE, Blocks, Content, Unreadable
from masv_watch.watch.listing import Listing
from masv_watch.watch.manifests import MOST_MISSING, read
from tests.unit.watch.cards import identity, rule
from tests.unit.watch.test_manifests import mhl2

LIST = b"card/a.mhl"
#: instead of the limits, which take seconds to reach
FEW = 20_000
HEAD = b'<?xml version="1.0"?><hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0"><hashes>'
#: a way of each list -> how it is made
MADE = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    "xxh64": xxhash.xxh64_hexdigest,
    "xxh3": xxhash.xxh3_64_hexdigest,
    "xxh128": xxhash.xxh3_128_hexdigest,
}


class Made:
    """A list that is written as it is read, however large."""

    def __init__(self, head: bytes, piece: bytes, times: int, tail: bytes = b"") -> None:
        self.parts = head, piece, times, tail

    def __iter__(self) -> Iterator[bytes]:
        head, piece, times, tail = self.parts
        yield head
        at_once = max(1, 65_536 // len(piece))
        for _ in range(times // at_once):
            yield piece * at_once
        yield piece * (times % at_once)
        yield tail


def looked(
    content: Content,
    files: Mapping[bytes, int],
    digests: Mapping[bytes, Mapping[str, str]] | None = None,
    *,
    path: bytes = LIST,
    is_strict: bool = True,
) -> Completeness:
    """Ask about a drop of these files with one list."""
    pattern = path.rpartition(b"/")[2].decode()
    asking = rule(incomplete=None, manifests=Manifests(files=(pattern,), is_strict=is_strict))
    placed = [(name, identity(size)) for name, size in {**files, path: 1}.items()]
    return assess(asking, Listing(b"card", "folder", placed), {path: content}, digests)


def cost(content: Blocks, files: Mapping[bytes, int]) -> tuple[Completeness, int]:
    """Give what is said of a list, and the bytes that were held at most to say it."""
    asking = rule(incomplete=None, manifests=Manifests(files=("*.mhl",)))
    placed = [(name, identity(size)) for name, size in {**files, LIST: 1}.items()]
    known = Listing(b"card", "folder", placed)
    tracemalloc.start()
    try:
        return assess(asking, known, {LIST: content}), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_list_of_a_card_with_twenty_thousand_files_is_read_and_misses_one_of_them() -> None:
    """Several MiB, pretty-printed as tools write it."""
    names = [f"CLIPS/A001C{number:05d}_261128/A001_{number:05d}.ari" for number in range(20_000)]
    text = mhl2(*((name, 5) for name in names)).replace(b"><", b">\n      <")
    files = {b"card/" + name.encode(): 5 for name in names}
    gone = b"card/" + names[777].encode()

    assert len(text) > 2 * 1024**2
    assert looked(text, files, is_strict=False).note == ""
    assert (
        looked(text, {name: 5 for name in files if name != gone}, is_strict=False).note
        == f"missing: {gone.decode()}"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            Made(HEAD, b"<hash><path size='1'>a</path></hash>", FEW + 1),
            f"holds more than {FEW} elements",
        ),
        (Made(HEAD, b"<hash>", 1_000_000), "is nested deeper than 32 levels"),
        (Made(HEAD + b"<hash><path>", b"x", 10_000_000), "holds more text in one element than"),
        (Made(HEAD + b"<hash ", b"a='", 10_000_000), "is no XML"),
        (Made(HEAD + b"<hash a='", b"x", 60_000_000), "holds a tag or a comment that does not end"),
        (Made(HEAD + b"<!--", b"x", 60_000_000), "holds a tag or a comment that does not end"),
        (
            Made(b"<!DOCTYPE l [<!ENTITY a 'ha'>", b"<!ENTITY b '&a;&a;'>", 9, b"]><l>&b;</l>"),
            "declares a document type or an entity, and such a file is not trusted",
        ),
    ],
    ids=["elements", "deep", "text", "broken", "tag", "comment", "laughs"],
)
def test_hostile_media_hash_list_is_held_with_its_reason_and_costs_little_memory(
    content: Made, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it does not end with: at most a few MiB of it are held."""
    monkeypatch.setattr(manifests, "MOST_IN_LIST", FEW)
    found, held = cost(content, {b"card/a": 1})

    assert found.hold is HoldReason.INCOMPLETE
    assert found.note.startswith("card/a.mhl ")
    assert why in found.note
    assert held < 8 * 1024**2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (Made(b"", b"x", 10_000_000), "holds a line that is longer than a name can be"),
        (Made(b"", b"a\n", FEW + 1), f"names more than {FEW} files"),
        (Made(b"a\n", b"a\0", 9), "is no text, so it is no list of names"),
    ],
    ids=["line", "names", "binary"],
)
def test_hostile_plain_list_is_held_with_its_reason_and_costs_little_memory(
    content: Made, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line without an end, a list without an end, a picture."""
    monkeypatch.setattr(manifests, "MOST_NAMES", FEW)
    placed = [(b"card/a", identity(1)), (b"card/l.txt", identity(1))]
    asking = rule(incomplete=None, manifests=Manifests(files=("*.txt",)))
    known = Listing(b"card", "folder", placed)
    tracemalloc.start()
    try:
        found = assess(asking, known, {b"card/l.txt": content})
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found.note == f"card/l.txt {why}"
    assert held < 8 * 1024**2


def test_list_that_names_nothing_but_what_is_not_there_is_given_up_at_a_limit() -> None:
    """What is missing is kept, and so it has a bound of its own."""
    names = b"".join(b"none/%d\n" % number for number in range(MOST_MISSING + 9_000))
    found = looked(names, {b"card/a": 1}, path=b"card/l.txt")

    assert found.note.endswith(f" and {MOST_MISSING + 2 - len(found.missing)} more")
    assert found.more < MOST_MISSING + 2


@pytest.mark.parametrize("piece", [LONGEST_PIECE, LONGEST_PIECE + 1])
def test_line_of_the_longest_name_is_read_and_a_longer_one_is_not(piece: int) -> None:
    """The limit is the first byte beyond."""
    line = b"x" * piece
    if piece == LONGEST_PIECE:
        assert [one.path for one in read(b"l.txt", line)] == [line]
    else:
        with pytest.raises(Unreadable):
            list(read(b"l.txt", line))


@given(
    st.lists(st.sampled_from([b"a", b"b/c", b"#x", b"", b"d"]), max_size=8),
    st.integers(1, 7),
    st.booleans(),
)
def test_plain_list_says_the_same_however_its_bytes_are_cut(
    lines: list[bytes], cut: int, has_bom: bool
) -> None:
    """A block ends anywhere."""
    text = (b"\xef\xbb\xbf" if has_bom else b"") + b"\r\n".join(lines)

    class Cut:
        def __iter__(self) -> Iterator[bytes]:
            # the first block is long enough to tell what it is
            yield text[: cut + 3]
            for at in range(cut + 3, len(text), cut):
                yield text[at : at + cut]

    assert list(read(b"l.txt", Cut())) == list(read(b"l.txt", text))


@given(st.integers(1, 200))
def test_media_hash_list_says_the_same_however_its_bytes_are_cut(cut: int) -> None:
    """A block ends anywhere, in a tag as in a name."""
    text = mhl2(("A/one & two.mov".replace("&", "&amp;"), 2), ("b", 3), former={"b": "a"})

    class Cut:
        def __iter__(self) -> Iterator[bytes]:
            yield text[:64]
            for at in range(64, len(text), cut):
                yield text[at : at + cut]

    assert list(read(LIST, Cut())) == list(read(LIST, text))
    assert [one.path for one in read(LIST, text)] == [b"A/one & two.mov", b"a", b"b"]


@pytest.mark.parametrize("way", MADE)
@pytest.mark.parametrize("kind", ["mhl", "plain"])
def test_hash_of_every_kind_that_lists_name_is_wanted_and_compared(way: str, kind: str) -> None:
    """Fits: whole. Does not: held, with the file and both hashes. Not made yet: wanted."""
    value, other = MADE[way](b"right"), MADE[way](b"wrong")
    element = "xxhash64be" if way == "xxh64" else way
    if kind == "mhl":
        text = (
            f"<hashlist><hash><file>a.mov</file><{element}>{value.upper()}</{element}></hash>"
            "</hashlist>"
        ).encode()
        path = LIST
    else:
        text, path = f"{value}  a.mov\n".encode(), b"card/l.txt"
    files = {b"card/a.mov": 5}
    wanted = looked(text, files, path=path).unread
    ways = wanted[b"card/a.mov"]
    right = {b"card/a.mov": dict.fromkeys(ways, value)}
    wrong = {b"card/a.mov": dict.fromkeys(ways, other)}

    assert looked(text, files, right, path=path).hold is None
    found = looked(text, files, wrong, path=path)
    assert found.hold is HoldReason.INCOMPLETE
    assert f"card/a.mov has not the hash {value} of its list, but " in found.note
    assert other in found.note
    assert "hashes of 1 files are compared" in found.findings[0].detail
    assert not looked(text, files, path=path, is_strict=False).unread


def test_hash_that_is_of_no_known_kind_or_failed_when_it_was_made_is_not_wanted() -> None:
    """What cannot be compared is counted, and a known failure says nothing of what should be."""
    text = (
        b"<hashlist><hashes>"
        b"<hash><path>a</path><xxh64 action='failed'>0000000000000000</xxh64></hash>"
        b"<hash><path>b</path><md5>no hash</md5></hash>"
        b"<hash><path>c</path><c4>c4x</c4></hash>"
        b"</hashes></hashlist>"
    )
    found = looked(text, {b"card/a": 1, b"card/b": 1, b"card/c": 1})

    assert not found.unread
    assert "those of 2 are of no known kind" in found.findings[0].detail


def test_hash_of_the_newest_generation_counts_and_one_of_a_wrong_size_is_not_asked_for() -> None:
    """A file that grew was hashed anew; one that is cut off need not be read."""
    history = {
        b"card/ascmhl/0001_card.mhl": mhl2(("a", 1), ("b", 2)),
        b"card/ascmhl/0002_card.mhl": mhl2(("a", 1)).replace(
            b"0ac48e431d4538ba", b"1111111111111111"
        ),
    }
    asking = rule(incomplete=None, manifests=Manifests(files=("*.mhl",), is_strict=True))
    placed = [(name, identity(1)) for name in (b"card/a", b"card/b", *history)]
    known = Listing(b"card", "folder", placed)
    found = assess(asking, known, history, {b"card/a": {"xxh64": "0ac48e431d4538ba"}})

    assert found.note == (
        "card/b has 1 bytes and not 2; card/a has not the hash 1111111111111111 of its list, but"
        " xxh64 0ac48e431d4538ba"
    )
    assert not found.unread


def test_files_that_swapped_their_names_are_both_asked_for() -> None:
    """The name that one gave up is the other's."""
    history = mhl2(("b", 2), ("a", 1), former={"a": "b", "b": "a"})
    files = {b"card/a": 1}
    asking = rule(incomplete=None, manifests=Manifests(files=("*.mhl",)))
    path = b"card/ascmhl/0001_card.mhl"
    placed = [
        (name, Identity(size=size, mtime_ns=1, ctime_ns=1, inode=1, device=1))
        for name, size in {**files, path: 1}.items()
    ]

    assert assess(asking, Listing(b"card", "folder", placed), {path: history}).note == (
        "missing: card/b"
    )


def test_crc_of_an_sfv_file_is_compared() -> None:
    """Eight digits behind the name."""
    crc = f"{zlib.crc32(b'right'):08X}"
    found = looked(f"a.mov {crc}\n".encode(), {b"card/a.mov": 5}, path=b"card/l.sfv")

    assert found.unread == {b"card/a.mov": frozenset({"crc32", "xxh32"})}
