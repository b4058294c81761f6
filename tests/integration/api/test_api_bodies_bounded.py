"""How much of a body is read, how large a refusal may get, and that both stay readable."""

from __future__ import annotations

import os
import socket
import time

import pytest

from masv_watch.api import tls
from masv_watch.api.connections import (
    BODY_LIMIT,
    CHUNK_LINE_LIMIT,
    DRAIN_LIMIT,
    HEADER_LIMIT,
    HELD_LIMIT,
)
from masv_watch.model import Listen, Scheme, Server
from tests.integration.api.listening import JSON, PLAIN, TLS, House, curl, drained, parsed
from tests.waiting import eventually

MIB = 1024 * 1024


@pytest.fixture
def house(tmp_path):
    folder = tmp_path / "certificate"
    folder.mkdir()
    own = tls.identity(Server(), [TLS], folder=str(folder), now=time.time())
    listens = (PLAIN, TLS, Listen(scheme=Scheme.UNIX, path=str(tmp_path / "api")))
    built = House(tmp_path / "state", *listens, tls=own.context)
    yield built
    built.close()


def sized(folder, size):
    path = folder / f"body-{size}"
    if not path.exists():
        path.write_bytes(b"[" + b" " * (size - 2) + b"]")
    return f"@{path}"


def ways(house):
    """Give what curl needs for each kind of door."""
    plain, secure, unix = house.listeners.listens
    return [[str(plain)], ["-k", str(secure)], ["--unix-socket", unix.path, "http://localhost/"]]


FORMS = {
    "asks first": [],
    "just sends": ["-H", "Expect:"],
    "chunked": ["-H", "Transfer-Encoding: chunked"],
    "chunked, just sends": ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"],
}


@pytest.mark.parametrize("form", FORMS)
def test_body_up_to_the_limit_is_read_whole(house, form):
    """8 MiB exactly, at every kind of door and in every form of sending."""
    body = sized(house.folder, BODY_LIMIT)
    for way in ways(house):
        status, tree = curl("-H", JSON, *FORMS[form], "--data-binary", body, *way)

        assert (status, tree["bytes"], tree["length"]) == (200, BODY_LIMIT, str(BODY_LIMIT))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 9 * MIB, 31 * MIB])
def test_body_past_the_limit_is_refused_in_json_that_curl_can_read(house, form, size):
    """413 with code and sentence, never a reset, at every kind of door."""
    body = sized(house.folder, size)
    for way in ways(house):
        status, tree = curl("-H", JSON, *FORMS[form], "--data-binary", body, *way)

        assert status == 413
        assert (tree["code"], bool(tree["message"])) == (1507, True)


def test_body_past_the_limit_is_not_kept_while_it_is_listened_to(house):
    """No file and no memory grows with what is thrown away."""
    with house.connect() as chunked, house.connect() as declared:
        block = b"100000\r\n" + b" " * MIB + b"\r\n"
        chunked.sendall(house.head(JSON, "Transfer-Encoding: chunked", method="POST") + b"\r\n")
        declared.sendall(house.head(JSON, f"Content-Length: {30 * MIB}", method="POST") + b"\r\n")
        for _ in range(7):
            chunked.sendall(block)
        kept_before = eventually(lambda: temporary_bytes() >= 6 * MIB and temporary_bytes())
        for _ in range(9):
            chunked.sendall(block)
            declared.sendall(b" " * MIB)
        kept_after = eventually(lambda: temporary_bytes() == 0 and -1)

        chunked.sendall(b"0\r\n\r\n")
        declared.sendall(b" " * 21 * MIB)

        assert (parsed(drained(chunked))[0], parsed(drained(declared))[0]) == (413, 413)
    assert kept_before <= 8 * MIB
    assert kept_after == -1


def temporary_bytes():
    """Give the size of all files that this process holds and nobody can see."""
    total = 0
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        try:
            if os.readlink(path).endswith(" (deleted)"):
                total += os.stat(path).st_size
        except OSError:
            continue
    return total


@pytest.mark.parametrize("length", [DRAIN_LIMIT + 1, 10**11, 10**18])
def test_body_far_past_the_limit_is_refused_before_it_comes(house, length):
    """Nobody waits for gigabytes: 413 at once, and the connection ends."""
    with house.connect() as connection:
        lines = house.head(JSON, f"Content-Length: {length}", method="POST")
        connection.sendall(lines + b"\r\n")

        assert parsed(drained(connection))[0] == 413


def test_body_without_an_end_is_cut(house):
    """Who goes on past four times the limit is disconnected; others notice nothing."""
    sent = 0
    with house.connect() as connection:
        connection.sendall(house.head(JSON, "Transfer-Encoding: chunked", method="POST") + b"\r\n")
        try:
            while sent < 4 * DRAIN_LIMIT:
                connection.sendall(b"100000\r\n" + b" " * MIB + b"\r\n")
                sent += MIB
        except OSError:
            pass

    assert DRAIN_LIMIT - MIB <= sent < 2 * DRAIN_LIMIT
    assert house.call()[0] == 200


def test_caller_who_asks_first_is_told_to_go_on(house):
    """`Expect: 100-continue`: the word, then the body, then the answer."""
    with house.connect() as connection:
        lines = house.head(JSON, "Expect: 100-continue", "Content-Length: 2", method="POST")
        connection.sendall(lines + b"Connection: close\r\n\r\n")
        word = connection.recv(100)
        connection.sendall(b"{}")
        answer = parsed(drained(connection))

    assert word == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (answer[0], answer[1]["bytes"]) == (200, 2)


