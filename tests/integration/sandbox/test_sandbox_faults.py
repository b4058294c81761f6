"""Every fault: what it does to an answer, and that it fires as often as ordered."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import requests

LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def test_fault_status_answers_before_the_effect_with_headers(package):
    """The answer is ordered whole, and nothing happens."""
    headers = {"Retry-After": "7"}
    match = "POST /v1/packages/[^/]+/finalize"
    package.sandbox.fault("status", match, status=503, headers=headers, body="slow")
    package.send()
    first, second = package.finalize(), package.finalize()

    assert (first.status_code, first.headers["Retry-After"], first.text) == (503, "7", "slow")
    assert second.status_code == 200
    assert package.seen()["finalize_calls"] == 2


def test_fault_status_body_object_is_sent_as_json(sandbox):
    """An error shape of the test's own choice."""
    sandbox.fault("status", "GET /v1/teams", status=402, body={"error": "quota"})

    assert sandbox.call("GET", "/v1/teams").json() == {"error": "quota"}


def test_fault_status_on_storage_speaks_xml(package):
    """Without a body of its own, storage refuses in S3's form."""
    package.sandbox.fault("status", "PUT /storage/", status=503)
    file = package.add()
    file.open()

    assert "<Code>SlowDown</Code>" in file.put(b"x" * 100_000).text
    assert file.put(b"x").status_code == 200


def test_fault_skip_and_times_choose_the_strikes(sandbox):
    """skip matches pass, then times fire; the list counts both."""
    sandbox.fault("status", "GET /v1/teams", status=500, skip=1, times=2)
    codes = [sandbox.call("GET", "/v1/teams", key="sandbox-key").status_code for _ in range(5)]
    (listed,) = sandbox.witness("faults")

    assert codes == [200, 500, 500, 200, 200]
    assert (listed["fired"], listed["seen"], listed["name"]) == (2, 3, "status")


def test_fault_times_null_fires_until_cleared(sandbox):
    """times null is for ever."""
    sandbox.fault("status", "* /v1/teams", status=429, times=None)
    codes = [sandbox.call("GET", "/v1/teams").status_code for _ in range(3)]
    cleared = sandbox.call("DELETE", "/_sandbox/faults")

    assert codes == [429] * 3
    assert cleared.status_code == 204
    assert sandbox.witness("faults") == []
    assert sandbox.call("GET", "/v1/teams", key="sandbox-key").status_code == 200


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ("/v1/tea", True),
        ("GET", True),
        ("GET /v1/teams$", True),
        ("POST /v1/teams", False),
        ("GET /v1/users", False),
        ("", True),
        ("* /v1/t.*s", True),
    ],
)
def test_fault_match_takes_prefix_or_expression(sandbox, match, hit):
    """The path part is a prefix or a regular expression, the method is optional."""
    sandbox.fault("status", match, status=418)

    assert (sandbox.call("GET", "/v1/teams").status_code == 418) is hit


def test_fault_after_takes_effect_and_loses_the_answer(package):
    """The finalize happened, its answer never came (section F, N7)."""
    package.send()
    package.sandbox.fault("after", "POST /v1/packages/.*/finalize$")
    with pytest.raises(LOST):
        package.finalize()
    last = package.sandbox.witness("requests")[-1]

    assert package.seen()["state"] == "finalized"
    assert (last["status"], last["answered"]) == (200, False)
    assert package.finalize().status_code == 409


def test_fault_after_on_a_part_keeps_the_part(package):
    """A stored part whose answer was lost counts as ok once, and can be sent again."""
    file = package.add()
    file.open()
    package.sandbox.fault("after", "PUT /storage/", part=1)
    with pytest.raises(LOST):
        file.put(b"abc")
    assert file.put(b"abc").status_code == 200
    row = next(row for row in package.sandbox.witness("puts") if row["file"] == file.id)

    assert row == {"package": package.id, "file": file.id, "part": 1, "attempts": 2, "ok": 2}


def test_fault_reset_breaks_within_the_body(package):
    """The connection is reset after some bytes, and the part is not stored."""
    file = package.add()
    file.open()
    package.sandbox.fault("reset", "PUT /storage/", bytes=4096)
    with pytest.raises(LOST):
        file.put(bytes(4 << 20))
    row = next(row for row in package.sandbox.witness("puts") if row["file"] == file.id)

    assert (row["attempts"], row["ok"]) == (1, 0)


