"""The part of the store's contract that serves telling people of what needs them.

Owns the promises of each verb, not how an engine keeps them. Never decides when a letter is due.
Part of `store.contract`, whose laws hold here; implemented in `store.alarming`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from masv_watch.model import Alarm, HeldKind, Need, Notice, Task


class Alarming(Protocol):
    """What needs a person, who was told, and the letters about it."""

    def held_kinds(self) -> Sequence[HeldKind]:
        """Give what is held, by hot folder and reason, but for what may still come by itself.

        A drop that lacks something counts once it has lacked it for `lifecycle.LACKING_S`.
        """
        ...

    def disposal(self, drop_id: int) -> Task | None:
        """Give what is or was to be done with the source of a drop, or None."""
        ...

    def tasks_in_trouble(self, most: int) -> Sequence[tuple[Task, str]]:
        """List tasks that were refused for good or failed three times, newest first.

        Each comes with the name of its upload.
        """
        ...

    def note_needs(self, needs: Iterable[Need]) -> list[Alarm]:
        """Take in all that needs a person now; give it with its past, the oldest first.

        What is new begins now; what is gone ends now, and is forgotten where nobody was told.
        """
        ...

    def unmet(self, hot_folder: str) -> float | None:
        """Give the moment by which nothing had come to a hot folder, as it was told; wall clock."""
        ...

    def note_unmet(self, hot_folder: str, until: float) -> None:
        """Note that it was told that nothing had come by this moment."""
        ...

    def told_at(self) -> float | None:
        """Give when the last letter was written, store clock; None before the first."""
        ...

    def tell(
        self,
        addresses: Sequence[str],
        *,
        subject: str,
        text: str,
        told: Iterable[str],
        over: Iterable[str],
        seen_at: float,
    ) -> None:
        """Write one letter to each address and, with it, that these keys are told or over.

        Of drops that are held told of are those that were when the needs were looked at.

        A letter that did not leave yet is replaced: the new one says how things are now.
        """
        ...

    def readdress(self, addresses: Sequence[str]) -> None:
        """Let the last letter go to all of these addresses, where it did not reach everybody.

        What has not left, or was refused, for an address that is not among them is forgotten.
        """
        ...

    def due_notice(self) -> Notice | None:
        """Give the letter that is due first, or None."""
        ...

    def end_notice(self, notice: Notice, note: str, *, is_refused: bool = False) -> None:
        """Note that a letter was taken, or refused for good."""
        ...

    def retry_notice(self, notice: Notice, *, retry_at: float, note: str) -> None:
        """Let a letter wait, and say why."""
        ...

    def unsent_notice(self) -> str:
        """Say why a letter that was tried has not left, or why the last was refused; "" if none."""
        ...
