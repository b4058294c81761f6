"""How problems are written: lines, carets, masks, records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.config import problems
from masv_watch.config.problems import Place, Problem, Source


def test_caret_stands_below_the_place_after_wide_letters() -> None:
    """A caret counts terminal cells, not letters."""
    source = Source("f.yml", "a: 日本 x", parsed=True)

    assert source.excerpt(Place(1, 7)) == "    a: 日本 x\n            ^"


def test_excerpt_escapes_what_a_terminal_obeys() -> None:
    """Control and direction characters of the file never reach the terminal."""
    source = Source("f.yml", "a: \x1b[31m\u202e x", parsed=True)

    assert source.excerpt(Place(1, 1)).isprintable() is False  # the line break between both lines
    assert "\x1b" not in source.excerpt(Place(1, 1))
    assert "\u202e" not in source.excerpt(Place(1, 1))


def test_excerpt_of_a_long_line_shows_the_place() -> None:
    """A long line is cut around the place."""
    source = Source("f.yml", "x" * 500 + "HERE" + "y" * 500, parsed=True)

    line, caret = source.excerpt(Place(1, 501)).split("\n")
    assert line[caret.index("^") :].startswith("HERE")


def test_hidden_span_becomes_three_stars_whatever_its_length() -> None:
    """A mask does not tell how long the secret is, and the caret stays right."""
    source = Source("f.yml", "{k: abcdefgh, z: 1}", parsed=True)
    source.hide(Place(1, 5), Place(1, 13))

    assert source.excerpt(Place(1, 15)) == "    {k: ***, z: 1}\n             ^"


def test_unparsed_text_hides_what_follows_a_secret_word() -> None:
    """Where the file cannot be parsed, the look of the words decides, continuation lines too."""
    source = Source("f.yml", "masv:\n  api_key: 'hunter2\n    hunter3\n")

    assert "hunter2" not in source.excerpt(Place(2, 12))
    assert "hunter3" not in source.excerpt(Place(3, 1))


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.sampled_from(["top level", "hot_folders[0].to", "masv.api_key"]),
    st.text(),
)
def test_record_of_a_line_gives_its_parts_back(line: int, col: int, path: str, words: str) -> None:
    """Machines get the same parts that people read."""
    words = problems.printable(words)
    text = Problem("/etc/a:b.yml", Place(line, col), path, words).line()

    assert problems.as_records([f"{text}\n    x\n    ^"]) == [
        {
            "file": "/etc/a:b.yml",
            "line": line,
            "col": col,
            "path": path,
            "message": words.removeprefix("warning: "),
        }
    ]


@given(st.text())
def test_printable_has_nothing_a_terminal_obeys(text: str) -> None:
    """Whatever the text, what is shown is one line of printable characters."""
    assert problems.printable(text).isprintable()


def test_many_problems_are_cut_after_the_first_hundred() -> None:
    """A file of nonsense ends with one line instead of a flood."""
    source = Source("f.yml", "x\n" * 300, parsed=True)
    found = [source.problem(Place(line, 1), "a", "b") for line in range(1, 251)]

    lines = problems.rendered(found, [source])
    assert len(lines) == 101
    assert lines[-1].startswith("f.yml:101:1: a: more problems follow")


def test_key_that_swallowed_its_value_is_not_shown() -> None:
    """A lost space makes one key of name and secret; neither the message nor the line shows it."""
    assert problems.shown_key("api_key:0 hunter2") == "`***`"
    assert problems.shown_key("api_key") == "`api_key`"
    assert "hunter2" not in problems.path_text(("masv", "api_key:0 hunter2"))


@pytest.mark.parametrize("slip", ["\x1f", "{", "'", "@", " "])
def test_damaged_key_of_an_unparsed_text_still_hides_its_value(slip: str) -> None:
    """The slip that breaks the syntax may be in the very name of the secret."""
    for key in ("api_key", "password", "access_code"):
        for at in range(len(key)):
            source = Source("f.yml", f"{key[:at]}{slip}{key[at + 1 :]}: hunter2")

            assert "hunter2" not in source.excerpt(Place(1, 1))
