"""What the daemon answers is read whole or refused in words."""

from __future__ import annotations

import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cli import answers, seen
from masv_watch.cli.answers import NotOurs, printable

UPLOAD = {
    "upload_id": "u1", "type": "team", "state": "idle", "package_name": "take.mov",
    "progress": 10, "size": 20, "created_at": "2026-01-02T03:04:05.000Z", "hot_folder": "out",
    "files_total": 2, "priority": 3, "open_tasks": 1, "refused_tasks": 0,
    "waiting": {"reason": "queued", "since": None, "until": None, "ahead": 2, "cure": ""},
    "error": {"code": 1102, "message": "away", "cure": "bring it back"}, "novelty": [1],
    "bytes_in_flight": 5, "bytes_resent": 4, "rate_bytes_per_s": 3, "eta_s": 0,
    "retries": {"count": 2, "last_reason": "a \x1b503"},
}  # fmt: skip
READERS = [
    answers.uploads, answers.upload, answers.details, answers.drops, answers.hot_folders,
    answers.hot_folder, answers.health, answers.created, answers.link, answers.happening,
    answers.stats,
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*UPLOAD, "id", "name", "drops", "ready", "count"]), inner
        )
    ),
    max_leaves=12,
)


def test_upload_with_everything_is_read_and_unknown_keys_are_passed_over():
    """Each documented key finds its field."""
    found = answers.upload(UPLOAD)

    assert (found.id, found.state, found.sent, found.size) == ("u1", "idle", 10, 20)
    assert (found.hot_folder, found.file_count, found.priority) == ("out", 2, 3)
    assert (found.in_flight, found.resent, found.rate, found.eta_s) == (5, 4, 3, 0)
    assert (found.retries, found.retry_reason) == (2, "a \\x1b503")
    assert found.waiting == seen.Waiting(reason="queued", ahead=2)
    assert found.failure == seen.Failure(message="away", cure="bring it back")


def test_hot_folder_is_read_with_what_its_rule_asks_for():
    """What is not asked for is left out, what is a list is written as one, and all is escaped."""
    rule = {"takes": "each file", "quiet_s": 2.5, "portal": None, "removable": False, "only": [],
            "mail_to": ["a@x", "b\x1b@x"], "priority": 0, "has_password": True,
            "notify": [{"kind": "slack", "events": ["held", "failed"]}]}  # fmt: skip
    tree = {"name": "out", "state": "watching", "drop": "file", "depth": "any", "rule": rule,
            "quiet": {"seconds": 10.0, "why": "auto", "writers": "not asked", "told_by": "size"},
            "look": {"everything_at": "2026-01-02T03:04:05.000Z"}}  # fmt: skip

    found = answers.hot_folder(tree)

    assert (found.drop, found.depth, found.takes) == ("file", "any", "each file")
    assert (found.quiet, found.everything_at) == ("10 s, auto", "2026-01-02T03:04:05.000Z")
    assert (found.writers, found.told_by) == ("not asked", "size")
    assert dict(found.rule) == {
        "quiet_s": "2.5", "mail_to": "a@x, b\\x1b@x", "has_password": "yes",
        "notify": "slack: held, failed",
    }  # fmt: skip
    older = answers.hot_folder({"name": "out", "state": "watching", "rule": 7})
    assert (older.drop, older.takes, older.rule, older.quiet) == ("", "", (), "")


def test_upload_of_an_older_daemon_has_nothing_where_keys_are_missing():
    """Only what tells an upload from something else must be there."""
    found = answers.upload({"upload_id": "u1", "state": "paused"})

    assert (found.hot_folder, found.waiting, found.failure, found.priority) == ("", None, None, 0)
    assert (found.rate, found.eta_s, found.retries, found.retry_reason) == (0, None, 0, "")
    assert answers.stats({"code": 1504, "message": "no such route"}) is None


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@given(tree=JSON)
def test_any_json_is_read_or_refused(reader, tree):
    """A stranger's answer never crashes a command."""
    with contextlib.suppress(NotOurs):
        reader(tree)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"upload_id": None}, "`upload_id` is missing"),
        ({"state": 7}, "`state` is missing"),
        ({"size": "20"}, "`size` is no whole number"),
        ({"size": True}, "`size` is no whole number"),
        ({"package_name": ["x"]}, "`package_name` is no text"),
        ({"waiting": "queued"}, "an object is missing"),
    ],
)
def test_upload_with_a_wrong_key_is_refused_by_its_name(changed, named):
    """The sentence says which key is odd."""
    with pytest.raises(NotOurs, match=named):
        answers.upload(UPLOAD | changed)


@given(st.text() | st.text(alphabet="\x00\x1b\x9b\x7f\r\n\t\u2028\u202e\u200b\ud800a["))
def test_text_of_an_answer_never_steers_a_terminal(text):
    """Control, direction and zero-width characters and lone surrogates become escapes."""
    shown = answers.upload(UPLOAD | {"package_name": text}).name

    categories = {unicodedata.category(character) for character in shown}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_text_that_is_escaped_already_is_not_escaped_once_more():
    """The daemon's own escapes stay readable."""
    assert printable("a\\x1bb") == "a\\x1bb"
    assert printable("a\x1bb") == "a\\x1bb"


def test_text_without_end_is_cut():
    """A stranger cannot flood the terminal with one sentence."""
    assert len(printable("x" * 10**6)) < 3000


def test_link_keeps_what_goes_into_a_url_as_it_came():
    """Quoting, not escaping, is what a URL needs."""
    made = answers.link({"id": "a\u200bb", "secret": "c/d", "email": "", "expiry": None})

    assert (made.id, made.secret, made.is_locked) == ("a\u200bb", "c/d", False)
