"""YAML without its traps: scalars, duplicates, tags, depth, places."""

from __future__ import annotations

from typing import Any

import pytest

from masv_watch.config import nodes
from masv_watch.config.problems import Place, Source


def read(text: str) -> tuple[nodes.Tree | None, list[Any]]:
    """Read a text as the loader does."""
    return nodes.read(Source("f.yml", text), text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("19:30", "19:30"),
        ("010", "010"),
        ("on", "on"),
        ("no", "no"),
        ("2026-11-23", "2026-11-23"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("1", 1),
        ("-2.5", -2.5),
        ("true", True),
        ("null", None),
        ("~", None),
        ("9" * 19, "9" * 19),
    ],
)
def test_scalar_means_only_what_it_looks_like(text: str, value: object) -> None:
    """Only true, false, null and decimal numbers are not text (configuration.md 2.5)."""
    tree, problems = read(f"a: {text}\n")

    found = nodes.find(tree, ("a",))
    assert not problems
    assert isinstance(found, nodes.Scalar)
    assert found.value == value
    assert type(found.value) is type(value)


def test_key_that_looks_like_a_boolean_stays_text() -> None:
    """`on:` is the key `on`."""
    tree, _ = read("on: 1\n")

    assert isinstance(tree, nodes.Mapping)
    assert list(tree.entries) == ["on"]


def test_key_written_twice_names_both_lines() -> None:
    """The second of two equal keys is a problem that points at the first."""
    _, problems = read("x:\n  a: 1\n  b: 2\n  a: 3\n")

    assert [(p.place, p.path, p.message) for p in problems] == [
        (Place(4, 3), "x", "`a` is written twice (first at line 2) - keep one")
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 'x\n", Place(1, 4), "quote opens here"),
        ("a:\n\tb: 1\n", Place(2, 1), "tab"),
        ("a: b: c\n", Place(1, 5), "`:` too many"),
        ("a: {b: [1, 2}\n", Place(1, 8), "bracket that opens here"),
        ("a: @x\n", Place(1, 4), "begins with `@`"),
        ("a: *x\n", Place(1, 4), "aliases are not available"),
        ("a: &x 1\n", Place(1, 4), "aliases are not available"),
        ("a: [*.x]\n", Place(1, 6), "`*` or `&`"),
        ("a: {move: {root}/x}\n", Place(1, 11), "must be in quotes"),
        ("a: 1\n---\nb: 2\n", Place(2, 1), "second document"),
        ("? [a]\n: b\n", Place(1, 3), "key must be plain text"),
        ("{[a]: b}\n", Place(1, 2), "key must be plain text"),
        ("!env a: 1\n", Place(1, 1), "key must be plain text"),
        ("a: !incluse x\n", Place(1, 4), "!file, !secret, !credential or !include"),
        ("a: !secret {b: 1}\n", Place(1, 4), "takes a name"),
        ("a: !!python/object:os.system x\n", Place(1, 4), "is not known"),
        ("a: b\x00\n", Place(1, 5), "U+0000"),
        ("a: 1\nb: \u2028 \x07\n", Place(3, 2), "U+0007"),
        ('a: "\\q"\n', Place(1, 5), "backslash"),
    ],
)
def test_broken_text_is_one_problem_at_its_place(text: str, place: Place, words: str) -> None:
    """The parser's complaint comes at the slip itself, in words that say what to do (pain 53)."""
    _, problems = read(text)

    assert [(p.place, words in p.message) for p in problems] == [(place, True)]


@pytest.mark.parametrize("text", ["[" * 500_000, "[{a: " * 100_000, "- " * 200_000, "? " * 200_000])
def test_deep_nesting_stops_at_once(text: str) -> None:
    """Depth ends the reading before the parser's quadratic time or any recursion is felt."""
    _, problems = read(text)

    assert "nested deeper than 32 levels" in problems[-1].message


def test_alias_bomb_expands_nothing() -> None:
    """Aliases are refused, so nothing can be multiplied."""
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"

    _, problems = read(bomb)

    assert len(problems) == 7
