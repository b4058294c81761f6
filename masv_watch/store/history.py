"""How the past is forgotten: rows of uploads and drops that nothing will ask for again.

Owns the order in which rows go and how few of them at a time. Never decides how long is long enough
and never looks at a disk. Part of the store; the contract stands in `store.history_contract`.

Law 1. No row goes by which something that stands in a hot folder is known (pain 38): the look that
missed it said so, for the whole time.
Law 2. What is to go is found by a reader; the writer only removes it, and checks again.
Law 3. Chunks go before files, files before drops and uploads: a kill leaves nothing for good.
"""

from __future__ import annotations

from collections.abc import Sequence

from masv_watch.model import EndedDrop
from masv_watch.store.sql import Engine, Transaction

#: rows that one transaction removes: a transfer's write behind it waits for a few milliseconds
BATCH = 400
#: what goes with an upload, once its files are gone
_BELONGINGS = (
    "forget_tasks_of",
    "forget_link_of",
    "forget_links_by_hand_of",
    "forget_skipped_of",
    "forget_leftovers_of",
    "forget_sources_of",
    "forget_receipt_pieces_of",
    "forget_drops_of",
)


class HistoryVerbs:
    """`history_contract.History` in SQL."""

    engine: Engine

    def asks_anew(self, hot_folder: str) -> bool:
        """Say whether the state was restored, and what is new in this folder not held since."""

        def asks(tx: Transaction) -> bool:
            if tx.one("meta", key="restored") is None:
                return False
            return tx.one("meta", key=f"asked:{hot_folder}") is None

        return self.engine.read(asks)

    def restored_at(self, hot_folder: str) -> float | None:
        """Give when the state was restored, where its copy knew nothing of this hot folder."""

        def at(tx: Transaction) -> float | None:
            restored = tx.one("meta", key="restored")
            if restored is None or tx.one("knows_ledger", hot_folder=hot_folder) is not None:
                return None
            moment = float(restored["value"])
            # an earlier version noted no more than that it was
            return None if moment == 1 else moment

        return self.engine.read(at)

    def note_asked(self, hot_folder: str) -> None:
        """Note that what is new in a hot folder since the copy of the state is held."""
        self.engine.write(lambda tx: tx.run("set_meta", key=f"asked:{hot_folder}", value="1"))

    def ended_drops(self, hot_folder: str, *, after: int, limit: int) -> list[EndedDrop]:
        """List drops that ended, by number above `after`."""
        wanted = {"hot_folder": hot_folder, "after": after, "limit": limit}
        return [
            EndedDrop(
                id=row["id"],
                path=bytes(row["path"]),
                gone_at=row["gone_at"],
                is_over=bool(row["over"]),
            )
            for row in self.engine.read(lambda tx: tx.all("ended_drops", **wanted))
        ]

    def note_missed(
        self, *, gone: Sequence[int] = (), back: Sequence[int] = (), over: Sequence[int] = ()
    ) -> None:
        """Note what is missed from now on, what is back, and what was missed for long enough."""

        def note(tx: Transaction) -> None:
            for drop_id in gone:
                tx.run("note_gone", id=drop_id, now=tx.now)
            for drop_id in back:
                tx.run("note_back", id=drop_id)
            for drop_id in over:
                tx.run("note_over", id=drop_id)

        if gone or back or over:
            self.engine.write(note)

    def over_uploads(self, older_than_s: float, *, limit: int) -> list[str]:
        """List uploads that have been over for so long, and their drops with them."""
        before = self.engine.ago(older_than_s)
        rows = self.engine.read(lambda tx: tx.all("over_uploads", before=before, limit=limit))
        return [str(row["id"]) for row in rows]

    def forget_upload(self, upload_id: str) -> int:
        """Remove some rows of an upload that is over; give how many."""

        def forget(tx: Transaction) -> int:
            # a source may be back, or a person may have asked for it, since it was found
            if not tx.number("is_over", id=upload_id):
                return 0
            for rows in ("forget_chunks_of", "forget_files_of"):
                removed = tx.run(rows, upload_id=upload_id, limit=BATCH)
                if removed:
                    return removed
            removed = sum(tx.run(rows, upload_id=upload_id) for rows in _BELONGINGS)
            return removed + tx.run("forget_upload", upload_id=upload_id)

        return self.engine.write(forget)

    def forget_drops(self) -> int:
        """Remove some drops that are over and were never sent; give how many rows."""
        rows = self.engine.read(lambda tx: tx.all("over_drops", limit=BATCH))
        ids = [int(row["id"]) for row in rows]

        def forget(tx: Transaction) -> int:
            removed = 0
            for drop_id in ids:
                if tx.number("is_drop_over", id=drop_id):
                    removed += tx.run("forget_sources", drop_id=drop_id)
                    removed += tx.run("forget_drop", id=drop_id)
            return removed

        return self.engine.write(forget) if ids else 0
