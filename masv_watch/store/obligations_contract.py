"""The part of the store's contract about what is owed after delivery.

Owns the promises of each verb, not how an engine keeps them. Never sends a letter and never moves a
file. Part of `store.contract`, whose laws hold here; implemented in `store.obligations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from masv_watch.model import NO_TURNS, Link, Task, TaskEvent, TaskKind, Turns


class Obligations(Protocol):
    """What hangs on a delivered upload: link, letters, disposal."""

    def claim_task(
        self, kinds: Sequence[TaskKind], lease_s: float, *, turns: Turns = NO_TURNS
    ) -> Task | None:
        """Lease the task that is due first; a letter only once its link is there.

        A letter that a hot folder's window of delivery keeps is left alone, unless a person started
        its upload.
        """
        ...

    def next_task_at(self, kinds: Sequence[TaskKind]) -> float | None:
        """Give the store clock's second before which none of these is due; None without any.

        A letter counts though its link is not there yet; what makes one due earlier rings.
        """
        ...

    def note_task_asked(self, task: Task) -> None:
        """Store the intent to do a task."""
        ...

    def retry_task(self, task: Task, *, retry_at: float, attempts: int, note: str) -> None:
        """Let a task wait until `retry_at`, and say why."""
        ...

    def advance_task(
        self, task: Task, event: TaskEvent, *, note: str = "", link: Link | None = None
    ) -> None:
        """End a task with its outcome; the last one of an upload finishes its drops.

        A link that is refused withdraws the letters that wait for it.

        Raises:
            FenceLost: the row has a newer claim.
        """
        ...

    def tasks(self, upload_id: str) -> list[Task]:
        """List the tasks of an upload."""
        ...

    def open_tasks(self) -> Mapping[str, int]:
        """Count the due tasks of each upload that has any."""
        ...

    def due_letters(self) -> set[str]:
        """Give the ids of the uploads that owe a letter."""
        ...

    def refused_tasks(self) -> Mapping[str, int]:
        """Count the tasks of each upload that ended without success."""
        ...

    def link(self, upload_id: str) -> Link | None:
        """Give the share link of an upload, or None."""
        ...
