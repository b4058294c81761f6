"""What a tag of the file turned into: text of the environment, a secret left unread, or nothing.

Owns these kinds of values and nothing that fetches them: `secrets` does. Never shows one. Used by
whoever judges a value of the file.

It stands alone because who judges values need not know how a file is read.
"""

from __future__ import annotations

from masv_watch.model import Secret

#: origin of what stands for a secret that was left unread
NOT_READ = "not read"


class FromEnv(str):
    """Text from the environment: used like text, never quoted in a message."""

    __slots__ = ("origin",)
    origin: str


class Broken:
    """Stands for a value that could not be fetched: its problem is already noted."""


BROKEN = Broken()

Plain = str | int | float | bool | None | Secret | Broken | list["Plain"] | dict[str, "Plain"]
