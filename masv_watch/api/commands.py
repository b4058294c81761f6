"""What a call asks for, read from its body and its query.

Owns the shape of every request and the words for a wrong one. Never carries anything out and never
shows a value that may be a secret. Called by `api.routes`; `api.openapi` describes the same shapes.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from masv_watch.config import values
from masv_watch.config.problems import Wrong
from masv_watch.errors import BadRequest, Unprocessable
from masv_watch.model import Secret, UploadType
from masv_watch.uploads import Wish

T = TypeVar("T")

#: addresses of one call; a team's own limit is lower, and the cloud's to say
MOST_RECIPIENTS = 1000
#: paths of one call
MOST_PATHS = 100_000
#: names of one object; no shape has half as many
_MOST_NAMES = 64
#: characters of a name for which a similar one is looked for
_LONGEST_NAME = 64
#: digits of one number; more than any field can hold
_LONGEST_NUMBER = 400
_MOST = 2**31 - 1
_FORBID: dict[str, Any] = {"extra": "forbid"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("said", "must be one line without control characters")
    return text


def _some_lines(text: str) -> str:
    if _IN_PROSE.search(text):
        raise PydanticCustomError("said", "holds a control character that is no line break")
    return text


def _address(text: str) -> str:
    try:
        return values.address(text)
    except Wrong as wrong:
        raise PydanticCustomError("said", "must be a mail address such as name@example.com") from (
            wrong
        )


def _label(text: str) -> str:
    try:
        return values.label(text)
    except Wrong as wrong:
        raise PydanticCustomError(
            "said", "must be a subdomain: its first part only, letters, digits, `-` and `_`"
        ) from wrong


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise PydanticCustomError("said", "must be an absolute path, beginning with /")
    if "\0" in value:
        raise PydanticCustomError("said", "holds a NUL, which no path can")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise PydanticCustomError("said", _HALF) from error
    return value


def _whole(value: Any) -> Any:
    # JSON has one kind of number: 5.0 is a whole one
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(most: int, *, least: int = 0, pattern: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "minLength": least, "maxLength": most, "pattern": pattern}
    )


_HALF = "holds half a character (a lone surrogate)"
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
Line = Annotated[str, Field(max_length=1024), AfterValidator(_one_line), _text(1024, pattern=_LINE)]
Prose = Annotated[
    str,
    Field(max_length=65_536),
    AfterValidator(_some_lines),
    _text(65_536, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"),
]
Hidden = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    AfterValidator(_one_line),
    _text(1024, least=1, pattern=_LINE),
]
#: a character of an address, one of its domain, and one at an end of its domain
_SIGN = r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f-\x9f]"
_INNER, _OUTER = _SIGN.replace("@", "@."), _SIGN.replace("@", "@.\\-")
Address = Annotated[
    str,
    AfterValidator(_address),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A mail address of characters that can be seen.",
            "pattern": f"^{_SIGN}{{1,64}}@{_OUTER}((\\.?{_INNER})*\\.?{_OUTER})?$",
        }
    ),
]
Label = Annotated[
    str,
    AfterValidator(_label),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"}),
]
#: a name is not `.` and not `..`
_NAMES = r"([^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+)"
Path = Annotated[
    str,
    AfterValidator(_path),
    WithJsonSchema({"type": "string", "pattern": f"^(/+{_NAMES})+/*$", "maxLength": 4096}),
]
#: the first wrong one is enough: an error is far larger than the path that it is about
Paths = Annotated[list[Path], Field(min_length=1, max_length=MOST_PATHS, fail_fast=True)]
Recipients = Annotated[list[Address], Field(max_length=MOST_RECIPIENTS, fail_fast=True)]
Priority = Annotated[int, Field(strict=True, ge=-_MOST, le=_MOST), BeforeValidator(_whole)]
ChunkSize = Annotated[int, Field(strict=True, ge=1, le=5 * 1024**3), BeforeValidator(_whole)]
#: a team is named once: by its subdomain or by its id
_NAMED = [
    {
        "required": [one],
        "properties": {one: {"type": "string"}, other: {"type": "null"}},
    }
    for one, other in (("subdomain", "team_id"), ("team_id", "subdomain"))
]


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
class Nothing:
    """An empty body, or an empty object."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID


