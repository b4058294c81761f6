"""Few whole looks at a time: what makes a daemon large is that all hot folders are swept at once.

Owns how many sweeps walk beside each other when nobody waits for any of them, as after a start and
once in an hour. Never keeps one back for longer than a slow disk deserves. One for all intakes.

Each sweep holds what it sees of some hundred files, reads the ledger by a connection of its own,
and shares the interpreter with the others: twenty at once take the memory of twenty, which the
process keeps, and are no faster.

Law 1. A disk that is slow or hangs holds nobody up: whoever has walked for long is not counted
       (fault 10).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: sweeps at a time; two have the interpreter busy, and some wait for a disk
AT_ONCE = 4
#: seconds after which a sweep is one of those that wait for something else than their turn
PATIENCE_S = 5.0


class Turnstile:
    """Lets some sweeps begin and others wait for one to end; any thread."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        """Begin with nobody inside."""
        self._monotonic = monotonic
        self._someone_left = threading.Condition()
        #: monotonic second at which each of those inside went through
        self._inside: dict[object, float] = {}

    @contextmanager
    def through(self, stop: Callable[[], bool]) -> Iterator[float]:
        """Wait for a turn, at most until `stop` says so, and give how many seconds that took.

        It lasts until the end of what is done with it.
        """
        mine, came = object(), self._monotonic()
        with self._someone_left:
            while (wait_s := self._wait_s()) > 0 and not stop():
                self._someone_left.wait(wait_s)
            self._inside[mine] = began = self._monotonic()
        try:
            yield began - came
        finally:
            with self._someone_left:
                del self._inside[mine]
                self._someone_left.notify()

    def _wait_s(self) -> float:
        """Give the seconds until one of those inside counts no more; 0 when there is room."""
        long_ago = self._monotonic() - PATIENCE_S
        counted = [since - long_ago for since in self._inside.values() if since > long_ago]
        return min(counted) if len(counted) >= AT_ONCE else 0.0
