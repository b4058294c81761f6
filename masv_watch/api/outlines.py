"""The shapes of what the API answers about the configuration and about folders as such.

Owns no value. Never changes a key that was published: scripts rely on them. Written by
`api.reports`, described by `api.openapi`; the commands of the same names print them.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from masv_watch import model


class RemarkBody(TypedDict):
    """A problem or a warning with its place; `line` 0 where it has none."""

    file: str
    line: int
    col: int
    path: str
    message: str


class InspectionBody(TypedDict):
    """What is said of a configuration; without problems a daemon can run with it."""

    problems: list[RemarkBody]
    warnings: list[RemarkBody]
    ok: list[str]


class ValueBody(TypedDict):
    """A value that counts, as people write it; `***` for a secret.

    `origin` is `default`, or `FILE:LINE` with what fetched it.
    """

    key: str
    value: str
    origin: str


class ProbeBody(TypedDict):
    """One test of a folder's mount, and what masv-watch does because of it."""

    test: str
    state: model.ProbeState
    result: str
    use: str


class TreatmentBody(TypedDict):
    """What the watch does there; null where something could not be tried."""

    detect: Literal["events", "sweep"]
    sweep_s: float
    quiet_s: float
    samples: int
    open_check: bool | None
    mtime_grain_ns: int | None


class FitnessBody(TypedDict):
    """What a folder's mount is fit for, as `user` found it out; `folder` is its hot folder."""

    folder: str | None
    path: str
    user: str
    probes: list[ProbeBody]
    settings: TreatmentBody


class DiagnosisBody(TypedDict):
    """What is wrong, the worst first, and what a helper needs beside it: texts by file name.

    No secret is in it, but names of folders, files and addresses are.
    """

    wrong: list[str]
    files: dict[str, str]


class ImportedBody(TypedDict):
    """A configuration made of a provisioning file.

    `left` is what it does not hold, `secrets` are the names that it looks up in secrets.yml.
    """

    text: str
    left: list[str]
    secrets: list[str]


class SealBody(TypedDict):
    """A receipt's place in the chain: what is signed, and by which key; all hashes SHA-256.

    The signature is Ed25519's, over all else of it as RFC 8785 writes it; `delivery` is the hash of
    the receipt's `delivery` written so, `previous` that of the seal before without its signature.
    """

    chain: str
    delivery: str
    format: str
    key: str
    made_at: str
    number: int
    previous: str
    signature: str
    upload_id: str


class ReceiptBody(TypedDict):
    """A receipt: what was delivered, and its seal."""

    delivery: dict[str, Any]
    seal: SealBody


class ReceiptKeyBody(TypedDict):
    """A public key, in hexadecimal digits and as openssl reads it."""

    algorithm: Literal["ed25519"]
    public_key: str
    pem: str


class HookBody(TypedDict):
    """Who is told what becomes of drops; the address is a secret."""

    kind: str
    events: list[str]


class RuleOfDropsBody(TypedDict):
    """What a rule says of what it takes."""

    takes: str
    quiet_s: float | None
    learns_quiet: bool
    done_marker: str | None
    sidecar: str | None
    incomplete_holds: list[str]
    early: bool | None
    only: list[str]
    ignore: list[str]
    ignore_builtin: bool
    least_size: int
    most_size: int | None
    least_age_s: float
    most_age_s: float | None
    follow: model.Follow
    skips_hardlinks: bool
    initial: model.Initial
    redrop: model.Redrop
    dedupe: model.Dedupe
    late: model.Late
    removable: bool
    filesystems: list[str]
    mtime_grain_s: float | None


class RuleOfPackagesBody(TypedDict):
    """What a rule says of what it makes of that."""

    portal: str | None
    recipients: list[str]
    mail_to: list[str]
    package_name: str
    package_message: str
    has_password: bool
    expires_s: float | None
    downloads: int | None
    idle_s: float
    recall_s: float
    chunk_size: int | None
    on_vanish: model.OnVanish
    partial: model.Partial
    give_up_after_s: float


class RuleOfTimesBody(TypedDict):
    """What a rule says of when, how much, and what becomes of it."""

    after_delivered: str
    after_duplicate: str
    trash_for_s: float
    priority: int
    tz: str | None
    windows: list[str]
    deliver_windows: list[str]
    deadline: str | None
    expect_by: str | None
    most_files: int
    most_bytes: int
    most_bytes_a_day: int | None
    domains: list[str] | None
    notify: list[HookBody]


class RuleBody(RuleOfDropsBody, RuleOfPackagesBody, RuleOfTimesBody):
    """What a hot folder's rule says now, defaults included.

    `takes` is a clause for people. `quiet_s` is null where the kind of the file system decides, and
    with `learns_quiet` the hot folder's own pauses do; `early` is null where `drop` decides. Hours
    are by the clock of `tz`, null for the machine's. `incomplete_holds` names the keys for which a
    drop waits that lacks something. Null of `expires_s` and `downloads` is what the team has set,
    of `mtime_grain_s` and `chunk_size` what the mount and the configuration have; null of any other
    is that it is not asked for.
    """
