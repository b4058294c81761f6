"""What comes over the line, however broken, is one answer or one error of ours."""

from __future__ import annotations

import gzip
import logging
import os
import socket
import ssl
import subprocess
import time
import traceback
from dataclasses import replace
from functools import partial

import pytest

from masv_watch import loops
from masv_watch.cloud.http import Call, Http
from masv_watch.cloud.refusals import Door
from masv_watch.cloud.streams import Deadlines
from masv_watch.cloud.wire import Blueprint
from masv_watch.errors import (
    CloudError,
    CloudGarbled,
    CloudRefused,
    CloudThrottled,
    CloudUnreachable,
    SourceChanged,
    SourceError,
    UrlExpired,
)
from masv_watch.files import Root, Slice
from masv_watch.metrics import Metrics
from masv_watch.model import Secret, Verify
from tests.doubles import BodyByReads, FakeClock
from tests.integration.cloud.scripted import (
    OK,
    Scripted,
    answer,
    deaf,
    keeps_saying,
    resets,
    says,
    silent,
)

CANARY = "canary-7f3a9c51d2"
MIB = 1 << 20
#: of what is to be given up: whoever is only slow is given up as well
HASTY = Deadlines(connect_s=1.0, answer_s=0.6)
#: of everything else: no machine is that busy
PATIENT = Deadlines(connect_s=60.0, answer_s=60.0, finalize_s=60.0)


class Bytes(BodyByReads):
    """A body over bytes that notes how it was read."""

    def __init__(self, content: bytes, *, size: int | None = None, on_read=None):
        self.content = content
        self.size = len(content) if size is None else size
        self.at = 0
        self.asked: list[int] = []
        self.on_read = on_read

    def __len__(self):
        return self.size

    def read(self, n):
        self.asked.append(n)
        if self.on_read:
            self.on_read(self)
        block = self.content[self.at : self.at + n]
        self.at += len(block)
        return block


