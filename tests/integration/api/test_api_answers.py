"""What the first routes answer, and how everything else is refused."""

from __future__ import annotations

import json
import re
import socket
import uuid

import pytest

from masv_watch.api.calls import Health
from masv_watch.model import (
    DropEvent,
    HoldReason,
    TaskEvent,
    TaskKind,
    UploadState,
)
from tests.integration.api.conftest import parsed
from tests.integration.store.making import (
    DISPOSE,
    LETTER,
    LINK,
    TOKEN,
    bring_upload,
    claim,
    create,
    open_package,
)

LEAST = {"upload_id", "type", "state", "package_name", "progress", "size", "created_at"}
WORDS = {"transferring", "paused", "idle", "complete", "error"}
UPLOADS = "/api/v1/uploads"
ROUTES = ["/healthz", "/readyz", UPLOADS, "/api/v1/drops", f"{UPLOADS}/x", "/", "/nowhere"]


def test_health_routes_tell_a_live_and_ready_daemon(caller):
    """200 while it lives and is ready; 503 with the reason while it is not."""
    good = [caller.call("/healthz"), caller.call("/readyz")]
    caller.health = Health(live=True, ready=False, why="not swept yet: out")
    waiting = [caller.call("/healthz"), caller.call("/readyz")]
    caller.health = Health(live=False, ready=False, why="not ticking: sender")
    dead = [caller.call("/healthz"), caller.call("/readyz")]

    assert [answer.status for answer in good + waiting + dead] == [200, 200, 200, 503, 503, 503]
    assert waiting[1].tree == {"ready": False, "why": "not swept yet: out", "concerns": []}
    assert dead[1].tree["why"] == "not ticking: sender"


def test_list_without_uploads_is_an_empty_array(caller):
    """A bare JSON array, also when there is nothing."""
    answer = caller.call(UPLOADS)

    assert (answer.status, answer.tree) == (200, [])
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_list_shows_every_state_in_the_documented_words(caller):
    """Each upload has the documented keys, one of five words, and `waiting` beside it."""
    shown = {
        UploadState.TRANSFERRING: "transferring",
        UploadState.PAUSED: "paused",
        UploadState.IDLE: "idle",
        UploadState.FINALIZING: "idle",
        UploadState.COMPLETE: "complete",
        UploadState.ERROR: "error",
    }
    made = {
        bring_upload(caller.store, state, b"%s.mov" % state.encode()).id: word
        for state, word in shown.items()
    }
    bring_upload(caller.store, UploadState.DELETING, b"hidden.mov")

    uploads = caller.call(UPLOADS).tree

    assert {each["upload_id"]: each["state"] for each in uploads} == made
    for each in uploads:
        assert set(each) >= LEAST
        assert uuid.UUID(each["upload_id"]).version == 4
        assert each["state"] in WORDS
        assert each["type"] == "team"
        assert isinstance(each["progress"], int)
        assert isinstance(each["size"], int)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["created_at"])
        assert each["waiting"] is None or set(each["waiting"]) == {
            "reason", "since", "until", "ahead", "cure",
        }  # fmt: skip
    failed = next(each for each in uploads if each["state"] == "error")
    assert failed["error"] == {
        "code": 1205,
        "message": "the cloud said no",
        "cure": f"masv-watch resume {failed['upload_id']}",
    }


def test_list_shows_a_queued_upload_as_transferring_that_waits(caller):
    """Progress 0 and the number of those that go first."""
    create(caller.store, b"one.mov")
    create(caller.store, b"two.mov")

    first, second = caller.call(UPLOADS).tree

    assert [each["state"] for each in (first, second)] == ["transferring", "transferring"]
    assert [each["progress"] for each in (first, second)] == [0, 0]
    assert (first["waiting"]["reason"], first["waiting"]["ahead"]) == ("queued", 0)
    assert (second["waiting"]["reason"], second["waiting"]["ahead"]) == ("queued", 1)


def test_list_with_a_refused_key_says_so_and_what_helps(caller):
    """`auth` with the cure; a person needs no log for it."""
    create(caller.store, b"one.mov")
    caller.auth_until = caller.store.now() + 60

    (upload,) = caller.call(UPLOADS).tree

    assert upload["waiting"]["reason"] == "auth"
    assert "masv.api_key" in upload["waiting"]["cure"]
    assert upload["waiting"]["until"] is not None


def test_list_with_a_retry_says_until_when_and_why(caller):
    """An upload that failed for now names the reason and the time of the next try."""
    upload_id, _ = create(caller.store, b"one.mov")
    fence = claim(caller.store, upload_id).fence
    until = caller.store.now() + 30
    caller.store.let_go(upload_id, fence, retry_at=until, attempts=1, error="no route to the cloud")

    (upload,) = caller.call(UPLOADS).tree

    assert upload["waiting"]["reason"] == "retrying"
    assert upload["waiting"]["cure"] == "no route to the cloud"
    assert upload["waiting"]["until"] is not None


