"""The workers that carry out one piece of sending each, side by side.

Owns the threads, the pieces that wait for them and the outcomes that wait for the sender. Never
decides what is sent or what a failure means. Built and drained by `transfer.sender`.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from masv_watch.errors import MasvWatchError
from masv_watch.loops import Bell, Clock, Loop
from masv_watch.metrics import Metrics

K = TypeVar("K")

#: seconds that an idle worker sleeps between two looks at its stop flag
_LOOK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[K]):
    """What became of a piece of work."""

    key: K
    #: None when it was done; a fault of our own code has `crashed` set instead
    error: MasvWatchError | None = None
    crashed: bool = False


class Crew(Generic[K]):
    """A fixed number of workers over one queue of pieces."""

    def __init__(self, size: int, *, bell: Bell, clock: Clock, metrics: Metrics) -> None:
        """Build `size` workers; `bell` is rung at every outcome."""
        self.size = size
        self._bell = bell
        self._clock = clock
        self._pieces: queue.SimpleQueue[tuple[K, Callable[[], None]] | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome[K]] = queue.SimpleQueue()
        self._busy = 0
        self.loops = [
            Loop(
                f"worker-{number}",
                self._tick,
                bell=Bell(),
                clock=clock,
                metrics=metrics,
                # a chunk on a slow link outlives any fixed limit; its own deadline ends it
                vital=False,
            )
            for number in range(1, size + 1)
        ]

    def start(self) -> None:
        """Start every worker."""
        for loop in self.loops:
            loop.start()

    def stop(self, timeout_s: float) -> None:
        """End the workers once they are done with their pieces, waiting at most so long in all."""
        for loop in self.loops:
            loop.ask_to_stop()
            self._pieces.put(None)
        until = self._clock.monotonic() + timeout_s
        for loop in self.loops:
            loop.stop(max(until - self._clock.monotonic(), 0.0))

    @property
    def room(self) -> int:
        """Say how many more pieces are worth handing in: one waits behind each that runs."""
        return max(0, 2 * self.size - self._busy)

    @property
    def busy(self) -> int:
        """Count the pieces handed in whose outcome was not taken yet."""
        return self._busy

    def hand_in(self, key: K, piece: Callable[[], None]) -> None:
        """Queue a piece; its outcome carries the key. Called by the sender's thread only."""
        self._busy += 1
        self._pieces.put((key, piece))

    def take_back(self) -> list[K]:
        """Give the keys of the pieces that no worker has begun; they have no outcome.

        Called by the sender's thread only.
        """
        keys = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._pieces.get_nowait()
                if waiting is not None:
                    keys.append(waiting[0])
        self._busy -= len(keys)
        return keys

    def take_outcomes(self) -> list[Outcome[K]]:
        """Give the outcomes that came in. Called by the sender's thread only."""
        taken = []
        while not self._outcomes.empty():
            taken.append(self._outcomes.get())
        self._busy -= len(taken)
        return taken

    def _tick(self) -> float:
        try:
            waiting = self._pieces.get(timeout=_LOOK_S)
        except queue.Empty:
            return 0.0
        if waiting is not None:
            self._carry_out(*waiting)
        return 0.0

    def _carry_out(self, key: K, piece: Callable[[], None]) -> None:
        outcome = Outcome(key=key, crashed=True)
        try:
            piece()
            outcome = Outcome(key=key)
        except MasvWatchError as error:
            outcome = Outcome(key=key, error=error)
        finally:
            self._outcomes.put(outcome)
            self._bell.ring()
