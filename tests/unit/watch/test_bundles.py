"""What a camera card must hold: one file removed at a time, each named; the rest never missed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import (
    Card,
    CardIndex,
    CardLayout,
    CardNeed,
    Companion,
    HoldReason,
    Incomplete,
)
from masv_watch.names import shown
from masv_watch.watch import bundles
from masv_watch.watch.completeness import Completeness, assess, reads
from masv_watch.watch.controls import LARGEST
from tests.unit.watch import cards
from tests.unit.watch.cards import Contents, Made, listing, rule

MAKERS: dict[str, tuple[str, Callable[[], Made]]] = {
    "p2": ("p2", cards.p2),
    "xdroot": ("xdcam", cards.xdroot),
    "disc": ("xdcam", cards.disc),
    "bpav": ("xdcam", cards.bpav),
    "proav": ("xdcam", cards.proav),
    "red": ("red", cards.red),
}
EVERY = pytest.mark.parametrize("kind", MAKERS)
REQUIRED = [(kind, path) for kind, (_, make) in MAKERS.items() for path in sorted(make().required)]
OPTIONAL = [
    (kind, path)
    for kind, (_, make) in MAKERS.items()
    for path in sorted(make().files.keys() - make().required)
]


def looked(
    name: str, files: Contents, *, top: bytes = b"card", without: bytes = b""
) -> Completeness:
    """Ask a holding rule about a card, of which a file may be gone; its folder stays."""
    above = [without.rpartition(b"/")[0]] if without else []
    left = {path: content for path, content in files.items() if path != without}
    known = listing(left, top, folders=above)
    wants = rule(name)
    return assess(wants, known, {path: left[path] for path in reads(wants, known)})


@EVERY
def test_whole_card_is_recognised_and_misses_nothing(kind: str) -> None:
    """A card as its camera writes it is sent."""
    name, make = MAKERS[kind]
    found = looked(name, make().files)

    assert (found.hold, found.missing, found.warnings) == (None, (), ())
    assert found.findings[0].detail.startswith(("1 ", "2 "))
    assert f" {name} card" in found.findings[0].detail


@pytest.mark.parametrize(("kind", "path"), REQUIRED, ids=str)
def test_card_without_one_file_that_it_needs_is_held_and_names_it(kind: str, path: bytes) -> None:
    """Whichever it is: the hold names exactly that file, from the hot folder on."""
    name, make = MAKERS[kind]
    found = looked(name, make().files, without=path)

    assert found.hold is HoldReason.INCOMPLETE
    name_of = shown(path).rpartition("/")[2]
    named = [lack.text for lack in found.missing]
    assert any(text == shown(path) or f"{name_of} (or " in text for text in named) or (
        named == ["card/MEDIAPRO.XML (or INDEX.XML)"]
    )
    assert name_of in found.note
    assert [finding.passed for finding in found.findings] == [False]
    assert found.findings[0].rule_at == "w.yml:7"


@pytest.mark.parametrize(("kind", "path"), OPTIONAL, ids=str)
def test_card_without_one_file_that_it_can_do_without_is_sent(kind: str, path: bytes) -> None:
    """A false hold costs more than what is missing; where somebody may want it, it is told."""
    name, make = MAKERS[kind]
    found = looked(name, make().files, without=path)

    assert found.hold is None
    assert found.missing == ()


@EVERY
def test_card_in_other_case_and_deeper_is_the_same_card(kind: str) -> None:
    """Copies change the case of names, and people put cards into folders, several in one drop."""
    name, make = MAKERS[kind]
    made = make()
    deep = {b"card/day 1/b" + path[4:].swapcase(): text for path, text in made.files.items()}
    both = {b"card/day 1/a" + path[4:]: text for path, text in made.files.items()} | deep
    whole = looked(name, both)
    gone = b"card/day 1/b" + min(made.required)[4:].swapcase()
    found = looked(name, both, without=gone)

    assert whole.hold is None
    assert found.missing[0].text.upper().startswith(shown(gone.upper()))
    assert all("day 1/a" not in lack.text for lack in found.missing)


@EVERY
def test_folder_that_is_no_card_is_not_asked_for_one(kind: str) -> None:
    """Files of the same endings in another structure are nobody's card."""
    name, make = MAKERS[kind]
    loose = {b"card/" + path.replace(b"/", b"-"): text for path, text in make().files.items()}
    found = looked(name, loose)

    assert found.hold is None
    assert found.findings[0].detail == "no card: nothing is missing"


def judged(layout: CardLayout, *names: bytes) -> tuple[list[str], list[str]]:
    """Give what is missing on a card of this layout, and what is only told."""
    known = listing({b"card/" + name: b"" for name in names})
    found = bundles.judge([Card(name="x", layouts=(layout,))], known, {})
    return [each.text for each in found.lacks.values()], [e.text for e in found.advice.values()]


