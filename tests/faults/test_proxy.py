"""The proxy breaks what a test says and nothing else: an instrument is proved before it is used."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import Kind, Proxy, Way
from tests.processes import Sandbox
from tests.waiting import eventually


class Echo:
    """A server that notes what it got and answers each request with its body's MD5."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        #: whole bodies
        self.bodies: list[bytes] = []
        #: bytes of heads and bodies, whole or not
        self.got = 0
        #: how connections ended: "" by an end, else the error's name
        self.ends: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        found = b""
        try:
            while block := connection.recv(65536):
                self.got += len(block)
                found += block
                head, end, rest = found.partition(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                if end and len(rest) >= size:
                    self.bodies.append(rest[:size])
                    found = rest[size:]
                    connection.sendall(answer_to(self.bodies[-1]))
            self.ends.append("")
        except OSError as error:
            self.ends.append(type(error).__name__)
        connection.close()


def answer_to(body: bytes) -> bytes:
    """Give the echo's answer."""
    words = hashlib.md5(body).hexdigest().encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(words) + words


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    made = Proxy(echo.url)
    yield made
    made.close()


def head_of(method: str, path: str, size: int) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


class Client:
    """A raw client: what it sends and reads is known to the byte."""

    def __init__(self, proxy: Proxy, timeout_s: float = 60.0) -> None:
        parts = urlsplit(proxy.url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout_s)

    def ask(self, body: bytes = b"", *, method: str = "PUT", path: str = "/a?b=c") -> bytes:
        """Send a request and read until the whole answer, or the end, has come."""
        self.socket.sendall(head_of(method, path, len(body)) + body)
        found = b""
        while len(found) < len(answer_to(body)):
            block = self.socket.recv(65536)
            if not block:
                return found
            found += block
        return found


def test_line_without_faults_passes_everything_and_notes_each_exchange(proxy: Proxy, echo: Echo):
    """Requests on one connection are told apart, and counted in both directions."""
    client = Client(proxy)
    bodies = [b"", b"x" * 300_000, b"\r\n\r\nPUT /no HTTP/1.1\r\n\r\n"]

    answers = [client.ask(body) for body in bodies]

    assert answers == [answer_to(body) for body in bodies]
    assert echo.bodies == bodies
    noted = proxy.exchanges()
    assert [(each.method, each.path, each.connection, each.status) for each in noted] == [
        ("PUT", "/a", 1, 200)
    ] * 3
    assert [each.up for each in noted] == [
        len(head_of("PUT", "/a?b=c", len(body))) + len(body) for body in bodies
    ]
    eventually(lambda: [each.down for each in noted] == [len(each) for each in answers])
    assert proxy.taken == sum(each.up for each in noted)


@pytest.mark.parametrize("at", [0, 1, 20, 60, 90])
def test_reset_upwards_lets_exactly_so_many_bytes_through(proxy: Proxy, echo: Echo, at: int):
    """The client hears an RST; the server got what came before and hears an orderly end."""
    fault = proxy.order(Kind.RESET, "PUT /a", at=at)

    with pytest.raises(ConnectionResetError):
        Client(proxy).ask(b"y" * 100)
    eventually(lambda: echo.ends)

    assert (echo.got, echo.ends, echo.bodies) == (at, [""], [])
    assert fault.struck == 1
    assert Client(proxy).ask(b"again") == answer_to(b"again")


def test_reset_behind_the_last_byte_lets_the_server_act(proxy: Proxy, echo: Echo):
    """All of it went up: the effect is there and nobody heard of it."""
    proxy.order(Kind.RESET, at=len(head_of("PUT", "/a?b=c", 3)) + 3)

    with pytest.raises(ConnectionResetError):
        Client(proxy).ask(b"abc")

    assert eventually(lambda: echo.bodies) == [b"abc"]


@pytest.mark.parametrize("at", [0, 1, 38])
def test_reset_downwards_comes_after_the_effect(proxy: Proxy, echo: Echo, at: int):
    """So many bytes of the answer come, then an RST."""
    proxy.order(Kind.RESET, way=Way.DOWN, at=at)
    client = Client(proxy)
    client.socket.sendall(head_of("PUT", "/a", 3) + b"abc")
    found: list[bytes] = []
    with pytest.raises(ConnectionResetError):
        found.extend(iter(lambda: client.socket.recv(100), b""))

    assert b"".join(found) == answer_to(b"abc")[:at]
    assert echo.bodies == [b"abc"]


def test_fault_beyond_the_last_byte_never_strikes(proxy: Proxy):
    """A walk over all offsets knows that it is past the end."""
    beyond = [proxy.order(Kind.RESET, way=way, at=10_000) for way in Way]

    assert Client(proxy).ask(b"abc") == answer_to(b"abc")

    assert [(fault.met, fault.struck) for fault in beyond] == [(1, 0), (1, 0)]


def test_fault_strikes_only_the_exchanges_that_it_is_for(proxy: Proxy):
    """Kind of call, how many pass first and how many are struck."""
    fault = proxy.order(Kind.FLIP, "POST /b$", way=Way.DOWN, at=38, skip=1, times=2)
    client = Client(proxy)
    asked = [("PUT", "/b"), ("POST", "/bc"), *[("POST", "/b?q")] * 4]

    right = [client.ask(b"", method=method, path=path) == answer_to(b"") for method, path in asked]

    assert right == [True, True, True, False, False, True]
    assert fault.struck == 2


@pytest.mark.parametrize("way", Way)
def test_flip_turns_one_bit_of_one_byte(proxy: Proxy, echo: Echo, way: Way):
    """Every other byte is as it was."""
    head = len(head_of("PUT", "/a?b=c", 5))
    proxy.order(Kind.FLIP, way=way, at=head + 4 if way is Way.UP else 38)
    answer = Client(proxy).ask(b"abcde")

    if way is Way.UP:
        assert (echo.bodies, answer) == ([b"abcdd"], answer_to(b"abcdd"))
    else:
        whole = answer_to(b"abcde")
        assert (len(answer), answer[:38], answer[39:]) == (len(whole), whole[:38], whole[39:])
        assert answer[38] == whole[38] ^ 1


def test_black_hole_takes_everything_and_says_nothing(proxy: Proxy, echo: Echo):
    """The client may send on for ever; the server waits for the rest."""
    proxy.order(Kind.HOLE, at=50)
    client = Client(proxy)
    client.socket.sendall(head_of("PUT", "/a", 4_000_000) + b"z" * 4_000_000)
    client.socket.settimeout(0.3)

    with pytest.raises(TimeoutError):
        client.socket.recv(1)

    eventually(lambda: proxy.taken > 4_000_000)
    assert echo.got == 50
    client.socket.close()
    assert eventually(lambda: echo.ends) == [""]
    eventually(lambda: proxy.open_links == 0)


def test_deaf_end_reads_nothing_more(proxy: Proxy, echo: Echo):
    """The client's own send stands still."""
    proxy.order(Kind.DEAF, at=50)

    with pytest.raises(TimeoutError):
        Client(proxy, timeout_s=0.3).ask(b"z" * 40_000_000)

    assert echo.got == 50
    assert proxy.taken < 200_000


def test_half_close_ends_one_direction_only(proxy: Proxy, echo: Echo):
    """Up: the server hears an end while the client still sends. Down: an answer is cut in peace."""
    proxy.order(Kind.HALF_CLOSE, "PUT /up", at=60)
    proxy.order(Kind.HALF_CLOSE, "PUT /down", way=Way.DOWN, at=20)

    assert Client(proxy).ask(b"x" * 100, path="/up") == b""
    assert Client(proxy).ask(b"abc", path="/down") == answer_to(b"abc")[:20]

    assert echo.bodies == [b"abc"]
    assert echo.ends[0] == ""


def test_slow_line_takes_its_time_and_loses_nothing(proxy: Proxy, echo: Echo):
    """So many bytes a second pass, and a healed line is quick again."""
    fault = proxy.order(Kind.SLOW, at=10, rate=20_000, times=None)
    began = monotonic()
    answer = Client(proxy).ask(b"s" * 10_000)
    took_s = monotonic() - began
    proxy.order(Kind.SLOW, at=10, rate=1_000, times=None)
    threading.Timer(0.2, proxy.heal).start()
    began = monotonic()
    Client(proxy).ask(b"s" * 50_000)
    healed_s = monotonic() - began

    assert answer == answer_to(b"s" * 10_000)
    assert 0.4 < took_s < 20.0
    assert healed_s < 30.0
    assert fault.struck == 2


@pytest.mark.parametrize("way", Way)
def test_hold_stands_still_until_it_is_released(proxy: Proxy, echo: Echo, way: Way):
    """Up: the server knows nothing yet. Down: it has acted and nobody knows."""
    fault = proxy.order(Kind.HOLD, way=way)
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(Client(proxy).ask(b"abc")))
    asking.start()
    assert fault.reached.wait(60)
    acted = list(echo.bodies)
    fault.released.set()
    asking.join(60)

    assert acted == ([] if way is Way.UP else [b"abc"])
    assert answers == [answer_to(b"abc")]


