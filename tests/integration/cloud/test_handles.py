"""The handles for small requests: as many as a rush needs, and few after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pycurl
import pytest

from masv_watch.cloud.exchange import REST_S, Ask, Exchange, Limits
from tests.doubles import FakeClock

LIMITS = Limits(connect_s=60.0, answer_s=60.0, good=1000, refusal=100)
RUSH = 12


class Together(BaseHTTPRequestHandler):
    """Answers once as many ask as are awaited."""

    protocol_version = "HTTP/1.1"
    everybody = threading.Barrier(1)

    def do_GET(self) -> None:
        """Answer nothing."""
        self.everybody.wait(60)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Give a server's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Together) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def rush(exchange: Exchange, address: str, number: int) -> None:
    """Have so many threads ask at the same time."""
    Together.everybody = threading.Barrier(number)
    ask = Ask(
        doing="testing", method="GET", url=f"http://{address}/", host=address, headers={},
        limits=LIMITS,
    )  # fmt: skip
    threads = [
        threading.Thread(target=exchange.ask, args=(ask,), daemon=True) for _ in range(number)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)


def is_open(curl: pycurl.Curl) -> bool:
    """Say whether a handle can still be used."""
    try:
        curl.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error:
        return False
    return True


def test_handles_of_a_rush_are_closed_when_nobody_used_them_for_a_while(address: str) -> None:
    """Each keeps buffers, a connection and the authorities: a burst of files leaves none behind."""
    clock = FakeClock()
    exchange = Exchange("", monotonic=clock.monotonic)
    rush(exchange, address, RUSH)
    handles = [curl for curl, _ in exchange._idle]
    assert len(handles) == RUSH

    clock.advance(REST_S - 1)
    rush(exchange, address, 2)
    assert len(exchange._idle) == RUSH
    clock.advance(1)
    rush(exchange, address, 1)

    assert sum(map(is_open, handles)) == len(exchange._idle) == 2
    exchange.close()
    assert not any(map(is_open, handles))
