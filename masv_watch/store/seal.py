"""Keep secrets unreadable where they rest: in the database, its journal and every copy of it.

Owns the key beside the database and the form of what is sealed with it. Never holds an open value
longer than it is asked for. Used by the verbs that store or give a secret.

Law 1. A sealed value opens only with the key of its own state; another key is refused at the start.
Law 2. What was stored before there was a seal is read as it stands, and sealed when it is stored
again.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from masv_watch.errors import StoreUnusable
from masv_watch.model import Secret

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PREFIX = "sealed:"
_FILE = "seal.key"
_KEY_BYTES = 32
#: what a state holds to know its own key again, and what its proof begins with
_WORD, _PROOF = "masv-watch", "digest:"


class Seal:
    """One key; any thread may use it."""

    def __init__(self, key: bytes) -> None:
        """Take the key, 32 bytes in URL-safe base64.

        Raises:
            ValueError: it is no key.
        """
        bare = base64.urlsafe_b64decode(key)
        if len(bare) != _KEY_BYTES:
            raise ValueError("a key has another length")
        self._key = key
        self._bare = bare
        self._digest_key = hashlib.sha256(b"digest:" + bare).digest()

    @classmethod
    def of(cls, folder: str, *, may_make: bool) -> Seal:
        """Read the key of a state's folder; `may_make`: nothing was sealed yet, so it may be made.

        Raises:
            StoreUnusable: it is missing, cannot be read or made, or is no key.
        """
        path = os.path.join(folder, _FILE)
        try:
            if may_make:
                with suppress(FileExistsError):
                    _make(path)
            with open(path, "rb") as file:
                return cls(file.read(256).strip())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no key"
            raise StoreUnusable(
                f"the key of the state's secrets, {path}, cannot be used: {reason}",
                hint="restore it together with the database, or give it to the daemon's user",
            ) from error

    def proof(self) -> str:
        """Give what a state stores to know this key again; it is no use to whoever has not it."""
        return _PROOF + self.digest(_WORD.encode())

    def demand(self, proof: str) -> None:
        """Make sure that a state's proof was made with this key.

        Raises:
            StoreUnusable: it was made with another one.
        """
        if proof.startswith(_PROOF):
            if not hmac.compare_digest(proof, self.proof()):
                raise _other_key()
        # earlier versions sealed a word to know their key by
        elif self.open(proof).reveal() != _WORD:
            raise StoreUnusable("the state's proof of its key is no such thing")

    def close(self, secret: Secret) -> str:
        """Give the sealed form of a secret."""
        return _PREFIX + _fernet(self._key).encrypt(secret.reveal().encode()).decode("ascii")

    def open(self, text: str) -> Secret:
        """Give the secret of a sealed form; it is opened only when somebody looks."""
        return _Sealed(self._key, text[len(_PREFIX) :]) if _is_sealed(text) else Secret(text)

    def digest(self, content: bytes) -> str:
        """Give a hash that tells nothing about its content to who has not the key."""
        return hmac.new(self._digest_key, content, hashlib.sha256).hexdigest()

    def derive(self, purpose: str) -> Secret:
        """Give the key of one purpose, 32 bytes in hex; the same one each time, and no other's.

        HKDF (RFC 5869) with SHA-256, no salt, and the purpose as its info.
        """
        drawn = hmac.new(bytes(hashlib.sha256().digest_size), self._bare, hashlib.sha256)
        # one block is as long as the key that is wanted
        block = hmac.new(drawn.digest(), purpose.encode() + b"\x01", hashlib.sha256)
        return Secret(block.hexdigest())


class _Sealed(Secret):
    """A secret that is opened when it is revealed: a list of uploads costs no opening."""

    __slots__ = ("_key", "_sealed")

    def __init__(self, key: bytes, sealed: str) -> None:
        """Keep the sealed form."""
        super().__init__("")
        self._key = key
        self._sealed = sealed

    def reveal(self) -> str:
        """Open it.

        Raises:
            StoreUnusable: it was sealed with another key, or is damaged.
        """
        opened = _opened(self._key, self._sealed)
        if opened is None:
            raise _other_key()
        return opened

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self.reveal())


# Ciphers are brought in where something is sealed or opened: a daemon that rests has no need of
# them, and they take more memory than a hundred thousand known files.


@functools.lru_cache(maxsize=4)
def _fernet(key: bytes) -> Fernet:
    from cryptography.fernet import Fernet  # noqa: PLC0415 - see above

    return Fernet(key)


def _opened(key: bytes, sealed: str) -> str | None:
    """Give what was sealed; None when it was with another key, or is damaged."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see above

    try:
        return _fernet(key).decrypt(sealed).decode()
    except (InvalidToken, ValueError):
        return None


def _other_key() -> StoreUnusable:
    return StoreUnusable(
        "a secret of the state was sealed with another key",
        hint=f"restore {_FILE} together with the database",
    )


def _make(path: str) -> None:
    """Make the key, whole or not at all: half a key would lock the state up for ever."""
    folder = os.path.dirname(path)
    descriptor, draft = tempfile.mkstemp(prefix=f"{_FILE}.", dir=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(descriptor)
        # unlike a rename, a link never takes the place of a key that somebody made meanwhile
        os.link(draft, path)
    finally:
        os.unlink(draft)
    holder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(holder)
    finally:
        os.close(holder)


def _is_sealed(text: str) -> bool:
    return text.startswith(_PREFIX)
