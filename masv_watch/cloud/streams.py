"""The stream of one chunk: a body poured into a socket, in blocks fit for the link.

Owns the pace of a body and the blocks that its bytes pass through. Never opens a socket, never
retries, never reads an answer and never knows what the bytes are. Called by
`cloud.http`.

Law 1. Memory is one block a connection, kept for the next chunk; a whole chunk is never held.
Law 2. The least rate is asked of the link alone: what the source or a limit of ours takes is not
       the link's fault.
Law 3. Nobody waits longer than LOOK_S for a socket without asking whether it is still wanted.
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from masv_watch import loops
from masv_watch.errors import CloudUnreachable, SourceChanged

#: bytes of one block of a body
BLOCK = 1024 * 1024
#: bytes that the kernel is asked to send by itself at once
_DIRECT = 4 * BLOCK
#: one blocking send covers a whole block: short ones keep a slow link from looking stalled
_LEAST_BLOCK = 64 * 1024
_FIRST_BLOCK = 256 * 1024
_QUICK_S, _SLOW_S = 0.5, 2.0
#: seconds that a send waits before it is asked whether it is still wanted
LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long each kind of wait may last."""

    #: seconds to connect, and for one send to make progress
    connect_s: float = 15.0
    #: seconds until an answer begins
    answer_s: float = 60.0
    #: seconds until a finalize answers: the cloud puts the chunks together meanwhile
    finalize_s: float = 300.0
    #: seconds that every chunk may take, however small
    least_put_s: float = 120.0
    #: bytes a second: slower than this over a whole body counts as stalled (fault 54)
    least_rate: float = 64 * 1024.0


class Body(Protocol):
    """What a chunk's body must offer; `files.Slice` does."""

    def __len__(self) -> int:
        """Give the whole length in bytes."""
        ...

    def read_into(self, block: memoryview, /) -> int:
        """Fill a block with the next bytes and give how many; 0 only after the last."""
        ...

    def look(self) -> None:
        """Raise when the body is not wanted any more."""
        ...

    @property
    def is_plain(self) -> bool:
        """Say whether the kernel may send it by itself, by `send_to`."""
        ...

    def send_to(self, out: int, at_most: int, /) -> int:
        """Have the kernel send the next bytes to a socket's descriptor; give how many."""
        ...


class Pour:
    """One body on its way through one socket."""

    def __init__(self, body: Body, *, clock: loops.Clock, deadlines: Deadlines) -> None:
        """Begin before its first byte; its time runs from the first block on."""
        self._body = body
        self._clock = clock
        self._stall_s = deadlines.connect_s
        self._rate = deadlines.least_rate
        self._allowed_s = max(deadlines.least_put_s, len(body) / deadlines.least_rate)
        self._left = len(body)
        self._block = _FIRST_BLOCK
        #: seconds that the link took so far
        self._spent_s = 0.0

    def into(self, sock: Any, block: memoryview) -> None:
        """Send the whole body.

        Raises:
            CloudUnreachable: the link is slower than the least rate.
            SourceError: what the body raises; SourceChanged also when it ends before its length.
            OSError: what the socket raises.
        """
        is_direct = self._body.is_plain and not isinstance(sock, ssl.SSLSocket)
        sock.settimeout(LOOK_S)
        while self._left:
            self._left -= self._send_direct(sock) if is_direct else self._send_block(sock, block)

    def _send_block(self, sock: Any, block: memoryview) -> int:
        count = self._body.read_into(block[: min(self._left, self._block)])
        self._demand_some(count)
        began = self._clock.monotonic()
        self._push(sock, block[:count])
        self._judge(self._clock.monotonic() - began, is_last=count == self._left)
        return count

    def _send_direct(self, sock: Any) -> int:
        stalled_s = 0.0
        while True:
            try:
                count = self._body.send_to(sock.fileno(), min(self._left, _DIRECT))
            except BlockingIOError:
                began = self._clock.monotonic()
                if not _is_writable(sock):
                    stalled_s = self._stalled(stalled_s)
                self._judge(self._clock.monotonic() - began)
            else:
                self._demand_some(count)
                return count

    def _demand_some(self, count: int) -> None:
        if not count:
            # an early end would hang until the answer's time-out (probe 7)
            raise SourceChanged("a chunk's source ended before its size")

    def _judge(self, took_s: float, *, is_last: bool = False) -> None:
        self._spent_s += took_s
        if self._spent_s > self._allowed_s and not is_last:
            raise CloudUnreachable(
                f"the link is slower than {self._rate / 1024:.0f} KiB/s over a whole chunk"
            )
        if took_s > _SLOW_S:
            self._block = _LEAST_BLOCK
        elif took_s < _QUICK_S:
            self._block = min(2 * self._block, BLOCK)

    def _push(self, sock: Any, block: memoryview) -> None:
        stalled_s = 0.0
        while block:
            try:
                block = block[sock.send(block) :]
                stalled_s = 0.0
            except TimeoutError:
                stalled_s = self._stalled(stalled_s)

    def _stalled(self, so_far_s: float) -> float:
        """Add a fruitless wait to the ones before it.

        Raises:
            TimeoutError: they last as long as a send may.
        """
        self._body.look()
        if so_far_s + LOOK_S >= self._stall_s:
            raise TimeoutError("the other side takes nothing")
        return so_far_s + LOOK_S


def _is_writable(sock: Any) -> bool:
    waiting = select.poll()
    waiting.register(sock.fileno(), select.POLLOUT)
    return bool(waiting.poll(LOOK_S * 1000))


def as_content(pour: Pour) -> Iterator[Pour]:
    """Give a pour in the form in which urllib3 takes a body."""
    yield pour
