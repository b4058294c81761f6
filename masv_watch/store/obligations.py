"""The verbs of tasks and links: what is owed after delivery.

Owns claims, retries and outcomes of tasks. Never sends a letter and never moves a file. Part of the
store; the contract stands in `store.contract`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from masv_watch.errors import FenceLost
from masv_watch.model import NO_TURNS, Link, Task, TaskEvent, TaskKind, TaskState, Turns
from masv_watch.store.ledger import finish_drops
from masv_watch.store.seal import Seal
from masv_watch.store.sql import (
    Engine,
    Transaction,
    link_of,
    move_task,
    rows_as,
    task_of,
)
from masv_watch.store.turns import words

#: notes that one transaction removes: no other write waits longer for it
_FORGOTTEN_AT_ONCE = 1000


class ObligationVerbs:
    """`contract.Obligations` in SQL."""

    engine: Engine
    seal: Seal

    def claim_task(
        self, kinds: Sequence[TaskKind], lease_s: float, *, turns: Turns = NO_TURNS
    ) -> Task | None:
        """Lease the task that is due first."""
        wanted = {"kinds": f" {' '.join(kinds)} ", "undelivered": words(turns.undelivered)}

        def claim(tx: Transaction) -> Task | None:
            row = tx.one("due_tasks", now=tx.now, **wanted)
            if row is None:
                return None
            mine = tx.one("claim_task", id=row["id"], lease_until=tx.now + lease_s)
            return None if mine is None else task_of(mine)

        if not self.engine.read(lambda tx: tx.one("due_tasks", now=tx.now, **wanted)):
            return None
        return self.engine.write(claim)

    def next_task_at(self, kinds: Sequence[TaskKind]) -> float | None:
        """Give the store clock's second before which none of these is due."""
        wanted = f" {' '.join(kinds)} "
        row = self.engine.read(lambda tx: tx.one("next_task", kinds=wanted))
        return None if row is None or row["at"] is None else float(row["at"])

    def note_task_asked(self, task: Task) -> None:
        """Store the intent to do a task."""
        self.engine.write(
            lambda tx: _fenced(tx, task, "note_task_asked", id=task.id, fence=task.fence)
        )

    def retry_task(self, task: Task, *, retry_at: float, attempts: int, note: str) -> None:
        """Let a task wait, and say why."""
        self.engine.write(
            lambda tx: _fenced(
                tx,
                task,
                "retry_task",
                id=task.id,
                fence=task.fence,
                retry_at=retry_at,
                attempts=attempts,
                note=note,
            )
        )

    def advance_task(
        self, task: Task, event: TaskEvent, *, note: str = "", link: Link | None = None
    ) -> None:
        """End a task with its outcome."""

        def advance(tx: Transaction) -> None:
            move_task(tx, task, event, note=note)
            if link is not None:
                tx.run(
                    "add_link",
                    upload_id=task.upload_id,
                    id=link.id,
                    secret=self.seal.close(link.secret),
                    expiry=link.expiry,
                )
            if task.kind is TaskKind.LINK and event is TaskEvent.REFUSED:
                _withdraw_letters(tx, task.upload_id, note)
            if task.kind is TaskKind.DISPOSE:
                tx.run("forget_sources", drop_id=task.key)
            finish_drops(tx, task.upload_id)

        self.engine.write(advance)

    def tasks(self, upload_id: str) -> list[Task]:
        """List the tasks of an upload."""
        return rows_as(self.engine.read(lambda tx: tx.all("tasks", upload_id=upload_id)), task_of)

    def open_tasks(self) -> Mapping[str, int]:
        """Count the due tasks of each upload."""
        rows = self.engine.read(lambda tx: tx.all("open_tasks"))
        return {str(row["upload_id"]): int(row["number"]) for row in rows}

    def due_letters(self) -> set[str]:
        """Give the ids of the uploads that owe a letter."""
        rows = self.engine.read(lambda tx: tx.all("due_letters"))
        return {str(row["upload_id"]) for row in rows}

    def refused_tasks(self) -> Mapping[str, int]:
        """Count the tasks of each upload that ended without success."""
        rows = self.engine.read(lambda tx: tx.all("refused_tasks"))
        return {str(row["upload_id"]): int(row["number"]) for row in rows}

    def link(self, upload_id: str) -> Link | None:
        """Give the share link of an upload, or None."""
        row = self.engine.read(lambda tx: tx.one("link", upload_id=upload_id))
        return None if row is None else link_of(row, self.seal)

    def forget_events(self, older_than_s: float) -> int:
        """Remove the notes of moves that are at least so old; give how many."""

        def forget(tx: Transaction) -> int:
            tx.run("forget_repeats", before=before)
            return tx.run("forget_events", before=before, limit=_FORGOTTEN_AT_ONCE)

        removed, before = 0, self.engine.ago(older_than_s)
        while some := self.engine.write(forget):
            removed += some
        return removed

    def hurry(self) -> None:
        """Let everything that waits for a retry be tried at once."""

        def hurry(tx: Transaction) -> None:
            tx.run("hurry_uploads")
            tx.run("hurry_files")
            tx.run("hurry_tasks")
            tx.run("hurry_shortages", now=tx.now)
            tx.rings = True

        self.engine.write(hurry)

    def start_over(self) -> None:
        """End every lease of an earlier process."""

        def start(tx: Transaction) -> None:
            tx.run("start_over_uploads")
            tx.run("start_over_files")
            tx.run("start_over_tasks")

        self.engine.write(start)


def _withdraw_letters(tx: Transaction, upload_id: str, note: str) -> None:
    for letter in rows_as(tx.all("tasks", upload_id=upload_id), task_of):
        if letter.kind is TaskKind.LETTER and letter.state is TaskState.DUE:
            move_task(tx, letter, TaskEvent.WITHDRAWN, note=note)


def _fenced(tx: Transaction, task: Task, statement: str, /, **values: object) -> None:
    if not tx.run(statement, **values):
        raise FenceLost(f"task {task.id} has a newer claim")
