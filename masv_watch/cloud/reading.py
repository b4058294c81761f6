"""Foreign text read with suspicion: what it may be taken for, and what of it may be shown.

Owns the reading of JSON, of the storage's XML and of single values, and the excerpt that an error
may show. Never knows a call, a key or a status of the protocol. Called by `cloud.wire`,
`cloud.refusals`, `cloud.http` and `cloud.client`.

Law 1. What does not have the expected form raises CloudGarbled, never a KeyError or a TypeError.
Law 2. Nothing from the cloud is used as an id, a header or a number before it was checked.
Law 3. What an error shows of an answer is cut, escaped, and without anything that looks secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from masv_watch.errors import CloudGarbled
from masv_watch.model import Secret
from masv_watch.names import shown

if TYPE_CHECKING:
    from xml.etree import ElementTree

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
_LARGEST = 2**63 - 1

_QUERY = re.compile(r"\?[^\s\"'<>]+")
_SENSITIVE = re.compile(
    r"((?:token|secret|password|signature|credential|access_code|api[_-]?key)"
    r"[\"']?\s*[:=>]\s*[\"']?)[^\s\"'<>&,}]+",
    re.IGNORECASE,
)
_LONG = re.compile(r"[A-Za-z0-9+/_=.~-]{20,}")


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


def acknowledged(text: bytes, *, secrets: Iterable[Secret] = ()) -> None:
    """Assure that the answer of a call whose answer is not documented is empty or JSON.

    The page of a captive network, answered with 200, must not pass for a finalize.

    Raises:
        CloudGarbled: it is neither.
    """
    if text.strip():
        parse(text, secrets=secrets)


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
    # only the storage speaks it, and only once something is sent
    from xml.etree import ElementTree  # noqa: PLC0415

    try:
        return ElementTree.fromstring(plain)  # noqa: S314 - entities are refused above
    except (ElementTree.ParseError, ValueError):
        raise garbled("not XML", text) from None


def garbled(what: str, text: bytes | str = b"", *, secrets: Iterable[Secret] = ()) -> CloudGarbled:
    """Build the error for an answer that is not the protocol, showing how it begins."""
    begins = excerpt(text, secrets=secrets)
    tail = f"; it begins: {begins}" if begins else ""
    return CloudGarbled(f"the cloud's answer is not the protocol: {what}{tail}")


def excerpt(text: bytes | str, *, secrets: Iterable[Secret] = ()) -> str:
    """Give the beginning of a foreign text fit to be shown: redacted, escaped, cut."""
    if isinstance(text, bytes):
        text = text[: 2 * _LOOKED_AT].decode("utf-8", "replace")
    spelled = {spelling for secret in secrets for spelling in _spellings(secret.reveal())}
    # the longest first: a shorter one may be a piece of it
    for spelling in sorted(spelled, key=len, reverse=True):
        text = text.replace(spelling, _MASK)
    text = _QUERY.sub(f"?{_MASK}", text[:_LOOKED_AT])
    text = _LONG.sub(_MASK, _SENSITIVE.sub(rf"\1{_MASK}", text))
    return shown(" ".join(text.split()).encode("utf-8", "replace"))[:_SHOWN]


def _spellings(value: str) -> set[str]:
    """Give the forms in which somebody in between may repeat what we sent."""
    if not value:
        return set()
    # its table of names is larger than all that is read here, and most answers are understood
    from html import escape  # noqa: PLC0415

    plain = value.encode("utf-8", "replace")
    return {
        value,
        # a body that is quoted instead of understood
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(plain, safe=""),
        escape(value),
    }


def mapping(tree: Json) -> Mapping[str, Json]:
    """Read an object."""
    if not isinstance(tree, dict):
        raise garbled("an object was expected")
    return tree


def list_of(tree: Json) -> list[Json]:
    """Read a bare array."""
    if not isinstance(tree, list):
        raise garbled("a list was expected")
    return tree


def read_object(tree: Json, key: str) -> Mapping[str, Json]:
    """Read an object within an object."""
    return mapping(mapping(tree).get(key))


def read_list(tree: Json, key: str) -> list[Json]:
    """Read a list within an object; empty when it is missing."""
    found = mapping(tree).get(key)
    return [] if found is None else list_of(found)


def read_required(tree: Json, key: str) -> str:
    """Read a text that may neither be missing nor empty."""
    found = mapping(tree).get(key)
    if not isinstance(found, str) or not found:
        raise garbled(f"`{key}` is missing")
    return found


def read_id(tree: Json, key: str) -> str:
    """Read an id, fit to be a piece of a path."""
    found = read_required(tree, key)
    if not _ID.fullmatch(found):
        raise garbled(f"`{key}` is not an id")
    return found


def read_secret(tree: Json, key: str) -> Secret:
    """Read a secret, fit to be a header or a piece of a URL."""
    found = read_required(tree, key)
    if not is_opaque(found):
        raise garbled(f"`{key}` has characters that cannot be sent")
    return Secret(found)


def read_text(tree: Json, key: str) -> str:
    """Read a text; empty when it is missing or none."""
    found = mapping(tree).get(key)
    # JSON can spell lone surrogates, which nothing that stores or prints takes
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def read_time(tree: Json, key: str) -> str:
    """Read a time as the cloud writes it; empty for "no time"."""
    found = read_text(tree, key)
    return "" if found == NO_TIME else found


def read_number(tree: Json, key: str, *, least: int = 0) -> int | None:
    """Read a whole number from `least` on; None when it is missing or none."""
    found = mapping(tree).get(key)
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= _LARGEST:
        return None
    return found


def read_flag(tree: Json, key: str) -> bool | None:
    """Read a yes or no; None when it is missing or neither."""
    found = mapping(tree).get(key)
    return found if isinstance(found, bool) else None


def is_opaque(text: str) -> bool:
    """Say whether a text is fit to be sent back as it came: printable, without blanks, bounded."""
    return _OPAQUE.fullmatch(text) is not None