def test_card_is_recognised_only_where_all_of_a_group_is_there() -> None:
    """One file of a common name makes no card."""
    layout = CardLayout(
        title="t",
        recognised_by=(("INDEX.XML", "Clip/*.MXF"), ("CARD.ID",)),
        needs=(CardNeed(each="", needs=(("X.TXT",),)),),
    )

    assert judged(layout, b"INDEX.XML") == ([], [])
    assert judged(layout, b"d/INDEX.XML", b"e/Clip/a.MXF") == ([], [])
    assert judged(layout, b"d/INDEX.XML", b"d/Clip/a.MXF") == (["card/d/X.TXT"], [])
    assert judged(layout, b"card.id") == (["card/X.TXT"], [])


def test_need_with_an_open_name_is_met_by_any_file_of_its_kind_and_by_no_other() -> None:
    """`*` is any text within one name, whatever stands before and after it in the folder."""
    layout = CardLayout(
        title="t",
        recognised_by=(("{clip}.MXF",),),
        needs=(CardNeed(each="{clip}.MXF", needs=(("{clip}_*.XML",), ("{clip}_*/",))),),
    )
    others = (b"a.XML", b"a_1.XMP", b"b_1.XML", b"A_Z.TXT", b"z.XML")

    assert judged(layout, b"a.MXF", *others) == (["card/a_*.XML", "card/a_*/"], [])
    assert judged(layout, b"a.MXF", *others, b"a_q.xml", b"A_1/x") == ([], [])
    assert judged(layout, b"a.MXF", b"a_q.XML/x", b"A_1") == (["card/a_*.XML"], [])


@pytest.mark.parametrize("advice_first", [True, False])
def test_file_that_is_needed_and_advised_is_missed_once_and_holds(advice_first: bool) -> None:
    """The stronger word counts, in whichever order they stand."""
    needs = [
        CardNeed(each="", needs=(("X.TXT",),), advice=advice)
        for advice in (advice_first, not advice_first)
    ]
    layout = CardLayout(title="t", recognised_by=(("CARD.ID",),), needs=tuple(needs))

    assert judged(layout, b"CARD.ID") == (["card/X.TXT"], [])


def test_file_that_only_an_index_lists_is_named_and_holds_as_the_profile_says() -> None:
    """A proxy that is gone is told; a clip of which nothing is left is missed."""
    files = cards.xdroot().files
    proxy = looked("xdcam", files, without=b"card/XDROOT/Sub/C0001S03.MP4")
    left = {path: text for path, text in files.items() if b"C0002" not in path}
    clip = looked("xdcam", left)

    assert (proxy.hold, proxy.warnings) == (None, ("card/XDROOT/Sub/C0001S03.MP4 is missing",))
    assert [lack.text for lack in clip.missing] == ["card/XDROOT/Clip/C0002.MXF"]
    assert "card/XDROOT/Clip/C0002M01.XML is missing" in clip.warnings


@pytest.mark.parametrize("incomplete", [None, Incomplete.SEND])
def test_card_profile_only_warns_until_the_rule_says_hold(incomplete: Incomplete | None) -> None:
    """Profiles are guesses about cameras."""
    made = cards.p2()
    gone = b"card/CONTENTS/VIDEO/0001AB.MXF"
    left = {path: text for path, text in made.files.items() if path != gone}
    wants = rule("p2", incomplete=incomplete)
    known = listing(left)
    found = assess(wants, known, {path: left[path] for path in reads(wants, known)})

    assert (found.hold, found.note) == (None, "")
    assert found.warnings == (f"{shown(gone)} is missing",)
    assert found.findings[0].passed
    assert shown(gone) in found.findings[0].detail


def test_contents_folder_dropped_alone_is_not_asked_for_what_lies_beside_it() -> None:
    """What is above the drop may be another drop."""
    made = cards.p2(base=b"")
    files = {path: text for path, text in made.files.items() if path.startswith(b"CONTENTS/")}
    found = looked("p2", files, top=b"CONTENTS")
    gone = looked("p2", files, top=b"CONTENTS", without=b"CONTENTS/VIDEO/0001AB.MXF")

    assert (found.hold, found.warnings) == (None, ())
    assert [lack.text for lack in gone.missing] == ["CONTENTS/VIDEO/0001AB.MXF"]


def test_gap_in_a_long_clip_is_told_as_a_range() -> None:
    """Two hundred pieces that are gone are one clause."""
    clip = b"card/A.RDM/A001_C001_X.RDC/A001_C001_X_%03d.R3D"
    files = {clip % piece: b"" for piece in (1, 2, 203, 205)}
    found = looked("red", files)

    assert [lack.text for lack in found.missing] == [
        f"{shown(clip % 3)} to A001_C001_X_202.R3D (200 files)",
        shown(clip % 204),
    ]


def test_first_pieces_of_a_clip_that_are_gone_are_told_as_one_range() -> None:
    """The rule about the first piece and the one about gaps speak of the same files."""
    clip = b"card/A.RDM/A001_C001_X.RDC/A001_C001_X_%03d.R3D"
    found = looked("red", {clip % 3: b""})

    assert [lack.text for lack in found.missing] == [
        f"{shown(clip % 1)} to A001_C001_X_002.R3D (2 files)"
    ]


