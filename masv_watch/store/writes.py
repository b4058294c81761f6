"""One write that waits for its commit, and how its caller learns of its end.

Owns the meeting of a caller's thread and the writer's. Never runs anything. Used by the engines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from masv_watch.store.sql import Moved, Transaction

T = TypeVar("T")


class Write(Generic[T]):
    """One that waits for its commit."""

    def __init__(self, run: Callable[[Transaction], T]) -> None:
        """Hold what is to be run; its verdict is set by the writer before `end`."""
        self.run = run
        # held until it ended; an Event would cost more than a small write
        self._running = threading.Lock()
        self._running.acquire()
        self.has_ended = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self.moved: list[Moved] = []
        self.rings = False

    def end(self) -> None:
        """Let its caller go on; called once."""
        self.has_ended = True
        self._running.release()

    def wait(self) -> None:
        """Wait until it ended; called once."""
        self._running.acquire()
