"""What each call asks for: the shape of its body and of its query.

Owns which fields a call takes and the wish that they make. Never carries anything out. Called by
`api.routes`, which has them read by `api.reading`; `api.openapi` describes the same shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from masv_watch.api.fields import (
    Address,
    ChunkSize,
    Hidden,
    Label,
    Line,
    Path,
    Paths,
    Priority,
    Prose,
    Recipients,
    Word,
)
from masv_watch.api.marks import Bounds
from masv_watch.errors import Unprocessable
from masv_watch.model import Secret, UploadType
from masv_watch.uploads import Wish

_FORBID: dict[str, Any] = {"extra": "forbid"}
#: true or false, and nothing that could be taken for one
Switch = Annotated[bool, Bounds(strict=True)]


def _one_of(*names: str) -> list[dict[str, Any]]:
    """Describe that one of two fields is given and the other is not."""
    return [
        {"required": [one], "properties": {one: {"type": "string"}, other: {"type": "null"}}}
        for one, other in (names, reversed(names))
    ]


#: a team is named once: by its subdomain or by its id
_NAMED = _one_of("subdomain", "team_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCreate:
    """An upload for recipients of a team, or for whoever gets its share link."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        **_FORBID,
        "json_schema_extra": {"oneOf": _NAMED},
    }
    paths: Paths
    #: the team's subdomain; this or `team_id`
    subdomain: Label | None = None
    team_id: Label | None = None
    package_name: Line | None = None
    package_description: Prose | None = None
    #: the cloud mails these itself
    recipients: Recipients | None = None
    #: asked of everybody who downloads
    password: Hidden | None = None
    #: bytes; default: the configured size
    chunk_size: ChunkSize | None = None
    #: higher goes first
    priority: Priority | None = None

    def wish(self) -> Wish:
        """Give it as the front desk takes it.

        Raises:
            Unprocessable: no team is named, or two.
        """
        if (self.subdomain is None) == (self.team_id is None):
            what = (
                "`subdomain` or `team_id` is missing"
                if self.subdomain is None
                else ("`subdomain` and `team_id` are both given")
            )
            raise Unprocessable(what, hint="name the team that sends, once", field="subdomain")
        return Wish(
            type=UploadType.TEAM,
            paths=_bytes(self.paths),
            team=self.subdomain or self.team_id,
            name=self.package_name or "",
            message=self.package_description or "",
            recipients=tuple(self.recipients or ()),
            password=_secret(self.password),
            chunk_size=self.chunk_size,
            priority=self.priority or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalCreate:
    """An upload for a portal."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: the portal's subdomain
    subdomain: Label
    sender_email: Address
    paths: Paths
    #: where the portal asks for one
    access_code: Hidden | None = None
    package_name: Line | None = None
    package_description: Prose | None = None
    #: bytes; default: the configured size
    chunk_size: ChunkSize | None = None
    #: higher goes first
    priority: Priority | None = None

    def wish(self) -> Wish:
        """Give it as the front desk takes it."""
        return Wish(
            type=UploadType.PORTAL,
            paths=_bytes(self.paths),
            portal=self.subdomain,
            sender=self.sender_email,
            name=self.package_name or "",
            message=self.package_description or "",
            access_code=_secret(self.access_code),
            chunk_size=self.chunk_size,
            priority=self.priority or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesAdded:
    """Further files and folders for an upload."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    paths: Paths

    def sources(self) -> Sequence[bytes]:
        """Give the paths as the file system knows them."""
        return _bytes(self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prioritized:
    """A new priority."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: higher goes first
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who signs in at the cloud."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    email: Address
    password: Hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAsked:
    """The settings that an edit leads to."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: as `masv-watch plan` writes them, without secrets
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAsked:
    """How far a check of the configuration looks."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: false leaves out disk paths and network
    probe: Switch = True
    #: false leaves out the mail server and the cloud
    network: Switch = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestAsked:
    """Which folder is to be tried out: a hot folder, or any other one by its path."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        **_FORBID,
        "json_schema_extra": {"oneOf": _one_of("hot_folder", "path")},
    }
    hot_folder: Word | None = None
    path: Path | None = None

    def target(self) -> tuple[str | None, bytes | None]:
        """Give the one that is named.

        Raises:
            Unprocessable: none is named, or both.
        """
        if (self.hot_folder is None) == (self.path is None):
            what = "are both given" if self.path is not None else "are both missing"
            hint = "name the folder once"
            raise Unprocessable(f"`hot_folder` and `path` {what}", hint=hint, field="hot_folder")
        return self.hot_folder, None if self.path is None else _bytes((self.path,))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorAsked:
    """How far a diagnosis looks."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: false leaves out disk paths and network
    probe: Switch = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAsked:
    """A provisioning file of masv-agent."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: all of it
    text: Annotated[str, Bounds(max_length=1_048_576)]
    #: what its `timeout` counts: seconds or minutes
    timeout_unit: Literal["s", "m"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """An empty body, or an empty object."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID


Sort = Literal[
    "created_at", "-created_at", "priority", "-priority", "name", "-name", "size", "-size"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsAsked:
    """Which uploads a list is to hold."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    state: Literal["transferring", "paused", "idle", "complete", "error"] | None = None
    type: UploadType | None = None
    hot_folder: Word | None = None
    #: true: only those that wait for something
    waiting: bool | None = None
    #: a minus turns the order round
    sort: Sort = "created_at"
    #: uploads of one page; without it every one comes
    limit: Annotated[int, Bounds(ge=1, le=10_000)] | None = None
    #: where a page begins, from the Link header of the one before
    cursor: Annotated[str, Bounds(max_length=8192)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAsked:
    """What the first view of the page is to show."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: uploads under way in this state only
    show: Literal["", "transferring", "paused", "idle", "error"] = ""
    #: where the uploads under way begin
    cursor: Annotated[str, Bounds(max_length=8192)] = ""
    #: what is searched for
    q: Annotated[str, Bounds(max_length=200)] = ""
    #: where the history begins
    history: Annotated[str, Bounds(max_length=8192)] = ""
    #: `live` leaves out all that never changes
    only: Literal["", "live"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesShown:
    """Which files of an upload the page is to show."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: files left out before the first
    after: Annotated[int, Bounds(ge=0, le=2**62)] = 0
    #: `live` leaves out all that never changes
    only: Literal["", "live"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropsAsked:
    """Which drops a list is to hold."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    hot_folder: Word | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAsked:
    """Which part of the ledger a page is to hold."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    hot_folder: Word | None = None
    #: number of the drop behind which the page begins
    after: Annotated[int, Bounds(ge=0, le=2**62)] = 0
    limit: Annotated[int, Bounds(ge=1, le=10_000)] = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsAsked:
    """Which receipts of the chain a page is to hold."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: number of the receipt behind which the page begins
    after: Annotated[int, Bounds(ge=0, le=2**62)] = 0
    limit: Annotated[int, Bounds(ge=1, le=10_000)] = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Which path of a hot folder is to be forgotten."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationAsked:
    """Which path is to be explained."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionAsked:
    """How far a deletion goes."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: `delete` takes a delivered package from the cloud as well
    package: Literal["delete"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovesAsked:
    """Where a stream of moves begins."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    #: the number of the last move that is known; without it the stream begins now
    after: Annotated[int, Bounds(ge=0, le=2**63 - 1)] | None = None


def _bytes(paths: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(path.encode("utf-8", "surrogateescape") for path in paths)


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)
