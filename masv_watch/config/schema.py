"""Hold the keys of the file: their nesting, their forms and which must be there.

Owns the shape of the YAML and turns what pydantic finds into our words. Never compares two values
with each other: `relations` does. Called by `load`, and by the test that keeps reference.yml whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_type_hints

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from masv_watch.config import values
from masv_watch.config.problems import Wrong, listed, nearest, shown_key
from masv_watch.config.secrets import BROKEN, Plain
from masv_watch.model import Secret

T = TypeVar("T")


def _leaf(check: Callable[[object], T]) -> PlainValidator:
    """Let one of our checks judge a value; what could not be fetched passes, it is noted."""

    def run(value: object) -> object:
        if value is BROKEN or value is None:
            return value  # `nothings` reports a value that is not there
        try:
            return check(value)
        except Wrong as wrong:
            facts = {"what": wrong.message, "passage": wrong.passage, "below": wrong.below}
            raise PydanticCustomError("wrong", "wrong", facts) from wrong

    return PlainValidator(run)


Text = Annotated[str, _leaf(values.text)]
Prose = Annotated[str, _leaf(values.message)]
Template = Annotated[str, _leaf(values.template)]
Flag = Annotated[bool, _leaf(values.flag)]
Name = Annotated[str, _leaf(values.name)]
Label = Annotated[str, _leaf(values.label)]
Path = Annotated[str, _leaf(values.path)]
Address = Annotated[str, _leaf(values.address)]
SecretText = Annotated[Secret, _leaf(values.secret)]
_FORBID: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MasvKeys:
    """`masv:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    api_url: Annotated[str, _leaf(values.api_url)] | None = None
    team: Label | None = None
    api_key: SecretText | None = None
    link_url: Annotated[str, _leaf(values.link_url)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """`server:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    listen: Annotated[tuple[str, int], _leaf(values.listen)] | None = None
    allowed_roots: list[Path] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpKeys:
    """`mail.smtp:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    host: Annotated[str, _leaf(values.host)]
    port: Annotated[int, _leaf(values.whole(1, 65535))] | None = None
    tls: Annotated[str, _leaf(values.one_of("none", "starttls", "implicit"))] | None = None
    user: Text | None = None
    password: SecretText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailKeys:
    """`mail:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    smtp: SmtpKeys
    sender: Annotated[str, _leaf(values.mailbox), Field(alias="from")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferKeys:
    """`transfer:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    connections: Annotated[int | None, _leaf(values.connections)] = None
    chunk_size: Annotated[int, _leaf(values.bytes_between("5 MiB", "5 GiB"))] | None = None
    active_uploads: Annotated[int, _leaf(values.whole(1, 64))] | None = None
    verify: Annotated[str, _leaf(values.one_of("size", "fast", "strict"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleKeys:
    """`settle:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    quiet: Annotated[float, _leaf(values.seconds("1s", "24h"))] | None = None
    samples: Annotated[int, _leaf(values.whole(2, 20))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizeKeys:
    """`finalize:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    idle: Annotated[float, _leaf(values.seconds("0s", "24h"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToKeys:
    """`to:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    recipients: list[Address] | None = None
    portal: Label | None = None
    sender: Address | None = None
    access_code: SecretText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageKeys:
    """`package:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    name: Template | None = None
    message: Prose | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkKeys:
    """`link:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    mail_to: list[Address] | None = None
    template: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterKeys:
    """`after:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    delivered: Annotated[tuple[str, str | None], _leaf(values.delivered)] | None = None


_Initial = Annotated[str, _leaf(values.one_of("auto", "send", "ask", "ignore"))]
_Drop = Annotated[str, _leaf(values.one_of("each", "file", "folder", "batch"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsKeys:
    """`defaults:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    settle: SettleKeys | None = None
    finalize: FinalizeKeys | None = None
    ignore: list[Text] | None = None
    ignore_builtin: Flag | None = None
    after: AfterKeys | None = None
    initial: _Initial | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HotFolderKeys:
    """One entry of `hot_folders:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    name: Name
    path: Path
    to: ToKeys
    drop: _Drop | None = None
    settle: SettleKeys | None = None
    finalize: FinalizeKeys | None = None
    package: PackageKeys | None = None
    link: LinkKeys | None = None
    after: AfterKeys | None = None
    ignore: list[Text] | None = None
    ignore_builtin: Flag | None = None
    initial: _Initial | None = None
    sender_email: Address | None = None
    package_name: Template | None = None
    package_description: Prose | None = None


def _version(value: object) -> int:
    if value == 1 and isinstance(value, int) and not isinstance(value, bool):
        return 1
    raise Wrong(f"must be the number 1, not {values.kind(value)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The whole file."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    version: Annotated[int, _leaf(_version)]
    masv: MasvKeys | None = None
    server: ServerKeys | None = None
    state: Annotated[str, _leaf(values.state)] | None = None
    mail: MailKeys | None = None
    transfer: TransferKeys | None = None
    defaults: DefaultsKeys | None = None
    hot_folders: list[HotFolderKeys] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that does not fit the schema."""

    path: tuple[str | int, ...]
    #: whether the key, not its value, is the place
    at_key: bool
    message: str
    #: the text within the value that is meant; empty for all of it
    passage: str = ""
    #: the value must not be shown: nobody knows what an unknown key holds
    is_private: bool = False


_MISSING = {
    "version": "`version` is missing - write `version: 1`",
    "name": "`name` is missing - a name of your choice, unique in this file",
    "path": "`path` is missing - the absolute path of the folder to watch",
    "to": "`to` is missing - {recipients: [ADDRESS, ...]} or {portal: NAME, sender: ADDRESS}",
    "host": "`host` is missing - the mail server's name",
    "smtp": "`smtp` is missing - {host: ..., port: 587, tls: starttls}",
    "from": "`from` is missing - the address that our letters come from",
}
_MOST_FAULTS = 1000
_ADAPTER: TypeAdapter[Keys] = TypeAdapter(Keys)


def check(tree: Plain) -> tuple[Keys | None, list[Fault]]:
    """Fit the plain values to the keys; give them, or everything that does not fit."""
    try:
        return _ADAPTER.validate_python(tree), []
    except ValidationError as error:
        # Never str(error): it prints values, and so secrets (probes, row 5).
        found = error.errors(include_input=False, include_url=False)
    faults = []
    # a guess at what was meant takes a tenth of a millisecond, and 1 MiB holds 100,000 keys
    for one in found[:_MOST_FAULTS]:
        path = one["loc"]
        if value_at(tree, path) is not BROKEN:
            faults.append(_fault(tree, path, one))
    return None, faults


def nothings(tree: Plain, path: tuple[str | int, ...] = ()) -> list[Fault]:
    """Find keys without a value: a forgotten one must not pass as the default."""
    if isinstance(tree, dict):
        return [fault for key, value in tree.items() for fault in nothings(value, (*path, key))]
    if isinstance(tree, list):
        return [fault for at, value in enumerate(tree) for fault in nothings(value, (*path, at))]
    if tree is not None:
        return []
    return [Fault(path=path, at_key=True, message="is empty - write a value or remove the key")]


def known_keys(of: type[Any] = Keys, prefix: str = "") -> set[str]:
    """List every key of the file as a dotted path, lists as `[]`."""
    found = set()
    for key, inner, is_list in _members(of):
        path = f"{prefix}{key}"
        found.add(path)
        if inner is not None:
            found |= known_keys(inner, f"{path}[]." if is_list else f"{path}.")
    return found


def _members(of: type[Any]) -> list[tuple[str, type[Any] | None, bool]]:
    if of.__name__ not in _MEMBERS:
        hints = get_type_hints(of)
        _MEMBERS[of.__name__] = [
            (
                "from" if of is MailKeys and one.name == "sender" else one.name,
                *_inner(hints[one.name]),
            )
            for one in fields(of)
        ]
    return _MEMBERS[of.__name__]


#: type hints are slow to read, and never change
_MEMBERS: dict[str, list[tuple[str, type[Any] | None, bool]]] = {}


def _inner(hint: Any) -> tuple[type[Any] | None, bool]:
    """Find the keys class within a type hint, and whether a list of it is meant."""
    if is_dataclass(hint) and isinstance(hint, type):
        return hint, False
    for arm in get_args(hint):
        inner, is_list = _inner(arm)
        if inner is not None:
            return inner, is_list or getattr(hint, "__origin__", None) is list
    return None, False


def value_at(tree: Plain, path: tuple[str | int, ...]) -> Any:
    """Give the plain value at a path, None when there is none."""
    at: Any = tree
    for step in path:
        is_there = step in at if isinstance(at, dict) else False
        if isinstance(at, list) and isinstance(step, int):
            is_there = step < len(at)
        if not is_there:
            return None
        at = at[step]
    return at


def _fault(tree: Plain, path: tuple[str | int, ...], one: Any) -> Fault:
    what = one["type"]
    if what == "wrong":
        facts = one["ctx"]
        return Fault(
            path=(*path, *facts["below"]),
            at_key=False,
            message=facts["what"],
            passage=facts["passage"],
        )
    if what == "missing":
        message = _MISSING.get(str(path[-1]), f"`{path[-1]}` is missing")
        return Fault(path=path[:-1], at_key=False, message=message)
    if what == "unexpected_keyword_argument":
        return _unknown(tree, path)
    found = values.kind(value_at(tree, path))
    if what == "list_type":
        example = _LISTS.get(str(path[-1]) if path else "", "[..., ...]")
        return Fault(path=path, at_key=False, message=f"must be a list, not {found} - {example}")
    keys = listed([key for key, _, _ in _members(_section(path))][:12], "and")
    return Fault(path=path, at_key=False, message=f"must be a mapping, not {found} - with {keys}")


_LISTS = {
    "recipients": "write [ADDRESS, ...]",
    "mail_to": "write [ADDRESS, ...]",
    "ignore": 'write ["*.xmp", ...]',
    "allowed_roots": "write [/PATH, ...]",
    "hot_folders": "each entry begins with `- name: ...`",
}


def _section(path: tuple[str | int, ...]) -> type[Any]:
    at: type[Any] = Keys
    for step in path:
        if isinstance(step, str):
            inner = {key: inner for key, inner, _ in _members(at)}.get(step)
            at = inner if inner is not None else at
    return at


#: where a key that is right elsewhere belongs
_ELSEWHERE = {
    "quiet": "settle.quiet",
    "samples": "settle.samples",
    "idle": "finalize.idle",
    "recipients": "to.recipients",
    "portal": "to.portal",
    "sender": "to.sender",
    "access_code": "to.access_code",
    "mail_to": "link.mail_to",
    "template": "link.template",
    "delivered": "after.delivered",
    "api_key": "masv.api_key",
    "team": "masv.team",
    "api_url": "masv.api_url",
    "link_url": "masv.link_url",
    "listen": "server.listen",
    "smtp": "mail.smtp",
    "chunk_size": "transfer.chunk_size",
    "connections": "transfer.connections",
}


def _unknown(tree: Plain, path: tuple[str | int, ...]) -> Fault:
    key, above = str(path[-1]), path[:-1]
    here = [name for name, _, _ in _members(_section(above))]
    meant = nearest(key, here)
    elsewhere = _ELSEWHERE.get(key)
    if elsewhere is not None and (not above or elsewhere.split(".")[0] in here):
        meant = key
        advice = f"it belongs in {elsewhere}"
    elif meant is not None:
        advice = f"did you mean `{meant}`?"
    elif key == "<<":
        advice = "merging is not available, write the values out"
    else:
        advice = f"known here: {', '.join(here)}"
    is_stray = value_at(tree, path) is None and meant is None
    # `{api_key: , x}` makes a key of what was meant as the value
    name = "`***`" if is_stray else shown_key(key)
    return Fault(
        path=path,
        at_key=True,
        message=f"unknown key {name} - {advice}",
        is_private=meant in {None, "api_key", "password", "access_code"},
    )
