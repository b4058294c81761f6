"""How a delivered upload makes way for a later one of the same name.

Owns which uploads a new drop replaces, and what ends with the intent to delete their packages.
Never asks the cloud. Alone, because both the ledger and the undertakings end something by it.
Part of the store; the contract stands in `store.watching_contract` and `store.contract`.
"""

from __future__ import annotations

from masv_watch.model import TaskEvent, TaskKind, TaskState
from masv_watch.store.ledger import finish_drops
from masv_watch.store.sql import (
    Engine,
    Transaction,
    move_task,
    must,
    rows_as,
    task_of,
)


class RetiringVerbs:
    """The replacing part of `watching_contract.Watching` in SQL."""

    engine: Engine

    def replaceable(self, hot_folder: str, path: bytes) -> list[str]:
        """List the uploads whose packages a new one of this path replaces."""
        place = {"hot_folder": hot_folder, "path": path}
        rows = self.engine.read(lambda tx: tx.all("replaceable", **place))
        found: list[str] = []
        for row in rows:
            found.append(str(row["upload_id"]))
            if not row["late"]:
                # what was added later came before in this list
                break
        return found


def retire(tx: Transaction, upload_id: str) -> None:
    """Let an upload make way in this transaction: nothing relies on it, and nobody is told of it.

    Whoever is at one of its letters finds his fence gone, and stores no outcome.
    """
    tx.run("retire_upload", id=upload_id)
    for task in rows_as(tx.all("tasks", upload_id=upload_id), task_of):
        if task.state is TaskState.DUE and task.kind in (TaskKind.LINK, TaskKind.LETTER):
            tx.run("drop_task", id=task.id)
            row = must(tx.one("task", id=task.id), f"task {task.id}")
            move_task(tx, task_of(row), TaskEvent.WITHDRAWN, note="a later version was delivered")
    finish_drops(tx, upload_id)
