"""Say what an answer that is not a success means, as one of our errors.

Owns the meaning of every status, by what the call proved itself with, and the reading of the
refusal's own words. Never sends, waits or retries: what it raises carries the remedy. Called by
`cloud.http` for every answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from urllib.parse import urlsplit

from masv_watch.cloud import reading
from masv_watch.errors import (
    CloudError,
    CloudGarbled,
    CloudRefused,
    CloudThrottled,
    CloudUnpaid,
    CloudUnreachable,
    NoSession,
    PackageGone,
    Remedy,
    TokenExpired,
    UrlExpired,
)
from masv_watch.model import Secret

#: seconds: a longer Retry-After is cut to this
LONGEST_RETRY_AFTER_S = 3600.0
#: refusals of fresh URLs in a row before a chunk is given up (fault 57)
FRESH_URLS = 5
#: seconds: a larger difference between the cloud's clock and ours is named (fault 67)
_SKEW_S = 60.0
#: S3's codes that mean something else than their status says ([inferred]: the storage is S3-like)
_STORAGE_AGAIN = {"RequestTimeout", "OperationAborted", "IncompleteBody"}
_STORAGE_EXPIRED = {"ExpiredToken", "TokenRefreshRequired"}
#: how a page of HTML begins, whatever its headers call it
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!--|(?:!doctype\s+html|html|head|body|title)\b)",
    re.IGNORECASE,
)
#: bytes of an answer in which the beginning of a page is looked for
_BEGINNING = 1024
#: how a finalize is refused that took effect before: the words are [inferred] (cloud-api N7), so
#: they are read widely, but only of the package
_FINALIZED = re.compile(
    r"\balready (?:been )?(?:finali[sz]ed|locked)\b"
    r"|\bpackage (?:is|was|has been) (?:finali[sz]ed|locked)\b"
    r"|\bpackage\b.*\b(?:not|no longer) (?:in (?:the )?)?(?:state )?new\b"
    r"|\bpackage\b.*\b(?:state|status)\W+(?:is\W+)?(?:finali[sz]ed|locked)\b"
    r"|^\W*(?:package )?(?:finali[sz]ed|locked)\W*$",
    re.IGNORECASE,
)
#: why a package may be no longer new, or locked, without having been delivered
_OTHERWISE = re.compile(
    r"archived|deleted|cancel|account|payment|billing|quota|suspend|virus|\bun(?:til|less)\b",
    re.IGNORECASE,
)
#: how a finalize is refused because of the files ([3p-so], and [inferred])
_UNFINISHED = re.compile(r"at least 1 file|unfinished file", re.IGNORECASE)


class Door(Enum):
    """What a call proves itself with, which decides what a refusal means."""

    KEY = "key"
    USER = "user"
    SIGN_IN = "sign_in"
    PACKAGE = "package"
    PUBLIC = "public"
    STORAGE = "storage"


#: what helps against a 402 (fault 66)
_UNPAID = "look at the plan, the quota and the payment at MASV"
#: what a 401 says where somebody proves who he is, and what helps
_NO_SESSION = {
    Door.KEY: (
        "the cloud refused the API key",
        "correct masv.api_key, then masv-watch reload",
    ),
    Door.USER: (
        "the cloud refused the user token",
        "sign in again; or set masv.api_key, then masv-watch reload",
    ),
    Door.SIGN_IN: (
        "the cloud says that email or password is wrong",
        "correct them; where a second factor is asked for, set masv.api_key instead",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, read to its end or to its limit."""

    status: int
    #: looked up without case
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    #: seconds since 1970 on our clock when it came
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    answer: Answer
    #: "while adding a file"
    when: str
    #: the cloud's code, "" when it gave none
    code: str
    #: ": its words", or ""
    words: str
    #: its sentence alone, of an answer that is JSON, or ""
    says: str
    #: how it begins where it is a page for people, or ""
    page: str

    @property
    def status(self) -> int:
        return self.answer.status


def judge(answer: Answer, *, doing: str, door: Door, secrets: Iterable[Secret] = ()) -> None:
    """Let a success pass and raise what any other answer means.

    `doing` completes "while ..." in the message; none of the secrets appears in it.

    Raises:
        CloudError: of the kind that fits; `facts["status"]` holds the status.
    """
    if 200 <= answer.status < 300:
        return
    code, sentence = words_of(answer.body, secrets=secrets)
    words = ": ".join(word for word in (code, sentence) if word)
    refusal = _Refusal(
        answer=answer,
        when=f"while {doing}",
        code=code,
        words=f": {words}" if words else "",
        says=sentence if answer.body.lstrip()[:1] == b"{" else "",
        page=reading.excerpt(answer.body, secrets=secrets) if _is_page(answer.body) else "",
    )
    raise _by_status(refusal, door)


def says_finalized(refused: CloudRefused) -> bool:
    """Say whether the words of a refused finalize tell that the package is finalized.

    Its status alone does not: a suspended account and a filter in between refuse alike.
    """
    says = str(refused.facts.get("says") or "")
    return _FINALIZED.search(says) is not None and _OTHERWISE.search(says) is None


def says_unfinished(refused: CloudRefused) -> bool:
    """Say whether the words of a refused finalize tell that files are missing."""
    return _UNFINISHED.search(str(refused.facts.get("says") or "")) is not None


