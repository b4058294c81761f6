"""What a drop is owed that ended as a duplicate: the post-action of its source.

Owns the rows of what it held, and the task. Never touches a source, and never decides what becomes
of it. Part of the store; the contract stands in `store.watching_contract`.
"""

from __future__ import annotations

import json
import os

from masv_watch.model import Disposal, Identity, TaskKind
from masv_watch.store.sql import Engine, Transaction, identity_of, identity_values


class DuplicateVerbs:
    """The part of `watching_contract.Watching` that serves duplicates, in SQL."""

    engine: Engine

    def delivered_by(self, hot_folder: str, path: bytes) -> str | None:
        """Give the upload that delivered last what a path held."""
        place = {"hot_folder": hot_folder, "path": path}
        rows = self.engine.read(lambda tx: tx.all("delivering", now=tx.now, **place))
        return str(rows[0]["id"]) if rows and all(row["living"] for row in rows) else None

    def was_disposed(self, drop_id: int, upload_id: str) -> bool:
        """Say whether our own post-action took away what a drop was delivered from."""

        def was(tx: Transaction) -> bool:
            if tx.one("disposed", upload_id=upload_id, key=str(drop_id)) is not None:
                return True
            if len(tx.all("two_drops", upload_id=upload_id)) != 1:
                return False
            return tx.one("disposed_any", upload_id=upload_id) is not None

        return self.engine.read(was)

    def sources(self, drop_id: int) -> dict[bytes, Identity]:
        """Give the files of a duplicate whose source is owed something."""
        rows = self.engine.read(lambda tx: tx.all("sources", drop_id=drop_id))
        return {bytes(row["path"]): identity_of(row) for row in rows}


def owe_disposal(tx: Transaction, drop_id: int, disposal: Disposal) -> None:
    """Note what becomes of a duplicate's source, in the transaction that ends it."""
    for path, identity in disposal.files:
        tx.run("add_source", drop_id=drop_id, path=path, **identity_values(identity))
    facts = {
        "after": disposal.after.delivered,
        "move_to": disposal.after.move_to or "",
        "root": os.fsdecode(disposal.root),
    }
    tx.run(
        "add_task",
        upload_id=disposal.upload_id,
        kind=TaskKind.DISPOSE,
        key=str(drop_id),
        now=tx.now,
        facts=json.dumps(facts),
    )
