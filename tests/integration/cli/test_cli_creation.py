"""A command line becomes a create, and waiting for it tells how it ended."""

from __future__ import annotations

import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cli import views
from masv_watch.cli.creation import absolute

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)
MADE = "99999999-0000-4000-8000-000000000000"
CONFIG = """\
version: 1
masv: {team: of-the-file, api_key: k}
state: /nowhere
hot_folders: [{name: out, path: /srv/out, to: {recipients: []}}]
"""


@pytest.fixture
def wire(standin, monkeypatch):
    # two looks a second would only make the tests longer
    monkeypatch.setattr(views, "LOOK_S", 0.01)
    return standin.wire


@pytest.fixture
def secret(tmp_path):
    def write(text):
        path = tmp_path / "secret"
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    return write


def test_create_for_a_team_sends_what_the_flags_say(tell, wire, secret, tmp_path):
    """The keys of the documented call, and the id alone on standard output."""
    status, out, err = tell(
        "create", "--team", "acme", "--recipient", "a@example.com", "--recipient", "b@example.com",
        "--name", "Dailies", "--message", "Day 12", "--password-file", secret("hush\n"),
        "--chunk-size", "100 MiB", "--priority", "-3", "/srv/a", "b/../c.mov",
    )  # fmt: skip

    assert (status, out, err) == (OK, f"{MADE}\n", "")
    (call,) = wire.calls
    assert (call.method, call.path) == ("POST", "/api/v1/uploads")
    assert call.body == {
        "subdomain": "acme", "recipients": ["a@example.com", "b@example.com"],
        "package_name": "Dailies", "package_description": "Day 12", "password": "hush",
        "chunk_size": 104857600, "priority": -3,
        "paths": ["/srv/a", f"{os.path.realpath(tmp_path)}/c.mov"],
    }  # fmt: skip


