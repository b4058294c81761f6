"""What lists inside a drop say must be there: MHL 1, ASC MHL 2.0, sums and bare names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import HoldReason, Incomplete, Manifests
from masv_watch.names import shown
from masv_watch.watch.completeness import Completeness, assess, reads
from masv_watch.watch.controls import LARGEST_LIST
from masv_watch.watch.manifests import read
from tests.unit.watch.cards import Contents, identity, listing, rule

MEDIA = {b"card/A/one.mov": b"11", b"card/A/two.mov": b"2222", b"card/notes.txt": b"n"}
SUM = b"d41d8cd98f00b204e9800998ecf8427e"


def mhl1(*names: tuple[str, int | None]) -> bytes:
    """Write a list of the first kind, as most tools do."""
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<hashlist version="1.1">\n<creatorinfo/>\n'
    for name, size in names:
        said = "" if size is None else f"<size>{size}</size>"
        text += f"<hash><file>{name}</file>{said}<xxhash64be>0ac48e431d4538ba</xxhash64be></hash>\n"
    return (text + "</hashlist>\n").encode()


def mhl2(
    *names: tuple[str, int], references: tuple[str, ...] = (), former: dict[str, str] | None = None
) -> bytes:
    """Write one generation of an ASC MHL history."""
    text = '<?xml version="1.0"?>\n<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0"><processinfo>'
    text += "<ignore><pattern>.DS_Store</pattern></ignore></processinfo><hashes>"
    text += "<directoryhash><path>A</path></directoryhash>"
    for name, size in names:
        before = (former or {}).get(name)
        text += f'<hash><path size="{size}">{name}</path><xxh64>0ac48e431d4538ba</xxh64>'
        text += f"<previousPath>{before}</previousPath></hash>" if before else "</hash>"
    text += "</hashes><references>"
    text += "".join(f"<hashlistreference><path>{n}</path></hashlistreference>" for n in references)
    return (text + "</references></hashlist>").encode()


def chain(*names: str) -> bytes:
    """Write the chain of a history."""
    text = '<ascmhldirectory xmlns="urn:ASC:MHL:DIRECTORY:v2.0">'
    for number, name in enumerate(names, 1):
        text += f'<hashlist sequencenr="{number}"><path>{name}</path><c4>c4x</c4></hashlist>'
    return (text + "</ascmhldirectory>").encode()


def looked(
    files: Contents, *patterns: str, required: bool = True, contents: object = None, **wants: object
) -> Completeness:
    """Ask about a drop with lists of these names."""
    asked = Manifests(files=patterns or ("*.mhl",), required=required)
    asking = rule(incomplete=wants.pop("incomplete", None), manifests=asked)  # type: ignore[arg-type]
    known = listing(files)
    given_ = contents if isinstance(contents, dict) else {}
    return assess(asking, known, {path: files[path] for path in reads(asking, known)} | given_)


def named(found: Completeness) -> list[str]:
    """Give what is missing."""
    return [lack.text for lack in found.missing]


HISTORY = {
    **MEDIA,
    b"card/ascmhl/0001_card.mhl": mhl2(("A/one.mov", 2), ("notes.txt", 1)),
    b"card/ascmhl/0002_card.mhl": mhl2(("A/one.mov", 2), ("A/two.mov", 4)),
    b"card/ascmhl/ascmhl_chain.xml": chain("0001_card.mhl", "0002_card.mhl"),
}
NAMED = (("A/one.mov", 2), ("A/two.mov", 4), ("notes.txt", 1))
NAMES = tuple(name.encode() for name, _ in NAMED)
SHORT = b"0ac48e431d4538ba"
LISTED = {
    "mhl1": {**MEDIA, b"card/a.mhl": mhl1(*NAMED)},
    "mhl2": HISTORY,
    "sums": {**MEDIA, b"card/x.md5": b"%b  %b\n%b *%b\r\n%b  %b" % (
        SUM, NAMES[0], SUM, NAMES[1], SUM, NAMES[2],
    )},
    "bsd": {**MEDIA, b"card/x.md5": b"MD5 (%b) = %b\nSHA1(%b)= %b\nMD5 (%b) = %b" % (
        NAMES[0], SUM, NAMES[1], SUM, NAMES[2], SUM,
    )},
    "names": {**MEDIA, b"card/x.txt": b"# what is sent\n\nA/one.mov\n./A/two.mov\nnotes.txt\n"},
    "windows": {**MEDIA, b"card/x.txt": b"\xef\xbb\xbfA\\one.mov\r\nA\\two.mov\r\nnotes.txt\r\n"},
    "sfv": {**MEDIA, b"card/x.sfv": b"; made by\n%b 1A2B3C4D\n%b 1A2B3C4D\n%b 00000000\n" % NAMES},
    "xxh": {**MEDIA, b"card/x.xxh": b"XXH3_%b  %b\n%b  %b\n%b  %b\n" % (
        SHORT, NAMES[0], SHORT, NAMES[1], SHORT, NAMES[2],
    )},
    "inside": {
        **MEDIA,
        b"card/A/a.mhl": mhl1(("one.mov", 2), ("two.mov", 4)),
        b"card/b.mhl": mhl1(("notes.txt", 1)),
    },
    "beside": {**MEDIA, b"card/A/a.mhl": mhl1(*NAMED)},
    "with its top": {**MEDIA, b"card/a.mhl": mhl1(*((f"card/{n}", s) for n, s in NAMED))},
}  # fmt: skip
LISTS = ("*.mhl", "*.md5", "x.txt", "*.sfv", "*.xxh")


@pytest.mark.parametrize("kind", LISTED)
def test_drop_that_holds_all_that_its_list_names_is_complete(kind: str) -> None:
    """Whoever wrote the list, from whichever folder on."""
    found = looked(LISTED[kind], *LISTS)

    assert (found.hold, found.note, found.warnings) == (None, "", ())
    assert "hashes are not compared" in found.findings[0].detail


@pytest.mark.parametrize("gone", sorted(MEDIA))
@pytest.mark.parametrize("kind", LISTED)
def test_drop_without_one_file_of_its_list_is_held_and_names_it(kind: str, gone: bytes) -> None:
    """Each file that a list names, removed one at a time."""
    found = looked({p: t for p, t in LISTED[kind].items() if p != gone}, *LISTS)

    assert found.hold is HoldReason.INCOMPLETE
    assert named(found) == [shown(gone)]
    assert found.note == f"missing: {shown(gone)}"


@pytest.mark.parametrize("kind", ["mhl1", "mhl2", "inside"])
def test_file_of_another_size_than_its_list_says_is_told_with_both(kind: str) -> None:
    """A copy that was cut off is as bad as none."""
    found = looked({**LISTED[kind], b"card/A/two.mov": b"22"}, *LISTS)

    assert found.note == "card/A/two.mov has 2 bytes and not 4"


def test_history_without_one_of_its_generations_names_it() -> None:
    """The chain knows them, and so does a list that refers to another."""
    gone = {p: t for p, t in HISTORY.items() if p != b"card/ascmhl/0001_card.mhl"}
    outer = {
        **HISTORY,
        b"card/A/ascmhl/0001_A.mhl": mhl2(("one.mov", 2)),
        b"card/ascmhl/0003_card.mhl": mhl2(references=("A/ascmhl/0001_A.mhl", "B/ascmhl/1.mhl")),
    }

    assert named(looked(gone)) == ["card/ascmhl/0001_card.mhl"]
    assert named(looked(outer)) == ["card/B/ascmhl/1.mhl"]


def test_history_counts_every_generation_and_the_newest_size_and_name() -> None:
    """A file that was renamed is asked for by its new name, one that grew by its new size."""
    renamed = mhl2(("A/one.mov", 2), ("A/new.mov", 9), former={"A/new.mov": "A/two.mov"})
    files = {
        b"card/A/one.mov": b"11",
        b"card/A/new.mov": b"9" * 9,
        b"card/ascmhl/0001_card.mhl": mhl2(("A/one.mov", 77), ("A/two.mov", 4)),
        b"card/ascmhl/0002_card.mhl": renamed,
    }

    assert looked(files).note == ""
    assert named(looked({p: t for p, t in files.items() if p != b"card/A/new.mov"})) == [
        "card/A/new.mov"
    ]


def test_history_speaks_of_the_folder_that_holds_it_also_when_nothing_of_it_is_there() -> None:
    """No other folder is guessed at."""
    files = {b"card/b.mov": b"", b"card/A/ascmhl/0001_A.mhl": mhl2(("B/gone.mov", 2), ("b.mov", 0))}

    assert named(looked(files)) == ["card/A/B/gone.mov", "card/A/b.mov"]


@pytest.mark.parametrize("required", [True, False])
def test_drop_without_a_list_is_held_only_where_one_is_required(required: bool) -> None:
    """The list may come last."""
    found = looked(MEDIA, "*.mhl", "*.md5", required=required)

    assert found.note == ("nothing says what must be there (*.mhl or *.md5)" if required else "")


def test_list_only_warns_where_the_rule_says_send() -> None:
    """An explicit choice."""
    files = {p: t for p, t in LISTED["mhl1"].items() if p != b"card/notes.txt"}
    found = looked(files, incomplete=Incomplete.SEND)

    assert (found.hold, found.warnings) == (None, ("card/notes.txt is missing",))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no XML: no element found"),
        (b"<hashlist><hash><file>A/one.mov</file>", "is no XML"),
        (b"<html><body/></html>", "is no media hash list"),
        (b'<!DOCTYPE h SYSTEM "file:///etc/passwd"><hashlist/>', "is not trusted"),
        (
            b'<!DOCTYPE h [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><hashlist>&b;</hashlist>',
            "is not trusted",
        ),
        (b"<hashlist>" + b"<hash>" * 40 + b"</hash>" * 40 + b"</hashlist>", "32 levels"),
        (b" " * (LARGEST_LIST + 1), "is larger than 64 MiB, and is not read"),
        ("cannot be read: Permission denied", "cannot be read: Permission denied"),
    ],
)
def test_list_that_cannot_be_used_is_named_and_never_passes_for_an_empty_one(
    content: bytes | str, why: str
) -> None:
    """A hostile list reaches nothing, a damaged one proves nothing."""
    found = looked({**MEDIA, b"card/a.mhl": b""}, contents={b"card/a.mhl": content})

    assert found.hold is HoldReason.INCOMPLETE
    assert found.note.startswith("card/a.mhl ")
    assert why in found.note


def test_plain_list_that_is_no_text_is_named() -> None:
    """A picture called sums.txt lists nothing."""
    found = looked({**MEDIA, b"card/x.txt": b"\x00\x01"}, "x.txt")

    assert found.note == "card/x.txt is no text, so it is no list of names"


@pytest.mark.parametrize("name", ["../x.mov", "/etc/passwd", "A/../../x", "", ".", "a&#0;b"])
def test_list_that_names_what_lies_outside_is_told_and_looks_nowhere(name: str) -> None:
    """A list is somebody's file."""
    found = looked({**MEDIA, b"card/a.mhl": mhl1((name, None))})

    assert found.hold is HoldReason.INCOMPLETE
    assert "lies outside of the drop" in found.note or "is no XML" in found.note