def test_fault_reset_is_a_reset_not_a_close(sandbox):
    """The client sees ECONNRESET, as when a router drops the connection."""
    sandbox.fault("reset", "GET /v1/teams")
    with socket.create_connection(sandbox.address, timeout=60) as sock:
        sock.sendall(b"GET /v1/teams HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_fault_stall_holds_the_answer_after_the_effect(package, eventually):
    """The effect is there while the answer is held; clearing the faults lets it go."""
    package.send()
    package.sandbox.fault("stall", "POST .*/finalize$", seconds=60)
    answers = []
    caller = threading.Thread(
        target=lambda: answers.append(
            requests.post(
                f"{package.sandbox.api}/v1/packages/{package.id}/finalize",
                headers={"X-Package-Token": package.token, "Content-Type": "application/json"},
                timeout=60,
            )
        )
    )
    caller.start()
    eventually(lambda: package.seen()["state"] == "finalized")
    held = not answers
    package.sandbox.call("DELETE", "/_sandbox/faults")
    caller.join(60)

    assert held
    assert answers[0].status_code == 200


def test_fault_stall_before_holds_the_effect(sandbox):
    """`when: before` delays the call itself."""
    sandbox.fault("stall", "GET /v1/teams", seconds=0.2, when="before")
    began = time.monotonic()
    sandbox.call("GET", "/v1/teams", key="sandbox-key")

    assert time.monotonic() - began >= 0.2


def test_fault_html_answers_a_page(sandbox):
    """A captive portal answers 200 with HTML."""
    sandbox.fault("html", "GET /v1/teams")
    answer = sandbox.call("GET", "/v1/teams", key="sandbox-key")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.text.startswith("<!doctype html>")


def test_fault_truncate_cuts_the_json(package):
    """Half an answer is no JSON, though the effect is there."""
    package.sandbox.fault("truncate", "POST /v1/packages/.*/links")
    answer = package.call("POST", "/links", json={})

    assert answer.status_code == 201
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert len(package.seen()["links"]) == 1


def test_fault_corrupt_etag_spoils_the_answer_only(package):
    """The ETag answered is not the one kept, so finalize refuses it."""
    file = package.add()
    file.open()
    package.sandbox.fault("corrupt_etag", "", part=1)
    bad = file.put(b"x").headers["ETag"]
    good = file.put(b"x").headers["ETag"]

    assert bad == f'"{"0" * 32}"'
    assert file.finalize([{"partNumber": "1", "etag": bad}], 1).status_code == 400
    assert file.finalize([{"partNumber": "1", "etag": good}], 1).status_code == 200


def test_fault_redirect_points_elsewhere(package):
    """A redirect names a place and does nothing."""
    package.sandbox.fault("redirect", "POST .*/finalize$", location="http://127.0.0.1:1/x")
    answer = package.finalize()

    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:1/x")


def test_fault_expire_urls_strikes_storage_only(package):
    """The next n presigned URLs are treated as expired."""
    package.sandbox.fault("expire_urls", times=2)
    file = package.add()
    expired = file.create()
    again = file.create()
    file.open()

    assert (expired.status_code, again.status_code) == (403, 403)
    assert "Request has expired" in expired.text
    assert file.put(b"x").status_code == 200


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({"name": "quake"}, "expire_urls"),
        ({"name": "status"}, "needs status"),
        ({"name": "status", "status": 99}, "status"),
        ({"name": "status", "status": 500, "sattus": 1}, "unknown key sattus"),
        ({"name": "status", "status": 500, "headers": {"A": "b\r\nc: d"}}, "headers"),
        ({"name": "stall", "seconds": "1"}, "seconds"),
        ({"name": "reset", "bytes": -1}, "bytes"),
        ({"name": "after", "match": "POST ("}, "regular expression"),
        ({"name": "after", "times": 0}, "times"),
        ({"name": "smtp", "code": 250}, "code"),
        ({"name": ["after"]}, "allowed"),
        ([], "object"),
    ],
)
def test_fault_order_malformed_is_400_and_says_what_is_allowed(sandbox, order, named):
    """A typing error in a test must not pass for a fault that never fires."""
    answer = sandbox.call("POST", "/_sandbox/faults", json=order)

    assert answer.status_code == 400
    assert named in answer.json()["message"]
    assert sandbox.witness("faults") == []
