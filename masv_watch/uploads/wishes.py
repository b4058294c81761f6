"""What a caller wishes to send, and the draft that it becomes.

Owns the noun of a create and what of it is frozen. Never reads a disk: what the paths hold is
handed in. Called by the desk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from masv_watch.model import (
    Caller,
    Draft,
    Found,
    Repeat,
    Secret,
    Terms,
    UploadType,
)
from masv_watch.names import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An upload as a caller asks for it."""

    type: UploadType
    #: absolute paths of files and folders
    paths: tuple[bytes, ...]
    #: subdomain or id of the team; None for a portal
    team: str | None = None
    #: the portal's subdomain; None for a team
    portal: str | None = None
    #: the sender's address, required by a portal
    sender: str | None = None
    #: the package's name; empty: made of the first path
    name: str = ""
    message: str = ""
    #: addresses that the cloud mails itself
    recipients: tuple[str, ...] = ()
    password: Secret | None = None
    access_code: Secret | None = None
    #: bytes of one chunk before the cloud's limits; None: the configured size
    chunk_size: int | None = None
    priority: int = 0


class Sources(Protocol):
    """The eyes of the desk: who reads a disk for it."""

    def look(self, paths: Sequence[bytes], caller: Caller) -> Found:
        """Give everything below these paths that the caller may send.

        Raises:
            SourceForbidden: one is not there, or not his to send; the answer does not tell which.
            Unprocessable: there is nothing to send, or not all of it can be read.
        """
        ...


def draft_of(
    wish: Wish, found: Found, *, reader: int | None, idle_s: float | None, repeat: Repeat | None
) -> Draft:
    """Give the upload of a wish; `idle_s` is the time to its finalize, None waits for the call."""
    return Draft(
        hot_folder=None,
        root=b"/",
        name=wish.name or _name_of(wish.paths),
        message=wish.message,
        terms=Terms(
            type=wish.type,
            recipients=_once(wish.recipients),
            portal=wish.portal,
            sender=wish.sender,
            idle_s=idle_s,
            team=wish.team,
        ),
        files=found.files,
        skipped=found.skipped,
        priority=wish.priority,
        chunk_size=wish.chunk_size,
        access_code=wish.access_code,
        password=wish.password,
        reader=reader,
        repeat=repeat,
    )


def repeat_of(
    wish: Wish, key: str, caller: Caller, digest: Callable[[bytes], str]
) -> Repeat | None:
    """Give what tells a repeat of this create; None without a key."""
    if not key:
        return None
    said = [
        wish.type,
        [path.hex() for path in wish.paths],
        [wish.team, wish.portal, wish.sender, wish.name, wish.message],
        wish.recipients,
        wish.password.reveal() if wish.password else None,
        wish.access_code.reveal() if wish.access_code else None,
        [wish.chunk_size, wish.priority],
    ]
    return Repeat(key=f"{caller}: {key}", digest=digest(json.dumps(said).encode()))


def _name_of(paths: Sequence[bytes]) -> str:
    first = shown(paths[0].rstrip(b"/").rpartition(b"/")[2])
    return f"{first} and {len(paths) - 1} more" if len(paths) > 1 else first


def _once(addresses: Sequence[str]) -> tuple[str, ...]:
    """Drop an address that repeats another but for case; the first spelling stays."""
    kept: dict[str, str] = {}
    for address in addresses:
        kept.setdefault(address.casefold(), address)
    return tuple(kept.values())
