"""The cloud's JSON and XML as values, and our values as its JSON.

Owns every key of the wire protocol, each with the mark of its source. Never sends anything and
never decides what an error status means. Called by `cloud.client` and `cloud.refusals`.

Law 1. What does not have the expected form raises CloudGarbled, never a KeyError or a TypeError.
Law 2. Nothing from the cloud is used as a URL, an id, a header or a number before it was checked.
Law 3. What an error shows of an answer is cut, escaped, and without anything that looks secret.
Law 4. Reading is tolerant (unknown keys, missing extras), meaning is strict (ids, URLs, tokens).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree import ElementTree

from masv_watch.errors import CloudGarbled
from masv_watch.model import Chunk, Secret
from masv_watch.names import shown

Json = Any

#: how the cloud writes "no time" ([docs-keys])
NO_TIME = "0001-01-01T00:00:00.000Z"
#: bytes of the XML that a multipart create may answer with
XML_LIMIT = 64 * 1024

#: characters of an answer that an error may show
_SHOWN = 200
#: characters of an answer that are looked through for what may be shown
_LOOKED_AT = 4096
_MASK = "***"
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_OPAQUE = re.compile(r"[\x21-\x7e]{1,8192}")
_URL = re.compile(r"https?://[\x21-\x5b\x5d-\x7e]{1,8192}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
_ETAG = re.compile(r'(?:W/)?(?:"[\x21\x23-\x7e]{1,256}"|[\x21\x23-\x2b\x2d-\x7e]{1,256})')
_MD5 = re.compile(r"[0-9a-f]{32}")
_METHODS = {"PUT", "POST"}
#: framing is ours: a blueprint cannot know how its body is sent
_FRAMING = {"content-length", "transfer-encoding", "connection", "expect"}
_LARGEST = 2**63 - 1

_QUERY = re.compile(r"\?[^\s\"'<>]+")
_SENSITIVE = re.compile(
    r"((?:token|secret|password|signature|credential|access_code|api[_-]?key)"
    r"[\"']?\s*[:=>]\s*[\"']?)[^\s\"'<>&,}]+",
    re.IGNORECASE,
)
_LONG = re.compile(r"[A-Za-z0-9+/_=.~-]{20,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A request that the storage expects exactly so ([docs-upload])."""

    method: str
    #: presigned, so a secret for as long as it lives
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A team that the key belongs to ([docs-tokens])."""

    id: str
    name: str
    subdomain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedPackage:
    """A package that was just created ([mcp-new integrations.ts])."""

    id: str
    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedLink:
    """A share link ([docs-links])."""

    id: str
    #: empty where the cloud withholds it
    secret: Secret
    #: ISO 8601; empty when there is none
    expiry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSeen:
    """Where a link leads ([docs-dl])."""

    id: str
    package_id: str
    name: str
    #: bytes; None when not said
    package_size: int | None
    #: opens the package for downloads only
    token: Secret
    #: ISO 8601; empty when there is none
    expiry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSeen:
    """A package as the cloud shows it ([docs-pkg])."""

    id: str
    #: `new`, `finalized`, `expired` or `archived` ([mcp packages.ts:21-23]); empty when not said
    state: str
    name: str
    #: ISO 8601; empty when not said
    created_at: str
    total_files: int
    #: None when the answer carries none
    token: Secret | None
    links: tuple[CreatedLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedFile:
    """A file that was just added: where its multipart upload begins, the limits of its chunks."""

    id: str
    blueprint: Blueprint
    #: bytes; None when not said
    min_chunk: int | None
    #: bytes; None when not said
    max_chunk: int | None
    #: None when not said
    max_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeen:
    """A file of a package as the cloud lists it ([docs-dl])."""

    id: str
    #: folder inside the package, without slashes at its ends
    path: str
    name: str
    #: bytes; None when not said
    size: int | None
    #: the cloud has finalized it ([3p-android])
    completed: bool


def parse(text: bytes, *, secrets: Iterable[Secret] = ()) -> Json:
    """Read JSON; none of the secrets appears in the error.

    Raises:
        CloudGarbled: it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # the foreign error carries the whole text
        raise garbled("not JSON" if text else "empty", text, secrets=secrets) from None


def garbled(what: str, text: bytes | str = b"", *, secrets: Iterable[Secret] = ()) -> CloudGarbled:
    """Build the error for an answer that is not the protocol, showing how it begins."""
    begins = excerpt(text, secrets=secrets)
    tail = f"; it begins: {begins}" if begins else ""
    return CloudGarbled(f"the cloud's answer is not the protocol: {what}{tail}")


def excerpt(text: bytes | str, *, secrets: Iterable[Secret] = ()) -> str:
    """Give the beginning of a foreign text fit to be shown: redacted, escaped, cut."""
    if isinstance(text, bytes):
        text = text[: 2 * _LOOKED_AT].decode("utf-8", "replace")
    for secret in secrets:
        if secret.reveal():
            text = text.replace(secret.reveal(), _MASK)
    text = _QUERY.sub(f"?{_MASK}", text[:_LOOKED_AT])
    text = _LONG.sub(_MASK, _SENSITIVE.sub(rf"\1{_MASK}", text))
    return shown(" ".join(text.split()).encode("utf-8", "replace"))[:_SHOWN]


