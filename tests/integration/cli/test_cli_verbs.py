"""Each verb makes the call of the contract, says what it did, and prints a refusal in one line."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.standin import LINK

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)
ONE = "3f2a91bc-0000-4000-8000-000000000001"
CONFIGURED = (
    "all uploads: at most 200 Mbit/s until 2026-01-02T19:00:00.000Z, as the configuration says"
)
TWO = "3f2a91bc-0000-4000-8000-000000000002"
CONFIG = """\
version: 1
masv: {team: acme, api_key: k, link_url: "https://media.example.com/get/{id}?secret={secret}"}
state: /nowhere
hot_folders: [{name: out, path: /srv/out, to: {recipients: []}}]
"""


@pytest.fixture
def wire(standin):
    standin.wire.add(ONE, state="idle")
    return standin.wire


@pytest.mark.parametrize(
    ("words", "call", "said"),
    [
        (("pause", ONE), f"POST uploads/{ONE}/pause", f"upload {ONE} is paused"),
        (("finalize", ONE), f"POST uploads/{ONE}/finalize", f"upload {ONE} is complete"),
        (("delete", ONE), f"DELETE uploads/{ONE}", f"upload {ONE} is deleted"),
        (("pause", "--all"), "POST uploads/pause", "paused 1 upload"),
        (("resume", "--all"), "POST uploads/resume", "resumed 1 upload"),
        (("pause", "--folder", "out"), "POST hot_folders/out/pause",
         "hot folder out is paused: nothing new is taken from it"),
        (("resume", "--folder", "out"), "POST hot_folders/out/resume",
         "hot folder out is watched again"),
        (("finalize", "--folder", "out"), "POST hot_folders/out/finalize",
         "hot folder out is being finalized: what it has open is delivered"),
        (("scan", "out"), "POST hot_folders/out/scan", "hot folder out is swept now"),
        (("adopt", "out"), "POST hot_folders/out/adopt",
         "hot folder out takes what stands at its path for its own"),
        (("adopt", "out", "--archive"), "POST hot_folders/out/adopt_archive",
         "hot folder out moves what is delivered to what stands at its target now"),
        (("release", "--folder", "out"), "POST hot_folders/out/release",
         "released 2 drops: sent once quiet"),
        (("release", "7"), "POST drops/7/release", "released out/CARD7: sent once quiet"),
        (("hold", "7"), "POST drops/7/hold", "out/CARD7: held until masv-watch release 7"),
        (("ledger", "seed", "out"), "POST hot_folders/out/seed",
         "recorded 2 drops as seen: never sent"),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else "",
)  # fmt: skip
def test_verb_makes_its_call_and_says_what_it_did(tell, wire, words, call, said):
    """One call, one sentence."""
    status, out, err = tell(*words)

    assert (status, out, err) == (OK, f"{said}\n", "")
    (made,) = wire.calls
    assert f"{made.method} {made.path.removeprefix('/api/v1/')}" == call
    assert made.headers.get("content-type") == (None if "DELETE" in call else "application/json")


def test_verbs_for_one_upload_follow_its_state(tell, wire):
    """Resume and start of what can go on, priority as a number, files as absolute paths."""
    wire.uploads[ONE]["state"] = "paused"
    said = [tell(*words)[1] for words in (
        ("resume", ONE), ("start", ONE), ("priority", ONE, "-5"), ("files", ONE, "/a", "/b"),
    )]  # fmt: skip

    assert said == [
        f"upload {ONE} goes on\n", f"upload {ONE} goes at once\n",
        f"upload {ONE} has priority -5\n", f"upload {ONE} has 3 files\n",
    ]  # fmt: skip
    assert [call.body for call in wire.calls[2:]] == [{"priority": -5}, {"paths": ["/a", "/b"]}]


def test_retry_ends_the_wait_for_the_next_try(tell, wire):
    """Whoever types it wants it now, be the upload failed or waiting."""
    waiting = {"reason": "retrying", "since": None, "until": None, "ahead": None, "cure": ""}
    wire.uploads[ONE].update(state="transferring", waiting=waiting)
    waits = tell("retry", ONE)[1]
    wire.uploads[ONE].update(state="error", waiting=None)
    failed = tell("retry", ONE)[1]
    wire.uploads[ONE].update(state="transferring", waiting={**waiting, "reason": "quota"})
    unpaid = tell("retry", ONE)[1]
    wire.after["retry"] = {"waiting": {**waiting, "reason": "queued", "ahead": 7}}
    queued = tell("retry", ONE)[1]

    posted = [call.path.rpartition("/")[2] for call in wire.calls if call.method == "POST"]
    assert waits == unpaid == f"upload {ONE} is tried again at once\n"
    assert failed == f"upload {ONE} goes on\n"
    assert queued == f"upload {ONE} is tried again once it is its turn: 7 go first\n"
    assert posted == ["resume", "retry", "resume", "retry", "retry"]


def test_retry_of_an_upload_that_is_held_says_that_it_does_not_go_on(tell, wire):
    """What is in it cannot be read: to try again helps nobody, and a script has to see that."""
    cure = "held: unreadable: let the daemon's user read it"
    waiting = {"reason": "held", "since": None, "until": None, "ahead": None, "cure": cure[6:]}
    wire.uploads[ONE].update(state="transferring", waiting=waiting)
    status, out, err = tell("retry", ONE)

    assert (status, out) == (FAILED, "")
    assert f"upload {ONE} does not go on, for what is in it is {cure}" in err


def test_export_of_a_hot_folder_that_never_was_names_those_that_are(tell):
    """An empty ledger and a slip of the keyboard look the same otherwise."""
    known, slip = (
        tell("ledger", "export", "--folder", "out"),
        tell("ledger", "export", "--folder", "ut"),
    )

    assert known == (OK, "", "")
    assert slip[:2] == (FAILED, "")
    assert "there is no hot folder 'ut' - known: out" in slip[2]


def test_verb_with_json_prints_the_answer_unchanged(tell, wire):
    """What the daemon said, value for value."""
    for words, tree in (
        (("pause", ONE), None), (("link", ONE), LINK), (("scan", "out"), None),
        (("pause", "--all"), {"changed": 1}), (("release", "--folder", "out"), {"drops": 2}),
    ):  # fmt: skip
        status, out, _ = tell(*words, "--json")

        assert status == OK
        assert tree is None or json.loads(out) == tree
        assert isinstance(json.loads(out), dict)


def test_id_may_be_shortened_while_it_means_one_upload(tell, wire):
    """The list decides; the call carries the whole id."""
    wire.add(TWO, state="idle")
    status, out, _ = tell("pause", TWO[:-1] + "2")
    ambiguous = tell("pause", "3f2a")
    unknown = tell("pause", "77")

    assert (status, out) == (OK, f"upload {TWO} is paused\n")
    assert ambiguous[:2] == unknown[:2] == (FAILED, "")
    assert f"2 uploads begin with '3f2a' - write more of the id: {ONE}, {TWO}" in ambiguous[2]
    assert "there is no upload '77' - masv-watch uploads lists them" in unknown[2]
    assert [call.method for call in wire.calls].count("POST") == 1


def test_id_by_its_beginning_is_found_in_the_list(tell, wire):
    """One letter is enough when it means one."""
    assert tell("pause", "3")[:2] == (OK, f"upload {ONE} is paused\n")
    assert [call.path for call in wire.calls] == [
        "/api/v1/uploads", f"/api/v1/uploads/{ONE}/pause",
    ]  # fmt: skip


@pytest.mark.parametrize("typed", ["", " "])
def test_id_that_is_empty_never_means_the_only_upload(tell, wire, typed):
    """An unset variable of a script must delete nothing."""
    status, _, err = tell("delete", typed)

    assert status == USAGE
    assert "the ID is empty" in err
    assert ONE in wire.uploads


def test_refusal_by_state_names_it_and_what_is_allowed(tell, wire):
    """A 409 is one line with the way on."""
    wire.uploads[ONE]["state"] = "complete"

    status, out, err = tell("pause", ONE)

    assert (status, out) == (FAILED, "")
    assert err == (
        "masv-watch: pause is not possible now - it is complete; allowed now: finalize\n"
    )


def test_refusal_of_a_hot_folder_names_the_known_ones(tell, wire):
    """The daemon's message and hint, for every command that takes a name."""
    for words in (("release", "--folder", "no/pe"), ("ledger", "seed", "no/pe"), ("scan", "no/pe"),
                  ("pause", "--folder", "no/pe")):  # fmt: skip
        status, _, err = tell(*words)

        assert status == FAILED
        assert err == "masv-watch: there is no hot folder 'no/pe' - known: out\n"


