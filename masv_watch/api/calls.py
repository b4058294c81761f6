"""One call of the API: its place in the table, and what it may ask of its surroundings.

Owns the form of a route, the desk that all routes share, and how a call's body, query and caller
are read. Never answers anything. Used by the tables of routes; `api.openapi` prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import bottle

from masv_watch.api.limits import Keeper
from masv_watch.api.moves import Moves
from masv_watch.api.places import MOST_ASKING, MOST_WALKS, Places
from masv_watch.config.handover import Effective, Imported
from masv_watch.errors import BadRequest, NotFound
from masv_watch.figures import counted
from masv_watch.login import Login
from masv_watch.model import (
    Caller,
    Diagnosis,
    Explanation,
    Fitness,
    Flow,
    Inspection,
    Plan,
    Reloaded,
)
from masv_watch.uploads import HotFolders, Links, Records, Uploads

T = TypeVar("T")

#: where a call's environment says who makes it
CALLER = "masv_watch.caller"
BASE = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the daemon is."""

    #: the process answers and every vital loop ticks
    live: bool
    #: listener, store and loops run, and each present root was swept once
    ready: bool
    #: one sentence for people when it is not ready
    why: str = ""
    #: what a person should look at though it is ready: a folder that is away, a refused key
    concerns: tuple[str, ...] = ()

    def sentence(self, folders: int) -> str:
        """Say it in one line, as `systemctl status` shows it, for so many hot folders."""
        if not self.ready:
            return self.why
        watching = f"watching {counted(folders, 'hot folder')}"
        if not self.concerns:
            return watching
        more = f" (and {len(self.concerns) - 1} more)" if len(self.concerns) > 1 else ""
        return f"{watching}; look at: {self.concerns[0]}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiries:
    """What can be asked about the configuration file, a folder and the daemon as a whole."""

    #: given `probe` and `network`
    check: Callable[..., Inspection]
    values: Callable[[], Sequence[Effective]]
    json_schema: Callable[[], dict[str, Any]]
    #: given a provisioning file's text and what its `timeout` counts
    converted: Callable[[str, str | None], Imported]
    #: given the daemon's own answers, its metrics, and `probe`
    diagnose: Callable[..., Diagnosis]
    #: the newest lines of the log, the oldest first
    log: Callable[[], list[str]]
    #: given the name of a hot folder, or an absolute path
    try_out: Callable[[str | None, bytes | None], Fitness]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the routes ask."""

    uploads: Uploads
    folders: HotFolders
    records: Records
    links: Links
    login: Login
    moves: Moves
    limits: Keeper
    health: Callable[[], Health]
    now: Callable[[], float]
    #: what is on its way of all uploads, and since when it is counted (store clock, seconds)
    flow: Callable[[], Flow]
    counted_since: float
    #: why a path in a hot folder is sent or not; refuses what the caller may not know
    explain: Callable[[bytes, Caller], Explanation]
    #: the counters in Prometheus' text form
    metrics: Callable[[], str]
    #: what an edit of the configuration would do, given the settings that it leads to
    plan: Callable[[object], Plan]
    #: takes the configuration file over as it stands now, or nothing of it
    reload: Callable[[], Reloaded]
    inquiries: Inquiries
    #: told the method and the error code of each call that was not let in
    count_refused: Callable[[str, int], None]
    #: places for all calls that look at sources, and for all that wait for the cloud
    walks: Places = field(default_factory=lambda: Places(MOST_WALKS, doing="look at sources"))
    asking: Places = field(default_factory=lambda: Places(MOST_ASKING, doing="wait for the cloud"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call."""

    method: str
    #: as bottle writes it: `<name>` stands for one piece
    path: str
    answer: Callable[..., Any]
    #: one line for people
    summary: str
    #: shape of the answer; None where it is not JSON
    gives: Any
    #: shape of the body; None where there is none
    takes: type[Any] | None = None
    #: shape of the query; None where there is none
    asks: type[Any] | None = None
    status: int = 200
    #: media type of an answer that is not JSON
    form: str = "application/json"
    #: statuses that this call can be refused with beside those of every call
    refuses: tuple[int, ...] = ()
    #: whether a repeat is told by the header Idempotency-Key
    is_create: bool = False
    #: whether somebody must be signed in at the cloud
    needs_session: bool = False


def body_of_call(kind: type[T]) -> T:
    """Read the body of the call that is being answered.

    Raises:
        BadRequest, Unprocessable: as `reading.read_body`.
    """
    body = bottle.request.body.read()
    if not body and _may_be_empty(kind):
        return kind()
    # what reads shapes is large, and most calls say nothing but their path
    from masv_watch.api import reading  # noqa: PLC0415 - only where there is something to read

    return reading.read_body(kind, body)


def query_of_call(kind: type[T], *, has_paths: bool = False) -> T:
    """Read the query of the call that is being answered.

    With `has_paths` bytes that are not UTF-8 are let through, as the names of files may have them.

    Raises:
        BadRequest, Unprocessable: as `reading.read_query`.
    """
    text = bottle.request.query_string
    errors = "surrogateescape" if has_paths else "strict"
    try:
        given = parse_qsl(text, keep_blank_values=True, errors=errors)
    except ValueError as error:
        raise BadRequest("the query of this call cannot be read as UTF-8") from error
    if not given and _may_be_empty(kind):
        return kind()
    from masv_watch.api import reading  # noqa: PLC0415 - as for a body

    return reading.read_query(kind, reading.once(given, "the query"))


def _may_be_empty(kind: type[Any]) -> bool:
    """Say whether a shape needs nothing: then an empty one holds its defaults."""
    return all(each.default is not MISSING for each in fields(kind))


def number_of(text: str, noun: str) -> int:
    """Give the number in a path.

    Raises:
        NotFound: it is none, so that there is no such noun.
    """
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise NotFound(f"there is no {noun} {text[:64]!r}", hint="masv-watch status lists them")


def caller_of_call() -> Caller:
    """Say who makes the call that is being answered."""
    caller: Caller = bottle.request.environ[CALLER]
    return caller