def test_create_for_a_portal_sends_its_own_keys(tell, wire, monkeypatch):
    """The access code may come from standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO("open-sesame\nrest"))

    status, _, _ = tell(
        "create", "--portal", "dailies", "--sender", "dit@example.com", "--access-code-file", "-",
        "/srv/a",
    )  # fmt: skip

    assert status == OK
    assert wire.calls[0].path == "/api/v1/portals/uploads"
    assert wire.calls[0].body == {
        "subdomain": "dailies", "sender_email": "dit@example.com", "access_code": "open-sesame",
        "paths": ["/srv/a"],
    }  # fmt: skip


def test_create_without_a_target_goes_to_the_configured_team(tell, wire, tmp_path):
    """Or asks for one when there is none."""
    config = tmp_path / "c.yml"
    config.write_text(CONFIG)

    with_file, without = tell("create", "-c", str(config), "/x"), tell("create", "/x")

    assert with_file[0] == OK
    assert wire.calls[0].body["subdomain"] == "of-the-file"
    assert without[0] == USAGE
    assert "--team NAME or --portal NAME" in without[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--team", "a", "--sender", "x@example.com", "/x"), "--sender is for portals"),
        (("--team", "a", "--access-code-file", "f", "/x"), "--access-code-file is for portals"),
        (("--portal", "p", "/x"), "add --sender ADDRESS"),
        (("--portal", "p", "--sender", "s", "--recipient", "r", "/x"), "--recipient is for"),
        (("--portal", "p", "--sender", "s", "--password-file", "f", "/x"), "--password-file is"),
        (("--team", "a", "--chunk-size", "100", "/x"), "--chunk-size: 100 has no unit"),
        (("--team", "a", "--password-file", "/nowhere", "/x"), "'/nowhere' does not exist"),
        (("--team", "a", "/x", ""), "a path is empty"),
    ],
    ids=lambda one: one[-2] if isinstance(one, tuple) else "",
)
def test_create_of_what_does_not_fit_together_calls_nobody(tell, wire, words, said):
    """One line, before anything is sent."""
    status, out, err = tell("create", *words)

    assert (status, out) == (USAGE, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert not wire.calls


def test_create_keeps_the_bytes_of_names(tell, wire):
    """A byte that is no UTF-8 arrives as the lone surrogate that stands for it."""
    tell("create", "--team", "acme", os.fsdecode(b"/srv/\xff\xc3\xbc.mov"))

    (path,) = wire.calls[0].body["paths"]
    assert path.encode("utf-8", "surrogateescape") == b"/srv/\xff\xc3\xbc.mov"


@given(st.lists(st.sampled_from([b"a", b".", b"", b"b \xff", b"c\n"]), min_size=1, max_size=6))
def test_paths_are_absolute_and_mean_the_same(words):
    """Dots and doubled slashes go, every other byte stays."""
    typed = b"/".join(words)
    (made,) = absolute([os.fsdecode(typed)])

    path = made.encode("utf-8", "surrogateescape")
    assert path.startswith(b"/")
    assert not path.startswith(b"//")
    kept = [word for word in words if word not in {b"", b"."}]
    assert path.split(b"/")[len(path.split(b"/")) - len(kept) :] == kept or not kept


def test_paths_with_dots_follow_folders_but_not_the_last_link(tmp_path, monkeypatch):
    """`..` behind a link means what the file system means by it."""
    real = tmp_path.resolve()
    (real / "far" / "deep").mkdir(parents=True)
    (real / "near").symlink_to(real / "far" / "deep")
    (real / "far" / "last").symlink_to("/etc")
    monkeypatch.chdir(real)

    assert absolute(["near/../last", "near/.."]) == [f"{real}/far/last", f"{real}/far"]


def test_create_that_waits_prints_the_id_first_and_the_end_last(tell, wire):
    """Idle is the end of sending; 0."""
    wire.script[MADE] = [{"progress": 0}, {"progress": 500}, {"progress": 1000, "state": "idle"}]

    status, out, err = tell("create", "--team", "acme", "--wait", "/x")

    assert (status, err) == (OK, "")
    assert out.splitlines() == [
        MADE, f"{MADE}  idle          100 %     1.0 kB  take.mov",
    ]  # fmt: skip
    assert not [call for call in wire.calls if call.path.endswith("/finalize")]


def test_create_that_waits_fails_with_the_upload(tell, wire):
    """1, with the reason and what helps."""
    failure = {"code": 1205, "message": "the quota is used up", "cure": "buy more"}
    wire.script[MADE] = [{"progress": 1}, {"state": "error", "error": failure}]

    status, out, err = tell("create", "--team", "acme", "--wait", "/x")

    assert status == FAILED
    assert out.startswith(f"{MADE}\n")
    assert err == f"masv-watch: upload {MADE} failed: the quota is used up - buy more\n"


def test_create_that_finalizes_waits_for_idle_and_then_for_the_delivery(tell, wire):
    """The finalize goes out once all is sent, and not before."""
    wire.script[MADE] = [{"progress": 0}, {"progress": 1000, "state": "idle"}]

    status, out, _ = tell("create", "--team", "acme", "--finalize", "--json", "/x")

    assert status == OK
    assert json.loads(out)["state"] == "complete"
    asked = [call.path.rpartition("/")[2] for call in wire.calls if call.method == "POST"]
    assert asked == ["uploads", "finalize"]


def test_create_whose_upload_is_finalized_by_itself_is_not_done_at_idle(tell, wire):
    """Idle with a finalize under way is not the end of the wait."""
    finalizing = {"reason": "finalizing", "since": None, "until": None, "ahead": 0, "cure": ""}
    wire.script[MADE] = [
        {"state": "idle", "progress": 1000, "waiting": finalizing},
        {"state": "complete", "waiting": None},
    ]

    status, out, _ = tell("create", "--team", "acme", "--wait", "/x")

    assert status == OK
    assert "complete" in out.splitlines()[-1]


def test_create_that_waits_outlives_a_daemon_that_is_restarted(tell, wire, monkeypatch):
    """A short silence is no end; a refusal is."""
    monkeypatch.setattr(views, "PATIENCE_S", 30.0)
    wire.script[MADE] = [{"progress": 0}, {"progress": 1000, "state": "idle"}]
    wire.stumbles = 3

    status, _, err = tell("create", "--team", "acme", "--wait", "/x")

    assert (status, err) == (OK, "")
    assert wire.stumbles == 0


def test_create_whose_upload_is_deleted_meanwhile_ends_with_the_daemon_s_words(tell, wire):
    """1: what was waited for cannot come."""
    wire.script[MADE] = [{"progress": 0}]
    wire.forgets_after = 3

    status, _, err = tell("create", "--team", "acme", "--wait", "/x")

    assert status == FAILED
    assert f"there is no upload '{MADE}'" in err
    assert len(wire.calls) < 10


@pytest.mark.parametrize(("breaks", "status"), [(1, OK), (2, UNREACHABLE)])
def test_create_whose_answer_is_lost_is_repeated_once_under_the_same_key(
    tell, wire, breaks, status
):
    """The daemon knows the key again, so that a repeat makes no second upload."""
    wire.breaks = breaks

    said = tell("create", "--team", "acme", "/srv/a")

    assert said[0] == status
    assert len(wire.calls) == 2
    (key,) = {call.headers["idempotency-key"] for call in wire.calls}
    assert len(key) == 32