Sort = Literal[
    "created_at", "-created_at", "priority", "-priority", "name", "-name", "size", "-size"
]
Word = Annotated[str, Field(max_length=255)]


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
    limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    #: where a page begins, from the Link header of the one before
    cursor: Annotated[str, Field(max_length=8192)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropsAsked:
    """Which drops a list is to hold."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    hot_folder: Word | None = None


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
    after: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None


def read_body(kind: type[T], body: bytes) -> T:
    """Read a JSON body; an empty one counts as an empty object.

    Raises:
        BadRequest: it is not JSON, or no object.
        Unprocessable: a field is missing, unknown or wrong; `facts["field"]` names it.
    """
    tree = _parsed(body) if body else {}
    if not isinstance(tree, dict):
        raise BadRequest("the body is no JSON object", hint='send {"name": value, ...}')
    return _fitted(kind, tree, "field")


def read_query(kind: type[T], query: Mapping[str, str]) -> T:
    """Read the query of a call's URL.

    Raises:
        Unprocessable: a parameter is unknown or wrong; `facts["field"]` names it.
    """
    _demand_few(len(query), "the query")
    return _fitted(kind, dict(query), "query parameter")


def _parsed(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not UTF-8") from error
    try:
        return json.loads(
            text, object_pairs_hook=_once, parse_int=_number, parse_constant=_no_number
        )
    except RecursionError as error:
        raise BadRequest("the body is nested too deep") from error
    except ValueError as error:
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadRequest(f"the body is not JSON{place}", hint="look at quotes and commas") from (
            error
        )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _demand_few(len(pairs), "an object of the body")
    tree = dict(pairs)
    if len(tree) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = _printable(next(name for name, times in counted.items() if times > 1))
        raise Unprocessable(f"`{twice}` is given twice", hint="keep one", field=twice)
    return tree


def _demand_few(count: int, where: str) -> None:
    if count > _MOST_NAMES:
        raise Unprocessable(
            f"{where} holds {count} names, and at most {_MOST_NAMES} are read",
            hint="leave out what this call does not know",
        )


def _number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise BadRequest(f"the body holds a number of {len(digits)} digits")
    return int(digits)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def adapter_of(kind: type[T]) -> TypeAdapter[T]:
    """Give the reader of one shape; it is slow to build, and never changes."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _fitted(kind: type[T], tree: dict[str, Any], noun: str) -> T:
    try:
        return adapter_of(kind).validate_python(tree)
    except ValidationError as error:
        # never str(error): it prints values, and so secrets
        found = error.errors(include_input=False, include_url=False, include_context=True)
    first = min(found, key=lambda one: one["type"] != "unexpected_keyword_argument")
    where = _where(first["loc"])
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    raise Unprocessable(
        _sentence(first, where, noun) + more,
        hint=_advice(kind, first, noun),
        field=where,
    )


def _where(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return _printable(text.removeprefix("."))


def _printable(text: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."


_SAID = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_unicode": _HALF,
    "list_type": "must be a list",
    "dataclass_type": "must be an object",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def _sentence(found: ErrorDetails, where: str, noun: str) -> str:
    kind = found["type"]
    if kind == "unexpected_keyword_argument":
        return f"unknown {noun} `{where}`"
    words = _SAID.get(kind) or found["msg"].replace("Input should", "must").replace(
        "String should", "must"
    )
    words = re.sub(r"^(List|Value) should", "must", words).replace(" after validation", "")
    return f"`{where}` {words[0].lower()}{words[1:]}"


def _advice(kind: type[Any], found: ErrorDetails, noun: str) -> str:
    known = [each.name for each in fields(_section(kind, found["loc"][:-1]))]
    if found["type"] != "unexpected_keyword_argument":
        return ""
    name = str(found["loc"][-1])
    # comparing takes long for a long name, which is nobody's slip of the pen
    meant = difflib.get_close_matches(name, known, n=1) if len(name) <= _LONGEST_NAME else []
    if meant:
        return f"did you mean `{meant[0]}`?"
    return f"known: {', '.join(known)}" if known else f"this call takes no {noun}"


def _section(kind: type[Any], loc: tuple[int | str, ...]) -> type[Any]:
    """Give the shape within a shape to which a place leads."""
    for step in loc:
        hint = get_type_hints(kind).get(str(step))
        inner = [arm for arm in (hint, *get_args(hint)) if is_dataclass(arm)]
        kind = inner[0] if inner and isinstance(inner[0], type) else kind
    return kind


def _bytes(paths: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(path.encode("utf-8", "surrogateescape") for path in paths)


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)