def test_late_request_arrives_after_the_client_was_reset(proxy: Proxy, echo: Echo):
    """What was given up long ago may take effect after what followed it."""
    fault = proxy.order(Kind.LATE)
    with pytest.raises(ConnectionResetError):
        Client(proxy).ask(b"old" * 50_000)
    Client(proxy).ask(b"new")
    before = list(echo.bodies)
    fault.released.set()
    assert fault.arrived.wait(60)

    assert before == [b"new"]
    assert echo.bodies == [b"new", b"old" * 50_000]


def test_latency_delays_both_ways_and_keeps_the_order(echo: Echo):
    """A byte is so long under way; many are under way at once."""
    proxy = Proxy(echo.url, latency_s=0.1)
    body = bytes(range(256)) * 32_000
    began = monotonic()
    answer = Client(proxy).ask(body)
    took_s = monotonic() - began
    proxy.close()

    assert answer == answer_to(body)
    assert echo.bodies == [body]
    # 125 blocks one after the other would take 12 s
    assert 0.2 <= took_s < 10.0


def test_narrow_line_keeps_a_client_from_sending_far_ahead(echo: Echo):
    """As on a slow link between machines, little waits in the kernels."""
    proxy = Proxy(echo.url, is_narrow=True)
    proxy.order(Kind.SLOW, at=200, rate=10_000)
    client = Client(proxy, timeout_s=0.5)
    sent: list[int] = []
    client.socket.sendall(head_of("PUT", "/a", 10_000_000))
    with pytest.raises(TimeoutError):
        sent.extend(iter(lambda: client.socket.send(b"n" * 1000), 0))
    proxy.close()

    # 2.8 MB on a wide one
    assert sum(sent) < 600_000


def test_sandbox_names_its_storage_under_the_address_of_the_proxy(tmp_path: Path):
    """Chunks come this way as well, not only what is asked of the API."""
    sandbox = Sandbox(tmp_path)
    proxy = Proxy(sandbox.api)
    try:
        host = urlsplit(proxy.url).netloc

        def ask(path: str, body: str, **headers: str) -> Any:
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            return json.loads(connection.getresponse().read())

        key = {"X-API-KEY": "sandbox-key"}
        package = ask(f"/v1/teams/{sandbox.team}/packages", '{"name": "n"}', **key)
        token = {"X-Package-Token": package["access_token"]}
        added = ask(f"/v1/packages/{package['id']}/files", '{"name": "f", "path": ""}', **token)
    finally:
        proxy.close()
        sandbox.end()

    assert added["create_blueprint"]["url"].startswith(proxy.url)