def _by_status(refusal: _Refusal, door: Door) -> CloudError:
    status, when = refusal.status, refusal.when
    if status < 400:
        what = "a redirect, which is not followed" if status >= 300 else "no final answer"
        return CloudGarbled(
            f"{when}, the cloud answered with {what} ({status})",
            hint=_redirect_hint(refusal.answer),
            status=status,
        )
    wait_s = retry_after_s(refusal.answer)
    if status in {429, 503}:
        return CloudThrottled(
            f"{when}, the cloud asked to slow down ({status}){refusal.words}",
            status=status,
            retry_after_s=wait_s,
        )
    if status >= 500 or status in {408, 425}:
        return CloudUnreachable(
            f"{when}, the cloud failed ({status}){refusal.words}",
            status=status,
            retry_after_s=wait_s,
        )
    return _at_storage(refusal) if door is Door.STORAGE else _at_cloud(refusal, door)


def _at_storage(refusal: _Refusal) -> CloudError:
    status, when, words = refusal.status, refusal.when, refusal.words
    if refusal.code in _STORAGE_AGAIN:
        return CloudUnreachable(f"{when}, the storage failed ({status}){words}", status=status)
    if status in {401, 403} or refusal.code in _STORAGE_EXPIRED:
        return UrlExpired(
            f"{when}, the storage refused a presigned URL ({status}){words}",
            hint=_skew_hint(refusal.answer),
            status=status,
            limit=FRESH_URLS,
            after_limit=Remedy.NEVER.value,
        )
    return CloudRefused(f"{when}, the storage refused ({status}){words}", status=status)


def _at_cloud(refusal: _Refusal, door: Door) -> CloudError:
    status, when, words = refusal.status, refusal.when, refusal.words
    if refusal.page:
        # fault 61: it says nothing of the package, the key or the token that was named
        return CloudGarbled(
            f"{when}, a web page came instead of the cloud's answer ({status}); it begins:"
            f" {refusal.page}",
            hint="look at what stands between this machine and the cloud: a proxy, a filter, or"
            " the sign-in page of a network",
            status=status,
        )
    if status == 401 and door in _NO_SESSION:
        sentence, hint = _NO_SESSION[door]
        return NoSession(f"{when}, {sentence} (401)", hint=hint, status=status)
    if status == 401 and door is Door.PACKAGE:
        return TokenExpired(f"{when}, the cloud refused the package token (401)", status=status)
    if status in {404, 410} and door is Door.PACKAGE:
        return PackageGone(
            f"{when}, the cloud did not find the package or what is in it ({status}){words}",
            status=status,
        )
    if status == 402:
        return CloudUnpaid(
            f"{when}, the cloud refused ({status}){words}", hint=_UNPAID, status=status
        )
    return CloudRefused(
        f"{when}, the cloud refused ({status}){words}", status=status, says=refusal.says
    )


def words_of(text: bytes, *, secrets: Iterable[Secret] = ()) -> tuple[str, str]:
    """Read code and sentence of a refusal in any of its forms, fit to be shown; "" when absent.

    `{"code", "message", "errors"}` ([docs-tut]), `{"error"}` (stubs of [mcp-new]), S3's XML.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return _xml_words(text, secrets)
    if not isinstance(tree, dict):
        return "", ""
    said = [tree.get("message"), tree.get("error"), *_messages(tree.get("errors"))]
    sentence = next((entry for entry in said if isinstance(entry, str) and entry.strip()), "")
    code = tree.get("code")
    named = isinstance(code, str | int) and not isinstance(code, bool) and bool(code)
    return _code(str(code)) if named else "", reading.excerpt(sentence, secrets=secrets)


def retry_after_s(answer: Answer) -> float | None:
    """Read Retry-After in both forms, capped; a date counts from the answer's own Date."""
    text = (answer.headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    until = _moment(text)
    if until is None:
        return None
    now = _moment(answer.headers.get("Date") or "")
    wait_s = until - (answer.at if now is None else now)
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)


def _moment(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        # RFC 5322 writes "-0000" for a time in UTC whose zone is unknown
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _is_page(body: bytes) -> bool:
    return _PAGE.match(body[:_BEGINNING]) is not None


def _redirect_hint(answer: Answer) -> str:
    try:
        host = urlsplit(answer.headers.get("Location") or "").hostname or ""
    except ValueError:
        return ""
    return f"it points to {reading.excerpt(host)}; is masv.api_url right?" if host else ""


def _skew_hint(answer: Answer) -> str:
    there = _moment(answer.headers.get("Date") or "")
    if there is None or abs(there - answer.at) <= _SKEW_S:
        return ""
    return (
        f"this machine's clock differs from the storage's by {there - answer.at:+.0f} s"
        f" (theirs: {datetime.fromtimestamp(there, tz=UTC):%Y-%m-%d %H:%M:%S} UTC); set it"
    )


def _xml_words(text: bytes, secrets: Iterable[Secret]) -> tuple[str, str]:
    try:
        root = reading.xml_of(text)
    except CloudGarbled:
        return "", ""
    said = {element.tag.rpartition("}")[2]: element.text or "" for element in root}
    return _code(said.get("Code", "")), reading.excerpt(said.get("Message", ""), secrets=secrets)


def _code(text: str) -> str:
    # S3's longest code has 35 letters, which `excerpt` would take for a key
    return text if text.isascii() and text.isalnum() and len(text) <= 40 else ""


def _messages(errors: reading.Json) -> list[reading.Json]:
    if not isinstance(errors, list):
        return []
    return [entry.get("msg") for entry in errors if isinstance(entry, dict)]
