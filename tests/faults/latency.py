"""What comes from one end of a line, as late as the line is long.

Owns the bytes that are under way. Never changes or drops one. Used by the proxy.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic

BLOCK = 64 * 1024
#: blocks that are under way at once on a line with a latency: 8 MiB each way
_UNDER_WAY = 128


class Source:
    """What comes from one end, each byte so many seconds after it was sent."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        end: socket.socket,
        latency_s: float,
        note: Callable[[int], None],
    ) -> None:
        """Read from `end`; `note` is told the size of each block as it comes."""
        self._loop = loop
        self._end = end
        self._latency_s = latency_s
        self._note = note
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._moved = asyncio.Event()
        self._room = asyncio.Event()
        self._rest = b""
        self._reading = loop.create_task(self._read_ahead()) if latency_s else None

    async def take(self, at_most: int) -> bytes:
        """Give the next bytes; b"" at the end."""
        if self._reading is None:
            return await self._received(at_most)
        if not self._rest:
            while not self._under_way:
                self._moved.clear()
                await self._moved.wait()
            due, self._rest = self._under_way.popleft()
            self._room.set()
            await asyncio.sleep(max(due - monotonic(), 0))
        block, self._rest = self._rest[:at_most], self._rest[at_most:]
        return block

    def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read_ahead(self) -> None:
        block = b"-"
        while block:
            while len(self._under_way) >= _UNDER_WAY:
                self._room.clear()
                await self._room.wait()
            try:
                block = await self._received(BLOCK)
            except OSError:
                block = b""
            self._under_way.append((monotonic() + self._latency_s, block))
            self._moved.set()

    async def _received(self, at_most: int) -> bytes:
        block = await self._loop.sock_recv(self._end, at_most)
        self._note(len(block))
        return block