@pytest.mark.parametrize("length", [BODY_LIMIT + 1, DRAIN_LIMIT + 1])
def test_caller_who_asks_first_with_too_much_is_refused_before_he_sends(house, length):
    """413 in place of the word to go on."""
    with house.connect() as connection:
        lines = house.head(JSON, "Expect: 100-continue", f"Content-Length: {length}", method="POST")
        connection.sendall(lines + b"\r\n")

        assert parsed(drained(connection))[0] == 413


@pytest.mark.parametrize("extra", [[], ["Content-Length: 0"]])
def test_caller_who_asks_first_and_has_no_body_is_answered(house, extra):
    """Nothing is waited for where nothing comes."""
    with house.connect() as connection:
        lines = house.head("Expect: 100-continue", "Connection: close", *extra)
        connection.sendall(lines + b"\r\n")

        assert parsed(drained(connection))[0] == 200


TWO_LENGTHS = [
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 6"],
    ["Content-Length: 5, 5"],
    ["Content-Length: +5"],
    ["Content-Length: -1"],
    ["Content-Length: 0x5"],
    ["Content-Length: " + "9" * 5000],
    ["Transfer-Encoding: chunked, gzip"],
    ["Transfer-Encoding: identity"],
    ["Transfer-Encoding: \x0bchunked"],
]


@pytest.mark.parametrize("lines", TWO_LENGTHS, ids=lambda lines: repr(lines)[:40])
def test_call_whose_length_can_be_read_in_two_ways_is_refused(house, lines):
    """What hides a second call behind the first one is no call at all; one answer, then the end."""
    with house.connect() as connection:
        hidden = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(house.head(JSON, *lines, method="POST") + b"\r\n" + hidden)
        came = drained(connection)

    assert came.count(b"HTTP/1.1 ") + came.count(b"HTTP/1.0 ") == 1
    assert parsed(came)[0] in {400, 413, 501}


def test_chunked_body_of_http_1_0_is_refused(house):
    """That version has no chunks: the bytes behind the header would be another call."""
    with house.connect() as connection:
        lines = f"POST / HTTP/1.0\r\nHost: 127.0.0.1:{house.port}\r\nConnection: keep-alive\r\n"
        connection.sendall(f"{lines}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())

        assert parsed(drained(connection))[0] == 400


@pytest.mark.parametrize(
    "tail",
    [
        b"1;" + b"x" * 2 * CHUNK_LINE_LIMIT,
        b"f" * 2 * CHUNK_LINE_LIMIT,
        b"0\r\nX: " + b"y" * 3 * HEADER_LIMIT,
        b"zz\r\n",
        b"1\r\nxx\r\n",
        b"-1\r\nx\r\n",
    ],
    ids=["extension", "size", "trailer", "digits", "end", "negative"],
)
def test_chunks_that_are_none_are_refused_without_waiting_for_their_end(house, tail):
    """A line that never ends, no number, a chunk longer than it says: 400 at once."""
    with house.connect() as connection:
        connection.sendall(house.head(JSON, "Transfer-Encoding: chunked", method="POST") + b"\r\n")
        connection.sendall(tail)

        assert parsed(drained(connection))[0] == 400


def test_header_without_an_end_is_refused_at_its_limit(house):
    """64 KiB of lines, and not one more; 431 and one sentence."""
    with house.connect() as connection:
        connection.sendall(house.head().ljust(HEADER_LIMIT, b"X"))

        refused = parsed(drained(connection))

    assert (refused[0], refused[1]["code"]) == (431, 1507)
    assert house.call("X-Much: " + "y" * (HEADER_LIMIT - 300))[0] == 200


def test_refused_call_ends_its_connection_so_that_nothing_is_read_from_its_middle(house):
    """What comes behind a refused body is never taken for a call."""
    with house.connect() as connection:
        over = BODY_LIMIT + 1
        connection.sendall(house.head(JSON, f"Content-Length: {over}", method="POST") + b"\r\n")
        connection.sendall(b" " * over + house.head(path="/hidden") + b"\r\n")
        came = drained(connection)

    assert came.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in came


def test_address_with_an_open_body_is_freed_when_its_caller_goes(house):
    """A kept body of a caller who left is gone with him."""
    connection = house.connect()
    connection.sendall(house.head(JSON, f"Content-Length: {7 * MIB}", method="POST") + b"\r\n")
    connection.sendall(b" " * 6 * MIB)
    eventually(lambda: temporary_bytes() >= 5 * MIB)

    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()

    eventually(lambda: temporary_bytes() == 0)
    assert house.call()[0] == 200


def test_bodies_that_never_end_are_held_up_to_a_bound_for_all_together(house):
    """Who has kept his unfinished for longest goes; a whole one is read meanwhile."""
    lines = []
    try:
        for _ in range(2 * HELD_LIMIT // BODY_LIMIT):
            lines.append(house.connect())
            lines[-1].sendall(
                house.head(JSON, f"Content-Length: {BODY_LIMIT}", method="POST") + b"\r\n"
            )
            lines[-1].sendall(b" " * (BODY_LIMIT - 1))
        eventually(lambda: HELD_LIMIT - BODY_LIMIT <= temporary_bytes() <= HELD_LIMIT)

        body = sized(house.folder, BODY_LIMIT)
        status, _ = curl("-H", JSON, "--data-binary", body, house.url)
        lines[0].settimeout(60)
        oldest = drained(lines[0])
    finally:
        for line in lines:
            line.close()

    assert (status, oldest) == (200, b"")
    eventually(lambda: temporary_bytes() == 0)
    assert house.listeners._halls[0].held == 0
