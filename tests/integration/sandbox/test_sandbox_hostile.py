"""Hostile input: every answer is JSON in the API's form, and the connection stays in step."""

from __future__ import annotations

import http.client
import json
import socket

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.searching import examples

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def spoken(sandbox, raw):
    """Say raw bytes to the server and answer all that it says until it closes."""
    with socket.create_connection(sandbox.address, timeout=60) as sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while block := sock.recv(65536):
            answer += block
    return answer


def assert_json(answer, *statuses):
    assert answer.status_code in statuses, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b"",
        b"\xff\xfe",
        b'{"kind":"file","name":"\xff"}',
        b'{"kind":"file","name":"\\ud800"}',
        b'{"kind":"file","name":"a","path":"\\udc00x"}',
        b'{"kind":"file","name":"a","size":NaN}',
        b'{"kind":"file","name":"a","size":1e999}',
        b'{"kind":"file","name":"a","size":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        "{}".encode("utf-16"),
    ],
)
def test_body_malformed_is_400(package, raw):
    """What is no JSON object in UTF-8 without lone surrogates is refused."""
    assert_json(package.call("POST", "/files", data=raw), 400)


def test_body_over_8_mib_is_413_and_the_next_call_works(package):
    """The control plane takes 8 MiB; the connection survives a larger body."""
    assert_json(package.call("POST", "/files", data=b" " * ((8 << 20) + 1)), 413)
    assert package.call("GET").status_code == 200


def test_body_malformed_without_token_is_401_first(package):
    """Who is not let in learns nothing about his body."""
    for method, path in (("POST", "/files"), ("POST", "/links"), ("PUT", "/expiry")):
        assert_json(package.call(method, path, token=None, data=b"{"), 401)


def test_body_chunked_on_the_control_plane_is_411(package):
    """A body without a length is refused in JSON."""
    assert_json(package.call("POST", "/files", data=iter([b"{", b"}"])), 411)


@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=ANYTHING | st.fixed_dictionaries({"chunk_extras": ANYTHING, "file_extras": ANYTHING}))
def test_body_of_any_shape_is_never_500(one_sandbox, body):
    """Whatever the body, the answer is a refusal or a success, never a failure of ours."""
    sandbox = one_sandbox
    made = sandbox.package()
    file = made.add()
    raw = json.dumps(body).encode()
    for answer in (
        made.call("POST", "/files", data=raw),
        made.call("POST", f"/files/{file.id}/finalize", data=raw),
        made.call("POST", f"/files/{file.id}?start=0&count=1", data=raw),
        made.call("PUT", "/expiry", data=raw),
        made.call("POST", "/links", data=raw),
        sandbox.call("POST", "/v1/auth", data=raw),
        sandbox.call("POST", "/_sandbox/faults", data=raw),
    ):
        assert answer.status_code in {200, 201, 400, 401}, answer.text
    sandbox.call("DELETE", "/_sandbox/faults")


@pytest.mark.parametrize(
    "path", ["/v1/packages/%ff%fe/files", "/%00", "/v1/packages/../../etc/passwd", "//", "/get/%80"]
)
def test_path_not_utf8_or_odd_is_refused(sandbox, path):
    """A path that names nothing is a refusal."""
    answer = requests.Request("GET", sandbox.api).prepare()
    answer.url = sandbox.api + path
    reply = sandbox.session.send(answer, timeout=60)

    assert reply.status_code in {401, 404}


def test_path_raw_bytes_are_refused(sandbox):
    """Bytes beyond ASCII in the request line do no harm."""
    answer = spoken(sandbox, b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"POST /v1/auth HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST /v1/auth HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
    ],
)
def test_request_unparsable_is_refused_in_json(sandbox, raw, status):
    """Even what is no HTTP gets an answer in the API's form."""
    head, _, body = spoken(sandbox, raw).partition(b"\r\n\r\n")

    assert head.split(b" ")[1] == status
    assert json.loads(body)["message"]


def test_request_whose_head_was_cut_is_never_acted_on(package):
    """A line that breaks behind any byte of a head says nothing, and nothing comes of it."""
    head = (
        f"POST /v1/packages/{package.id}/finalize HTTP/1.1\r\nHost: h\r\n"
        f"X-Package-Token: {package.token}\r\nContent-Type: application/json\r\n\r\n"
    ).encode()
    before = len(package.sandbox.witness("requests"))

    answers = {spoken(package.sandbox, head[:size]) for size in range(len(head))}

    assert answers == {b""}
    assert len(package.sandbox.witness("requests")) == before
    assert package.seen()["finalize_calls"] == 0
    assert spoken(package.sandbox, head).startswith(b"HTTP/1.1 400")


def test_keep_alive_unread_body_never_desyncs(package):
    """A refused PUT with a body leaves the connection in step."""
    client = http.client.HTTPConnection(*package.sandbox.address, timeout=60)
    client.connect()
    sock, codes = client.sock, []
    for method, path in (("PUT", "/storage/x/y"), ("PUT", "/storage/x/y"), ("GET", "/v1/teams")):
        client.request(method, path, b"GET / HTTP/1.1\r\n\r\n" * 9)
        answer = client.getresponse()
        answer.read()
        codes.append((answer.status, client.sock is sock))
    client.close()

    assert codes == [(403, True), (403, True), (401, True)]


def test_host_header_foreign_never_reaches_a_url(package):
    """URLs follow a loopback Host only, so that a proxy stays in the path and nobody else can."""
    urls = [
        package.call(
            "POST", "/files", headers={"Host": host}, json={"kind": "file", "name": "a"}
        ).json()["create_blueprint"]["url"]
        for host in ("evil.example", "localhost:1234", "127.evil.example:80")
    ]

    starts = [package.sandbox.api, "http://localhost:1234/", package.sandbox.api]
    assert all(url.startswith(start) for url, start in zip(urls, starts, strict=True))


def test_many_files_listing_is_paced_once_per_5_s(spawn):
    """Over 10,000 files a listing is allowed once per 5 s [docs-dl], and calls stay fast."""
    package = spawn().package()
    client = http.client.HTTPConnection(*package.sandbox.address, timeout=60)
    headers = {"X-Package-Token": package.token, "Content-Type": "application/json"}
    for number in range(10_001):
        body = json.dumps({"kind": "file", "name": f"f{number}"})
        client.request("POST", f"/v1/packages/{package.id}/files", body, headers)
        client.getresponse().read()
    client.close()
    first, second = package.call("GET", "/files"), package.call("GET", "/files")

    assert len(first.json()) == 10_001
    assert (second.status_code, second.headers["Retry-After"]) == (429, "5")
