"""Whose turn it is among uploads that wait: windows, priority, deadline, age.

Owns the order in which waiting uploads are claimed and listed. Never asks for the time of a window:
`model.Turns` says it. Alone, because several rooms of the store ask it and must not differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from masv_watch.model import Turns
from masv_watch.store.sql import Row, Transaction


def words(names: Iterable[str]) -> str:
    """Write names as the statements look for them."""
    return f" {' '.join(sorted(names))} "


def waiting_in_turn(tx: Transaction, limit: int, turns: Turns) -> Sequence[Row]:
    """Give the first uploads that may be claimed now, in their order; finalizing ones included."""
    shut = {"closed": words(turns.closed), "undelivered": words(turns.undelivered)}
    if turns.place is None:
        return tx.all("claimable", now=tx.now, limit=limit, **shut)
    rows = tx.all("claimable_of_each", now=tx.now, limit=limit, mixed=words(turns.mixed), **shut)
    return _in_order(rows, turns)[:limit]


def queued_in_turn(tx: Transaction, turns: Turns) -> Sequence[Row]:
    """Give every upload that waits for a slot, in the order in which they get one."""
    rows = tx.all("queued", now=tx.now, closed=words(turns.closed))
    if turns.place is None:
        return rows
    started = [row for row in rows if row["started"]]
    return [*started, *_in_order([row for row in rows if not row["started"]], turns)]


def _in_order(rows: Iterable[Row], turns: Turns) -> list[Row]:
    place = turns.place

    def key(row: Row) -> tuple[int, float, float, str]:
        at = 0.0 if place is None else place(row["hot_folder"], row["created_at"])
        return -row["priority"], at, row["created_at"], row["id"]

    return sorted(rows, key=key)
