"""What the API said, as values: uploads, files, drops, folders, rates, links.

Owns the nouns that commands show. Never reads an answer: `cli.answers` does. Used by the screens
and lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = Any

_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What an upload waits for."""

    reason: str
    #: ISO 8601; empty when no time can be named
    until: str = ""
    #: uploads that go first
    ahead: int = 0
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an upload is in error, and what helps."""

    message: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload as the list has it."""

    id: str
    type: str
    #: one of the five documented words
    state: str
    name: str
    #: bytes acknowledged, and in all
    sent: int
    size: int
    created_at: str = ""
    #: empty for an upload that a caller made
    hot_folder: str = ""
    file_count: int = 0
    priority: int = 0
    waiting: Waiting | None = None
    failure: Failure | None = None
    open_tasks: int = 0
    refused_tasks: int = 0
    #: bytes that left in chunks that are not acknowledged yet
    in_flight: int = 0
    #: bytes in a second; 0 while nothing moves or that is not known
    rate: int = 0
    #: seconds until all has left; None when that cannot be told
    eta_s: int | None = None
    #: bytes that left in vain
    resent: int = 0
    #: steps that failed and were tried again, and why the last time
    retries: int = 0
    retry_reason: str = ""

    @property
    def is_finalizing(self) -> bool:
        """Say whether it is idle for the moment only."""
        return self.waiting is not None and self.waiting.reason == "finalizing"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of an upload."""

    path: str
    state: str
    #: bytes acknowledged, and in all
    sent: int
    size: int
    reason: str = ""
    #: failures in a row
    attempts: int = 0
    #: ISO 8601; empty when it need not wait
    next_try: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What hangs on a delivered upload."""

    kind: str
    key: str
    state: str
    note: str = ""
    #: when it is tried next; empty while it need not wait
    next_try: str = ""
    #: other deliveries that go in the same letter
    companions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """An upload with everything in it."""

    upload: Upload
    #: a portal, recipients and whom our own letter goes to
    to: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    #: each drop of it with what found it: `event`, `sweep`, or empty when it is not known
    found: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """What arrives, settles or is held."""

    hot_folder: str
    path: str
    state: str
    id: int = 0
    generation: int = 0
    reason: str = ""
    note: str = ""
    cure: str = ""
    upload_id: str = ""
    #: `event` or `sweep`; empty when it is not known
    found_by: str = ""
    #: of a removable hot folder
    volume: str = ""
    #: files that are in an upload, and those of them that the cloud has whole
    files: int = 0
    files_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast something may go now."""

    #: the hot folder; empty for all uploads together
    name: str
    #: bits a second; 0 for no limit
    rate: int
    #: ISO 8601; empty when no time can be named
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The limits of bandwidth as they are now, the one for all first."""

    #: `api`, `config` or `none`
    source: str
    paces: tuple[Pace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HotFolder:
    """A hot folder and how it is."""

    name: str
    state: str
    path: str = ""
    #: by which commands choose it
    tags: tuple[str, ...] = ()
    #: a portal or recipients, as its rule names them for all of it
    to: str = ""
    reason: str = ""
    #: ISO 8601; empty before the first one
    last_sweep: str = ""
    last_event: str = ""
    #: when everything in it was looked at, not its folders alone
    everything_at: str = ""
    #: how changes are found, and why not by events
    mode: str = ""
    #: what tells its folder from any other
    known_by: str = ""
    #: ISO 8601; empty while its folder is there
    away_since: str = ""
    #: what a person is asked about it
    question: str = ""
    #: drops that settle and drops that are held
    settling: int = 0
    held: int = 0
    #: `drop` and `depth` of its rule
    drop: str = ""
    depth: str = ""
    #: what it takes, as a clause; empty from a daemon that does not tell
    takes: str = ""
    #: how long what arrives must not change by now, and why so long
    quiet: str = ""
    #: why programs that still write are not seen
    writers: str = ""
    #: what of a file does not count as a change, and why
    told_by: str = ""
    #: what else its rule asks for, as it is called there and as people read it
    rule: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How the sending of all uploads goes."""

    #: bytes in a second
    rate: int = 0
    #: seconds until all that is to be sent has left; None when that cannot be told
    eta_s: int | None = None
    #: bytes that are to be sent, and those of them that left without being acknowledged yet
    left: int = 0
    in_flight: int = 0
    #: connections that carry something
    busy: int = 0
    #: bytes that left in vain, and steps that were tried again, since `since` (ISO 8601)
    resent: int = 0
    retries: int = 0
    retry_reason: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the daemon is."""

    is_ready: bool
    why: str = ""
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A share link; `id` and `secret` as they came, for they go into a URL."""

    id: str
    secret: str
    email: str
    expiry: str
    is_locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of the daemon's record."""

    id: str
    at: str
    noun: str
    noun_id: str
    event: str
    before: str = ""
    after: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything at once."""

    health: Health
    uploads: tuple[Upload, ...]
    #: what arrives, settles or is held
    drops: tuple[Drop, ...]
    folders: tuple[HotFolder, ...]
    #: None from a daemon that does not tell
    stats: Stats | None
