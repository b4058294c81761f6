"""The verbs about what could not be read when its hot folder was met first.

Owns the rows of these paths, and how `initial` reaches what stands there once it can be read. Never
looks at a root. Part of the store; the contract stands in `store.meeting_contract`.
"""

from __future__ import annotations

from collections.abc import Sequence

from masv_watch.model import DropEvent, DropState, HoldReason, Initial, Unread
from masv_watch.store.ledger import add_drop
from masv_watch.store.meeting_contract import Met
from masv_watch.store.sql import Engine, Row, Transaction, move_drop, must
from masv_watch.store.watching_contract import RECORDED

_ASKED = HoldReason.INITIAL_ASK
_LIVING = {DropState.SETTLING, DropState.HELD, DropState.QUEUED, DropState.TAKEN}


class MeetingVerbs:
    """`meeting_contract.Meeting` in SQL."""

    engine: Engine

    def unread(self, hot_folder: str) -> list[Unread]:
        """List what could not be read at the first start."""
        rows = self.engine.read(lambda tx: tx.all("unread", hot_folder=hot_folder))
        return [
            Unread(
                path=bytes(row["path"]),
                initial=Initial(row["initial"]),
                is_anew=bool(row["anew"]),
                is_mounted=None if row["mounted"] is None else bool(row["mounted"]),
            )
            for row in rows
        ]

    def note_unread(self, hot_folder: str, unread: Sequence[Unread]) -> None:
        """Note what cannot be read at a first start."""

        def note(tx: Transaction) -> None:
            for each in unread:
                _add(tx, hot_folder, each)

        if unread:
            self.engine.write(note)

    def meet(
        self,
        hot_folder: str,
        unread: Unread,
        found: Sequence[Met],
        *,
        rest: Sequence[Unread] = (),
        is_recorded: bool = False,
    ) -> None:
        """Hold what was found there, and forget that it could not be read."""

        def meet(tx: Transaction) -> None:
            for each in found:
                _hold(tx, hot_folder, each, unread.is_anew, is_recorded=is_recorded)
            tx.run("forget_unread", hot_folder=hot_folder, path=unread.path)
            for left in rest:
                _add(tx, hot_folder, left)

        self.engine.write(meet)


def _add(tx: Transaction, hot_folder: str, unread: Unread) -> None:
    tx.run("add_unread", hot_folder=hot_folder, path=unread.path, initial=unread.initial,
           anew=int(unread.is_anew),
           mounted=None if unread.is_mounted is None else int(unread.is_mounted))  # fmt: skip


def _hold(
    tx: Transaction, hot_folder: str, found: Met, is_anew: bool, *, is_recorded: bool
) -> None:
    path, signature, size, file_count = found
    latest = tx.one("latest_drop", hot_folder=hot_folder, path=path)
    if latest is None or (is_anew and DropState(latest["state"]) not in _LIVING):
        row = add_drop(tx, (hot_folder, path), latest, DropState.HELD, hold=_ASKED,
                       signature=signature, size=size, file_count=file_count)  # fmt: skip
    elif _only_waited(latest):
        if latest["state"] == DropState.HELD:
            move_drop(tx, latest, DropEvent.RELEASE)
            latest = must(tx.one("drop", id=latest["id"]), "drop")
        move_drop(tx, latest, DropEvent.BLOCK, hold=_ASKED)
        shape = {"signature": signature, "size": size, "file_count": file_count}
        tx.run("know_drop", id=latest["id"], **shape)
        row = must(tx.one("drop", id=latest["id"]), "drop")
    else:
        return
    if is_recorded:
        move_drop(tx, row, DropEvent.RELEASE)
        released = must(tx.one("drop", id=row["id"]), "drop")
        move_drop(tx, released, DropEvent.IGNORE, note=RECORDED)


def _only_waited(drop: Row) -> bool:
    """Say whether all that is known of a drop is that it could not be read."""
    is_open = drop["state"] in (DropState.SETTLING, DropState.HELD)
    return is_open and drop["upload_id"] is None and drop["hold"] in (None, HoldReason.UNREADABLE)
