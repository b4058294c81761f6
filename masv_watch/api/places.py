"""Bounded places for calls that may wait long, so that these never take every thread that answers.

Owns how many such calls are let in at a time, and the refusal of one more. Never waits long and
never looks into a call. Used by `api.routes`
and by the page, which share them by the desk.
"""

from __future__ import annotations

import threading
from types import TracebackType

from masv_watch.errors import Busy

#: calls at a time that look at sources, which may lie on a mount that hangs
MOST_WALKS = 3
#: calls at a time that ask the cloud; with the walks and the looks fewer than `server.THREADS`
MOST_ASKING = 2
#: calls at a time that draw the page: they wait for nothing, but many who look must not take all
MOST_LOOKS = 2
#: seconds until a refused caller is to ask again
_AGAIN_S = 5
#: seconds that one more call waits for a place: enough for a burst of looks, not for a hung mount
_PATIENCE_S = 0.5


class Places:
    """So many places for calls of one kind; a `with` takes one and gives it back. Any thread."""

    def __init__(self, most: int, *, doing: str) -> None:
        """Have this many places; `doing` says what those who took one do: `look at sources`."""
        self._free = threading.BoundedSemaphore(most)
        self._most = most
        self._doing = doing

    def __enter__(self) -> None:
        """Take a place, for which a call waits half a second at most.

        Raises:
            Busy: there is still none left.
        """
        if not self._free.acquire(timeout=_PATIENCE_S):
            raise Busy(
                f"{self._most} calls {self._doing} already, and no more may at a time",
                hint=f"nothing was changed; make the call again in {_AGAIN_S} seconds",
                retry_after_s=_AGAIN_S,
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the place back, however the call ended."""
        self._free.release()
