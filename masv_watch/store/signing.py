"""The key by which a state signs its receipts, and the question whether a signature is one's.

Owns Ed25519 and the forms of its keys. Never knows what is signed, and neither makes nor stores a
key. Called by the verbs of receipts and by the commands that show a key or verify.
"""

# Brought in where something is signed or verified: a daemon that rests has no need of ciphers.

from __future__ import annotations

import base64

from masv_watch.model import Secret

#: bytes of a key, private or public
_BYTES = 32
#: what stands before a public key in its PEM form (RFC 8410)
_DER = bytes.fromhex("302a300506032b6570032100")
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


class Signer:
    """One private key; any thread may use it."""

    def __init__(self, private: Secret) -> None:
        """Take the key, 32 bytes in hex.

        Raises:
            ValueError: it is no key.
        """
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see above

        raw = bytes.fromhex(private.reveal())
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(raw)
        #: in hex
        self.public = self._key.public_key().public_bytes_raw().hex()

    def sign(self, content: bytes) -> str:
        """Give the signature over a content in hex; the same one each time."""
        return self._key.sign(content).hex()


def is_signed(public: str, content: bytes, signature: str) -> bool:
    """Say whether a signature over a content was made with a public key; all but content in hex."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see above

    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), content)
    except (ValueError, InvalidSignature):
        return False
    return True


def public_pem(public: str) -> str:
    """Write a public key as PEM, which openssl reads too."""
    body = base64.b64encode(_DER + bytes.fromhex(public)).decode("ascii")
    return f"{_BEGIN}\n{body}\n{_END}\n"


def read_public(text: bytes) -> str:
    """Read a public key, PEM or 64 hexadecimal digits, and give it in hex.

    Raises:
        ValueError: it is none.
    """
    words = text.decode("ascii").strip()
    if words.startswith(_BEGIN) and words.endswith(_END):
        body = "".join(words[len(_BEGIN) : -len(_END)].split())
        raw = base64.b64decode(body, validate=True)
        if not raw.startswith(_DER):
            raise ValueError("it is the key of another kind of signature")
        raw = raw[len(_DER) :]
    else:
        raw = bytes.fromhex(words)
    if len(raw) != _BYTES:
        raise ValueError("a key has another length")
    return raw.hex()
