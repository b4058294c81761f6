"""Regular expressions of a rule: what they find, and that none of them takes long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.expressions import BadExpression, Expressions
from masv_watch.model import Rule, To
from masv_watch.watch.rules import Fate, Matcher

#: what keeps Python's own engine busy for longer than anybody waits
ENDLESS = [r"(a+)+$", r"(a|aa)+$", r"(.*a){20}$", r"^(([a-z])+.)+[A-Z]([a-z])+$"]


@pytest.mark.parametrize("text", ENDLESS)
def test_expression_that_is_endless_elsewhere_is_answered_for_the_longest_path(text):
    """The time grows with the path and with nothing else: this test ends."""
    assert Expressions([text]).find(b"a" * 4000 + b"!") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"(a)\1", "invalid escape sequence"),
        (r"a(?=b)", "invalid perl operator"),
        ("a(", "missing )"),
        ("[", "missing ]"),
        ("a{1001}", "invalid repetition size"),
        ("((a{100}){100}){100}", "invalid repetition size"),
    ],
)
def test_expression_that_is_none_is_refused_with_its_reason(text, words):
    """What cannot be matched in bounded time and memory is no expression here."""
    with pytest.raises(BadExpression, match=re.escape(words)):
        Expressions([text])


@given(st.binary(max_size=300))
def test_no_name_is_too_odd_for_an_expression(path):
    """Names are bytes: no UTF-8, line breaks, anything."""
    assert Expressions(["^(?s:.*)$"]).find(path) is not None
    assert Expressions(["x", ""]).find(path) in {"x", ""}


def test_odd_byte_counts_as_the_sign_for_what_cannot_be_read():
    """So that an expression can name it."""
    assert Expressions(["^a\ufffdb$"]).find(b"a\xffb") is not None
    assert Expressions(["^a.b$"]).find(b"a\nb") is not None


@pytest.mark.parametrize(
    ("path", "sent", "test"),
    [
        (b"CARD/shot_v2.mov", True, ""), (b"CARD/shot.mov", False, "only"),
        (b"sound.wav", True, ""), (b"CARD/tmp/shot_v2.mov", False, "ignore_regex"),
        (b"a/TMP/sound.wav", False, "ignore_regex"),
        (b"CARD/shot_v2.mov.part", False, "ignore_builtin"),
    ],
)  # fmt: skip
def test_rule_sends_what_only_or_its_expressions_name_and_nothing_that_is_ignored(path, sent, test):
    """Each verdict names its key and the line of the rule."""
    rule = Rule(
        name="out", path=b"/o", to=To(recipients=()), at="m.yml:3", only=("*.wav",),
        only_regex=(r"_v\d+\.mov$",), ignore_regex=(r"(?i)(^|/)tmp/",),
    )  # fmt: skip

    found = Matcher(rule).match(path, "file")

    assert (found.fate is Fate.KEEP) is sent
    if test:
        assert found.findings[0].test == test
    if test in {"only", "ignore_regex"}:
        assert found.findings[0].rule_at == "m.yml:3"
