"""The cloud's JSON and XML as values, and our values as its JSON.

Owns every key of the wire protocol, each with the mark of its source. Never sends anything and
never decides what an error status means. Called by `cloud.client` and `cloud.refusals`.

Law 1. The laws of `cloud.reading` hold here as well: checked before used, CloudGarbled or a value.
Law 2. Nothing from the cloud is used as a URL or a header before it was checked.
Law 3. Reading is tolerant (unknown keys, missing extras), meaning is strict (ids, URLs, tokens).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, urlsplit

from masv_watch.cloud.reading import (
    Json,
    garbled,
    is_opaque,
    list_of,
    mapping,
    read_flag,
    read_id,
    read_list,
    read_number,
    read_object,
    read_required,
    read_secret,
    read_text,
    read_time,
    xml_of,
)
from masv_watch.errors import CloudGarbled
from masv_watch.model import Chunk, Secret

_URL = re.compile(r"https?://[\x21-\x5b\x5d-\x7e]{1,8192}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
_ETAG = re.compile(r'(?:W/)?(?:"[\x21\x23-\x7e]{1,256}"|[\x21\x23-\x2b\x2d-\x7e]{1,256})')
_MD5 = re.compile(r"[0-9a-f]{32}")
_METHODS = {"PUT", "POST"}
#: ours to say: a blueprint cannot know how its body is sent, nor speak for whoever sends it
_OURS = {
    "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer",
    "host", "origin", "sec-fetch-site",
}  # fmt: skip
#: a last label that makes resolvers read the whole host as an IPv4 address, as in "127.1"
_NUMERIC = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)")
#: "for ever", where the cloud counts days ([mcp portals.ts])
_UNLIMITED = -1


class UserToken(Secret):
    """What a sign-in gives: it opens the same calls as a team's key, in a header of its own."""

    __slots__ = ()


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
    """A team that we belong to ([docs-tokens]); None where the cloud does not say."""

    id: str
    name: str
    subdomain: str
    #: days that packages are kept; -1: for ever
    custom_expiry_default: int | None = None
    custom_expiry_enabled: bool | None = None
    #: downloads of one link
    download_limit_default: int | None = None
    download_limit_enabled: bool | None = None
    max_email_recipients: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who signed in ([docs-tokens])."""

    id: str
    #: empty where the cloud does not say
    email: str
    #: empty where the cloud does not say
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a sign-in gives ([docs-tokens])."""

    user: User
    #: with id, name and subdomain; the limits are told by the list of teams only
    teams: tuple[Team, ...]
    token: UserToken


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
    #: ISO 8601 as the cloud said it; empty when there is none
    expiry: str
    #: whom it was made for: the uploader when nobody was named; empty when not said
    email: str = ""
    #: nobody can download by it: switched off, or without a download left
    locked: bool = False
    #: it asks for a password, its own or its package's
    has_password: bool = False


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
class Spec:
    """What the cloud takes of any file ([docs-upload]); None where it does not say."""

    #: bytes
    min_chunk: int | None
    #: bytes
    max_chunk: int | None
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


def team_of(tree: Json) -> Team:
    """Read a team ([docs-tokens]); its limits have the names of the agent's session object."""
    return Team(
        id=read_id(tree, "id"),
        name=read_text(tree, "name"),
        subdomain=read_text(tree, "subdomain"),
        custom_expiry_default=read_number(tree, "custom_expiry_default", least=_UNLIMITED),
        custom_expiry_enabled=read_flag(tree, "custom_expiry_enabled"),
        download_limit_default=read_number(tree, "download_limit_default"),
        download_limit_enabled=read_flag(tree, "download_limit_enabled"),
        max_email_recipients=read_number(tree, "max_email_recipients"),
    )


def signed_in(tree: Json) -> SignedIn:
    """Read the answer of a sign-in ([docs-tokens])."""
    user = read_object(tree, "user")
    return SignedIn(
        user=User(
            email=read_text(user, "email"), id=read_id(user, "id"), name=read_text(user, "name")
        ),
        teams=tuple(team_of(team) for team in read_list(tree, "teams")),
        token=UserToken(read_secret(tree, "token").reveal()),
    )


def sign_in_answer(signed: SignedIn) -> Json:
    """Write a sign-in, its token included, so that `signed_in` reads it again."""
    return {
        "user": asdict(signed.user),
        "teams": [asdict(team) for team in signed.teams],
        "token": signed.token.reveal(),
    }


def created_package(tree: Json) -> CreatedPackage:
    """Read the answer of a package create ([mcp-new integrations.ts])."""
    return CreatedPackage(id=read_id(tree, "id"), token=read_secret(tree, "access_token"))


def package_seen(tree: Json) -> PackageSeen:
    """Read a package object ([docs-pkg]); links that are none are left out."""
    return PackageSeen(
        id=read_id(tree, "id"),
        state=read_text(tree, "state"),
        name=read_text(tree, "name"),
        created_at=read_time(tree, "created_at"),
        total_files=read_number(tree, "total_files") or 0,
        token=read_secret(tree, "access_token") if mapping(tree).get("access_token") else None,
        links=tuple(created_link(link) for link in read_list(tree, "links") if _is_link(link)),
    )


