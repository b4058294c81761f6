"""The token of one page, without which none of its buttons does anything.

Owns how it is made and read back. Never keeps one: it is signed with a key of this process, so a
restart ends them all. Used by the page.

Law 1. A token is for the caller for whom the page was drawn, and for nobody else.
Law 2. It is compared in a time that tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from masv_watch.errors import Denied
from masv_watch.model import Caller

#: seconds; a page that is looked at gets a new one with every look
LIFE_S = 3600
_LONGEST = 256


class Tokens:
    """The tokens of all pages of one process; any thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin with a fresh key; `now` is the store's clock."""
        self._now = now
        self._key = secrets.token_bytes(32)

    def issue(self, caller: Caller) -> str:
        """Give the token of a page that is drawn for a caller now."""
        said = f"{int(self._now()) + LIFE_S}.{secrets.token_hex(8)}"
        return f"{said}.{self._sign(said, caller)}"

    def demand(self, caller: Caller, token: str) -> None:
        """Refuse a change that does not come from a page of this caller's.

        Raises:
            Denied: the token is missing, another's, too old, or of an earlier process.
        """
        said, _, sign = token[:_LONGEST].rpartition(".")
        right = self._sign(said, caller)
        # signed first, read second: what is not ours is never looked into
        if not hmac.compare_digest(sign.encode("utf-8", "replace"), right.encode()):
            raise _stale()
        if int(said.partition(".")[0]) < self._now():
            raise _stale()

    def _sign(self, said: str, caller: Caller) -> str:
        who = f"{said}|{caller.uid}|{caller.is_owner}".encode("utf-8", "replace")
        return hmac.new(self._key, who, hashlib.sha256).hexdigest()


def _stale() -> Denied:
    return Denied(
        "this page is older than the daemon or than an hour, so nothing was done",
        hint="load the page again and repeat",
    )