@pytest.fixture
def serve():
    """Start scripted servers and end them."""
    started = []

    def start(*turns, **options):
        started.append(Scripted(*turns, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def http():
    """The door with a single connection a host: a leaked one would hang."""
    door = Http(clock=loops.SystemClock(), metrics=Metrics(), connections=1, deadlines=PATIENT)
    yield door
    door.close()


@pytest.fixture
def hasty():
    """The same door with short deadlines."""
    door = Http(clock=loops.SystemClock(), metrics=Metrics(), connections=1, deadlines=HASTY)
    yield door
    door.close()


def call(server, *, often=False, method="GET", path="/v1/x", **more):
    return Call(
        doing="testing",
        method=method,
        url=f"{server.url}{path}?secret={CANARY}",
        door=Door.KEY,
        proof="X-API-KEY",
        secret=Secret(CANARY),
        often=often,
        **more,
    )


def blueprint(server, **more):
    return Blueprint(method="PUT", url=f"{server.url}/k?X-Amz-Signature={CANARY}", **more)


def shown(error: BaseException) -> str:
    """Give everything that a log or a person would see of an error."""
    trace = "".join(traceback.format_exception(error))
    facts = repr(getattr(error, "facts", ""))
    # the source lines in a trace are ours and hold no value
    return f"{trace}{error}{error!r}{facts}{getattr(error, 'hint', '')}"


both_ways = pytest.mark.parametrize("often", [False, True], ids=["requests", "libcurl"])

BROKEN = {
    "reset before the answer": (resets(), CloudUnreachable, "broke the connection"),
    "closed without an answer": (says(b""), CloudUnreachable, "broke the connection"),
    "no answer": (silent, CloudUnreachable, "in time"),
    "not HTTP": (says(b"SSH-2.0-OpenSSH_9\r\n\r\n"), CloudGarbled, "did not keep to HTTP"),
    "cut in its first line": (says(b"HTTP/1."), CloudError, ""),
    "cut in its body": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[1, 2"),
        CloudGarbled,
        "cut its answer short",
    ),
    "cut chunk": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n[1, 2"),
        CloudGarbled,
        "",
    ),
    "reset in its body": (
        resets(first=b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[1"),
        CloudError,
        "",
    ),
    "early hints only": (
        says(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        CloudError,
        "",
    ),
    "too long": (says(answer(200, b" " * (2 * MIB))), CloudGarbled, "longer than"),
    "redirect": (
        says(answer(307, b"", f"Location: http://other.example/?secret={CANARY}")),
        CloudGarbled,
        "other.example",
    ),
    "redirect without an end": (
        says(b"HTTP/1.1 302 X\r\nLocation: /y\r\n\r\n" + b"x" * MIB, then_close=False),
        CloudGarbled,
        "not followed",
    ),
    "many headers": (
        says(b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 60_000 + b"\r\n"),
        CloudError,
        "",
    ),
    "bad gzip": (
        says(answer(200, b"no gzip", "Content-Encoding: gzip")),
        CloudGarbled,
        "unpacked",
    ),
    "gzip bomb": (
        says(answer(200, gzip.compress(b"0" * (64 * MIB)), "Content-Encoding: gzip")),
        CloudGarbled,
        "longer than",
    ),
    "html refusal": (
        says(answer(502, b"<html>secret=" + CANARY.encode(), kind="text/html")),
        CloudUnreachable,
        "502",
    ),
    "echoing refusal": (
        says(answer(400, b'{"message":"bad key %s"}' % CANARY.encode())),
        CloudRefused,
        "bad key ***",
    ),
    "refusal longer than is read": (
        says(answer(400, b'{"message":"x' + b"x" * (3 * MIB))),
        CloudRefused,
        "400",
    ),
    "throttled": (says(answer(429, b"", "Retry-After: 7")), CloudThrottled, "slow down"),
    "broken header": (
        says(b"HTTP/1.1 500 X\r\nno header at all\r\nContent-Length: 0\r\n\r\n"),
        CloudError,
        "",
    ),
}


@pytest.mark.fault(50)
@pytest.mark.fault(52)
@pytest.mark.fault(53)
@pytest.mark.fault(61)
@pytest.mark.fault(64)
@both_ways
@pytest.mark.parametrize("case", BROKEN)
def test_broken_answer_is_one_error_of_ours_without_any_secret(case, often, serve, request, caplog):
    """Neither message, chain, facts nor a DEBUG log holds a query or a key."""
    turn, kind, words = BROKEN[case]
    waits = turn is silent or case == "redirect without an end"
    http = request.getfixturevalue("hasty" if waits else "http")
    server = serve(turn)
    caplog.set_level(logging.DEBUG)

    with pytest.raises(kind) as caught:
        http.ask(call(server, often=often))

    assert words in str(caught.value)
    assert "while testing" in str(caught.value) or "longer than" in str(caught.value)
    assert CANARY not in shown(caught.value) + caplog.text
    assert len(server.requests) <= 1


@both_ways
def test_connection_after_every_broken_answer_is_given_back(often, serve, http):
    """With one connection a host, a place in the pool that leaked would hang the next call."""
    turns = [turn for turn, _, _ in BROKEN.values() if turn is not silent]
    server = serve(*turns, says(OK))
    failures = 0
    for _ in range(4 * len(turns)):
        try:
            got = http.ask(call(server, often=often))
        except CloudError:
            # a connection that the server is just closing may cost one more
            failures += 1
        else:
            break

    assert got.body == b"[]"
    assert failures >= len(turns) == server.connections - 1


@both_ways
def test_connection_after_good_answers_and_refusals_is_used_again(often, serve, http):
    """Keep-alive is what makes many small calls cheap."""
    server = serve(keeps_saying(OK, answer(404, b"{}"), answer(204), OK))

    for _ in range(4):
        try:
            http.ask(call(server, often=often))
        except CloudRefused:
            continue

    assert (server.connections, len(server.requests)) == (1, 4)


@pytest.mark.parametrize("body", [None, Bytes(b"x" * 1000)], ids=["call", "chunk"])
def test_request_on_a_kept_connection_that_breaks_is_never_sent_again(body, serve, http):
    """libcurl would repeat it by itself, and a file would be added twice."""

    def breaks(server, connection):
        server.take(connection)
        connection.sendall(OK)
        server.take(connection)
        connection.close()

    server = serve(breaks, keeps_saying(OK))
    http.ask(call(server, often=True))
    if body is None:
        request = partial(http.ask, call(server, often=True, method="POST"))
    else:
        request = partial(http.storage, blueprint(server), body)

    with pytest.raises(CloudUnreachable, match="broke the connection"):
        request()

    assert len(server.requests) == 2
    assert http.ask(call(server, often=True)).body == b"[]"


@both_ways
def test_refused_connection_and_unknown_host_are_unreachable(often, http, serve):
    """The words say which of the two it is."""
    server = serve(deaf)
    # bound and not listening: the kernel refuses
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        with pytest.raises(CloudUnreachable, match="the connection was refused"):
            http.ask(call(server, often=often))
    server.url = "http://no-such-host.invalid"
    with pytest.raises(CloudUnreachable, match="cannot be resolved") as caught:
        http.ask(call(server, often=often))

    assert CANARY not in shown(caught.value)


@both_ways
def test_failure_while_an_earlier_one_is_handled_is_judged_by_itself(often, serve, http):
    """What Python chains to an error is not always its cause."""
    server = serve(resets())
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        alone = call(server, often=often)
        alone = replace(alone, url=f"http://127.0.0.1:{unheard.getsockname()[1]}/")
        with pytest.raises(CloudUnreachable, match="refused") as earlier:
            http.ask(alone)
    try:
        raise earlier.value
    except CloudUnreachable:
        with pytest.raises(CloudUnreachable, match="broke the connection"):
            http.ask(call(server, often=often))

    assert server.connections == 1


@both_ways
def test_connection_on_which_only_a_hint_came_is_not_used_again(often, serve, http, hasty):
    """The real answer would come later and be taken for the next call's."""

    def hints(server, connection):
        server.take(connection)
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        server.take(connection)
        connection.sendall(answer(200, b"[1]"))

    server = serve(hints, says(OK))
    with pytest.raises(CloudError, match=r"no final answer|in time"):
        hasty.ask(call(server, often=often))

    assert hasty.ask(call(server, often=often)).body == b"[]"


@both_ways
def test_refusal_whose_words_are_cut_is_still_that_refusal(often, serve, http):
    """The status is known once the head is there."""
    cut = b"HTTP/1.1 400 X\r\nContent-Length: 50\r\n\r\n{"

    with pytest.raises(CloudRefused, match="400"):
        http.ask(call(serve(says(cut)), often=often))


@both_ways
def test_control_post_is_declared_as_json_even_without_a_body(often, serve, http):
    """Else the cloud answers `unsupported Content-Type`."""
    server = serve(keeps_saying(OK))

    http.ask(call(server, often=often, method="POST"))
    http.ask(call(server, often=often, method="POST", body={"name": "é"}))
    http.ask(call(server, often=often))

    bare, full, read = server.requests
    assert bare.header("Content-Type") == full.header("Content-Type") == "application/json"
    assert (bare.header("Content-Length"), bare.body) == ("0", b"")
    assert full.body == b'{"name": "\\u00e9"}'
    assert read.header("Content-Type") is None
    assert read.header("X-API-KEY") == CANARY
    assert bare.header("Transfer-Encoding") is full.header("Transfer-Encoding") is None


def test_environment_and_cookies_change_nothing(serve, http, monkeypatch):
    """No proxy, no CA bundle and no netrc of the environment; nothing is remembered."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    server = serve(keeps_saying(answer(200, b"[]", "Set-Cookie: a=b")))

    http.ask(call(server))
    http.ask(call(server))

    assert server.requests[1].header("Cookie") is None


def test_finalize_waits_longer_for_its_answer(serve, hasty):
    """The cloud puts the chunks together meanwhile."""

    def slowly(server, connection):
        server.take(connection)
        server.ended.wait(1.2)
        connection.sendall(OK)

    server = serve(slowly)

    assert hasty.ask(call(server, is_finalize=True)).status == 200


@pytest.mark.fault(53)
def test_answer_that_trickles_in_ends(serve):
    """Every byte comes in time, the whole never does: the minimum rate decides."""
    clock = FakeClock()

    def trickles(server, connection):
        server.take(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n")
        for _ in range(90):
            clock.advance(30.0)
            connection.sendall(b" ")
            server.ended.wait(0.02)

    server = serve(trickles)
    http = Http(clock=clock, metrics=Metrics(), connections=1)

    with pytest.raises(CloudUnreachable, match="trickles"):
        http.ask(call(server))


@both_ways
def test_call_inside_a_store_transaction_is_refused_before_anything_is_sent(often, serve, http):
    """The outside world never holds the store's lock."""
    server = serve(says(OK))

    with loops.transaction_flag(), pytest.raises(RuntimeError, match="transaction"):
        http.ask(call(server, often=often))
    with loops.transaction_flag(), pytest.raises(RuntimeError, match="transaction"):
        http.storage(blueprint(server), Bytes(b"x"))

    assert server.connections == 0


def test_chunk_is_sent_exactly_as_the_blueprint_says(serve, http):
    """Explicit length, the blueprint's headers, no content type, no key of ours."""
    server = serve(keeps_saying(answer(200, b"", 'ETag: "e"')))
    content = bytes(range(256)) * 8192

    got = http.storage(blueprint(server, headers={"x-amz-acl": "private"}), Bytes(content))

    (request,) = server.requests
    assert got.headers.get("etag") == '"e"'
    assert request.line == f"PUT /k?X-Amz-Signature={CANARY} HTTP/1.1"
    assert request.body == content
    assert request.header("Content-Length") == str(len(content))
    assert request.header("x-amz-acl") == "private"
    for name in ("Transfer-Encoding", "Content-Type", "X-API-KEY", "Expect"):
        assert request.header(name) is None


def test_storage_request_calls_itself_one_of_another_site(serve, http):
    """A server that guards against forged calls, as our own API does, never takes it for ours."""
    server = serve(says(answer(200, b"", 'ETag: "e"')))

    http.storage(blueprint(server, headers={"Sec-Fetch-Site": "none"}), Bytes(b"x"))

    assert server.requests[0].header("Sec-Fetch-Site") == "cross-site"
    assert server.requests[0].head.lower().count("sec-fetch-site") == 1


def test_chunk_body_is_read_in_blocks_up_to_a_mebibyte(serve, http):
    """Constant memory, few system calls."""
    server = serve(says(answer(200, b"", 'ETag: "e"')))
    body = Bytes(b"x" * (8 * MIB))

    http.storage(blueprint(server), body)

    assert max(body.asked) == MIB
    assert len(body.asked) <= 12
    assert len(server.requests[0].body) == 8 * MIB


def test_empty_chunk_and_empty_blueprint_carry_a_length_of_zero(serve, http):
    """S3 refuses a request without a length."""
    server = serve(keeps_saying(answer(200, b"", 'ETag: "e"')))

    http.storage(blueprint(server), Bytes(b""))
    http.storage(Blueprint(method="POST", url=f"{server.url}/k?uploads"))

    assert [request.header("Content-Length") for request in server.requests] == ["0", "0"]


@pytest.mark.fault(52)
@pytest.mark.parametrize("after", [0, 1, 65536, 3 * MIB])
def test_reset_within_a_body_is_unreachable_and_the_next_attempt_is_whole(after, serve, http):
    """A fresh body on a fresh connection arrives complete."""
    server = serve(resets(after=after), says(answer(200, b"", 'ETag: "e"')))
    content = b"0123456789abcdef" * (MIB // 4)

    with pytest.raises(CloudUnreachable) as caught:
        http.storage(blueprint(server), Bytes(content))
    http.storage(blueprint(server), Bytes(content))

    assert CANARY not in shown(caught.value)
    assert server.requests[-1].body == content


@pytest.mark.fault(57)
def test_early_refusal_while_the_body_is_sent_is_heard(serve, http):
    """An expired URL is refused before the bytes are taken: the answer counts, not the reset."""

    def early(server, connection):
        server.take_head(connection)
        connection.sendall(
            answer(
                403,
                b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
            )
        )
        while connection.recv(1 << 20):
            pass

    server = serve(early)

    with pytest.raises(UrlExpired, match="AccessDenied: Request has expired") as caught:
        http.storage(blueprint(server), Bytes(b"x" * (4 * MIB)))

    assert caught.value.facts["limit"] == 5
    assert CANARY not in shown(caught.value)


@pytest.mark.fault(53)
def test_storage_that_never_reads_ends_at_the_connect_timeout(serve):
    """A stalled send is bounded by the connect time-out, not by the read time-out."""
    server = serve(deaf)
    deadlines = Deadlines(connect_s=1.0, answer_s=60.0)
    http = Http(clock=loops.SystemClock(), metrics=Metrics(), connections=1, deadlines=deadlines)
    began = time.monotonic()

    with pytest.raises(CloudUnreachable, match="in time"):
        http.storage(blueprint(server), Bytes(b"x" * (32 * MIB)))
    http.close()

    assert time.monotonic() - began < 30.0


class SlowClock(FakeClock):
    """A clock on which every step takes three seconds."""

    def monotonic(self):
        self.advance(3.0)
        return super().monotonic()


@pytest.mark.fault(54)
def test_slow_body_ends_by_the_minimum_rate_and_not_before(serve):
    """64 KiB/s over the whole chunk, two minutes at least: 3 s for each block of 64 KiB."""
    server = serve(keeps_saying(answer(200, b"", 'ETag: "e"')))
    http = Http(clock=SlowClock(), metrics=Metrics(), connections=1)

    http.storage(blueprint(server), Bytes(b"x" * (2 * MIB)))
    with pytest.raises(CloudUnreachable, match="slower than 64 KiB/s"):
        http.storage(blueprint(server), Bytes(b"x" * (4 * MIB)))


@pytest.mark.fault(54)
def test_body_whose_source_takes_its_time_does_not_count_as_a_slow_link(serve):
    """A limit of ours, or a slow disk, is no fault of the link."""
    clock = FakeClock()
    server = serve(says(answer(200, b"", 'ETag: "e"')))
    http = Http(clock=clock, metrics=Metrics(), connections=1)
    body = Bytes(b"x" * (2 * MIB), on_read=lambda _: clock.advance(1000.0))

    http.storage(blueprint(server), body)

    assert len(server.requests[0].body) == 2 * MIB


@pytest.mark.fault(54)
def test_body_over_a_slow_link_is_handed_over_in_small_blocks(serve):
    """One send covers one block: a mebibyte at 64 KiB/s would look like a stall."""
    server = serve(says(answer(200, b"", 'ETag: "e"')))
    deadlines = Deadlines(least_put_s=1e6)
    http = Http(clock=SlowClock(), metrics=Metrics(), connections=1, deadlines=deadlines)
    body = Bytes(b"x" * (2 * MIB))

    http.storage(blueprint(server), body)

    assert body.asked[0] == 256 * 1024
    assert set(body.asked[1:]) == {64 * 1024}
    assert len(server.requests[0].body) == 2 * MIB


@pytest.mark.fault(16)
def test_body_that_ends_early_never_reaches_the_storage_whole(serve, http):
    """A short source raises instead of hanging until the time-out of a minute."""
    server = serve(silent)
    began = time.monotonic()

    with pytest.raises(SourceChanged):
        http.storage(blueprint(server), Bytes(b"x" * MIB, size=2 * MIB))

    assert time.monotonic() - began < 30.0


def test_error_of_the_source_passes_as_it_is_and_the_connection_is_not_used_again(serve, http):
    """What the slice raises is the sender's to judge."""
    server = serve(silent, says(answer(200, b"", 'ETag: "e"')))

    def breaks(body):
        if body.at:
            raise SourceError("the medium failed")

    with pytest.raises(SourceError, match="the medium failed"):
        http.storage(blueprint(server), Bytes(b"x" * (4 * MIB), on_read=breaks))
    http.storage(blueprint(server), Bytes(b"y"))

    assert server.connections == 2
    assert server.requests[-1].body == b"y"


@pytest.mark.fault(64)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_storage_redirect_is_not_followed(status, serve, http):
    """urllib3 would send an empty body to the second host and be told 200 (measured)."""
    other = serve(says(answer(200, b"", 'ETag: "e"')))
    server = serve(says(answer(status, b"", f"Location: {other.url}/x")))

    with pytest.raises(CloudGarbled, match="not followed"):
        http.storage(blueprint(server), Bytes(b"x" * 1000))

    assert other.connections == 0


def test_libraries_log_no_presigned_query_at_any_level(serve, http, caplog):
    """Their DEBUG lines and one of their warnings print whole URLs."""
    broken = b"HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 2\r\n\r\n[]"
    server = serve(keeps_saying(OK), says(broken))
    caplog.set_level(logging.DEBUG)

    for _ in range(2):
        http.storage(blueprint(server), Bytes(b"x"))
        http.ask(call(server, often=True))
        http.ask(call(server))

    assert len(server.requests) == 6
    assert CANARY not in caplog.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a key and a certificate for 127.0.0.1 that nobody knows."""
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "both.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "30", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*made, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    pem.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return pem


@pytest.mark.fault(51)
@both_ways
def test_unknown_certificate_is_refused_unless_it_was_given(often, serve, certificate):
    """There is no way to skip the check, and a failure is not tried again fast."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = serve(says(OK), tls=context)
    stranger = Http(clock=loops.SystemClock(), metrics=Metrics(), connections=1, deadlines=PATIENT)
    friend = Http(
        clock=loops.SystemClock(),
        metrics=Metrics(),
        connections=1,
        ca_bundle=str(certificate),
        deadlines=PATIENT,
    )

    with pytest.raises(CloudUnreachable, match=r"TLS.*certificate") as caught:
        stranger.ask(call(server, often=often))

    assert caught.value.facts["retry_after_s"] >= 60.0
    assert CANARY not in shown(caught.value)
    assert not server.requests
    assert friend.ask(call(server, often=often)).body == b"[]"


@pytest.mark.parametrize("safe", [False, True], ids=["plain", "tls"])
def test_large_chunk_that_nobody_hashes_arrives_whole(safe, serve, certificate, tmp_path):
    """By the kernel where it can send, by blocks where TLS is between."""
    context = None
    if safe:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    content = os.urandom(9 * MIB + 5)
    (tmp_path / "clip").write_bytes(content)
    top = os.fsencode(tmp_path)
    with Root.open(top) as root:
        identity = root.identify(b"clip")
    server = serve(says(answer(200, b"", 'ETag: "e"')), tls=context)
    http = Http(
        clock=loops.SystemClock(),
        metrics=Metrics(),
        connections=1,
        ca_bundle=str(certificate),
        deadlines=PATIENT,
    )
    body = Slice(top, b"clip", identity, offset=2, size=9 * MIB + 1, verify=Verify.SIZE)

    with body:
        http.storage(blueprint(server), body)
    http.close()

    assert server.requests[0].body == content[2 : 9 * MIB + 3]


@pytest.mark.fault(53)
def test_large_chunk_that_is_not_wanted_any_more_ends_though_nobody_reads(serve, http, tmp_path):
    """A pause waits for no storage that takes nothing."""
    server = serve(deaf)
    (tmp_path / "clip").write_bytes(b"")
    os.truncate(tmp_path / "clip", 64 * MIB)
    top = os.fsencode(tmp_path)
    with Root.open(top) as root:
        identity = root.identify(b"clip")
    began = time.monotonic()

    def on_bytes(size):
        if not size:
            raise CloudUnreachable("sending was stopped")

    for verify in (Verify.SIZE, Verify.FAST):
        body = Slice(
            top, b"clip", identity, offset=0, size=64 * MIB, verify=verify, on_bytes=on_bytes
        )
        with body, pytest.raises(CloudUnreachable, match="stopped"):
            http.storage(blueprint(server), body)

    assert time.monotonic() - began < 30.0
