"""How an explanation reads on a terminal."""

from __future__ import annotations

import pytest

from masv_watch.cli.explaining import explained, explained_lines


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("done", "/srv/a was delivered already"),
        ("ignored", "/srv/a was recorded as seen, and is not sent"),
        ("duplicate", "/srv/a has the content of an earlier drop, and is not sent"),
        ("cancelled", "/srv/a was cancelled, and is not sent again"),
        ("of-a-newer-daemon", "/srv/a is known already"),
    ],
)
def test_first_line_says_what_became_of_what_is_known(state, words):
    """Whoever asks of a delivered file reads that first."""
    row = {"id": 1, "hot_folder": "out", "path": "a", "generation": 1, "state": state}
    tree = {"path": "/srv/a", "verdict": "known", "why": "w", "drop": row, "ended": state}
    found = explained(tree)

    assert next(iter(explained_lines(found))) == words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("done", "/srv/a is not there; it was delivered already"),
        (None, "/srv/a is not there"),
    ],
)
def test_first_line_says_what_became_of_what_is_not_there_any_more(state, words):
    """Whoever asks where a delivered and moved file is reads first that it was delivered.

    The row alone does not say so: it is that of the drop, and the path may lie in it.
    """
    row = {"id": 1, "hot_folder": "out", "path": "a", "generation": 1, "state": "done"}
    tree = {"path": "/srv/a", "verdict": "missing", "why": "w", "drop": row, "ended": state}
    found = explained(tree)

    assert next(iter(explained_lines(found))) == words


def test_lines_say_a_sentence_once_and_name_nobody_of_a_hot_folder_that_is_disabled():
    """Where the only test is the reason, its line points to the sentence above."""
    tree = {
        "path": "/srv/a", "verdict": "not_watched", "why": "it is disabled", "hot_folder": "out",
        "to": [], "findings": [{"test": "enabled", "passed": False, "detail": "it is disabled"}],
    }  # fmt: skip

    assert list(explained_lines(explained(tree)))[1:] == [
        "  it is disabled", "  hot folder out", "  NO   enabled        as above",
    ]  # fmt: skip


def test_first_line_says_that_a_path_is_known_where_no_row_says_more():
    """And of every other verdict its own words."""
    for verdict, words in (("known", "is known already"), ("left_out", "is left out")):
        found = explained({"path": "/srv/a", "verdict": verdict})
        assert next(iter(explained_lines(found))) == f"/srv/a {words}"
