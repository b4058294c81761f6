"""The verbs by which hooks are told what becomes of drops.

Owns how far the moves were read, and the rows of what is to be told. Never tells anybody. Part of
the store; the contract stands in `store.bulletins_contract`.

Law 1. That moves were read, and what they have told, is one transaction: nothing is told twice.
Law 2. Who begins to ask is told nothing of the past.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from masv_watch.lifecycle import PATIENT
from masv_watch.model import (
    Bulletin,
    DropState,
    HoldReason,
    Told,
    UploadEvent,
    UploadState,
)
from masv_watch.store.sql import Engine, Row, Transaction

#: where it is kept how far the moves were read
_READ = "hooks_read"
#: moves that one transaction reads
_AT_ONCE = 500
#: seconds that what was told is kept: a thing that repeats is not told twice in that time
_KEPT_S = 30 * 86400.0


class BulletinVerbs:
    """`bulletins_contract.Bulletins` in SQL."""

    engine: Engine

    def gather_bulletins(self, wanted: Mapping[str, Sequence[Collection[Told]]]) -> bool:
        """Note what moved since the last time and is to be told."""
        read_to = self.engine.read(lambda tx: tx.one("meta", key=_READ))
        newest = self.engine.read(lambda tx: tx.number("newest_event"))
        if not wanted:
            if read_to is not None:
                self.engine.write(lambda tx: tx.run("forget_meta", key=_READ))
            return True
        if read_to is None:
            self.engine.write(lambda tx: tx.run("set_meta", key=_READ, value=str(newest)))
            return True
        if newest <= int(read_to["value"]):
            return True
        return self.engine.write(lambda tx: _gather(tx, int(read_to["value"]), wanted))

    def due_bulletin(self) -> Bulletin | None:
        """Give what is to be told first."""
        row = self.engine.read(lambda tx: tx.one("due_bulletin", now=tx.now))
        return None if row is None else _bulletin_of(row)

    def end_bulletin(self, bulletin: Bulletin, note: str) -> None:
        """Note that something was told, or is not to be told any more."""
        self.engine.write(lambda tx: tx.run("end_bulletin", id=bulletin.id, note=note))

    def retry_bulletin(self, bulletin: Bulletin, *, retry_at: float, note: str) -> None:
        """Let it wait."""
        values = {"id": bulletin.id, "retry_at": retry_at, "note": note}
        self.engine.write(lambda tx: tx.run("retry_bulletin", **values))

    def untold_bulletins(self, attempts: int) -> list[tuple[Bulletin, str]]:
        """List the oldest of each hook that failed so often."""
        rows = self.engine.read(lambda tx: tx.all("untold_bulletins", attempts=attempts))
        return [(_bulletin_of(row), str(row["note"])) for row in rows]


def _gather(tx: Transaction, after: int, wanted: Mapping[str, Sequence[Collection[Told]]]) -> bool:
    moves = tx.all("events_after", after=after, limit=_AT_ONCE)
    made = 0
    for move in moves:
        told = _told_by(move)
        about = None if told is None else _about(tx, move)
        if told is None or about is None:
            continue
        hot_folder, name = about
        for hook, events in enumerate(wanted.get(hot_folder, ())):
            if told in events:
                made += tx.run(
                    "add_bulletin",
                    hot_folder=hot_folder,
                    hook=hook,
                    told=told,
                    noun=move["noun"],
                    noun_id=move["noun_id"],
                    name=name,
                    detail="" if told is Told.DELIVERED else move["detail"],
                    at=move["at"],
                    now=tx.now,
                )
    if moves:
        tx.run("set_meta", key=_READ, value=str(moves[-1]["id"]))
    if made:
        tx.run("forget_bulletins", before=tx.now - _KEPT_S)
    return len(moves) < _AT_ONCE


def _told_by(move: Row) -> Told | None:
    """Say what a move of a state is to those who are told; None: nothing."""
    if move["noun"] == "upload":
        if move["event"] == UploadEvent.FINALIZED:
            return Told.DELIVERED
        return Told.FAILED if move["after"] == UploadState.ERROR != move["before"] else None
    if move["noun"] != "drop":
        return None
    word = move["detail"].partition(":")[0]
    is_hold = move["after"] in (DropState.HELD, DropState.TAKEN) and word in set(HoldReason)
    return Told.HELD if is_hold and HoldReason(word) not in PATIENT else None


def _about(tx: Transaction, move: Row) -> tuple[str, str] | None:
    """Give the hot folder and the name of what moved; None where no hot folder has it."""
    if move["noun"] == "upload":
        upload = tx.one("upload", id=move["noun_id"])
        known = upload is not None and upload["hot_folder"] is not None
        return (upload["hot_folder"], upload["name"]) if upload is not None and known else None
    drop = tx.one("drop", id=int(move["noun_id"]))
    if drop is None:
        return None
    path = bytes(drop["path"]).decode("utf-8", "backslashreplace")
    return drop["hot_folder"].partition("@")[0], path


def _bulletin_of(row: Row) -> Bulletin:
    same = (
        "id", "hot_folder", "hook", "noun", "noun_id", "name", "detail", "at", "created_at",
        "attempts",
    )  # fmt: skip
    return Bulletin(told=Told(row["told"]), **{key: row[key] for key in same})
