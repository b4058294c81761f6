"""The verbs of recall windows: how long they are, and when a batch's begins.

Owns what is stored about them beside the state. Never says when one ends: `recall` does. Part of
the store; the contract stands in `store.recalls_contract`.
"""

from __future__ import annotations

from collections.abc import Mapping

from masv_watch import recall
from masv_watch.model import UploadState
from masv_watch.store.sql import Engine, Row, Transaction


class RecallVerbs:
    """`recalls_contract.Recalls` in SQL."""

    engine: Engine

    def adopt_recalls(self, windows: Mapping[str, float]) -> int:
        """Give each unfinished upload the window of its hot folder."""

        def adopt(tx: Transaction) -> int:
            changed = 0
            for hot_folder, recall_s in windows.items():
                values = {"hot_folder": hot_folder, "recall_s": recall_s}
                changed += len(tx.all("set_rule_recall", **values))
            tx.rings = tx.rings or changed > 0
            return changed

        return self.engine.write(adopt)

    def recallable_batches(self) -> dict[str, list[str]]:
        """Give by hot folder the batches that are up and wait in a window."""
        found: dict[str, list[str]] = {}
        for row in self.engine.read(lambda tx: tx.all("uploads_in", state=UploadState.IDLE)):
            if row["batch"] and row["hot_folder"] and recall.window_of(row) is not None:
                found.setdefault(str(row["hot_folder"]), []).append(str(row["id"]))
        return found

    def end_batch(self, upload_id: str) -> None:
        """Let a batch take no further drop."""

        def end(tx: Transaction) -> None:
            tx.rings = tx.run("end_batch", id=upload_id, now=tx.now) > 0

        self.engine.write(end)


def has_begun(row: Row, now: float) -> bool:
    """Say whether the window of a batch has begun, with which it takes no further drop."""
    found = recall.window_of(row)
    return found is not None and found.since <= now