def test_list_that_names_a_thousand_files_outside_is_told_in_a_few_words() -> None:
    """A note stays a note."""
    found = looked({**MEDIA, b"card/x.txt": b"".join(b"../%d\n" % n for n in range(1000))}, "x.txt")

    assert len(found.note) < 1300
    assert found.more == 1000 - len(found.missing)


def test_file_that_the_rule_leaves_out_is_not_missed_and_a_link_is() -> None:
    """It is there, and not sent because somebody said so; a link is nobody's choice."""
    files = {b"card/a.mhl": mhl1(("a.tmp", 3), ("proxies/b.mov", 3), ("c.mov", 3))}
    asking = rule(incomplete=None, manifests=Manifests(files=("*.mhl",)))
    known = type(listing(files))(
        b"card",
        "folder",
        [(path, identity(len(text))) for path, text in files.items()],
        left_out=[b"card/a.tmp", b"card/proxies"],
    )
    found = assess(asking, known, files)

    assert named(found) == ["card/c.mov"]


def test_names_that_differ_in_case_or_in_composition_are_the_same_file() -> None:
    """Cards do not tell case, and macOS writes accents in two characters."""
    files = {"card/Zo\u0065\u0308.MOV".encode(): b"123"}
    found = looked({**files, b"card/a.mhl": mhl1(("zo\u00eb.mov", 3))})

    assert found.hold is None


