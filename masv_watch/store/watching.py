"""The verbs by which intake asks of the past.

Owns what is remembered of a hot folder's writers and counted of a drop's changes. Never decides
what follows from it. Part of the store; the contract stands in `store.watching_contract`.
"""

from __future__ import annotations

from masv_watch.store.sql import Engine, Transaction

#: drops of a hot folder whose longest pause is kept
_KEPT_GAPS = 500
_DAY_S = 24 * 3600.0


class WatchingVerbs:
    """`watching_contract.Watching` in SQL."""

    engine: Engine

    def gaps(self, hot_folder: str) -> list[float]:
        """Give the longest pauses of the last drops of a hot folder."""
        rows = self.engine.read(lambda tx: tx.all("gaps", hot_folder=hot_folder))
        return [float(row["seconds"]) for row in rows]

    def note_gap(self, hot_folder: str, seconds: float) -> None:
        """Remember the longest pause of one more drop."""

        def note(tx: Transaction) -> None:
            tx.run("add_gap", hot_folder=hot_folder, seconds=seconds)
            tx.run("forget_gaps", hot_folder=hot_folder, kept=_KEPT_GAPS)

        self.engine.write(note)

    def changes_of(self, drop_id: int) -> int:
        """Count how often a drop changed within a day."""
        return self.engine.read(
            lambda tx: tx.number("changes_of", drop_id=str(drop_id), since=tx.now - _DAY_S)
        )
