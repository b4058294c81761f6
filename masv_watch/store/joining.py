"""The verbs by which several deliveries go in one letter.

Owns which tasks a letter holds, and when one was last handed over for an address. Never decides
what goes together and never sends. Part of the store; the contract stands in
`store.joining_contract`.

Law 1. What a letter holds is stored before it is handed over, and only grows less until its end.
Law 2. What may have been taken stays in its letter, so that a repeat has its Message-ID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from masv_watch.errors import FenceLost
from masv_watch.model import NO_TURNS, OwedLetter, Task, TaskEvent, TaskState, Turns
from masv_watch.store.ledger import finish_drops
from masv_watch.store.sql import (
    Engine,
    Transaction,
    move_task,
    must,
    task_of,
    terms_of,
)
from masv_watch.store.turns import words

#: seconds that it is kept when an address was mailed: no wait for the next letter is longer
_KEPT_S = 2 * 86400.0


class JoiningVerbs:
    """`joining_contract.Joining` in SQL."""

    engine: Engine

    def mailed_at(self, address: str, template: str | None) -> float | None:
        """Give when a letter was last handed over for an address."""
        whom = {"address": address, "template": template or ""}
        row = self.engine.read(lambda tx: tx.one("mailed", **whom))
        return None if row is None else float(row["at"])

    def owed_letters(self, task: Task, *, turns: Turns = NO_TURNS) -> list[OwedLetter]:
        """List the letters that may go to the address of one."""
        wanted = {"address": task.key, "id": task.id, "undelivered": words(turns.undelivered)}
        rows = self.engine.read(lambda tx: tx.all("letters_to", now=tx.now, **wanted))
        return [OwedLetter(task=task_of(row), template=terms_of(row).template) for row in rows]

    def join_letters(self, task: Task, letters: Mapping[str, Sequence[int]]) -> None:
        """Store which tasks go in which letter."""

        def join(tx: Transaction) -> None:
            _demand_fence(tx, task)
            for letter, members in letters.items():
                for member in members:
                    tx.run("join_letter", id=member, letter=letter)

        self.engine.write(join)

    def take_letter(self, task: Task, lease_s: float, *, template: str | None) -> list[Task]:
        """Lease a letter with all that goes in it."""

        def take(tx: Transaction) -> list[Task]:
            row = _demand_fence(tx, task)
            tx.run("forget_mailed", before=tx.now - _KEPT_S)
            tx.run("note_mailed", address=task.key, template=template or "", now=tx.now)
            taken = []
            for before in tx.all("letter_members", letter=row["letter"]) or [row]:
                tx.run("take_letter", id=before["id"], lease_until=tx.now + lease_s, now=tx.now)
                mine = task_of(must(tx.one("task", id=before["id"]), "task"))
                taken.append(replace(mine, asked=bool(before["asked"])))
            return taken

        return self.engine.write(take)

    def end_letter(
        self,
        tasks: Sequence[Task],
        event: TaskEvent,
        *,
        template: str | None,
        note: str,
        mailed: bool,
    ) -> None:
        """End each with the outcome."""

        def end(tx: Transaction) -> None:
            for task in _still_claimed(tx, tasks):
                move_task(tx, task, event, note=note)
                finish_drops(tx, task.upload_id)
            if not mailed:
                _unnote(tx, tasks, template)

        self.engine.write(end)

    def retry_letter(
        self, again: Sequence[tuple[Task, float]], *, template: str | None, note: str, unsure: bool
    ) -> None:
        """Let each wait until its time."""
        due = {task.id: at for task, at in again}

        def retry(tx: Transaction) -> None:
            for task in _still_claimed(tx, [task for task, _ in again]):
                tx.run(
                    "retry_letter",
                    id=task.id,
                    fence=task.fence,
                    retry_at=due[task.id],
                    attempts=task.attempts + 1,
                    note=note,
                    unsure=int(unsure),
                )
            if not unsure:
                _unnote(tx, [task for task, _ in again], template)

        self.engine.write(retry)

    def single_letters(self, tasks: Sequence[Task], *, template: str | None, note: str) -> None:
        """Let each go by itself at once and from now on."""

        def single(tx: Transaction) -> None:
            for task in _still_claimed(tx, tasks):
                tx.run("single_letter", id=task.id, fence=task.fence, note=note)
            _unnote(tx, tasks, template)

        self.engine.write(single)

    def gathering_letters(self) -> Mapping[str, float]:
        """Give until when the letters of uploads wait for others."""
        rows = self.engine.read(lambda tx: tx.all("gathering_letters", now=tx.now))
        return {str(row["upload_id"]): float(row["at"]) for row in rows}

    def companions(self, task: Task, *, template: str | None) -> int:
        """Count what else goes in the letter of a task."""
        if task.letter:
            whole = self.engine.read(lambda tx: tx.all("letter_members", letter=task.letter))
            return max(len(whole) - 1, 0)
        if task.asked or task.is_alone:
            return 0
        others = [each for each in self.owed_letters(task) if each.template == template]
        return sum(1 for each in others if each.task.id != task.id)


def _demand_fence(tx: Transaction, task: Task) -> Mapping[str, object]:
    row = must(tx.one("task", id=task.id), f"task {task.id}")
    if row["fence"] != task.fence or row["state"] != TaskState.DUE:
        raise FenceLost(f"task {task.id} has a newer claim")
    return row


def _unnote(tx: Transaction, tasks: Sequence[Task], template: str | None) -> None:
    """Forget that an address was mailed: nobody was, and what comes next need not wait for it."""
    tx.run("unnote_mailed", address=tasks[0].key, template=template or "")


def _still_claimed(tx: Transaction, tasks: Sequence[Task]) -> list[Task]:
    """Give those that nobody withdrew or claimed meanwhile: theirs is another outcome."""
    fences = {row["id"]: row["fence"] for task in tasks if (row := tx.one("task", id=task.id))}
    return [task for task in tasks if fences.get(task.id) == task.fence]
