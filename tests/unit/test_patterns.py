"""The language of card profiles and sequences: what matches, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.patterns import BadPattern, fold, glob, parse

NAME = st.binary(min_size=1, max_size=30).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
)


@given(NAME, NAME, st.integers(0, 99_999))
def test_pattern_matches_the_path_that_it_stands_for(folder: bytes, name: bytes, number: int):
    """Filling and matching are each other's way back, for every name that a file can have."""
    pattern = parse("CLIP/{clip}_{piece:03d}.R3D")
    path = folder + b"/" + pattern.fill({"clip": name}, number)
    found = pattern.match(path)

    assert found is not None
    assert (found.base, found.words, found.number) == (folder + b"/", {"clip": name}, number)
    assert path.endswith(b"/CLIP/" + name + b"_%03d.R3D" % number)
    assert pattern.leads_to(path.rpartition(b"/")[0])


@pytest.mark.parametrize(
    ("text", "path", "words", "number"),
    [
        ("{stem}.{frame:04d}.exr", b"a/b.c.0087.EXR", {"stem": b"b.c"}, 87),
        ("{stem}.{frame:04d}.exr", b"x.12345.exr", {"stem": b"x"}, 12345),
        ("{stem}.{frame:04d}.exr", b"x.087.exr", None, None),
        ("{stem}.{frame:04d}.exr", b"x.00087.exr", None, None),
        ("{stem}.{frame:d}.exr", b"x.7.exr", {"stem": b"x"}, 7),
        ("{stem}.{frame:d}.exr", b"x.07.exr", None, None),
        ("{clip}{n:02d}.MXF", b"0001AB03.mxf", {"clip": b"0001AB"}, 3),
        ("BPAV/{clip}/{clip}.MP4", b"c/BPAV/9_1/9_1.mp4", {"clip": b"9_1"}, None),
        ("BPAV/{clip}/{clip}.MP4", b"BPAV/9_1/9_2.MP4", None, None),
        ("{clip}.RDC/", b"r/A.RDC", {"clip": b"A"}, None),
        ("A/*.MXF", b"A/.MXF", {}, None),
        ("A/*.MXF", b"A/b/c.MXF", None, None),
        ("A.B", b"AxB", None, None),
    ],
)
def test_pattern_matches_the_end_of_a_path_name_by_name(
    text: str, path: bytes, words: dict[str, bytes] | None, number: int | None
):
    """Placeholders stay within one name, numbers keep their filling, case does not matter."""
    found = parse(text).match(path)

    assert (None if found is None else (dict(found.words), found.number)) == (
        None if words is None else (words, number)
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("/", "is empty"),
        ("/A", "begins with a slash"),
        ("A//B", "an empty name"),
        ("A/../B", "`..`"),
        ("A/**/B", "holds `**`"),
        ("{Clip}.MXF", "a brace that is no placeholder"),
        ("{clip.MXF", "a brace that is no placeholder"),
        ("{clip:4d}.MXF", "a brace that is no placeholder"),
        ("{a:02d}{b:02d}", "two different numbers"),
        ("{a:02d}{a:03d}", "two different numbers"),
        ("{a}_{a:02d}", "as a number and as text"),
        ("{a}{b}.MXF", "side by side"),
        ("*{b}.MXF", "side by side"),
        ("{a}_{b}_*.MXF", "more than 2 open places"),
        ("a\nb", "a control character"),
        ("x" * 201, "longer than 200"),
    ],
)
def test_text_that_is_no_pattern_says_why(text: str, why: str):
    """One clause for people."""
    with pytest.raises(BadPattern) as caught:
        parse(text)
    assert why in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_is_refused(text: str):
    """No text makes the compiler fail in its own words."""
    try:
        pattern = parse(text)
    except BadPattern:
        return
    filled = pattern.fill(dict.fromkeys(pattern.words, b"w"), 7)
    assert "*" in text or pattern.match(filled.removesuffix(b"/")) is not None


@given(NAME)
def test_glob_takes_every_byte_but_the_star_for_itself(name: bytes):
    """A name with signs of an expression is a name."""
    plain = name.replace(b"*", b"")

    assert glob(b"d/" + plain + b"*").fullmatch(b"d/" + plain + b"x\n")
    assert not glob(b"d/" + plain).fullmatch(b"d/" + plain + b"x")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (b"A/b.MXF", b"a/B.mxf", True),
        ("Zo\u00eb".encode(), "zoe\u0308".encode(), True),
        (b"\xff.mov", b"\xff.MOV", True),
        (b"a.mov", b"b.mov", False),
    ],
)
def test_names_that_a_card_takes_for_one_fold_alike(one: bytes, two: bytes, same: bool):
    """Case and composition do not matter; nothing else is thrown together."""
    assert (fold(one) == fold(two)) is same
