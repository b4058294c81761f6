"""Speak TLS to callers and hand what they say to the listener, one stream for one connection.

Owns the thread on which all handshakes and all ciphers run, and how many may be open. Never reads
what it carries. Built by `api.server`.

Law 1. A connection that does not shake hands costs a descriptor for some seconds, never a thread
and never a place that another could have.
Law 2. Each side is read no faster than the other one takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from masv_watch.errors import OUR_FAULT
from masv_watch.loops import start_thread

log = logging.getLogger(__name__)

#: connections at the same time; past it the oldest one without a handshake makes room
LINES = 200
#: seconds for a handshake, and for a farewell
HANDSHAKE_S = 5.0
FAREWELL_S = 2.0
#: seconds for all farewells together when the daemon stops
LAST_WORDS_S = 0.3
#: seconds that a caller may leave what was sent to him unread
UNREAD_S = 30.0
#: seconds to wait for a descriptor when there is none left
EXHAUSTED_S = 1.0
BLOCK = 64 * 1024

#: takes a stream of unwrapped bytes, the accepted socket, and the caller's address
Welcome = Callable[[socket.socket, socket.socket, Any], None]


class Terminator:
    """The TLS side of all `https` listeners."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """Begin without a listener."""
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._accepting: set[asyncio.Task[None]] = set()
        #: every connection in the order it came, and whether it has shaken hands
        self._lines: dict[asyncio.Task[None], bool] = {}
        self._thread = start_thread("tls", self._run)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    @property
    def alive(self) -> bool:
        """Say whether connections are taken."""
        return self._thread.is_alive()

    def renew(self, context: ssl.SSLContext) -> None:
        """Use another certificate for the connections to come."""
        self._context = context

    def accept(self, listening: socket.socket, welcome: Welcome) -> None:
        """Take connections from a socket that listens; it is closed at the end."""
        listening.setblocking(False)
        self._call(self._begin(listening, welcome))

    def stop_accepting(self) -> None:
        """Take no more connections; those there are go on."""
        self._call(self._cancel(self._accepting))

    def close(self) -> None:
        """Say farewell to every connection and end the thread."""
        self._call(self._leave())
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        if not self._thread.is_alive():
            work.close()
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * FAREWELL_S)

    async def _begin(self, listening: socket.socket, welcome: Welcome) -> None:
        task = asyncio.create_task(self._accept_all(listening, welcome))
        self._accepting.add(task)

    async def _cancel(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _leave(self) -> None:
        await self._cancel(self._accepting)
        await self._cancel({task for task, has_shaken in self._lines.items() if not has_shaken})
        if self._lines:
            # the listener has closed its ends, so what it still said is on its way
            await asyncio.wait(set(self._lines), timeout=LAST_WORDS_S)
        await self._cancel(set(self._lines))

    async def _accept_all(self, listening: socket.socket, welcome: Welcome) -> None:
        with contextlib.closing(listening):
            while True:
                try:
                    line, peer = await self._loop.sock_accept(listening)
                except OSError as error:
                    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                        log.warning("a connection was not taken", extra={"why": error.strerror})
                        self._make_room()
                        await asyncio.sleep(EXHAUSTED_S)
                    continue
                if len(self._lines) >= LINES and not self._make_room():
                    line.close()
                    continue
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                task = asyncio.create_task(self._carry(line, peer, welcome))
                self._lines[task] = False
                task.add_done_callback(functools.partial(self._forget, line))

    def _forget(self, line: socket.socket, task: asyncio.Task[None]) -> None:
        line.close()
        self._lines.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection failed", exc_info=error, extra=OUR_FAULT)

    def _make_room(self) -> bool:
        for task, has_shaken_hands in self._lines.items():
            if not has_shaken_hands and not task.cancelling():
                task.cancel()
                return True
        return False

    async def _carry(self, line: socket.socket, peer: Any, welcome: Welcome) -> None:
        try:
            reader, writer = await self._shake_hands(line)
        except OSError:
            # no TLS, none that we speak, or nothing within the time
            return
        with contextlib.suppress(OSError):
            await self._relay(reader, writer, lambda stream: welcome(stream, line, peer))

    async def _shake_hands(
        self, line: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader = asyncio.StreamReader(limit=BLOCK)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol,
            line,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_S,
            ssl_shutdown_timeout=FAREWELL_S,
        )
        task = asyncio.current_task()
        if task is not None:
            self._lines[task] = True
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hand: Callable[[socket.socket], None],
    ) -> None:
        ours, theirs = socket.socketpair()
        inner_reader, inner_writer = await asyncio.open_connection(sock=ours, limit=BLOCK)
        hand(theirs)
        ways = {
            asyncio.create_task(_carry_over(reader, inner_writer)),
            asyncio.create_task(_carry_over(inner_reader, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            writer.close()
            async with asyncio.timeout(FAREWELL_S):
                await writer.wait_closed()
        finally:
            for way in ways:
                way.cancel()
            inner_writer.close()
            writer.transport.abort()


async def _carry_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(BLOCK):
            writer.write(block)
            async with asyncio.timeout(UNREAD_S):
                await writer.drain()
