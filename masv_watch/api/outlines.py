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
