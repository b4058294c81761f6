"""The text of a receipt: as it is signed, as it rests, and as it is given out.

Owns the one form of JSON that is signed, and how delivery and seal become one document. Never knows
what a receipt says (`delivery.receipt` does). Called by whoever makes, gives out or verifies one.

Law 1. What is signed is RFC 8785's form: keys sorted, no blanks, UTF-8, and whole numbers only.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def canonical(value: object) -> bytes:
    """Give the one text of a value (law 1).

    Raises:
        ValueError: it holds half a character (a lone surrogate), which no text can.
    """
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return text.encode()


def digest(content: bytes) -> str:
    """Give the SHA-256 of a content in hex."""
    return hashlib.sha256(content).hexdigest()


def sealed(text: bytes, signature: str) -> dict[str, Any]:
    """Give a seal as it stands in a receipt and in a list of the chain."""
    seal: dict[str, Any] = json.loads(text)
    return {**seal, "signature": signature}


def document(delivery: Iterable[bytes], seal: Mapping[str, Any]) -> Iterator[bytes]:
    """Give the whole document piece by piece, on one line."""
    yield b'{"delivery":'
    yield from delivery
    yield b',"seal":' + canonical(seal) + b"}\n"


def unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Give the text of a delivery from its pieces."""
    packed = zlib.decompressobj()
    for piece in pieces:
        yield packed.decompress(piece)
    yield packed.flush()
