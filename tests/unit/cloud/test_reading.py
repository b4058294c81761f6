"""Foreign text read with suspicion: nothing secret is shown, nothing odd is taken for a value."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from masv_watch.cloud import reading
from masv_watch.errors import CloudGarbled
from masv_watch.model import Secret

ID = "01H6ZJ2K3M4N5P6Q7R8S9T0VWX"
CANARY = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.canary.s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"id":"{ID}","access_token":"{CANARY}'.encode(),
        f'{{"download_secret": "{CANARY}", '.encode(),
        f"<html>token={CANARY}</html>".encode(),
        f"<a href='https://s/k?X-Amz-Signature={CANARY}'>".encode(),
        f"X-API-KEY: {CANARY}\n".encode(),
        f"<h1>{CANARY}</h1>".encode(),
    ],
)
def test_text_that_is_not_json_is_shown_without_its_secrets(text):
    """An excerpt helps only if it may be read by everybody."""
    with pytest.raises(CloudGarbled) as caught:
        reading.parse(text)

    assert "canary" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


def test_text_that_repeats_a_secret_of_ours_is_shown_without_it():
    """A proxy that echoes a short access code does not publish it."""
    with pytest.raises(CloudGarbled) as caught:
        reading.parse(b"<p>you said sesame</p>", secrets=(Secret("sesame"),))

    assert "<p>you said ***</p>" in str(caught.value)


def test_excerpt_is_short_and_on_one_line():
    """Whatever came, it stays one printable line."""
    found = reading.excerpt("\x1b[31m hostile\nline\u202e " + "word " * 500)

    assert len(found) <= 200
    assert found.isprintable()
    assert found.startswith("\\x1b[31m hostile line\\u202e word")


@pytest.mark.parametrize("text", [b"", b"  ", b"{}", b'{"state":"finalized"}', b"null"])
def test_undocumented_answer_that_is_empty_or_json_is_taken(text):
    """Its form is not documented."""
    reading.acknowledged(text)


def test_undocumented_answer_that_is_html_is_refused():
    """The page of a captive network is no finalize."""
    with pytest.raises(CloudGarbled):
        reading.acknowledged(b"<!doctype html><title>Sign in</title>")


@given(st.text(max_size=300))
def test_excerpt_of_any_text_never_holds_a_long_run(text):
    """What could be a key is masked wherever it stands."""
    found = reading.excerpt(f"{text} {CANARY}")

    assert not re.search(r"canary", found) or "canary" in text


SPELLINGS = {
    "as it is": lambda password: password,
    "as JSON": json.dumps,
    "as JSON in UTF-8": lambda password: json.dumps(password, ensure_ascii=False),
    "in a query": lambda password: quote(password, safe=""),
    "in HTML": html.escape,
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
@given(middle=st.text(max_size=30))
@example(middle='"ä\\<&>?')
def test_secret_that_is_repeated_in_any_spelling_is_masked(spelled, middle):
    """Whoever stands between us and the cloud may quote a body that he does not understand."""
    password = f"Canary {middle} Canary"

    found = reading.excerpt(f"you said: {spelled(password)} - no", secrets=(Secret(password),))

    assert "Canary" not in found
    assert found.startswith("you said: ")


def test_secret_that_is_a_piece_of_another_does_not_leave_the_rest():
    """The longer one goes first."""
    secrets = (Secret("canary"), Secret("canary with a tail"))

    assert reading.excerpt("said: canary with a tail", secrets=secrets) == "said: ***"


@pytest.mark.parametrize(
    ("value", "number", "flag"),
    [
        (True, None, True),
        (False, None, False),
        (0, 0, None),
        (-1, None, None),
        (2**63 - 1, 2**63 - 1, None),
        (2**63, None, None),
        (1.0, None, None),
        ("1", None, None),
        (None, None, None),
    ],
)
def test_number_and_flag_are_read_strictly_and_never_for_each_other(value, number, flag):
    """`true` is no 1, and what is neither is not said."""
    tree = {"key": value}

    assert reading.read_number(tree, "key") == number
    assert reading.read_flag(tree, "key") is flag
    assert reading.read_flag({}, "key") is None


def test_number_with_a_lower_bound_of_its_own_may_be_negative():
    """Days can be -1, for ever."""
    assert reading.read_number({"key": -1}, "key", least=-1) == -1
    assert reading.read_number({"key": -2}, "key", least=-1) is None
