"""Names as people see them and as packages carry them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from masv_watch.cloud import wire
from masv_watch.names import sent_name, sent_path, shown, unsent_name

NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name)
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


@given(NAMES)
@example(b".")
@example(b"..")
@example(b"...")
@example(b"clip .")
@example(b" ")
@example(b"%2E")
@example(b"%")
@example(b"\\")
@example(b"a\nb\x1b[31m")
@example(b"\xff\xfe")
@example(b"\xed\xa0\x80")
@example(b"\xc2\x85")
@example("e\u0301".encode())
@example("\u00e9".encode())
def test_sent_name_of_any_name_reads_back_exactly(name: bytes) -> None:
    """The escape of names inside a package is reversible for every name that a file can have."""
    sent = sent_name(name)

    assert unsent_name(sent) == name


@given(NAMES)
def test_sent_name_of_any_name_holds_nothing_that_may_not_travel(name: bytes) -> None:
    """No control character, no backslash, no lone surrogate and no dot folder is ever sent."""
    sent = sent_name(name)

    assert not [each for each in sent if unicodedata.category(each) in ("Cc", "Cs")]
    assert "\\" not in sent
    assert sent not in (".", "..")
    assert sent.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (b"clip.mov", "clip.mov"),
        (b"100% done.mov", "100%25 done.mov"),
        (b"a\\b", "a%5Cb"),
        (b"a\nb", "a%0Ab"),
        (b"caf\xe9", "caf%E9"),
        ("caf\u00e9 \u65e5\u672c".encode(), "caf\u00e9 \u65e5\u672c"),
        ("a\u0085b".encode(), "a%C2%85b"),
        (b"\x7f", "%7F"),
        ("a\u2028b\u202eb".encode(), "a\u2028b\u202eb"),
        (b"-rf ", "-rf "),
    ],
)
def test_sent_name_escapes_exactly_what_the_interface_lists(name: bytes, sent: str) -> None:
    """Invalid UTF-8, control characters, backslash and percent become %XX, all else stays."""
    assert sent_name(name) == sent


@pytest.mark.parametrize("name", [b"", b"a/b"])
def test_sent_name_of_what_is_no_name_is_refused(name: bytes) -> None:
    """A name is not empty and has no slash."""
    with pytest.raises(ValueError, match="no slash"):
        sent_name(name)


@pytest.mark.parametrize("text", ["", "%", "%2", "%2g", "%0a", "%41", "a/b", "a\\b", "a\nb"])
def test_unsent_name_of_foreign_text_is_refused(text: str) -> None:
    """Only what `sent_name` writes is read back, so that no two texts give one name."""
    with pytest.raises(ValueError, match=r"sent_name|capital|slash"):
        unsent_name(text)


def test_sent_path_keeps_its_slashes() -> None:
    """A path inside a package is its escaped names between slashes, and the top is empty."""
    assert sent_path(b"CARD/100%/a\n") == "CARD/100%25/a%0A"
    assert sent_path(b"") == ""


@given(st.binary(max_size=200))
def test_shown_of_any_bytes_is_one_honest_line(path: bytes) -> None:
    """Whatever a name holds, what people see has no control, no direction change, no line end."""
    text = shown(path)

    assert not [each for each in text if unicodedata.category(each) in ("Cc", "Cs", "Cf", "Zl")]
    assert not set(text) & set(BIDI)
    assert len(text.splitlines()) <= 1


@given(st.binary(max_size=40), st.binary(max_size=40))
@example(b"a\n", rb"a\n")
@example(b"\x9b", "\x9b".encode())
def test_shown_of_two_names_differs(one: bytes, other: bytes) -> None:
    """Two different names never look alike."""
    assert (shown(one) == shown(other)) == (one == other)


def test_shown_keeps_what_is_printable() -> None:
    """Letters, marks and wide spaces of any language stay as they are."""
    name = "Rolle 7 \u3000 caf\u00e9 3.00\u202fPM \U0001f3ac.mov"

    assert shown(name.encode()) == name


@given(st.lists(st.binary(min_size=1, max_size=6).filter(lambda n: b"/" not in n), min_size=1))
def test_sent_path_of_any_names_survives_the_clouds_own_clean_up(names):
    """What the cloud would take out of a path is escaped before it gets there."""
    *above, name = names

    assert wire.survives(sent_path(b"/".join(above)), sent_name(name))


def test_sent_path_of_a_folder_that_ends_in_two_dots_keeps_no_way_up():
    """`foo../bar` would lose its `../` in the cloud."""
    assert sent_path(b"foo../bar") == "foo.%2E/bar"
    assert unsent_name("foo.%2E") == b"foo.."
