"""What is asked of the control plane, and who can be asked.

Owns the form of one request. Never sends it: `cloud.http` does. Made by `cloud.client`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from masv_watch.cloud import reading, wire
from masv_watch.cloud.nearness import Nearness
from masv_watch.cloud.refusals import Answer, Door
from masv_watch.cloud.streams import Body
from masv_watch.model import Secret

#: bytes of an ordinary answer, and of a listing
ANSWER_LIMIT = 1024 * 1024
LISTING_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the control plane."""

    #: completes "while ..." in messages
    doing: str
    method: str
    url: str = field(repr=False)
    door: Door
    #: header that proves who we are, without its secret; empty for a public call
    proof: str = ""
    #: what the proof's header carries
    secret: Secret | None = None
    body: reading.Json = field(default=None, repr=False)
    #: other secrets that the request carries, so that no message repeats them
    secrets: tuple[Secret, ...] = ()
    #: called per file: through the pool
    often: bool = False
    is_finalize: bool = False
    #: bytes
    limit: int = ANSWER_LIMIT


class Line(Protocol):
    """Who carries requests to the cloud; `cloud.http.Http` does."""

    @property
    def nearness(self) -> Nearness:
        """Say how near the cloud is."""
        ...

    def ask(self, call: Call) -> Answer:
        """Make a control call and give its good answer."""
        ...

    def storage(
        self, blueprint: wire.Blueprint, body: Body | None = None, *, doing: str = ...
    ) -> Answer:
        """Send exactly what a blueprint says, and give the good answer."""
        ...

    def close(self) -> None:
        """Close every idle connection."""
        ...


class LateLine:
    """A line that is laid with its first request: what HTTP takes is for who sends; any thread."""

    def __init__(self, lay: Callable[[], Line]) -> None:
        """Keep `lay`, which is called once."""
        self._lay = lay
        self._door = threading.Lock()
        self._line: Line | None = None
        self._nearness = Nearness()

    @property
    def nearness(self) -> Nearness:
        """Say how near the cloud is, as far as it was asked."""
        return self._nearness if self._line is None else self._line.nearness

    def ask(self, call: Call) -> Answer:
        """Make a control call and give its good answer."""
        return self._laid().ask(call)

    def storage(
        self, blueprint: wire.Blueprint, body: Body | None = None, *, doing: str = "sending a chunk"
    ) -> Answer:
        """Send exactly what a blueprint says, and give the good answer."""
        return self._laid().storage(blueprint, body, doing=doing)

    def close(self) -> None:
        """Close every idle connection."""
        if self._line is not None:
            self._line.close()

    def _laid(self) -> Line:
        with self._door:
            if self._line is None:
                self._line = self._lay()
            return self._line
