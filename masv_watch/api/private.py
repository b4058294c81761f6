"""Files that are the API's own: the token, and the certificate with its key.

Owns their rights and that one is there whole or not at all. Never knows what they are for. Called
by `api.tls` and by `daemon`, for files below the state's folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat

from masv_watch.errors import CannotListen
from masv_watch.model import Secret
from masv_watch.names import shown

TOKEN_FILE = "api-token"  # noqa: S105 - a file's name
#: random bytes of a token; it is written as twice as many hexadecimal digits
TOKEN_BYTES = 32
#: bytes: nothing that is kept here is larger
LARGEST = 1024 * 1024


def own_token(folder: str) -> Secret:
    """Read the token that is kept in a folder, and make it at the first start.

    Raises:
        CannotListen: the file is open to others, is not a token, or cannot be read or made.
    """
    path = os.path.join(folder, TOKEN_FILE)
    name = shown(os.fsencode(path))
    try:
        found = read(path, wants_privacy=True)
        if found is None:
            write(path, secrets.token_hex(TOKEN_BYTES).encode() + b"\n", mode=0o600)
            found = read(path, wants_privacy=True) or b""
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise _no_token(name, error) from error
        raise CannotListen(
            f"the API's token in {name} can be read by others",
            hint=f"remove it; the next start makes another: rm {name}",
        ) from error
    except OSError as error:
        raise _no_token(name, error) from error
    text = found.decode("ascii", "replace").strip()
    if len(text) < 2 * TOKEN_BYTES or not text.isalnum():
        raise CannotListen(
            f"the API's token in {name} is not one",
            hint=f"remove it; the next start makes another: rm {name}",
        )
    return Secret(text, name)


def _no_token(name: str, error: OSError) -> CannotListen:
    why = (error.strerror or str(error)).lower()
    return CannotListen(
        f"the API's token in {name} cannot be used: {why}",
        hint="make it a file of this user, or set server.token",
    )


def read(path: str, *, wants_privacy: bool) -> bytes | None:
    """Give the bytes of a regular file, None when there is none.

    Raises:
        PermissionError: with EPERM, it is private and others can read it.
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if wants_privacy and mode & 0o077:
            raise PermissionError(errno.EPERM, "open to others")
        return file.read(LARGEST)


def is_open_to_all(path: str) -> bool:
    """Say whether every user of the machine can read a file.

    Raises:
        OSError: it cannot be looked at.
    """
    return bool(os.stat(path).st_mode & 0o004)


def write(path: str, content: bytes, *, mode: int) -> None:
    """Put a file in place whole, with these rights from its first moment.

    Raises:
        OSError: it cannot be written.
    """
    fresh = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
