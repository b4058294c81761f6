"""Read a small file whole, and see whether others could read it, too.

Owns how a file of the configuration or of a secret is opened. Never knows what it holds. Called by
the configuration and by the commands.
"""

from __future__ import annotations

import os
import stat

from masv_watch.config.problems import Wrong


def read_text(path: str, largest: int) -> tuple[bytes, int]:
    """Read a regular file whole and give its mode with it.

    Raises:
        Wrong: it is missing, unreadable, not a regular file, or too large.
    """
    try:
        # A FIFO would block the opener until somebody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise Wrong(_reason(error)) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise Wrong(f"is {kind} - name a file")
        if found.st_size > largest:
            raise Wrong(f"is larger than {largest // 1024} KiB - name another file")
        return _read_all(descriptor, largest), found.st_mode
    except OSError as error:
        raise Wrong(_reason(error)) from error
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, largest: int) -> bytes:
    blocks = b""
    while len(blocks) <= largest:
        block = os.read(descriptor, largest + 1 - len(blocks))
        if not block:
            return blocks
        blocks += block
    raise Wrong(f"is larger than {largest // 1024} KiB - name another file")


def check_mode(mode: int) -> None:
    """Refuse a file of secrets that every user of the machine can read.

    Raises:
        Wrong: others may read it.
    """
    if mode & 0o004:
        raise Wrong("can be read by every user - run chmod 600 on it")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "cannot be read (no permission)"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror.lower()})"
    return "cannot be opened (its name is not valid)"
