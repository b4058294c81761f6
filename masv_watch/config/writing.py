"""New files beside a configuration: whole, for this user alone, and never over another.

Owns that nothing is overwritten and that nothing stays of what did not work out. Never decides what
is written. Called by the commands that make a configuration.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType

from masv_watch.config.problems import Wrong, printable


class Drafts:
    """Files that stay only when all that is done with them succeeds."""

    def __init__(self) -> None:
        """Begin with none."""
        self.paths: list[str] = []

    def __enter__(self) -> Drafts:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep what was written, or take it back when something was raised."""
        if kind is not None:
            for path in self.paths:
                with suppress(OSError):
                    os.unlink(path)

    def write(self, path: str, text: str) -> None:
        """Write a new file that this user alone may read.

        Raises:
            Wrong: it is there already, or cannot be written.
        """
        self.write_bytes(path, text.encode("utf-8", "surrogateescape"))

    def write_bytes(self, path: str, content: bytes) -> None:
        """Write a new file as `write` does.

        Raises: as `write`.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)
            self.paths.append(path)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except FileExistsError:
            shown = printable(path)
            raise Wrong(f"{shown} is there already and stays - name another file") from None
        except OSError as error:
            raise Wrong(f"{printable(path)} cannot be written: {error.strerror}") from error
