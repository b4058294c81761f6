"""The workers that carry out one piece of sending each, side by side in two lanes.

Owns the threads, the pieces that wait for them and the outcomes that wait for the sender. Never
decides what is sent or what a failure means. Built and drained by `transfer.sender`.

Law 1. A lane has as many workers as it has pieces, up to its size; they end after a while without
       work, so that a daemon at rest has none.
Law 2. A piece that was handed in is carried out or taken back, never lost, whatever ends meanwhile.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Generic, TypeVar

from masv_watch.errors import MasvWatchError
from masv_watch.loops import Bell, Clock, Loop
from masv_watch.metrics import Metrics

K = TypeVar("K")

#: workers of the lane of small files: on a long link they wait for answers most of the time
SMALL_WORKERS = 64
#: with a cloud next door the workers would only wait for each other: so many pieces are enough for
#: each millisecond that it takes to answer (measured: the calls of a file cost us about one)
PIECES_A_MS, LEAST_PIECES = 8, 2
#: seconds that a worker waits for a piece before it ends
IDLE_S = 20.0


def worth_handing_out(answer_s: float | None) -> int:
    """Say how many pieces of small files are worth it when the cloud answers in so many seconds.

    At most one waits behind each that runs.
    """
    if answer_s is None:
        return LEAST_PIECES
    return max(LEAST_PIECES, min(int(answer_s * 1000 * PIECES_A_MS), 2 * SMALL_WORKERS))


class Lane(StrEnum):
    """Who works on a piece: what waits for answers, or what waits for bytes to leave."""

    #: whole small files and every call that carries no bytes
    SMALL = "small"
    #: chunks of large files: a few connections fill a link
    LARGE = "large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[K]):
    """What became of a piece of work."""

    key: K
    lane: Lane
    #: None when it was done; a fault of our own code has `crashed` set instead
    error: MasvWatchError | None = None
    crashed: bool = False


class Crew(Generic[K]):
    """The workers of both lanes; verbs are called by the sender's thread only."""

    def __init__(
        self,
        sizes: Mapping[Lane, Callable[[], int]],
        *,
        bell: Bell,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Begin without a worker; `sizes` gives the most of each lane, asked again and again.

        `bell` is rung at every outcome.
        """
        self._clock = clock
        self._outcomes: queue.SimpleQueue[Outcome[K]] = queue.SimpleQueue()
        self._lanes = {
            lane: _Workers(
                lane, size, self._outcomes, _Supervision(bell=bell, clock=clock, metrics=metrics)
            )
            for lane, size in sizes.items()
        }
        self._busy = dict.fromkeys(sizes, 0)

    def stop(self, timeout_s: float) -> None:
        """End the workers once they are done with their pieces, waiting at most so long in all."""
        loops = [loop for workers in self._lanes.values() for loop in workers.end()]
        until = self._clock.monotonic() + timeout_s
        for loop in loops:
            loop.stop(max(until - self._clock.monotonic(), 0.0))

    def size(self, lane: Lane) -> int:
        """Say how many workers a lane may have now."""
        return self._lanes[lane].most()

    def room(self, lane: Lane) -> int:
        """Say how many more pieces are worth handing in: one waits behind each that runs."""
        return max(0, 2 * self.size(lane) - self._busy[lane])

    @property
    def busy(self) -> int:
        """Count the pieces handed in whose outcome was not taken yet."""
        return sum(self._busy.values())

    def is_full(self, lane: Lane) -> bool:
        """Say whether a lane has as many workers as it may have, each with a piece."""
        size = self.size(lane)
        return self._busy[lane] >= size == self._lanes[lane].count

    def hand_in(self, lane: Lane, key: K, piece: Callable[[], None]) -> None:
        """Queue a piece; its outcome carries the key."""
        self._busy[lane] += 1
        self._lanes[lane].put((key, piece), self._busy[lane])

    def take_back(self) -> list[K]:
        """Give the keys of the pieces that no worker has begun; they have no outcome."""
        taken = []
        for lane, workers in self._lanes.items():
            keys = workers.take_back()
            self._busy[lane] -= len(keys)
            taken += keys
        return taken

    def take_outcomes(self) -> list[Outcome[K]]:
        """Give the outcomes that came in."""
        taken = []
        while not self._outcomes.empty():
            outcome = self._outcomes.get()
            self._busy[outcome.lane] -= 1
            taken.append(outcome)
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Supervision:
    """What every worker's loop is built with."""

    bell: Bell
    clock: Clock
    metrics: Metrics


class _Workers(Generic[K]):
    """One lane: its waiting pieces and its threads."""

    def __init__(
        self,
        lane: Lane,
        most: Callable[[], int],
        outcomes: queue.SimpleQueue[Outcome[K]],
        supervision: _Supervision,
    ) -> None:
        self.most = most
        self._lane = lane
        self._outcomes = outcomes
        self._with = supervision
        self._numbers = count(1)
        self._pieces: queue.SimpleQueue[tuple[K, Callable[[], None]] | None] = queue.SimpleQueue()
        #: held while a piece comes in or a worker ends: none of them misses the other
        self._door = threading.Lock()
        self._loops: dict[str, Loop] = {}

    @property
    def count(self) -> int:
        return len(self._loops)

    def put(self, piece: tuple[K, Callable[[], None]], busy: int) -> None:
        with self._door:
            self._pieces.put(piece)
            if len(self._loops) < min(busy, self.most()):
                self._start_one()

    def take_back(self) -> list[K]:
        keys = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._pieces.get_nowait()
                if waiting is not None:
                    keys.append(waiting[0])
        return keys

    def end(self) -> list[Loop]:
        with self._door:
            loops = list(self._loops.values())
            for loop in loops:
                loop.ask_to_stop()
                self._pieces.put(None)
        return loops

    def _start_one(self) -> None:
        name = f"worker-{self._lane}-{next(self._numbers)}"
        loop = Loop(
            name,
            lambda: self._tick(name),
            bell=Bell(),
            clock=self._with.clock,
            metrics=self._with.metrics,
            # a chunk on a slow link outlives any fixed limit; its own deadline ends it
            vital=False,
        )
        self._loops[name] = loop
        loop.start()

    def _tick(self, name: str) -> float:
        try:
            waiting = self._pieces.get(timeout=IDLE_S)
        except queue.Empty:
            self._leave(name, unless_needed=True)
            return 0.0
        if waiting is not None:
            self._carry_out(*waiting)
        if len(self._loops) > self.most():
            self._leave(name, unless_needed=False)
        return 0.0

    def _leave(self, name: str, *, unless_needed: bool) -> None:
        with self._door:
            if unless_needed and not self._pieces.empty():
                return
            if not unless_needed and len(self._loops) <= self.most():
                return
            self._loops.pop(name).ask_to_stop()

    def _carry_out(self, key: K, piece: Callable[[], None]) -> None:
        outcome = Outcome(key=key, lane=self._lane, crashed=True)
        try:
            piece()
            outcome = Outcome(key=key, lane=self._lane)
        except MasvWatchError as error:
            outcome = Outcome(key=key, lane=self._lane, error=error)
        finally:
            self._outcomes.put(outcome)
            self._with.bell.ring()
