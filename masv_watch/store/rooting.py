"""The verbs about roots: what was noted of each, and what its absence does to its drops.

Owns the id of the state and the holds of drops whose root is not there. Never looks at a root. Part
of the store; the contract stands in `store.rooting_contract`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from masv_watch.model import (
    BatchMark,
    DropEvent,
    DropState,
    HoldReason,
    RootRow,
    UploadState,
)
from masv_watch.store.ledger import is_beyond_change, release_one, stop_sending
from masv_watch.store.sql import Engine, Row, Transaction, move_drop, must

_STATE_ID = "state_id"
_RENAMES = (
    "rename_drops",
    "rename_roots",
    "rename_uploads",
    "rename_gaps",
    "rename_pause",
    "rename_batch_marks",
    "rename_unread",
    "rename_submounts",
    "rename_archives",
    "rename_bulletins",
    "rename_asked",
    "rename_holding",
)
_AWAY = HoldReason.ROOT_UNAVAILABLE


class RootingVerbs:
    """`rooting_contract.Rooting` in SQL."""

    engine: Engine

    def state_id(self) -> str:
        """Give the id of this state."""
        known = self.engine.read(lambda tx: tx.one("meta", key=_STATE_ID))
        return str(known["value"]) if known else self.engine.write(_make_state_id)

    def root(self, hot_folder: str) -> RootRow | None:
        """Give what was noted of a root, or None."""
        row = self.engine.read(lambda tx: tx.one("root", hot_folder=hot_folder))
        return None if row is None else _root_of(row)

    def note_root(self, hot_folder: str, root: RootRow) -> None:
        """Note what a root shows now."""
        place = "" if root.place is None else f"{root.place[0]}:{root.place[1]}"
        self.engine.write(
            lambda tx: tx.run(
                "note_root",
                hot_folder=hot_folder,
                marked=int(root.is_marked),
                uuid=root.uuid,
                place=place,
                boot=root.boot,
            )
        )

    def accept_root(self, hot_folder: str) -> None:
        """Take whatever stands at a root's path for the root."""

        def accept(tx: Transaction) -> None:
            tx.run("accept_root", hot_folder=hot_folder, now=tx.now)
            tx.run("forget_submounts", hot_folder=hot_folder)

        self.engine.write(accept)

    def submounts(self, hot_folder: str, root: bytes) -> list[bytes]:
        """List the folders below a root on which another file system was mounted."""
        rows = self.engine.read(lambda tx: tx.all("submounts", hot_folder=hot_folder, root=root))
        return [bytes(row["path"]) for row in rows]

    def note_submounts(
        self,
        hot_folder: str,
        root: bytes,
        *,
        mounted: Collection[bytes] = (),
        gone: Collection[bytes] = (),
    ) -> None:
        """Note on which folders another file system is mounted, and which are gone."""

        def note(tx: Transaction) -> None:
            for path in mounted:
                tx.run("add_submount", hot_folder=hot_folder, root=root, path=path)
            for path in gone:
                tx.run("forget_submount", hot_folder=hot_folder, root=root, path=path)

        if mounted or gone:
            self.engine.write(note)

    def rename_folder(self, old: str, new: str) -> bool:
        """Let all that is known of one hot folder be known of another."""

        def knows(tx: Transaction, name: str) -> bool:
            return tx.one("knows_folder", name=name) is not None

        def rename(tx: Transaction) -> bool:
            if not knows(tx, old) or knows(tx, new):
                return not knows(tx, old)
            for statement in _RENAMES:
                tx.run(statement, old=old, new=new)
            return True

        # asked at every start and reload, and done once
        return self.engine.write(rename) if self.engine.read(lambda tx: knows(tx, old)) else True

    def close_root(
        self,
        hot_folder: str,
        path: bytes,
        why: str,
        *,
        but: Collection[str] = (),
        only: Collection[int] | None = None,
    ) -> int:
        """Hold what lies in a root that is not there."""

        def close(tx: Transaction) -> int:
            rows = tx.all("drops_in_root", hot_folder=hot_folder)
            away = [
                row
                for row in rows
                if row["hot_folder"] not in but and (only is None or row["id"] in only)
            ]
            waiting = [row for row in away if _waits_for_root(tx, row, path)]
            for row in waiting:
                move_drop(tx, row, DropEvent.BLOCK, hold=_AWAY, note=why)
                if row["state"] == DropState.TAKEN:
                    stop_sending(tx, row, _AWAY)
            return len(waiting)

        return self.engine.write(close)

    def knows_below(self, hot_folder: str, path: bytes) -> bool:
        """Say whether the ledger has a drop of this path, or one below it."""
        row = self.engine.read(
            lambda tx: tx.one(
                "drop_below",
                hot_folder=hot_folder,
                path=path,
                first=path + b"/",
                # the sign that follows the slash
                behind=path + b"0",
            )
        )
        return row is not None

    def batch_mark(self, hot_folder: str) -> BatchMark | None:
        """Give the done marker of a batch as it was seen last."""
        row = self.engine.read(lambda tx: tx.one("batch_mark", hot_folder=hot_folder))
        if row is None:
            return None
        return BatchMark(text=row["mark"], seen_at=row["seen_at"], is_used=bool(row["used"]))

    def note_batch_mark(self, hot_folder: str, mark: str) -> None:
        """Note that a done marker of a batch was seen."""
        self.engine.write(
            lambda tx: tx.run("note_batch_mark", hot_folder=hot_folder, mark=mark, now=tx.now)
        )

    def close_batch(self, hot_folder: str, mark: str) -> None:
        """Let the open batch take no further drop, and its marker say nothing any more."""

        def close(tx: Transaction) -> None:
            tx.run("close_batches", hot_folder=hot_folder, now=tx.now)
            tx.run("use_batch_mark", hot_folder=hot_folder, mark=mark)

        self.engine.write(close)

    def forget_batch_mark(self, hot_folder: str) -> None:
        """Forget a marker that was used and is gone."""
        self.engine.write(lambda tx: tx.run("forget_batch_mark", hot_folder=hot_folder))

    def unfound(self, hot_folder: str) -> list[tuple[int, bytes]]:
        """List the living drops of which it was not noted what found them."""
        rows = self.engine.read(lambda tx: tx.all("unfound_drops", hot_folder=hot_folder))
        return [(int(row["id"]), bytes(row["path"])) for row in rows]

    def open_root(
        self,
        hot_folder: str,
        *,
        with_volumes: bool = True,
        only: Collection[int] | None = None,
    ) -> int:
        """Let what lies in a root that is back go on."""

        def waiting(tx: Transaction) -> list[Row]:
            rows = tx.all("drops_held", hot_folder=hot_folder, hold=_AWAY)
            return [
                row
                for row in rows
                if (with_volumes or row["hot_folder"] == hot_folder)
                and (only is None or row["id"] in only)
            ]

        def open_(tx: Transaction) -> int:
            rows = waiting(tx)
            for row in rows:
                release_one(tx, row)
                if row["upload_id"] is not None:
                    # the same file system may come back under another number
                    tx.run("forget_devices_of", upload_id=row["upload_id"])
                    tx.run("clear_file_retries", upload_id=row["upload_id"])
            return len(rows)

        return self.engine.write(open_) if self.engine.read(waiting) else 0


def _make_state_id(tx: Transaction) -> str:
    known = tx.one("meta", key=_STATE_ID)
    if known is None:
        tx.run("set_meta", key=_STATE_ID, value=str(uuid.uuid4()))
        known = must(tx.one("meta", key=_STATE_ID), "the id of the state")
    return str(known["value"])


def _waits_for_root(tx: Transaction, drop: Row, path: bytes) -> bool:
    if drop["state"] != DropState.TAKEN:
        return DropState(drop["state"]) is not DropState.HELD
    if drop["hold"] is not None:
        return False
    upload = must(tx.one("upload", id=drop["upload_id"]), "upload")
    is_open = not is_beyond_change(upload) and upload["state"] != UploadState.ERROR
    # one whose rule has another path by now is read from where it was
    return is_open and bytes(upload["root"]) == path


def _root_of(row: Row) -> RootRow:
    device, _, inode = row["place"].partition(":")
    return RootRow(
        path=bytes(row["path"]),
        is_marked=bool(row["marked"]),
        uuid=row["uuid"],
        place=(int(device), int(inode)) if inode else None,
        boot=row["boot"],
        is_accepted=bool(row["accepted"]),
    )
