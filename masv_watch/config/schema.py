"""Hold the keys of the file: their nesting, their forms and which must be there.

Owns the shape of the YAML; `faults` has the words for what does not fit it. Never compares two
values with each other: `relations` does. Called by `load`, and by the test of reference.yml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from masv_watch.config import access, addressing, faults, sidecars, timetable, values
from masv_watch.config.origins import BROKEN, Plain
from masv_watch.config.problems import Wrong
from masv_watch.model import Listen, Secret, Span

T = TypeVar("T")


def _leaf(check: Callable[[object], T]) -> PlainValidator:
    """Let one of our checks judge a value; what could not be fetched passes, it is noted."""

    def run(value: object) -> object:
        if value is BROKEN or value is None:
            return value  # `nothings` reports a value that is not there
        try:
            return check(value)
        except Wrong as wrong:
            raise _told(wrong) from wrong

    return PlainValidator(run)


def _first(check: Callable[[object], object]) -> BeforeValidator:
    """Let one of our checks bring a value into the form that its keys are then read from."""

    def run(value: object) -> object:
        if value is BROKEN or value is None:
            return value
        try:
            return check(value)
        except Wrong as wrong:
            raise _told(wrong) from wrong

    return BeforeValidator(run)


def _told(wrong: Wrong) -> PydanticCustomError:
    facts = {"what": wrong.message, "passage": wrong.passage, "below": wrong.below}
    return PydanticCustomError("wrong", "wrong", facts)


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
class TlsKeys:
    """`server.tls:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    certificate: Annotated[str, _leaf(access.certificate)] | None = None
    key: Annotated[str, _leaf(access.key)] | None = None


#: what `tls: elsewhere` becomes; told from a mapping without keys by its identity
ELSEWHERE = TlsKeys()


def _tls(value: object) -> object:
    return ELSEWHERE if access.is_elsewhere(value) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """`server:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    listen: (
        Annotated[list[Annotated[Listen, _leaf(access.listener)]], _first(access.one_or_more)]
        | None
    ) = None
    allowed_roots: list[Path] | None = None
    auth: Annotated[str, _leaf(values.one_of("peer", "token"))] | None = None
    token: Annotated[Secret | None, _leaf(access.token)] = None
    trusted_users: list[Annotated[str, _leaf(access.user)]] | None = None
    trusted_groups: list[Annotated[str, _leaf(access.group)]] | None = None
    hosts: list[Annotated[str, _leaf(access.host)]] | None = None
    tls: Annotated[TlsKeys, _first(_tls)] | None = None
    auto_finalize: Flag | None = None


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
class AlertsKeys:
    """`mail.alerts:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    to: Annotated[list[Address], _first(access.one_or_more)]
    after: Annotated[float, _leaf(values.seconds("1m", "1d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailKeys:
    """`mail:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    smtp: SmtpKeys
    sender: Annotated[str, _leaf(values.mailbox), Field(alias="from")]
    alerts: AlertsKeys | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthRuleKeys:
    """One entry of `bandwidth.rules:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    limit: Annotated[int | None, _leaf(timetable.limit)]
    days: Annotated[frozenset[int], _leaf(timetable.days)] | None = None
    hours: Annotated[tuple[int, int], _leaf(timetable.hours)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthKeys:
    """`bandwidth:`, of all or of a hot folder."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    rules: list[BandwidthRuleKeys]
    tz: Annotated[str, _leaf(timetable.zone)] | None = None


_Bandwidth = Annotated[BandwidthKeys, _first(timetable.bandwidth)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleKeys:
    """`schedule:` of a hot folder."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    open: Annotated[tuple[Span, ...], _leaf(timetable.spans)] | None = None
    deliver: Annotated[tuple[Span, ...], _leaf(timetable.spans)] | None = None
    tz: Annotated[str, _leaf(timetable.zone)] | None = None
    late_drops: Annotated[str, _leaf(values.one_of("wait", "send_next", "urgent"))] | None = None


_ChunkSize = Annotated[int, _leaf(values.bytes_between("5 MiB", "5 GiB"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferKeys:
    """`transfer:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    connections: Annotated[int | None, _leaf(values.connections)] = None
    chunk_size: _ChunkSize | None = None
    active_uploads: Annotated[int, _leaf(values.whole(1, 64))] | None = None
    verify: Annotated[str, _leaf(values.one_of("size", "fast", "strict"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleKeys:
    """`settle:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    quiet: Annotated[float | str, _leaf(values.quiet)] | None = None
    samples: Annotated[int, _leaf(values.whole(2, 20))] | None = None
    done_marker: Annotated[str, _leaf(values.done_marker)] | None = None
    open_check: Annotated[str, _leaf(values.one_of("auto", "never"))] | None = None
    warn_after: Annotated[float, _leaf(values.seconds("1m", "30d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizeKeys:
    """`finalize:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    idle: Annotated[float, _leaf(values.seconds("0s", "24h"))] | None = None
    max_open: Annotated[float, _leaf(values.seconds("1s", "30d"))] | None = None
    max_files: Annotated[int, _leaf(values.whole(1, 1_000_000))] | None = None
    max_size: Annotated[int, _leaf(values.bytes_between("1 B", "15 TB"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToKeys:
    """`to:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    recipients: list[Address] | None = None
    by_subfolder: Annotated[dict[str, list[str]], _leaf(addressing.by_subfolder)] | None = None
    others: Annotated[str, _leaf(values.one_of("hold", "send"))] | None = None
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


_After = Annotated[tuple[str, str | None], _leaf(values.delivered)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterKeys:
    """`after:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    delivered: _After | None = None
    duplicate: _After | None = None
    failed: Annotated[str, _leaf(values.failed)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeKeys:
    """`size:` of a hot folder's files."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    min: Annotated[int, _leaf(values.bytes_between("0 B", "1000 TB"))] | None = None
    max: Annotated[int, _leaf(values.bytes_between("0 B", "1000 TB"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeKeys:
    """`age:` of a hot folder's drops."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    min: Annotated[float, _leaf(values.seconds("0s", "365d"))] | None = None
    max: Annotated[float, _leaf(values.seconds("1s", "36500d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsKeys:
    """`limits:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    per_drop: Annotated[int, _leaf(values.bytes_between("1 B", "1000 TB"))] | None = None
    files: Annotated[int, _leaf(values.whole(1, 2_000_000))] | None = None
    per_day: Annotated[int, _leaf(values.bytes_between("1 B", "1000 TB"))] | None = None
    domains: Annotated[tuple[str, ...] | str, _leaf(addressing.domains)] | None = None
    unusual: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencesKeys:
    """`sequences:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    pattern: Annotated[list[Annotated[str, _leaf(values.row_pattern)]], _first(values.one_or_more)]
    gaps: Annotated[str, _leaf(values.one_of("hold", "warn"))] | None = None
    step: Annotated[int, _leaf(values.whole(1, 1000))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestKeys:
    """`manifest:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    files: Annotated[list[Annotated[str, _leaf(values.pattern)]], _first(values.one_or_more)]
    required: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionKeys:
    """One entry of `companions:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    each: Annotated[str, _leaf(values.pattern)]
    needs: Annotated[list[Annotated[str, _leaf(values.pattern)]], _first(values.one_or_more)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarKeys:
    """`sidecar:` of a hot folder; its name alone stands for it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    name: Annotated[str, _leaf(sidecars.name)]
    may_set: list[Annotated[str, _leaf(sidecars.settable)]] | None = None
    required: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectKeys:
    """`expect:` of a hot folder."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    filesystem: Annotated[tuple[str, ...], _leaf(values.filesystems)] | None = None


_Incomplete = Annotated[str, _leaf(values.one_of("hold", "send"))]
_Expression = Annotated[str, _leaf(values.expression)]
_Initial = Annotated[str, _leaf(values.one_of("auto", "send", "ask", "ignore"))]
_Redrop = Annotated[str, _leaf(values.one_of("send", "skip", "ask", "replace"))]
_Dedupe = Annotated[str, _leaf(values.one_of("send", "skip", "relink"))]
_Late = Annotated[str, _leaf(values.one_of("send", "ask", "ignore"))]
_OnVanish = Annotated[str, _leaf(values.one_of("fail", "send_rest"))]
_Follow = Annotated[str, _leaf(values.one_of("none", "inside"))]
_Partial = Annotated[str, _leaf(values.one_of("hold", "send_rest"))]
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
    redrop: _Redrop | None = None
    dedupe: _Dedupe | None = None
    late: _Late | None = None
    on_vanish: _OnVanish | None = None
    partial: _Partial | None = None
    early: Flag | None = None
    bundles: list[Text] | None = None
    sequences: SequencesKeys | None = None
    manifest: ManifestKeys | None = None
    companions: list[CompanionKeys] | None = None
    incomplete: _Incomplete | None = None
    limits: LimitsKeys | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HotFolderKeys:
    """One entry of `hot_folders:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    name: Name
    path: Path
    to: ToKeys
    was: Name | None = None
    drop: _Drop | None = None
    settle: SettleKeys | None = None
    finalize: FinalizeKeys | None = None
    package: PackageKeys | None = None
    link: LinkKeys | None = None
    after: AfterKeys | None = None
    ignore: list[Text] | None = None
    ignore_builtin: Flag | None = None
    only: list[Text] | None = None
    only_regex: list[_Expression] | None = None
    ignore_regex: list[_Expression] | None = None
    size: SizeKeys | None = None
    follow: _Follow | None = None
    hardlinks: Annotated[str, _leaf(values.one_of("allow", "skip"))] | None = None
    age: AgeKeys | None = None
    initial: _Initial | None = None
    redrop: _Redrop | None = None
    dedupe: _Dedupe | None = None
    late: _Late | None = None
    on_vanish: _OnVanish | None = None
    partial: _Partial | None = None
    early: Flag | None = None
    bundles: list[Text] | None = None
    sequences: SequencesKeys | None = None
    manifest: ManifestKeys | None = None
    companions: list[CompanionKeys] | None = None
    incomplete: _Incomplete | None = None
    sidecar: Annotated[SidecarKeys, _first(sidecars.name_alone)] | None = None
    expect: ExpectKeys | None = None
    removable: Flag | None = None
    mtime_grain: Annotated[float | str, _leaf(values.mtime_grain)] | None = None
    limits: LimitsKeys | None = None
    priority: Annotated[int, _leaf(values.whole(-100, 100))] | None = None
    chunk_size: _ChunkSize | None = None
    bandwidth: _Bandwidth | None = None
    schedule: ScheduleKeys | None = None
    deadline: Annotated[int, _leaf(timetable.clock_time)] | None = None
    expect_by: Annotated[int, _leaf(timetable.clock_time)] | None = None
    sender_email: Address | None = None
    package_name: Template | None = None
    package_description: Prose | None = None


def _version(value: object) -> int:
    if value == 1 and isinstance(value, int) and not isinstance(value, bool):
        return 1
    raise Wrong(f"must be the number 1, not {values.kind(value)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryKeys:
    """`history:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    drops: Annotated[float, _leaf(values.seconds("1d", "36500d"))] | None = None
    events: Annotated[float, _leaf(values.seconds("1d", "36500d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKeys:
    """`backup:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID
    to: Path
    keep: Annotated[int, _leaf(values.whole(1, 1000))] | None = None
    key: Flag | None = None


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
    bandwidth: _Bandwidth | None = None
    history: HistoryKeys | None = None
    backup: BackupKeys | None = None
    profiles: list[Text] | None = None
    defaults: DefaultsKeys | None = None
    hot_folders: list[HotFolderKeys] | None = None


_MOST_FAULTS = 1000
_ADAPTER: TypeAdapter[Keys] = TypeAdapter(Keys)


def check(tree: Plain) -> tuple[Keys | None, list[faults.Fault]]:
    """Fit the plain values to the keys; give them, or everything that does not fit."""
    try:
        return _ADAPTER.validate_python(tree), []
    except ValidationError as error:
        # Never str(error): it prints values, and so secrets (probes, row 5).
        found = error.errors(include_input=False, include_url=False)
    # a guess at what was meant takes a tenth of a millisecond, and 1 MiB holds 100,000 keys
    return None, [
        faults.fault(Keys, tree, one)
        for one in found[:_MOST_FAULTS]
        if faults.value_at(tree, one["loc"]) is not BROKEN
    ]


def known_keys() -> set[str]:
    """List every key of the file as a dotted path, lists as `[]`."""
    return faults.known_keys(Keys)