def test_details_add_files_drops_and_what_is_owed(caller):
    """Files by their path inside, and each task with its outcome in the server's words."""
    done = bring_upload(caller.store, UploadState.COMPLETE, tasks=(LINK, LETTER, DISPOSE))
    task = caller.store.claim_task([TaskKind.DISPOSE], 60.0)
    caller.store.advance_task(task, TaskEvent.REFUSED, note="550 no such user")

    answer = caller.call(f"{UPLOADS}/{done.id}")

    assert answer.status == 200
    assert answer.tree["state"] == "complete"
    assert answer.tree["open_tasks"] == 2
    assert answer.tree["files"] == [
        {
            "path": "a.mov",
            "state": "complete",
            "size": 10,
            "progress": 10,
            "attempts": 0,
            "next_try": None,
            "hash": "xxh3-128:h",
        }
    ]
    told = {each["kind"]: (each["state"], each["note"]) for each in answer.tree["tasks"]}
    assert told == {
        "link": ("due", ""),
        "letter": ("due", ""),
        "dispose": ("refused", "550 no such user"),
    }


def test_drops_list_what_settles_and_what_is_held_with_the_cure(caller):
    """What is no upload yet shows with its reason and the line that helps."""
    held = caller.store.see_drop("out", b"CARD\n1")
    caller.store.advance_drop(held.id, DropEvent.BLOCK, hold=HoldReason.INITIAL_ASK, note="old")
    caller.store.see_drop("out", b"growing.mov")
    create(caller.store, b"taken.mov")

    answer = caller.call("/api/v1/drops")

    assert answer.status == 200
    by_state = {each["state"]: each for each in answer.tree}
    assert set(by_state) == {"held", "settling"}
    assert by_state["held"]["path"] == "CARD\\n1"
    assert by_state["held"]["reason"] == "initial_ask"
    assert "masv-watch release --folder out" in by_state["held"]["cure"]
    assert by_state["settling"]["reason"] is None


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "CONNECT", "BREW"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/healthz", {"GET"}),
        (UPLOADS, {"GET", "POST"}),
        (f"{UPLOADS}/x", {"GET", "PATCH", "DELETE"}),
        (f"{UPLOADS}/x/pause", {"POST"}),
    ],
)
def test_call_by_a_method_that_a_route_does_not_know_is_refused(caller, method, path, allowed):
    """405 with what the route knows; nothing is changed."""
    upload_id, _ = create(caller.store, b"a.mov")

    answer = caller.ask(path.replace("/x", f"/{upload_id}"), method, {})

    refused(answer, 405, 1505)
    assert allowed <= set(answer.headers["Allow"].split(","))
    assert caller.store.upload(upload_id).state is UploadState.TRANSFERRING


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "form", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"]
)
def test_call_whose_body_is_not_declared_as_json_is_refused(caller, method, form):
    """415 whatever the route: a form of another site can send no JSON type without asking."""
    upload_id, _ = create(caller.store, b"a.mov")
    path = f"{UPLOADS}/{upload_id}" + ("/pause" if method == "POST" else "")

    answer = caller.call(
        path, method, headers=[f"Content-Type: {form}"] if form else [], body=b"{}"
    )

    refused(answer, 415, 1508)
    assert caller.store.upload(upload_id).state is UploadState.TRANSFERRING


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "0.0.0.0", "2130706433", "[::2]:80", "", None],
)
def test_call_with_a_foreign_host_is_refused_everywhere(caller, host, path):
    """403 with code and sentence before any route is looked at."""
    answer = caller.call(path, host=host, version="1.0" if host is None else "1.1")

    if path != "/":
        refused(answer, 403, 1503)
    # a person reads the same words
    assert (answer.status, b"one of this API" in answer.body) == (403, True)


def test_call_with_two_hosts_is_refused(caller):
    """Neither of the two is believed."""
    answer = caller.call("/healthz", headers=["Host: evil.example"])

    assert answer.status in {400, 403}
    assert set(answer.tree) >= {"code", "message"}


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-For", "Forwarded", "X-Host"])
def test_call_with_a_forwarded_host_is_judged_by_its_host_alone(caller, name):
    """No header of a proxy opens or shuts the door."""
    assert caller.call("/healthz", headers=[f"{name}: evil.example"]).status == 200
    refused(caller.call("/healthz", host="evil.example", headers=[f"{name}: 127.0.0.1"]), 403, 1503)


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api/v1",
        "/api/v1/uploads/",
        "/api/v2/uploads",
        "/healthz/",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/uploads/a/b",
        "/x%ff",
        "//evil.example/",
    ],
)
def test_route_that_is_unknown_is_404(caller, path):
    """JSON with code and sentence, and a way on."""
    refused(caller.call(path), 404, 1504)