def test_delete_of_a_package_in_a_pipe_wants_a_yes(tell, wire):
    """What was delivered is not deleted by an accident of a script."""
    refused = tell("delete", ONE, "--package")
    kept = ONE in wire.uploads
    done = tell("delete", ONE, "--package", "--yes")

    assert refused[0] == USAGE
    assert "say --yes" in refused[2]
    assert kept
    assert done[:2] == (OK, f"upload {ONE} is deleted, and its package at MASV with it\n")
    assert wire.calls[-1].query == {"package": "delete"}


def test_link_is_a_url_when_the_configuration_says_its_form(tell, wire, tmp_path):
    """One line that can be pasted, every character of it quoted."""
    config = tmp_path / "c.yml"
    config.write_text(CONFIG)

    without, with_form = tell("link", ONE), tell("link", ONE, "-c", str(config))

    assert without[1].splitlines() == [
        f"id: {LINK['id']}", f"secret: {LINK['secret']}", f"email: {LINK['email']}",
        f"expiry: {LINK['expiry']}", "locked: false",
    ]  # fmt: skip
    quoted = "dDaNps%2FS%2BqlRDnTBe"
    assert with_form[1] == f"https://media.example.com/get/{LINK['id']}?secret={quoted}\n"


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ((200, "text/html", b"<html>hello</html>"), UNREACHABLE, "its answer is no JSON"),
        ((200, "application/json", b'{"x": 1}'), UNREACHABLE, "`upload_id` is missing"),
        ((200, "application/json", b"[" * 100_000), UNREACHABLE, "its answer is no JSON"),
        ((302, "text/html", b""), UNREACHABLE, "it answers 302 without a message"),
        ((502, "text/html", b"<h1>Bad Gateway"), UNREACHABLE, "it answers 502 without a message"),
        ((404, "application/json", b'{"message": ["x"]}'), UNREACHABLE, "answers 404 without"),
        ((403, "application/json", (b'{"code": 1503, "message": "Host x is not ours",'
          b' "hint": "add it to server.hosts"}')), FAILED,
         "Host x is not ours - add it to server.hosts"),
        ((507, "application/json", b'{"code": 1302, "message": "the disk is full"}'), FAILED,
         "the disk is full"),
        ((401, "application/json", b'{"code": 262146, "message": "session is nil"}'), FAILED,
         "masv-watch: session is nil\n"),
        ((400, "application/json", b'{"code": 1, "message": "a\\u001b[31mb\\nc"}'), FAILED,
         "masv-watch: a\\x1b[31mb\\nc\n"),
    ],
    ids=lambda one: str(one[0]) if isinstance(one, tuple) else "",
)  # fmt: skip
def test_answer_that_is_not_the_contract_s_ends_in_one_line(tell, wire, answer, status, said):
    """A stranger is told from a daemon that refuses; neither writes to the terminal by itself."""
    wire.instead = answer

    ended, out, err = tell("pause", ONE)

    assert (ended, out) == (status, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert err.isprintable() or err[:-1].isprintable()


def test_refusal_of_an_unknown_caller_says_what_helps(tell, wire, tmp_path, monkeypatch):
    """The daemon's line for the operator, and the token for the caller."""
    wire.token = "right-token-right-token"
    without = tell("uploads")
    monkeypatch.setenv("MASV_WATCH_TOKEN", "wrong-token-wrong-token")
    wrong = tell("uploads")
    monkeypatch.setenv("MASV_WATCH_TOKEN", wire.token)
    right = tell("uploads")

    assert without[0] == wrong[0] == FAILED
    assert without[2] == (
        "masv-watch: uid 1234 may not call - add `server.trusted_users: [1234]` to the"
        " configuration; give the token by --token-file FILE or $MASV_WATCH_TOKEN\n"
    )
    assert "the token of $MASV_WATCH_TOKEN was shown" in wrong[2]
    assert "wrong-token" not in wrong[2]
    assert right[0] == OK


def test_events_are_printed_as_they_come_and_name_where_to_go_on(tell, wire):
    """One line each; --json one object each; the end of the stream is the daemon's end."""
    wire.events = [
        ": heartbeat",
        (
            'id: 7\nevent: upload\ndata: {"id": 7, "at": "T", "noun": "upload", "noun_id": "u1",\n'
            "retry: 5\n"
            'data: "event": "pause", "before": "idle", "after": "paused", "detail": ""}'
        ),
        (
            'id: 8\nevent: drop\ndata: {"id": 8, "at": "T", "noun": "drop", "noun_id": 3,'
            ' "event": "quiet", "before": null, "after": "queued", "detail": "a\\u001bb"}'
        ),
    ]

    plain = tell("events", "--after", "6")
    as_json = tell("events", "--json")

    assert plain[0] == UNREACHABLE
    assert plain[1].splitlines() == [
        "T  upload u1  pause idle -> paused", "T  drop 3  quiet  -> queued (a\\x1bb)",
    ]  # fmt: skip
    assert "masv-watch events --after 8 goes on from here" in plain[2]
    assert wire.calls[0].query == {"after": "6"}
    assert [json.loads(line)["id"] for line in as_json[1].splitlines()] == [7, 8]


def test_uploads_are_asked_for_as_the_flags_say(tell, wire):
    """The daemon filters and sorts."""
    status, _, _ = tell(
        "uploads", "--state", "idle", "--type", "team", "--folder", "out", "--waiting",
        "--sort=-priority", "--limit", "5",
    )  # fmt: skip

    assert status == OK
    assert wire.calls[0].query == {
        "state": "idle", "type": "team", "hot_folder": "out", "waiting": "true",
        "sort": "-priority", "limit": "5",
    }  # fmt: skip


def test_status_names_a_hot_folder_that_is_not_watched(tell, wire):
    """A folder in order needs no line, and --json has all of them."""
    wire.folders, wire.paused = ["out", "held"], {"held": "by hand"}

    status, out, _ = tell("status")
    tree = json.loads(tell("status", "--json")[1])

    assert status == OK
    assert out.splitlines() == ["ready", "hot folder held: paused (by hand)", "uploads: 1 idle"]
    assert [folder["name"] for folder in tree["hot_folders"]] == ["out", "held"]


@pytest.mark.parametrize(
    "words",
    [
        ("pause", ONE, "--all"), ("pause",), ("finalize", "--all"), ("scan",), ("delete",),
        ("priority", ONE), ("priority", ONE, "high"), ("uploads", "--limit", "0"),
        ("uploads", "--state", "gone"), ("uploads", "--sort", "colour"), ("events", "x"),
        ("create",), ("create", "--team", "a", "--portal", "b", "x"), ("files", ONE),
    ],
    ids="-".join,
)  # fmt: skip
def test_wrong_words_are_usage_and_call_nobody(tell, wire, words):
    """What is missing is named before anything is sent."""
    status, out, err = tell(*words)

    assert (status, out) == (USAGE, "")
    assert err.startswith("usage: masv-watch")
    assert not wire.calls


@pytest.mark.parametrize(
    ("words", "method", "body", "said"),
    [
        ((), "GET", None,
         CONFIGURED),
        (("show",), "GET", None,
         CONFIGURED),
        (("50 Mbit/s",), "POST", {"enabled": True, "rate_limit_bps": 50_000_000},
         "all uploads: at most 50 Mbit/s, as set by `masv-watch limit` or the API"),
        (("12.5", "MB/s"), "POST", {"enabled": True, "rate_limit_bps": 100_000_000},
         "all uploads: at most 100 Mbit/s, as set by `masv-watch limit` or the API"),
        (("off",), "POST", {"enabled": False},
         "all uploads: no limit, as set by `masv-watch limit` or the API"),
        (("unlimited",), "POST", {"enabled": False},
         "all uploads: no limit, as set by `masv-watch limit` or the API"),
        (("config",), "DELETE", None, "all uploads: no limit"),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else "",
)  # fmt: skip
def test_limit_is_shown_set_and_handed_back(tell, wire, words, method, body, said):
    """One call, and a line for all uploads and for each hot folder with a limit of its own."""
    status, out, err = tell("limit", *words)

    assert (status, err) == (OK, "")
    assert out == f"{said}\nhot folder out: at most 1.5 Mbit/s\n"
    (made,) = wire.calls
    assert (made.method, made.path) == (method, "/api/v1/settings/upload_rate_limit")
    assert made.body == body


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("50",), "50 has no unit - write it with one, for example 200 Mbit/s"),
        (("50", "mbit"), "did you mean `50 Mbit/s`?"),
        (("0",), "0 would send nothing"),
        (("1", "kbit/s"), "out of range - 64 kbit/s to 1000 Gbit/s"),
        (("none",), "did you mean `unlimited`?"),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else "",
)
def test_limit_that_is_none_is_refused_before_anything_is_asked(tell, wire, words, hint):
    """The words of the configuration, and no call."""
    status, out, err = tell("limit", *words)

    assert (status, out) == (USAGE, "")
    assert hint in err
    assert wire.calls == []


def test_limit_with_json_prints_the_answer_unchanged(tell, wire):
    """What the daemon said, value for value."""
    _, out, _ = tell("limit", "off", "--json")

    assert json.loads(out)["source"] == "api"