def acknowledged(text: bytes, *, secrets: Iterable[Secret] = ()) -> None:
    """Assure that the answer of a call whose answer is not documented is empty or JSON.

    The page of a captive network, answered with 200, must not pass for a finalize.

    Raises:
        CloudGarbled: it is neither.
    """
    if text.strip():
        parse(text, secrets=secrets)


def team_of(tree: Json) -> Team:
    """Read a team ([docs-tokens])."""
    return Team(id=_id(tree, "id"), name=_text(tree, "name"), subdomain=_text(tree, "subdomain"))


def created_package(tree: Json) -> CreatedPackage:
    """Read the answer of a package create ([mcp-new integrations.ts])."""
    return CreatedPackage(id=_id(tree, "id"), token=_secret(tree, "access_token"))


def package_seen(tree: Json) -> PackageSeen:
    """Read a package object ([docs-pkg]); links that are none are left out."""
    return PackageSeen(
        id=_id(tree, "id"),
        state=_text(tree, "state"),
        name=_text(tree, "name"),
        created_at=_time(tree, "created_at"),
        total_files=_number(tree, "total_files") or 0,
        token=_secret(tree, "access_token") if _mapping(tree).get("access_token") else None,
        links=tuple(created_link(link) for link in _list(tree, "links") if _is_link(link)),
    )


def added_file(tree: Json) -> AddedFile:
    """Read the answer of a file create; both spellings of the count occur ([3p-ctl])."""
    count = _number(tree, "max_chunks_count")
    added = AddedFile(
        id=_id(_object(tree, "file"), "id"),
        blueprint=blueprint(_object(tree, "create_blueprint")),
        min_chunk=_number(tree, "min_chunk_size"),
        max_chunk=_number(tree, "max_chunk_size"),
        max_count=_number(tree, "max_chunk_count") if count is None else count,
    )
    if 0 in {added.max_chunk, added.max_count} or (
        None not in {added.min_chunk, added.max_chunk}
        and (added.min_chunk or 0) > (added.max_chunk or 0)
    ):
        raise garbled("the limits of the chunks contradict themselves")
    return added


def blueprint(tree: Json) -> Blueprint:
    """Read a blueprint; `headers` may be missing ([3p-android])."""
    method, url = _required(tree, "method").upper(), _required(tree, "url")
    if method not in _METHODS or not _is_url(url):
        raise garbled("a blueprint without a usable method and URL")
    headers = tree.get("headers") or {}
    if not isinstance(headers, dict) or not all(
        isinstance(value, str) and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
        for name, value in headers.items()
    ):
        raise garbled("a blueprint with unusable headers")
    kept = {name: value for name, value in headers.items() if name.lower() not in _FRAMING}
    return Blueprint(method=method, url=url, headers=kept, body=_text(tree, "body"))


def blueprints(tree: Json, *, start: int, count: int) -> list[Blueprint]:
    """Read the bare array of chunk URLs from the zero-based `start` ([3p five of five]).

    Part number = start + 1 + index, which a URL that names its part must confirm ([3p-ctl]).
    """
    if not isinstance(tree, list) or len(tree) != count:
        raise garbled(f"{count} chunk URLs were asked for")
    found = [blueprint(entry) for entry in tree]
    for number, entry in enumerate(found, start=start + 1):
        named = parse_qs(urlsplit(entry.url).query).get("partNumber", [str(number)])
        if named != [str(number)]:
            raise garbled(f"the URL of chunk {number} is another chunk's")
    return found


def files_seen(tree: Json) -> list[FileSeen]:
    """Read a file listing; generated zip entries and directories are left out ([docs-dl])."""
    return [
        FileSeen(
            id=_id(entry, "id"),
            path=_text(entry, "path").strip("/"),
            name=_text(entry, "name"),
            size=_number(entry, "size"),
            completed=entry.get("completed") is True,
        )
        for entry in list_of(tree)
        if _mapping(entry).get("kind", "file") == "file"
    ]


def created_link(tree: Json) -> CreatedLink:
    """Read a link ([docs-links])."""
    withheld = not _mapping(tree).get("download_secret")
    return CreatedLink(
        id=_id(tree, "id"),
        secret=Secret("") if withheld else _secret(tree, "download_secret"),
        expiry=_time(tree, "expiry"),
    )


def link_seen(tree: Json) -> LinkSeen:
    """Read where a link leads ([docs-dl])."""
    return LinkSeen(
        id=_id(tree, "id"),
        package_id=_id(tree, "package_id"),
        name=_text(tree, "name"),
        package_size=_number(tree, "package_size"),
        token=_secret(tree, "package_token"),
        expiry=_time(tree, "expiry"),
    )


def portal_id(tree: Json) -> str:
    """Read the id of a portal ([docs-js])."""
    return _id(tree, "id")


