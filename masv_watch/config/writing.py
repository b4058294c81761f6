"""New files beside a configuration: whole, for this user alone, and never over another.

Owns that nothing is overwritten and that nothing stays of what did not work out. Never decides what
is written. Called by the commands that make a configuration.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from types import TracebackType

from masv_watch.config.problems import Wrong, printable


class Drafts:
    """Files that stay only when all that is done with them succeeds."""

    def __init__(self) -> None:
        """Begin with none."""
        self.paths: list[str] = []
        self._folders: list[str] = []

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
            for folder in reversed(self._folders):
                with suppress(OSError):
                    os.rmdir(folder)

    def make_folder(self, path: str) -> None:
        """Make a folder, and those above it, where it is missing.

        Raises:
            Wrong: it cannot be made.
        """
        missing = []
        while not os.path.lexists(path):
            missing.append(path)
            path = os.path.dirname(path)
        for folder in reversed(missing):
            try:
                os.mkdir(folder)
            except OSError as error:
                raise Wrong(
                    f"the folder {printable(folder)} cannot be made: {error.strerror} - make it as"
                    " a user who may, or name another file"
                ) from error
            self._folders.append(folder)

    @staticmethod
    def demand_free(path: str) -> None:
        """Make sure that a file can be new.

        Raises:
            Wrong: it is there already.
        """
        if os.path.lexists(path):
            raise _taken(path)

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
            raise _taken(path) from None
        except OSError as error:
            cures = {errno.ENOENT: " - make its folder", errno.EACCES: " - name another file"}
            cure = cures.get(error.errno or 0, "")
            raise Wrong(f"{printable(path)} cannot be written: {error.strerror}{cure}") from error


def _taken(path: str) -> Wrong:
    return Wrong(f"{printable(path)} is there already and stays - name another file")