@pytest.mark.parametrize(
    "upload_id",
    [
        "x",
        "14881e8f-88fe-46cb-8eb6-76d7aa0d7e68",
        "%00",
        "a%00b",
        "..%2f..%2fetc%2fpasswd",
        "..",
        "%2e%2e",
        "%ff%fe",
        "'%20OR%20'1'='1",
        "%0d%0aSet-Cookie:%20a=b",
        "x" * 10_000,
        "%F0%9F%92%A9",
        "null",
        "-1",
    ],
)
def test_id_that_is_unknown_is_404(caller, upload_id):
    """However absurd: JSON, short, and nothing of it reaches a header."""
    answer = caller.call(f"{UPLOADS}/{upload_id}")

    refused(answer, 404, 1504)
    assert len(answer.body) < 600
    assert "Set-Cookie" not in answer.headers


def test_head_is_a_get_without_the_body(caller):
    """Same status and headers, no byte behind them."""
    for path, status in (("/healthz", 200), (UPLOADS, 200), ("/nowhere", 404)):
        head, get = caller.call(path, "HEAD"), caller.call(path)

        assert (head.status, head.body) == (status, b"")
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
        assert head.headers["Content-Type"] == "application/json"


def test_call_of_http_1_0_is_answered(caller):
    """The oldest client reads health."""
    assert caller.call("/healthz", version="1.0").tree == {"live": True}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9 x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 300_000 + b"\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\nx",
        b"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"get /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
    ids=[
        "tls",
        "short",
        "version",
        "header",
        "length",
        "coding",
        "huge",
        "body",
        "url",
        "case",
        "bytes",
    ],
)
def test_call_that_is_hardly_http_is_refused_in_json(caller, garbage, caplog, capfd):
    """What the server refuses by itself speaks our form too; nothing shows its inside."""
    came = caller.raw(garbage)

    answer = parsed(came)
    assert 400 <= answer.status < 600
    assert answer.headers["Content-Type"] == "application/json"
    tree = json.loads(answer.body.splitlines()[0])
    assert set(tree) >= {"code", "message"}
    quiet(came, caplog, capfd)
    assert caller.call("/healthz").status == 200


def test_call_with_garbage_behind_it_is_answered_and_the_garbage_refused(caller, caplog, capfd):
    """Pipelined rubbish costs its own connection and no traceback."""
    host = b"Host: 127.0.0.1:%d" % caller.port
    came = caller.raw(b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n\r\n\x00\x01garbage\r\n\r\n")

    assert came.startswith(b"HTTP/1.1 200")
    second = came[came.index(b"HTTP/1.", 5) :]
    assert parsed(second).status == 400
    assert set(parsed(second).tree) >= {"code", "message"}
    quiet(came, caplog, capfd)


def quiet(came, caplog, capfd):
    assert b"Traceback" not in came
    assert b"waitress" not in came
    assert "Traceback" not in caplog.text + capfd.readouterr().err


def test_call_that_crashes_inside_answers_without_its_inside(caller, caplog):
    """A mistake of ours is a sentence for the caller and a traceback for the log alone."""
    caller.health = None

    answer = caller.call("/readyz")

    assert answer.status == 500
    assert answer.tree["code"] == 0
    assert b"NoneType" not in answer.body
    assert "NoneType" in caplog.text


def test_clients_that_stall_keep_nobody_waiting(caller):
    """Two hundred half-sent calls and unread answers leave the next caller alone."""
    for number in range(300):
        create(caller.store, b"%d.mov" % number)
    stalled = []
    try:
        for number in range(200):
            connection = caller.connect()
            half = b"GET /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % caller.port
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            connection.sendall(half + (b"\r\n" if number % 10 == 0 else b""))
            stalled.append(connection)

        answers = [caller.call(path).status for path in ("/healthz", "/readyz", UPLOADS)]

        assert answers == [200, 200, 200]
    finally:
        for connection in stalled:
            connection.close()


def test_package_token_is_in_no_answer(caller):
    """The rows hold it; no answer does."""
    upload_id, _ = create(caller.store, b"a.mov")
    open_package(caller.store, claim(caller.store, upload_id))

    answers = [caller.call(path).body for path in (UPLOADS, f"{UPLOADS}/{upload_id}")]

    assert not any(TOKEN.encode() in body for body in answers)


def refused(answer, status, code):
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.tree["code"] == code
    assert answer.tree["message"]
    assert set(answer.tree) <= {"code", "message", "hint"}
