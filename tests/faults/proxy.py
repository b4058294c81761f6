"""A TCP proxy that breaks connections where a test says, to the byte.

Owns one listener, one thread with an event loop, the faults that a test ordered and a note of every
exchange. Never answers by itself and changes no byte but the one that a fault turns. Stands between
the real client, or the daemon, and the sandbox: its storage URLs carry the host that it was asked
under, so that chunks come this way as well. Of HTTP it reads only where a request begins and ends.

Law 1. A fault counts the bytes of its exchange in its direction: `at` of them pass, then it
       strikes. One that stands beyond the last byte never strikes: so ends a walk over offsets.
Law 2. What the server has got whole it may act on: it is told of a reset by an orderly end, never
       by an RST, which would throw away what it has not read yet.
Law 3. What is held goes no further when the client has gone meanwhile; what is late does.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic
from urllib.parse import urlsplit

from tests.faults.latency import BLOCK, Source

_RST = struct.pack("ii", 1, 0)
#: bytes: the window and the segment of a line that lets nobody send far ahead
_NARROW_WINDOW, _NARROW_SEGMENT = 16 * 1024, 1400


class Kind(StrEnum):
    """What a fault does."""

    #: the client gets an RST, the server an end
    RESET = "reset"
    #: this direction ends (FIN) and the other goes on
    HALF_CLOSE = "half close"
    #: from here on everything is swallowed, and nothing is said
    HOLE = "black hole"
    #: from here on nothing more is read from this side
    DEAF = "deaf"
    #: from here on only `rate` bytes a second pass
    SLOW = "slow"
    #: one bit of the next byte is turned
    FLIP = "flip"
    #: everything stands still until it is released
    HOLD = "hold"
    #: the client is reset once it has sent all of it, and the server gets it when it is released
    LATE = "late"


class Way(StrEnum):
    """A direction: what is asked goes up, what is answered comes down."""

    UP = "up"
    DOWN = "down"


@dataclass(eq=False, kw_only=True)
class Fault:
    """One ordered fault: the first `skip` exchanges that fit pass, the next `times` are struck."""

    kind: Kind
    way: Way
    #: matches "METHOD /path", the query left out
    pattern: re.Pattern[str]
    #: bytes of the exchange that pass before
    at: int
    #: None: for ever
    times: int | None
    skip: int
    #: bytes a second
    rate: int
    #: exchanges that fitted, and those in which it struck
    met: int = 0
    struck: int = 0
    #: set when it struck for the first time; a late request: once the client has sent all of it
    reached: threading.Event = field(default_factory=threading.Event)
    #: lets what it holds go on
    released: threading.Event = field(default_factory=threading.Event)
    #: a late request was answered, and its answer thrown away
    arrived: threading.Event = field(default_factory=threading.Event)

    def is_due(self, line: str) -> bool:
        """Say whether an exchange is to be struck, counting it."""
        if self.pattern.match(line) is None or self.released.is_set():
            return False
        self.met += 1
        return self.met > self.skip and (self.times is None or self.met <= self.skip + self.times)


@dataclass(eq=False, kw_only=True)
class Exchange:
    """One request and its answer, as far as they came."""

    #: counted from 1
    connection: int
    method: str
    path: str
    #: monotonic seconds
    began_at: float
    #: bytes that were passed on
    up: int = 0
    down: int = 0
    #: the client has sent all of it
    is_whole: bool = False
    #: of the answer; None while nobody knows
    status: int | None = None
    #: the faults that it meets, and those that struck it so far
    faults: list[Fault] = field(default_factory=list)
    struck: list[Fault] = field(default_factory=list)

    def passed(self, way: Way) -> int:
        """Give the bytes that were passed on in a direction."""
        return self.up if way is Way.UP else self.down

    def rate(self, way: Way) -> int:
        """Give the bytes a second that pass in a direction; 0: as many as come."""
        slow = (each for each in self.struck if each.kind is Kind.SLOW and each.way is way)
        return next((each.rate for each in slow if not each.released.is_set()), 0)

    def late(self) -> Fault | None:
        """Give the fault by which the server gets it only later."""
        return next((each for each in self.struck if each.kind is Kind.LATE), None)


class _Broken(Exception):
    """The connection ends here by a fault; `late` is what the server still gets, and when."""

    def __init__(self, late: tuple[Fault, bytes] | None = None) -> None:
        super().__init__()
        self.late = late


@dataclass(eq=False)
class _Link:
    """One connection of a client and the one to the server that belongs to it."""

    number: int
    client: socket.socket
    server: socket.socket
    swallowed: set[Way] = field(default_factory=set)
    exchange: Exchange | None = None
    kept: bytearray = field(default_factory=bytearray)
    client_went: asyncio.Event = field(default_factory=asyncio.Event)

    def sink(self, way: Way) -> socket.socket:
        return self.server if way is Way.UP else self.client


class Proxy:
    """A proxy in front of one server; verbs may be called from any thread."""

    def __init__(self, target: str, *, latency_s: float = 0.0, is_narrow: bool = False) -> None:
        """Listen at once.

        Every byte is `latency_s` seconds under way, in each direction. With `is_narrow` a client
        cannot hand its kernel much more than the line takes, as on a slow link between machines.
        """
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._latency_s = latency_s
        self._door = threading.Lock()
        self._faults: list[Fault] = []
        self._noted: list[Exchange] = []
        self._links: set[_Link] = set()
        self._made = 0
        #: bytes that clients have sent so far, and when the last of them came, monotonic seconds
        self.taken = 0
        self.taken_at = 0.0
        self._listener = socket.socket()
        if is_narrow:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW_WINDOW)
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _NARROW_SEGMENT)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)
        self._thread.start()

    def order(
        self,
        kind: Kind,
        match: str = "",
        *,
        way: Way = Way.UP,
        at: int = 0,
        times: int | None = 1,
        skip: int = 0,
        rate: int = 0,
    ) -> Fault:
        """Order a fault for exchanges whose "METHOD /path" begins as the expression says."""
        fault = Fault(
            kind=kind, way=way, pattern=re.compile(match), at=at, times=times, skip=skip, rate=rate
        )
        with self._door:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Forget all faults; what was held goes on, what was slow does not stay so."""
        with self._door:
            gone, self._faults = self._faults, []
        for fault in gone:
            fault.released.set()

    def exchanges(self, match: str = "") -> list[Exchange]:
        """List the exchanges so far that fit, in the order in which they began."""
        with self._door:
            return [each for each in self._noted if re.match(match, f"{each.method} {each.path}")]

    def forget(self) -> None:
        """Forget the exchanges so far."""
        with self._door:
            self._noted.clear()

    @property
    def open_links(self) -> int:
        """Count the connections that stand."""
        return len(self._links)

    def close(self) -> None:
        """End every connection and the thread."""
        self.heal()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _serve(self) -> None:
        accepting = self._loop.create_task(self._accept())
        try:
            self._loop.run_forever()
        finally:
            running = asyncio.all_tasks(self._loop)
            for task in running:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*running, return_exceptions=True))
            del accepting
            self._listener.close()
            self._loop.close()

    async def _accept(self) -> None:
        carried = set()
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            task = self._loop.create_task(self._carry(client))
            carried.add(task)
            task.add_done_callback(carried.discard)

    async def _carry(self, client: socket.socket) -> None:
        server = socket.socket()
        self._made += 1
        link = _Link(self._made, client, server)
        self._links.add(link)
        try:
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(server, self._target)
            await self._carry_both(link)
        except OSError:
            # whoever went away: the other side learns it by the end below
            return
        finally:
            self._links.discard(link)
            client.close()
            server.close()

    async def _carry_both(self, link: _Link) -> None:
        ways = [
            self._loop.create_task(self._carry_up(link)),
            self._loop.create_task(self._carry_down(link)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in ways:
                task.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for task in done:
            error = task.exception()
            if isinstance(error, _Broken):
                link.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                link.client.close()
                if error.late is not None:
                    await self._deliver_late(link, *error.late)
            elif error is not None:
                raise error

    async def _carry_up(self, link: _Link) -> None:
        source = Source(self._loop, link.client, self._latency_s, self._note_taken)
        try:
            waiting = b""
            while True:
                while b"\r\n\r\n" not in waiting:
                    block = await source.take(BLOCK)
                    if not block:
                        with suppress(OSError):
                            link.server.shutdown(socket.SHUT_WR)
                        return
                    waiting += block
                waiting = await self._carry_request(link, source, waiting)
        finally:
            source.close()
            link.client_went.set()

    async def _carry_request(self, link: _Link, source: Source, waiting: bytes) -> bytes:
        """Pass on one request, of which the head is there; give what came behind it."""
        head, _, rest = waiting.partition(b"\r\n\r\n")
        exchange = link.exchange = self._begin(link, head)
        left = _length(head)
        body, rest = rest[:left], rest[left:]
        left -= len(body)
        await self._pass(link, exchange, Way.UP, head + b"\r\n\r\n" + body)
        while left:
            rate = exchange.rate(Way.UP)
            block = await source.take(min(left, max(rate // 20, 512) if rate else BLOCK))
            if not block:
                raise ConnectionResetError
            left -= len(block)
            await self._pass(link, exchange, Way.UP, block)
        exchange.is_whole = True
        late = exchange.late()
        if late is not None:
            raise _Broken((late, bytes(link.kept)))
        return rest

    async def _carry_down(self, link: _Link) -> None:
        source = Source(self._loop, link.server, self._latency_s, lambda _count: None)
        try:
            while block := await source.take(BLOCK):
                exchange = link.exchange
                if exchange is None:
                    raise ConnectionResetError
                if exchange.status is None and len(block) > 12:
                    exchange.status = int(block[9:12])
                await self._pass(link, exchange, Way.DOWN, block)
        finally:
            source.close()
        if Way.DOWN in link.swallowed:
            await link.client_went.wait()
        raise ConnectionResetError

    def _note_taken(self, count: int) -> None:
        self.taken += count
        self.taken_at = monotonic()

    def _begin(self, link: _Link, head: bytes) -> Exchange:
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        path = target.partition("?")[0]
        exchange = Exchange(connection=link.number, method=method, path=path, began_at=monotonic())
        with self._door:
            line = f"{method} {path}"
            exchange.faults = [fault for fault in self._faults if fault.is_due(line)]
            self._noted.append(exchange)
        return exchange

    async def _pass(self, link: _Link, exchange: Exchange, way: Way, data: bytes) -> None:
        """Pass bytes on, and let every fault of this direction strike at its place."""
        while True:
            for fault in [each for each in exchange.faults if each.way is way]:
                if fault.at == exchange.passed(way) and fault not in exchange.struck:
                    data = await self._strike(link, exchange, fault, data)
            if not data:
                return
            ahead = [
                fault.at - exchange.passed(way)
                for fault in exchange.faults
                if fault.way is way and fault.at > exchange.passed(way)
            ]
            piece = data[: min([len(data), *ahead])]
            data = data[len(piece) :]
            await self._send(link, exchange, way, piece)
            if way is Way.UP:
                exchange.up += len(piece)
            else:
                exchange.down += len(piece)

    async def _strike(self, link: _Link, exchange: Exchange, fault: Fault, data: bytes) -> bytes:
        if fault.kind is Kind.FLIP and not data:
            # the byte to turn is not there yet, or never will be
            return data
        exchange.struck.append(fault)
        fault.struck += 1
        if fault.kind is not Kind.LATE:
            fault.reached.set()
        match fault.kind:
            case Kind.RESET:
                # an answer must not slip through before the connection is gone
                link.swallowed |= {Way.UP, Way.DOWN}
                raise _Broken
            case Kind.HALF_CLOSE:
                link.swallowed.add(fault.way)
                link.sink(fault.way).shutdown(socket.SHUT_WR)
            case Kind.HOLE:
                link.swallowed |= {Way.UP, Way.DOWN}
            case Kind.DEAF | Kind.HOLD:
                while not fault.released.is_set():
                    await asyncio.sleep(0.005)
                _demand_there(link.client)
            case Kind.FLIP:
                data = bytes([data[0] ^ 1]) + data[1:]
            case Kind.LATE:
                link.kept.clear()
            case Kind.SLOW:
                pass
        return data

    async def _send(self, link: _Link, exchange: Exchange, way: Way, data: bytes) -> None:
        if way in link.swallowed:
            return
        if way is Way.UP and exchange.late() is not None:
            link.kept += data
            return
        rate = exchange.rate(way)
        if not rate:
            await self._loop.sock_sendall(link.sink(way), data)
            return
        step = max(rate // 20, 1)
        due = monotonic()
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            due += len(piece) / rate
            await self._loop.sock_sendall(link.sink(way), piece)
            if exchange.rate(way):
                await asyncio.sleep(max(due - monotonic(), 0))

    async def _deliver_late(self, link: _Link, fault: Fault, request: bytes) -> None:
        fault.reached.set()
        while not fault.released.is_set():
            await asyncio.sleep(0.005)
        await self._loop.sock_sendall(link.server, request)
        answer = await self._loop.sock_recv(link.server, BLOCK)
        if link.exchange is not None and len(answer) > 12:
            link.exchange.status = int(answer[9:12])
        fault.arrived.set()


def _demand_there(end: socket.socket) -> None:
    """Raise when the other side has gone: what it asked for and was held goes no further."""
    with suppress(BlockingIOError):
        if not end.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError


def _length(head: bytes) -> int:
    found = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0