def test_whole_clip_that_is_gone_from_a_magazine_is_told_and_holds_nothing() -> None:
    """People drop single clips of a magazine."""
    folder = b"card/A.RDM/A001_C%03d_%b.RDC/A001_C%03d_%b_001.R3D"
    files = {folder % (number, b"X", number, b"X"): b"" for number in (1, 4)}
    found = looked("red", files)

    assert found.hold is None
    assert found.warnings == (
        "card/A.RDM/A001_C002_*.RDC/ to A001_C003_*.RDC/ (2 files) are missing",
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<P2Main><EssenceList>", "is no XML: no element found at line 1"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "is not trusted"),
        (b"\xff\xfe\x00", "is no XML"),
        (b'<?xml version="1.0" encoding="klingon"?><x/>', "encoding"),
        (b"<a>" * 40 + b"</a>" * 40, "is nested deeper than 32 levels"),
        (b"<a>" + b"<b/>" * 60_000 + b"</a>", "holds more than 60000 elements"),
        (b"<a/>" + b" " * LARGEST, "is larger than 1024 KiB, and is not read"),
        ("cannot be read: Permission denied", "cannot be read: Permission denied"),
    ],
)
def test_index_that_cannot_be_used_is_named_and_stops_no_other_test(
    content: bytes | str, why: str
) -> None:
    """A damaged index is a fault of the card, and a hostile one reaches nothing."""
    made = cards.p2(clips=[b"0001AB"])
    index = b"card/CONTENTS/CLIP/0001AB.XML"
    known = listing({p: t for p, t in made.files.items() if p != b"card/CONTENTS/VIDEO/0001AB.MXF"})
    found = assess(rule("p2"), known, {index: content})

    assert found.note.startswith("missing: card/CONTENTS/VIDEO/0001AB.MXF; card/CONTENTS/CLIP/")
    assert why in found.note


def test_index_that_was_not_read_is_said_to_be_so() -> None:
    """Nothing passes because nobody looked."""
    found = assess(rule("p2"), listing(cards.p2(clips=[b"0001AB"]).files), {})

    assert found.note == "card/CONTENTS/CLIP/0001AB.XML was not read"


@pytest.mark.parametrize(
    "uri", ["../../etc/passwd", "/etc/passwd", "file:///x", "urn:smpte:umid:1", "", "./", "a/../b"]
)
def test_index_that_names_nothing_below_its_card_asks_for_nothing(uri: str) -> None:
    """What a card says is somebody's text."""
    layout = CardLayout(
        title="t",
        recognised_by=(("A.XML",),),
        indexes=(CardIndex(file="A.XML", elements=("F",), attribute="u"),),
    )
    known = listing({b"card/A.XML": b""})
    content = f'<L><F u="{uri}"/><F/></L>'.encode()
    found = bundles.judge([Card(name="x", layouts=(layout,))], known, {b"card/A.XML": content})

    assert found.lacks == {}


NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: not set(name) & set(b"/\0*") and name not in (b".", b"..")
)


@given(NAMES)
def test_need_of_any_name_is_found_and_its_lack_is_shown_on_one_line(name: bytes) -> None:
    """Line breaks, directions and bytes that are no text: one file, one clause."""
    layout = CardLayout(
        title="t",
        recognised_by=(("{clip}.MXF",),),
        needs=(CardNeed(each="{clip}.MXF", needs=(("{clip}.XML",),)),),
    )
    known = [Card(name="x", layouts=(layout,))]
    files = {b"card/" + name + b".MXF": b"", b"card/" + name + b".XML": b""}
    whole = bundles.judge(known, listing(files), {})
    del files[b"card/" + name + b".XML"]
    found = bundles.judge(known, listing(files), {})

    assert whole.lacks == {}
    if name.upper().endswith((b".XML", b".MXF")):
        return
    (lack,) = found.lacks.values()
    assert lack.text == shown(b"card/" + name + b".XML")
    assert lack.text.isprintable() or " " not in name.decode("utf-8", "replace").strip()


@given(st.sets(st.integers(0, 60), min_size=1), st.data())
def test_media_without_its_companion_are_named_each(numbers: set[int], data: st.DataObject) -> None:
    """Any set of sidecars removed is the set that is named."""
    gone = data.draw(st.sets(st.sampled_from(sorted(numbers))))
    files = {b"card/d%d/%d.mxf" % (n % 3, n): b"" for n in numbers}
    files |= {b"card/d%d/%d.XML" % (n % 3, n): b"" for n in numbers - gone}
    wants = Companion(each="{stem}.mxf", needs=("{stem}.xml",))
    found = bundles.judge_companions([wants], listing(files))

    assert {lack.text for lack in found.lacks.values()} == {f"card/d{n % 3}/{n}.xml" for n in gone}
