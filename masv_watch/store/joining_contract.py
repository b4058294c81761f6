"""The part of the store's contract by which several deliveries go in one letter.

Owns the promises of each verb, not how an engine keeps them. Never decides what goes together and
never sends. Part of `store.contract`, whose laws hold here; implemented in `store.joining`. Alone,
because the other obligations stand for themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from masv_watch.model import NO_TURNS, OwedLetter, Task, TaskEvent, Turns


class Joining(Protocol):
    """What whoever hands letters over asks."""

    def mailed_at(self, address: str, template: str | None) -> float | None:
        """Give when a letter of a template was last handed over for an address; None: never.

        One of which it is known that it was not taken does not count. Addresses are equal in any
        case.
        """
        ...

    def owed_letters(self, task: Task, *, turns: Turns = NO_TURNS) -> list[OwedLetter]:
        """List the letters that may go to the address of one now, itself too, oldest first.

        Each has its link, is in no letter of several and in none that was taken apart, and was
        certainly not taken before; of a hot folder whose window of delivery is closed only what a
        person started.
        """
        ...

    def join_letters(self, task: Task, letters: Mapping[str, Sequence[int]]) -> None:
        """Store which tasks go in which letter, before any of them is handed over.

        What ended or was joined meanwhile is left out.

        Raises:
            FenceLost: the task by which they were found has a newer claim; nothing is changed.
        """
        ...

    def take_letter(self, task: Task, lease_s: float, *, template: str | None) -> list[Task]:
        """Lease all that goes in the letter of a claimed task, and store the intent to send it.

        They are given oldest first, `asked` as it was before: then it may have been taken already.

        Raises:
            FenceLost: the task has a newer claim.
        """
        ...

    def end_letter(
        self,
        tasks: Sequence[Task],
        event: TaskEvent,
        *,
        template: str | None,
        note: str,
        mailed: bool,
    ) -> None:
        """End each with the outcome; one that has a newer claim is left to that.

        `mailed`: it was taken, or may have been; else what comes next need not wait for it.
        """
        ...

    def retry_letter(
        self, again: Sequence[tuple[Task, float]], *, template: str | None, note: str, unsure: bool
    ) -> None:
        """Let each wait until its time, and say why.

        While it is `unsure` whether it was taken it stays the same letter; else nobody was mailed
        by it, and each may go with others.
        """
        ...

    def single_letters(self, tasks: Sequence[Task], *, template: str | None, note: str) -> None:
        """Let each go by itself, at once and from now on: their letter fails, perhaps for one.

        Only what was certainly not taken may go so; nobody was mailed by it.
        """
        ...

    def gathering_letters(self) -> Mapping[str, float]:
        """Give until when the letters of uploads wait for others, by upload, store clock.

        Infinity: they may have left after the copy was made that was restored, and wait until a
        person starts the upload.
        """
        ...

    def companions(self, task: Task, *, template: str | None) -> int:
        """Count what else goes, as things stand, in the letter of a task that is due."""
        ...
