"""The verbs by which hooks are told what becomes of drops.

Owns how far the moves were read, and the rows of what is to be told. Never tells anybody. Part of
the store; the contract stands in `store.bulletins_contract`.

Law 1. That moves were read, and what they have told, is one transaction: nothing is told twice.
Law 2. Who begins to ask is told nothing of the past.
Law 3. A row knows whose it is by a keyed hash: a hook gets its own wherever it stands by then, and
       all of its own, whatever was told to another that stood there.
Law 4. That a hook ever took something is never forgotten: its own is given to no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from masv_watch.lifecycle import PATIENT
from masv_watch.model import (
    Bulletin,
    DropState,
    HoldReason,
    Hook,
    Told,
    UploadEvent,
    UploadState,
)
from masv_watch.store.seal import Seal
from masv_watch.store.sql import Engine, Row, Transaction
from masv_watch.store.turns import words

#: where it is kept how far the moves were read
_READ = "hooks_read"
#: moves that one transaction reads
_AT_ONCE = 500
#: seconds that what was told is kept: a thing that repeats is not told twice in that time
_KEPT_S = 30 * 86400.0


class BulletinVerbs:
    """`bulletins_contract.Bulletins` in SQL."""

    engine: Engine
    seal: Seal

    def gather_bulletins(self, wanted: Mapping[str, Sequence[Hook]]) -> bool:
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
        marked = self._marked(wanted)
        return self.engine.write(lambda tx: _gather(tx, int(read_to["value"]), marked))

    def mark_of(self, hook: Hook) -> str:
        """Give what tells a hook from every other."""
        url = "" if hook.url is None else hook.url.reveal()
        return self.seal.digest(f"hook\0{hook.kind}\0{url}".encode())

    def inherit_bulletins(self, wanted: Mapping[str, Sequence[Hook]]) -> None:
        """Give to a hook of a new address what waits for the one that stood in its place."""
        marked = self._marked(wanted)

        def inherit(tx: Transaction) -> None:
            for hot_folder, hooks in marked.items():
                known = words(mark for mark, _ in hooks)
                for place, (mark, _) in enumerate(hooks):
                    mine = {"hot_folder": hot_folder, "whose": mark}
                    if not tx.number("bulletins_of", **mine):
                        tx.run("inherit_bulletins", hook=place, known=known, **mine)

        self.engine.write(inherit)

    def _marked(self, wanted: Mapping[str, Sequence[Hook]]) -> Mapping[str, list[tuple[str, Hook]]]:
        return {
            name: [(self.mark_of(hook), hook) for hook in hooks] for name, hooks in wanted.items()
        }

    def due_bulletin(self) -> Bulletin | None:
        """Give what is to be told first."""
        row = self.engine.read(lambda tx: tx.one("due_bulletin", now=tx.now))
        return None if row is None else _bulletin_of(row)

    def end_bulletin(self, bulletin: Bulletin, note: str, *, taken: bool = False) -> None:
        """Note that something was told, or is not to be told any more."""

        def end(tx: Transaction) -> None:
            tx.run("end_bulletin", id=bulletin.id, note=note)
            if taken:
                tx.run("note_taker", whose=bulletin.whose)

        self.engine.write(end)

    def give_up_bulletins(self, bulletin: Bulletin, note: str, *, older_than_s: float) -> int:
        """End it with all that has waited for the same hook for so long."""

        def give_up(tx: Transaction) -> int:
            ended = tx.run("end_bulletin", id=bulletin.id, note=note)
            before = tx.now - older_than_s
            return ended + tx.run(
                "end_old_bulletins", whose=bulletin.whose, before=before, note=note
            )

        return self.engine.write(give_up)

    def retry_bulletin(
        self, bulletin: Bulletin, *, retry_at: float, note: str, deferred: bool
    ) -> None:
        """Let it wait."""
        values = {"id": bulletin.id, "retry_at": retry_at, "note": note, "deferred": int(deferred)}
        self.engine.write(lambda tx: tx.run("retry_bulletin", **values))

    def untold_bulletins(self, attempts: int) -> list[tuple[Bulletin, str]]:
        """List the oldest of each hook that failed so often."""
        rows = self.engine.read(lambda tx: tx.all("untold_bulletins", attempts=attempts))
        return [(_bulletin_of(row), str(row["note"])) for row in rows]


def _gather(tx: Transaction, after: int, wanted: Mapping[str, Sequence[tuple[str, Hook]]]) -> bool:
    moves = tx.all("events_after", after=after, limit=_AT_ONCE)
    made = 0
    for move in moves:
        told = _told_by(move)
        about = None if told is None else _about(tx, move)
        if told is None or about is None:
            continue
        hot_folder, name = about
        for place, (mark, hook) in enumerate(wanted.get(hot_folder, ())):
            if told in hook.events:
                made += tx.run(
                    "add_bulletin",
                    hot_folder=hot_folder,
                    hook=place,
                    whose=mark,
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
        "id", "hot_folder", "hook", "whose", "noun", "noun_id", "name", "detail", "at",
        "created_at", "attempts",
    )  # fmt: skip
    return Bulletin(told=Told(row["told"]), **{key: row[key] for key in same})