def records(tree: Json) -> list[Json]:
    """Read one page of a paged listing ([docs-pkg])."""
    return list_of(_mapping(tree).get("records"))


def list_of(tree: Json) -> list[Json]:
    """Read a bare array."""
    if not isinstance(tree, list):
        raise garbled("a list was expected")
    return tree


def multipart_id(text: bytes) -> str:
    """Read the upload id of S3's XML by local name; the namespace differs by storage ([3p-ctl])."""
    for element in xml_of(text).iter():
        if element.tag.rpartition("}")[2] == "UploadId":
            found = (element.text or "").strip()
            if _OPAQUE.fullmatch(found):
                return found
    raise garbled("XML without an upload id", text)


def xml_of(text: bytes) -> ElementTree.Element:
    """Read the storage's XML; a document type is refused, so that no entity is ever expanded.

    Raises:
        CloudGarbled: it is not XML, too long, or has a document type.
    """
    try:
        # as text, so that no declared encoding can hide a document type from the next line
        plain = text[: XML_LIMIT + 1].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise garbled("not XML", text) from None
    if len(text) > XML_LIMIT or "<!DOCTYPE" in plain or "<!ENTITY" in plain:
        raise garbled("XML that is too long or has a document type")
    try:
        return ElementTree.fromstring(plain)  # noqa: S314 - entities are refused above
    except (ElementTree.ParseError, ValueError):
        raise garbled("not XML", text) from None


def finalize_file_body(
    chunks: Sequence[Chunk], *, upload_id: str, size: int, chunk_size: int
) -> Json:
    """Write the file finalize; `partNumber` is a string in camel case ([up d.ts])."""
    return {
        "chunk_extras": [
            {"partNumber": str(chunk.number), "etag": chunk.etag}
            for chunk in sorted(chunks, key=lambda chunk: chunk.number)
        ],
        "file_extras": {"upload_id": upload_id},
        "size": size,
        "chunk_size": chunk_size,
    }


def link_url(template: str, link_id: str, secret: Secret) -> str:
    """Fill the link template with the id and the secret ([docs-links])."""
    return template.replace("{id}", quote(link_id, safe="")).replace(
        "{secret}", quote(secret.reveal(), safe="")
    )


def cleaned(path: str) -> str:
    """Give what the cloud makes of a path or name on every upload ([docs-chars])."""
    path = re.sub(r"[\t\r\n]", "", path.replace("\\", "/"))
    while "../" in path:
        path = path.replace("../", "")
    return path.strip("/")


def survives(path: str, name: str) -> bool:
    """Say whether the cloud keeps folder and base name exactly as they are sent ([docs-chars])."""
    whole = f"{path}/{name}" if path else name
    return bool(name) and "/" not in name and cleaned(whole) == whole and cleaned(path) == path


def is_etag(text: str) -> bool:
    """Say whether a header's value is an ETag, quoted or bare ([3p aiohttp, mistika])."""
    return _ETAG.fullmatch(text) is not None


def etag_agrees(etag: str, md5: str) -> bool:
    """Say whether an ETag fits an MD5; one that does not look like an MD5 does ([inferred])."""
    bare = etag.strip('"').lower()
    return not md5 or _MD5.fullmatch(bare) is None or bare == md5.lower()


def _mapping(tree: Json) -> Mapping[str, Json]:
    if not isinstance(tree, dict):
        raise garbled("an object was expected")
    return tree


def _object(tree: Json, key: str) -> Mapping[str, Json]:
    return _mapping(_mapping(tree).get(key))


def _list(tree: Json, key: str) -> list[Json]:
    found = _mapping(tree).get(key)
    return [] if found is None else list_of(found)


def _is_link(tree: Json) -> bool:
    try:
        created_link(tree)
    except CloudGarbled:
        return False
    return True


def _required(tree: Json, key: str) -> str:
    found = _mapping(tree).get(key)
    if not isinstance(found, str) or not found:
        raise garbled(f"`{key}` is missing")
    return found


def _id(tree: Json, key: str) -> str:
    found = _required(tree, key)
    if not _ID.fullmatch(found):
        raise garbled(f"`{key}` is not an id")
    return found


def _secret(tree: Json, key: str) -> Secret:
    found = _required(tree, key)
    # it becomes a header or part of a URL
    if not _OPAQUE.fullmatch(found):
        raise garbled(f"`{key}` has characters that cannot be sent")
    return Secret(found)


def _text(tree: Json, key: str) -> str:
    found = _mapping(tree).get(key)
    # JSON can spell lone surrogates, which nothing that stores or prints takes
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def _time(tree: Json, key: str) -> str:
    found = _text(tree, key)
    return "" if found == NO_TIME else found


def _number(tree: Json, key: str) -> int | None:
    found = _mapping(tree).get(key)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _LARGEST:
        return None
    return found


def _is_url(text: str) -> bool:
    if not _URL.fullmatch(text):
        return False
    try:
        pieces = urlsplit(text)
        return bool(pieces.hostname) and pieces.username is None and pieces.port != 0
    except ValueError:
        return False
