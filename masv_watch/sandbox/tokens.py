"""Mint and check everything that is opaque to a client: ids, times, secrets, tokens.

Owns the form of ULIDs, ISO times and HS256 tokens. Never keeps state: the key is handed in.
Called by every other module of the sandbox.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import string
import time
from datetime import UTC, datetime
from typing import Any

#: How the API writes "no time" [docs-keys].
NO_TIME = "0001-01-01T00:00:00.000Z"
#: The header that every sample token of the docs starts with.
_JWT_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = string.ascii_letters + string.digits


class TokenRefused(Exception):
    """A token that is malformed, forged, expired or without an expiry."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"token is {fault}")


def new_id() -> str:
    """Mint a 26-character ULID [docs all]."""
    value = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -5, -5))


def new_secret() -> str:
    """Mint a 16-character download secret [docs-links]."""
    return "".join(secrets.choice(_LETTERS) for _ in range(16))


def iso(moment: float) -> str:
    """Write a time as the API does: UTC, milliseconds, Z [docs-keys]."""
    stamp = datetime.fromtimestamp(moment, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def parse_iso(text: str) -> float:
    """Read an ISO 8601 time as seconds.

    Raises:
        ValueError: it is not a time.
    """
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    try:
        return stamp.timestamp()
    except OverflowError as error:
        raise ValueError(text) from error


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def digest(key: bytes, text: str) -> str:
    """Sign a text with HMAC-SHA256, as hex."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def mint(key: bytes, claims: dict[str, Any], lifetime_s: float) -> str:
    """Sign claims as a token that expires after `lifetime_s`."""
    exp = time.time() + lifetime_s
    claims = {"exp": int(exp) if lifetime_s >= 60 else round(exp, 3), **claims}
    body = f"{_JWT_HEADER}.{_b64(json.dumps(claims, separators=(',', ':')).encode())}"
    return f"{body}.{_b64(hmac.digest(key, body.encode(), 'sha256'))}"


def read(key: bytes, token: str) -> dict[str, Any]:
    """Check a token's signature and expiry and answer its claims.

    Raises:
        TokenRefused: it is malformed, forged or expired.
    """
    try:
        header, payload, signature = token.encode("ascii").decode().split(".")
        given = _unb64(signature)
        signed = hmac.digest(key, f"{header}.{payload}".encode(), "sha256")
        # The header is compared as a whole, so "alg": "none" never gets a hearing.
        if header != _JWT_HEADER or not hmac.compare_digest(given, signed):
            raise TokenRefused("forged")
        claims = json.loads(_unb64(payload))
    except (ValueError, binascii.Error) as error:
        raise TokenRefused("malformed") from error
    if not isinstance(claims, dict) or not isinstance(claims.get("exp"), int | float):
        raise TokenRefused("endless")
    if time.time() >= claims["exp"]:
        raise TokenRefused("expired")
    return claims