def added_file(tree: Json) -> AddedFile:
    """Read the answer of a file create, which may name the limits of this file ([3p-ctl])."""
    limits = spec(tree)
    return AddedFile(
        id=read_id(read_object(tree, "file"), "id"),
        blueprint=blueprint(read_object(tree, "create_blueprint")),
        min_chunk=limits.min_chunk,
        max_chunk=limits.max_chunk,
        max_count=limits.max_count,
    )


def spec(tree: Json) -> Spec:
    """Read the limits of chunks; both spellings of their count occur ([docs-upload], [3p-ctl])."""
    count = read_number(tree, "max_chunks_count")
    found = Spec(
        min_chunk=read_number(tree, "min_chunk_size"),
        max_chunk=read_number(tree, "max_chunk_size"),
        max_count=read_number(tree, "max_chunk_count") if count is None else count,
    )
    if 0 in {found.max_chunk, found.max_count} or (
        None not in {found.min_chunk, found.max_chunk}
        and (found.min_chunk or 0) > (found.max_chunk or 0)
    ):
        raise garbled("the limits of the chunks contradict themselves")
    return found


def blueprint(tree: Json) -> Blueprint:
    """Read a blueprint; `headers` may be missing ([3p-android])."""
    method, url = read_required(tree, "method").upper(), read_required(tree, "url")
    if method not in _METHODS or not _is_url(url):
        raise garbled("a blueprint without a usable method and URL")
    headers = tree.get("headers") or {}
    if not isinstance(headers, dict) or not all(
        isinstance(value, str) and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
        for name, value in headers.items()
    ):
        raise garbled("a blueprint with unusable headers")
    kept = {name: value for name, value in headers.items() if name.lower() not in _OURS}
    return Blueprint(method=method, url=url, headers=kept, body=read_text(tree, "body"))


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
            id=read_id(entry, "id"),
            path=read_text(entry, "path").strip("/"),
            name=read_text(entry, "name"),
            size=read_number(entry, "size"),
            completed=entry.get("completed") is True,
        )
        for entry in list_of(tree)
        if mapping(entry).get("kind", "file") == "file"
    ]


def created_link(tree: Json) -> CreatedLink:
    """Read a link ([docs-links])."""
    withheld = not mapping(tree).get("download_secret")
    return CreatedLink(
        id=read_id(tree, "id"),
        secret=Secret("") if withheld else read_secret(tree, "download_secret"),
        expiry=read_time(tree, "expiry"),
        email=read_text(tree, "email"),
        locked=_is_locked(tree),
        has_password=bool(read_text(tree, "password")),
    )


def link_seen(tree: Json) -> LinkSeen:
    """Read where a link leads ([docs-dl])."""
    return LinkSeen(
        id=read_id(tree, "id"),
        package_id=read_id(tree, "package_id"),
        name=read_text(tree, "name"),
        package_size=read_number(tree, "package_size"),
        token=read_secret(tree, "package_token"),
        expiry=read_time(tree, "expiry"),
    )


def portal_id(tree: Json) -> str:
    """Read the id of a portal ([docs-js])."""
    return read_id(tree, "id")


def records(tree: Json) -> list[Json]:
    """Read one page of a paged listing ([docs-pkg])."""
    return list_of(mapping(tree).get("records"))


def multipart_id(text: bytes) -> str:
    """Read the upload id of S3's XML by local name; the namespace differs by storage ([3p-ctl])."""
    for element in xml_of(text).iter():
        if element.tag.rpartition("}")[2] == "UploadId":
            found = (element.text or "").strip()
            if is_opaque(found):
                return found
    raise garbled("XML without an upload id", text)


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


def moment(at: float) -> str:
    """Write seconds since 1970 as the cloud writes times: ISO 8601, UTC, milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


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


def is_loopback(url: str) -> bool:
    """Say whether the host of a URL names this machine itself, in whichever spelling."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # a short or foreign spelling of an address, which nobody needs and which may be any
        return _NUMERIC.fullmatch(host.rpartition(".")[2]) is not None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    # connecting to the unspecified address reaches this machine as well
    return address.is_loopback or address.is_unspecified


def is_etag(text: str) -> bool:
    """Say whether a header's value is an ETag, quoted or bare ([3p aiohttp, mistika])."""
    return _ETAG.fullmatch(text) is not None


def etag_agrees(etag: str, md5: str) -> bool:
    """Say whether an ETag fits an MD5; one that does not look like an MD5 does ([inferred])."""
    bare = etag.strip('"').lower()
    return not md5 or _MD5.fullmatch(bare) is None or bare == md5.lower()


def _is_locked(tree: Json) -> bool:
    # no answer tells how often a link was used ([docs-links]): only a limit of none is plain
    is_off = read_flag(tree, "active") is False
    is_limited = read_flag(tree, "access_limit_enabled") is True
    return is_off or (is_limited and read_number(tree, "access_limit") == 0)


def _is_link(tree: Json) -> bool:
    try:
        created_link(tree)
    except CloudGarbled:
        return False
    return True


def _is_url(text: str) -> bool:
    if not _URL.fullmatch(text):
        return False
    try:
        pieces = urlsplit(text)
        return bool(pieces.hostname) and pieces.username is None and pieces.port != 0
    except ValueError:
        return False
