"""Hold blocks back until they may leave, for all workers together.

Owns the wait of a worker whose block comes too early, and how long such waits were. Never knows
where a limit comes from: `transfer.bandwidth` sets it. Called by `transfer.sending` for each block.

Law 1. Without a limit nothing is locked: that is the way of every block on a fast link.
Law 2. A wait ends when the block's turn comes, when the limits change, or when the upload is told
       to stop; the lock is held for none of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.transfer.pacing import ANY_BLOCK, Pacing, Place, Rates

#: seconds after which a waiting worker looks whether the limits changed
LOOK_S = 0.2


class Throttle:
    """The limits of one daemon; any thread may ask."""

    def __init__(self, *, clock: Clock, metrics: Metrics) -> None:
        """Begin without a limit."""
        self._clock = clock
        self._metrics = metrics
        self._pacing = Pacing()
        #: held for the arithmetic only
        self._door = threading.Lock()
        self._rates = Rates()
        #: None while there is no limit at all
        self._held: Rates | None = None

    def change(self, rates: Rates) -> None:
        """Let other limits hold at once, also for the blocks that wait."""
        with self._door:
            self._pacing.change(rates, self._clock.monotonic())
            self._rates = rates
            self._held = rates if rates.total is not None or rates.folders else None

    def block(self, hot_folder: str | None) -> int:
        """Give the largest block worth handing over at once, in bytes: 4 KiB to 1 MiB.

        Where no limit counts any block is.
        """
        rates = self._held
        return ANY_BLOCK if rates is None else rates.block(hot_folder)

    def admit(self, size: int, hot_folder: str | None, stop: threading.Event) -> None:
        """Wait until a block of `size` bytes may leave, or until `stop` is set.

        `hot_folder` is whose limit counts beside the one for all; None for an upload of a caller.
        """
        rates = self._held
        if rates is not None and size > 0 and rates.holds_back(hot_folder):
            self._take_turn(size, hot_folder, stop)

    def workers(self, hot_folder: str | None, sizes: Iterable[int], most: int) -> int:
        """Say how many of at most so many workers are worth having for small files."""
        rates = self._held
        return most if rates is None else rates.workers(hot_folder, sizes, most)

    def toll(self, hot_folder: str | None, stop: threading.Event) -> Toll:
        """Give the way of one chunk through the throttle."""
        return Toll(self, hot_folder, stop)

    def _take_turn(self, size: int, hot_folder: str | None, stop: threading.Event) -> None:
        began = self._clock.monotonic()
        with self._door:
            place, rates = self._pacing.join(size, hot_folder, began), self._rates
            wait_s = self._pacing.ask(place, began)
        if not wait_s:
            return
        try:
            self._wait(place, began + wait_s, rates, stop)
        finally:
            with self._door:
                self._pacing.leave(place)
            waited_s = self._clock.monotonic() - began
            self._metrics.count("limit_wait_seconds", waited_s, **_labels(hot_folder))

    def _wait(self, place: Place, due: float, rates: Rates, stop: threading.Event) -> None:
        """Wait until a place is due; `rates` are those by which that was found."""
        now = self._clock.monotonic()
        while not stop.wait(max(min(due - now, LOOK_S), 0.0)):
            now = self._clock.monotonic()
            if now < due and rates is self._rates:
                continue
            with self._door:
                rates, wait_s = self._rates, self._pacing.ask(place, now)
            if not wait_s:
                return
            due = now + wait_s


class Toll:
    """The way of one chunk: each block is paid before it is handed over, each byte once."""

    def __init__(self, throttle: Throttle, hot_folder: str | None, stop: threading.Event) -> None:
        """Begin with nothing paid."""
        self._throttle = throttle
        self._hot_folder = hot_folder
        self._stop = stop
        #: bytes that may be handed over and were not yet
        self._paid = 0

    def ask(self, wanted: int) -> int:
        """Wait until some of so many bytes may be handed over, and give how many."""
        if self._paid <= 0:
            size = min(wanted, self._throttle.block(self._hot_folder))
            self._throttle.admit(size, self._hot_folder, self._stop)
            self._paid = size
        return min(wanted, self._paid)

    def note(self, size: int) -> None:
        """Note bytes that were handed over; what is handed over again is paid again."""
        self._paid -= max(size, 0)


def _labels(hot_folder: str | None) -> dict[str, str]:
    return {} if hot_folder is None else {"hot_folder": hot_folder}
