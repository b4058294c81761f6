"""Hold the keys of the file that stand beside its hot folders.

Owns the shape of `masv`, `server`, `mail`, `transfer`, `bandwidth`, `history` and `backup`. Never
knows what a hot folder says. Used by `schema`, of which it is a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from masv_watch.config import access, hosts, timetable, values
from masv_watch.config.leaves import (
    FORBID,
    Address,
    Flag,
    Label,
    Path,
    SecretText,
    Text,
    first,
    leaf,
)
from masv_watch.model import Listen, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyKeys:
    """`masv.proxy:`; its address alone stands for it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    url: Annotated[str, leaf(hosts.proxy_url)]
    user: Text | None = None
    password: SecretText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MasvKeys:
    """`masv:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    api_url: Annotated[str, leaf(hosts.api_url)] | None = None
    team: Label | None = None
    api_key: SecretText | None = None
    link_url: Annotated[str, leaf(hosts.link_url)] | None = None
    proxy: Annotated[ProxyKeys, first(hosts.proxy_alone)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsKeys:
    """`server.tls:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    certificate: Annotated[str, leaf(access.certificate)] | None = None
    key: Annotated[str, leaf(access.key)] | None = None


#: what `tls: elsewhere` becomes; told from a mapping without keys by its identity
ELSEWHERE = TlsKeys()


def _tls(value: object) -> object:
    return ELSEWHERE if access.is_elsewhere(value) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """`server:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    listen: (
        Annotated[list[Annotated[Listen, leaf(access.listener)]], first(access.one_or_more)] | None
    ) = None
    allowed_roots: list[Path] | None = None
    auth: Annotated[str, leaf(values.one_of("peer", "token"))] | None = None
    token: Annotated[Secret | None, leaf(access.token)] = None
    trusted_users: list[Annotated[str, leaf(access.user)]] | None = None
    trusted_groups: list[Annotated[str, leaf(access.group)]] | None = None
    hosts: list[Annotated[str, leaf(access.host)]] | None = None
    tls: Annotated[TlsKeys, first(_tls)] | None = None
    auto_finalize: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpKeys:
    """`mail.smtp:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    host: Annotated[str, leaf(hosts.host)]
    port: Annotated[int, leaf(values.whole(1, 65535))] | None = None
    tls: Annotated[str, leaf(values.one_of("none", "starttls", "implicit"))] | None = None
    user: Text | None = None
    password: SecretText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsKeys:
    """`mail.alerts:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    to: Annotated[list[Address], first(access.one_or_more)]
    after: Annotated[float, leaf(values.seconds("1m", "1d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailKeys:
    """`mail:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    smtp: SmtpKeys
    sender: Annotated[str, leaf(hosts.mailbox), Field(alias="from")]
    digest: Annotated[float, leaf(values.seconds("1s", "1d"))] | None = None
    alerts: AlertsKeys | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthRuleKeys:
    """One entry of `bandwidth.rules:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    limit: Annotated[int | None, leaf(timetable.limit)]
    days: Annotated[frozenset[int], leaf(timetable.days)] | None = None
    hours: Annotated[tuple[int, int], leaf(timetable.hours)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthKeys:
    """`bandwidth:`, of all or of a hot folder."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    rules: list[BandwidthRuleKeys]
    tz: Annotated[str, leaf(timetable.zone)] | None = None


Bandwidth = Annotated[BandwidthKeys, first(timetable.bandwidth)]


ChunkSize = Annotated[int, leaf(values.bytes_between("5 MiB", "5 GiB"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferKeys:
    """`transfer:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    connections: Annotated[int | None, leaf(values.connections)] = None
    chunk_size: ChunkSize | None = None
    active_uploads: Annotated[int, leaf(values.whole(1, 64))] | None = None
    verify: Annotated[str, leaf(values.one_of("size", "fast", "strict"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryKeys:
    """`history:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    drops: Annotated[float, leaf(values.seconds("1d", "36500d"))] | None = None
    events: Annotated[float, leaf(values.seconds("1d", "36500d"))] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKeys:
    """`backup:`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID
    to: Path
    keep: Annotated[int, leaf(values.whole(1, 1000))] | None = None
    key: Flag | None = None
