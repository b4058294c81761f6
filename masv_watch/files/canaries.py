"""The file whose touch the daemon's own notifications must show.

Owns one private file below the state folder. Never touches a source. Called by the canary of the
watch.
"""

from __future__ import annotations

import os
from contextlib import suppress

_NAME = b"canary"
_OPEN = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def make_canary(folder: bytes) -> str:
    """Make the private folder with its file; give why that cannot be done, "" when it is there."""
    try:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        os.close(os.open(folder + b"/" + _NAME, _OPEN, 0o600))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def touch_canary(folder: bytes) -> str:
    """Change the file's times, which takes no room on the disk; give why not, as `make_canary`."""
    try:
        os.utime(folder + b"/" + _NAME)
    except OSError as error:
        return error.strerror or str(error)
    return ""
