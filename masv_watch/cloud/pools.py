"""The connections that chunks are poured into.

Owns their sockets and the block of memory that each keeps. Never retries and never knows what the
bytes are: `streams` paces them. Called by `cloud.http`.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from masv_watch.cloud.proxies import Way
from masv_watch.cloud.streams import BLOCK, Pour


class _Streaming:
    """What a connection of ours does beside urllib3's."""

    sock: Any
    _own_block: memoryview | None = None

    def send(self, data: Any) -> None:
        """Send bytes as ever, and pour what is a body."""
        if not isinstance(data, Pour):
            super().send(data)  # type: ignore[misc] # mixed into urllib3's connections below
            return
        if self._own_block is None:
            self._own_block = memoryview(bytearray(BLOCK))
        data.into(self.sock, self._own_block)

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc] # as above
        _suit_long_links(sock)
        return sock


class _PlainConnection(_Streaming, HTTPConnection):
    pass


class _SafeConnection(_Streaming, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SafePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SafeConnection


def streaming_pool(connections: int, trusted: str, way: Way | None) -> urllib3.PoolManager:
    """Give a pool whose connections pour bodies, at most so many to each host."""
    how: dict[str, Any] = {
        "maxsize": connections,
        "block": True,
        "blocksize": BLOCK,
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": trusted,
    }
    pool = (
        urllib3.PoolManager(**how)
        if way is None
        else urllib3.ProxyManager(way.url, proxy_headers=way.proof, **how)
    )
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _SafePool}
    return pool


def _suit_long_links(sock: socket.socket) -> None:
    """Choose BBR where the kernel lets us and the other end is another machine.

    At 1 % loss one such connection carries four times one of CUBIC (measured); on loopback its
    pacing only costs.
    """
    choice = getattr(socket, "TCP_CONGESTION", None)
    with suppress(OSError, AttributeError):
        peer = sock.getpeername()[0]
        if choice is not None and not _is_this_machine(peer, sock):
            sock.setsockopt(socket.IPPROTO_TCP, choice, b"bbr")


def _is_this_machine(peer: str, sock: socket.socket) -> bool:
    own: str = sock.getsockname()[0]
    return peer == own
