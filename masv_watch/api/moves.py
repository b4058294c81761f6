"""The stream of what moves: server-sent events, resumable by their number.

Owns how many streams there are at a time, how long each lasts, and when one wakes. Never decides
what moves: the store notes it. Asked by `api.routes`; built and stopped by `daemon`.

Law 1. A stream costs one thread of the server, so there are fewer streams than threads.
Law 2. A caller that went away or reads nothing holds a place for a bounded time only.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Generator, Iterator

from masv_watch.api import shapes
from masv_watch.errors import Busy, StoreError
from masv_watch.loops import Bell
from masv_watch.model import Move
from masv_watch.store.contract import Store

log = logging.getLogger(__name__)

#: streams at the same time
MOST = 4
#: seconds between two signs of life, so that a caller that went away is noticed
SIGN_S = 2.0
#: seconds after which a stream ends; a client comes back with the last number that it saw
LIFE_S = 600.0
#: moves read at once
AT_ONCE = 200


class Moves:
    """The moves of one store, for any number of callers one after the other."""

    def __init__(self, store: Store, *, monotonic: Callable[[], float]) -> None:
        """Begin without streams; every commit that moves a state wakes them."""
        self._store = store
        self._monotonic = monotonic
        self._door = threading.Lock()
        self._streams: set[Stream] = set()
        self._is_over = False
        store.listen(self._ring)

    def follow(self, after: int | None, tell: Callable[[Move], shapes.MoveBody]) -> Stream:
        """Give a stream of what moves after the move of this number; None: from now on.

        `tell` gives a move as the caller may know it.

        Raises:
            Busy: there are as many streams as there may be.
        """
        start = self._store.newest_move() if after is None else after
        stream = Stream(self._store, start, tell, monotonic=self._monotonic, forget=self._forget)
        with self._door:
            if self._is_over or len(self._streams) >= MOST:
                raise Busy(
                    f"there are {MOST} event streams already",
                    hint="close one, or ask GET /api/v1/uploads from time to time",
                )
            self._streams.add(stream)
        return stream

    def stop(self) -> None:
        """End every stream, so that nothing keeps the listener from closing."""
        with self._door:
            self._is_over = True
            streams = list(self._streams)
        for stream in streams:
            stream.end()

    def _ring(self) -> None:
        with self._door:
            streams = list(self._streams)
        for stream in streams:
            stream.ring()

    def _forget(self, stream: Stream) -> None:
        with self._door:
            self._streams.discard(stream)


class Stream:
    """One caller's stream, as the body of an answer."""

    def __init__(
        self,
        store: Store,
        after: int,
        tell: Callable[[Move], shapes.MoveBody],
        *,
        monotonic: Callable[[], float],
        forget: Callable[[Stream], None],
    ) -> None:
        """Begin after a move; `forget` is told when it is over."""
        self._store = store
        self._last = after
        self._tell = tell
        self._monotonic = monotonic
        self._forget = forget
        self._bell = Bell()
        self._is_over = False
        self._pieces = self._run()

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces of the body as they come."""
        return self._pieces

    def close(self) -> None:
        """Give the place to another; the server calls it when the answer is over.

        What was read last is let go of as well: a stream and its pieces hold each other.
        """
        self._is_over = True
        self._forget(self)
        self._pieces.close()

    def end(self) -> None:
        """Let the answer end at once."""
        self._is_over = True
        self._bell.ring()

    def ring(self) -> None:
        """Look for moves at once."""
        self._bell.ring()

    def _run(self) -> Generator[bytes, None, None]:
        try:
            yield from self._moves()
        except StoreError:
            # the state shows its trouble elsewhere; a client comes back with the last number
            log.info("an event stream ended: the state cannot be read")

    def _moves(self) -> Iterator[bytes]:
        until = self._monotonic() + LIFE_S
        yield b"retry: 1000\n\n"
        if gap := self._gap():
            yield gap
        while not self._is_over and self._monotonic() < until:
            moves = self._store.moves(self._last, AT_ONCE)
            if moves:
                self._last = moves[-1].id
                yield b"".join(_event(move.id, move.noun, self._tell(move)) for move in moves)
            elif not self._bell.wait(SIGN_S):
                yield b":\n\n"

    def _gap(self) -> bytes:
        """Give the event that says that moves are missing here; empty when none are."""
        oldest, newest = self._store.oldest_move(), self._store.newest_move()
        if oldest - 1 <= self._last <= newest:
            return b""
        # forgotten, or numbered by a state that is there no more
        self._last = oldest - 1 if self._last < oldest else newest
        data: shapes.GapBody = {"oldest": oldest}
        return _event(max(0, self._last), "gap", data)


def _event(number: int, name: str, data: object) -> bytes:
    text = json.dumps(data, ensure_ascii=True)
    return f"id: {number}\nevent: {name}\ndata: {text}\n\n".encode("ascii")
