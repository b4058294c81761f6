"""Hold the keys of the file: their nesting, their forms and which must be there.

Owns the shape of the YAML; `faults` has the words for what does not fit it. Never compares two
values with each other: `relations` does. Called by `load`, and by the test of reference.yml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from masv_watch.config import addressing, faults, hosts, scheduling, sidecars, timetable, values
from masv_watch.config.leaves import (
    FORBID,
    Address,
    Flag,
    Label,
    Name,
    Path,
    Prose,
    SecretText,
    Template,
    Text,
    first,
    leaf,
)
from masv_watch.config.origins import BROKEN, Plain
from masv_watch.config.problems import Wrong
from masv_watch.config.sections import (
    BackupKeys,
    Bandwidth,
    ChunkSize,
    HistoryKeys,
    MailKeys,
    MasvKeys,
    ServerKeys,
    TransferKeys,
)
from masv_watch.model import Secret, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleKeys:
    """`schedule:` of a hot folder."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    open: Annotated[tuple[Span, ...], leaf(timetable.spans)] | None = None
    deliver: Annotated[tuple[Span, ...], leaf(timetable.spans)] | None = None
    tz: Annotated[str, leaf(timetable.zone)] | None = None
    late_drops: Annotated[str, leaf(values.one_of("wait", "send_next", "urgent"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleKeys:
    """`settle:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    quiet: Annotated[float | str, leaf(values.quiet)] | None = None
    samples: Annotated[int, leaf(values.whole(2, 20))] | None = None
    done_marker: Annotated[str, leaf(values.done_marker)] | None = None
    open_check: Annotated[str, leaf(values.one_of("auto", "never"))] | None = None
    warn_after: Annotated[float, leaf(values.seconds("1m", "30d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizeKeys:
    """`finalize:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    idle: Annotated[float, leaf(values.seconds("0s", "24h"))] | None = None
    max_open: Annotated[float, leaf(values.seconds("1s", "30d"))] | None = None
    max_files: Annotated[int, leaf(values.whole(1, 1_000_000))] | None = None
    max_size: Annotated[int, leaf(values.bytes_between("1 B", "15 TB"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToKeys:
    """`to:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    recipients: list[Address] | None = None
    by_subfolder: Annotated[dict[str, list[str]], leaf(addressing.by_subfolder)] | None = None
    others: Annotated[str, leaf(values.one_of("hold", "send"))] | None = None
    portal: Label | None = None
    sender: Address | None = None
    access_code: SecretText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageKeys:
    """`package:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    name: Template | None = None
    message: Prose | None = None
    password: SecretText | None = None
    expires: Annotated[float, leaf(values.seconds("1h", "3650d"))] | None = None
    downloads: Annotated[int, leaf(values.whole(1, 1_000_000))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkKeys:
    """`link:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    mail_to: list[Address] | None = None
    template: Text | None = None


_After = Annotated[tuple[str, str | None], leaf(values.delivered)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterKeys:
    """`after:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    delivered: _After | None = None
    duplicate: _After | None = None
    failed: Annotated[str, leaf(values.failed)] | None = None
    trash_for: Annotated[float, leaf(values.seconds("0s", "365d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeKeys:
    """`size:` of a hot folder's files."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    min: Annotated[int, leaf(values.bytes_between("0 B", "1000 TB"))] | None = None
    max: Annotated[int, leaf(values.bytes_between("0 B", "1000 TB"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeKeys:
    """`age:` of a hot folder's drops."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    min: Annotated[float, leaf(values.seconds("0s", "365d"))] | None = None
    max: Annotated[float, leaf(values.seconds("1s", "36500d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsKeys:
    """`limits:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    per_drop: Annotated[int, leaf(values.bytes_between("1 B", "1000 TB"))] | None = None
    files: Annotated[int, leaf(values.whole(1, 2_000_000))] | None = None
    per_day: Annotated[int, leaf(values.bytes_between("1 B", "1000 TB"))] | None = None
    domains: Annotated[tuple[str, ...] | str, leaf(addressing.domains)] | None = None
    unusual: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencesKeys:
    """`sequences:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    pattern: Annotated[list[Annotated[str, leaf(values.row_pattern)]], first(values.one_or_more)]
    gaps: Annotated[str, leaf(values.one_of("hold", "warn"))] | None = None
    step: Annotated[int, leaf(values.whole(1, 1000))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestKeys:
    """`manifest:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    files: Annotated[list[Annotated[str, leaf(values.pattern)]], first(values.one_or_more)]
    required: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionKeys:
    """One entry of `companions:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    each: Annotated[str, leaf(values.pattern)]
    needs: Annotated[list[Annotated[str, leaf(values.pattern)]], first(values.one_or_more)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarKeys:
    """`sidecar:` of a hot folder; its name alone stands for it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    name: Annotated[str, leaf(sidecars.name)]
    may_set: list[Annotated[str, leaf(sidecars.settable)]] | None = None
    required: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectKeys:
    """`expect:` of a hot folder."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    filesystem: Annotated[tuple[str, ...], leaf(values.filesystems)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryKeys:
    """`retry:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    give_up_after: Annotated[float, leaf(values.seconds("1m", "365d"))] | None = None


_Hook = Annotated[Secret, leaf(hosts.hook)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookKeys:
    """One entry of `notify:` of a hot folder."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    slack: _Hook | None = None
    webhook: _Hook | None = None
    events: list[Annotated[str, leaf(values.one_of("delivered", "failed", "held"))]] | None = None


_Incomplete = Annotated[str, leaf(values.one_of("hold", "send"))]
_Expression = Annotated[str, leaf(values.expression)]
_Pattern = Annotated[str, leaf(values.glob)]
_Initial = Annotated[str, leaf(values.one_of("auto", "send", "ask", "ignore"))]
_Redrop = Annotated[str, leaf(values.one_of("send", "skip", "ask", "replace"))]
_Dedupe = Annotated[str, leaf(values.one_of("send", "skip", "relink"))]
_Late = Annotated[str, leaf(values.one_of("send", "ask", "ignore"))]
_OnVanish = Annotated[str, leaf(values.one_of("fail", "send_rest"))]
_Follow = Annotated[str, leaf(values.one_of("none", "inside"))]
_Partial = Annotated[str, leaf(values.one_of("hold", "send_rest"))]
_Recall = Annotated[float, leaf(scheduling.recall)]
_Drop = Annotated[str, leaf(values.one_of("each", "file", "folder", "batch"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsKeys:
    """`defaults:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    settle: SettleKeys | None = None
    finalize: FinalizeKeys | None = None
    recall: _Recall | None = None
    ignore: list[_Pattern] | None = None
    ignore_builtin: Flag | None = None
    after: AfterKeys | None = None
    initial: _Initial | None = None
    redrop: _Redrop | None = None
    dedupe: _Dedupe | None = None
    late: _Late | None = None
    on_vanish: _OnVanish | None = None
    partial: _Partial | None = None
    retry: RetryKeys | None = None
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

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    name: Name
    path: Path
    to: ToKeys
    was: Name | None = None
    like: Name | None = None
    enabled: Flag | None = None
    tags: list[Name] | None = None
    drop: _Drop | None = None
    depth: Annotated[str, leaf(values.one_of("top", "any"))] | None = None
    settle: SettleKeys | None = None
    finalize: FinalizeKeys | None = None
    recall: _Recall | None = None
    package: PackageKeys | None = None
    link: LinkKeys | None = None
    after: AfterKeys | None = None
    ignore: list[_Pattern] | None = None
    ignore_builtin: Flag | None = None
    only: list[_Pattern] | None = None
    only_regex: list[_Expression] | None = None
    ignore_regex: list[_Expression] | None = None
    size: SizeKeys | None = None
    follow: _Follow | None = None
    hardlinks: Annotated[str, leaf(values.one_of("allow", "skip"))] | None = None
    age: AgeKeys | None = None
    initial: _Initial | None = None
    redrop: _Redrop | None = None
    dedupe: _Dedupe | None = None
    late: _Late | None = None
    on_vanish: _OnVanish | None = None
    partial: _Partial | None = None
    retry: RetryKeys | None = None
    early: Flag | None = None
    bundles: list[Text] | None = None
    sequences: SequencesKeys | None = None
    manifest: ManifestKeys | None = None
    companions: list[CompanionKeys] | None = None
    incomplete: _Incomplete | None = None
    sidecar: Annotated[SidecarKeys, first(sidecars.name_alone)] | None = None
    expect: ExpectKeys | None = None
    removable: Flag | None = None
    mtime_grain: Annotated[float | str, leaf(values.mtime_grain)] | None = None
    limits: LimitsKeys | None = None
    notify: list[HookKeys] | None = None
    priority: Annotated[int, leaf(values.whole(-100, 100))] | None = None
    chunk_size: ChunkSize | None = None
    bandwidth: Bandwidth | None = None
    schedule: ScheduleKeys | None = None
    deadline: Annotated[int, leaf(timetable.clock_time)] | None = None
    expect_by: Annotated[int, leaf(timetable.clock_time)] | None = None
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

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    version: Annotated[int, leaf(_version)]
    masv: MasvKeys | None = None
    server: ServerKeys | None = None
    state: Annotated[str, leaf(hosts.state)] | None = None
    mail: MailKeys | None = None
    transfer: TransferKeys | None = None
    bandwidth: Bandwidth | None = None
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
        if faults.value_at(tree, one["loc"]) is not BROKEN and not _is_merged(tree, one)
    ]


def _is_merged(tree: Plain, one: Any) -> bool:
    """Say whether a key is only missing because YAML's merging, refused itself, was to bring it."""
    above = faults.value_at(tree, one["loc"][:-1]) if one["type"] == "missing" else None
    return isinstance(above, dict) and "<<" in above


def known_keys() -> set[str]:
    """List every key of the file as a dotted path, lists as `[]`."""
    return faults.known_keys(Keys)