@given(
    st.lists(
        st.binary(min_size=1, max_size=12).filter(
            lambda n: (
                not set(n) & set(b"/\0\r\n\\#;*")
                and n.strip() == n
                and n not in (b".", b"..", b"card")
                and not n.upper().endswith(b".TXT")
            )
        ),
        min_size=2,
        max_size=8,
        unique_by=lambda n: n.upper().decode("utf-8", "surrogateescape").casefold(),
    ),
    st.data(),
)
def test_any_name_that_a_plain_list_names_is_the_one_that_is_missed(
    names: list[bytes], data: st.DataObject
) -> None:
    """Bytes that are no text, direction marks, anything that fits on a line."""
    gone = data.draw(st.sampled_from(names))
    files = {b"card/" + name: b"" for name in names if name != gone}
    files[b"card/list.txt"] = b"".join(SUM + b"  " + name + b"\n" for name in names)
    found = looked(files, "list.txt")

    assert named(found) == [shown(b"card/" + gone)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"a b.mov 1A2B3C4D", b"a b.mov"),
        (b"a.mov \t 1a2b3c4d", b"a.mov"),
        (b"a.mov", b"a.mov"),
        (b"deadbeef", b"deadbeef"),
        (b"a" + b" " * 200_000 + b"x", b"a" + b" " * 200_000 + b"x"),
    ],
)
def test_line_of_an_sfv_file_is_a_name_with_its_sum_behind_it(line: bytes, name: bytes) -> None:
    """What has no sum is a bare name, and no line costs more than its length."""
    assert [one.path for one in read(b"x.SFV", line)] == [name]


def test_name_with_a_line_break_is_read_back_as_the_tools_escape_it() -> None:
    """`md5sum` writes a backslash before such a line."""
    line = b"\\" + SUM + b"  a\\nb\\\\c.mov\n"

    assert [one.path for one in read(b"x.md5", line)] == [b"a\nb\\c.mov"]
