"""Keep secrets unreadable where they rest: in the database, its journal and every copy of it.

Owns the key beside the database and the form of what is sealed with it. Never holds an open value
longer than it is asked for. Used by the verbs that store or give a secret.

Law 1. A sealed value opens only with the key of its own state; another key is refused at the start.
Law 2. What was stored before there was a seal is read as it stands, and sealed when it is stored
again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import tempfile
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken

from masv_watch.errors import StoreUnusable
from masv_watch.model import Secret

_PREFIX = "sealed:"
_FILE = "seal.key"
#: what a state holds to know its own key again
_WORD = "masv-watch"


class Seal:
    """One key; any thread may use it."""

    def __init__(self, key: bytes) -> None:
        """Take the key, 32 bytes in URL-safe base64."""
        self._fernet = Fernet(key)
        self._digest_key = hashlib.sha256(b"digest:" + base64.urlsafe_b64decode(key)).digest()

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
        """Give what a state stores to know this key again."""
        return self.close(Secret(_WORD))

    def demand(self, proof: str) -> None:
        """Make sure that a state's proof was made with this key.

        Raises:
            StoreUnusable: it was made with another one.
        """
        if self.open(proof).reveal() != _WORD:
            raise StoreUnusable("the state's proof of its key is no such thing")

    def close(self, secret: Secret) -> str:
        """Give the sealed form of a secret."""
        return _PREFIX + self._fernet.encrypt(secret.reveal().encode()).decode("ascii")

    def open(self, text: str) -> Secret:
        """Give the secret of a sealed form; it is opened only when somebody looks."""
        return _Sealed(self._fernet, text[len(_PREFIX) :]) if _is_sealed(text) else Secret(text)

    def digest(self, content: bytes) -> str:
        """Give a hash that tells nothing about its content to who has not the key."""
        return hmac.new(self._digest_key, content, hashlib.sha256).hexdigest()


class _Sealed(Secret):
    """A secret that is opened when it is revealed: a list of uploads costs no opening."""

    __slots__ = ("_fernet", "_sealed")

    def __init__(self, fernet: Fernet, sealed: str) -> None:
        """Keep the sealed form."""
        super().__init__("")
        self._fernet = fernet
        self._sealed = sealed

    def reveal(self) -> str:
        """Open it.

        Raises:
            StoreUnusable: it was sealed with another key, or is damaged.
        """
        try:
            return self._fernet.decrypt(self._sealed).decode()
        except (InvalidToken, ValueError) as error:
            raise StoreUnusable(
                "a secret of the state was sealed with another key",
                hint=f"restore {_FILE} together with the database",
            ) from error

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self.reveal())


def _make(path: str) -> None:
    """Make the key, whole or not at all: half a key would lock the state up for ever."""
    folder = os.path.dirname(path)
    descriptor, draft = tempfile.mkstemp(prefix=f"{_FILE}.", dir=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
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
