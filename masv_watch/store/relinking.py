"""How an upload is served by the package of an earlier one, without a byte being sent.

Owns the transaction that completes it, and which uploads share a package. Never asks the cloud.
Part of the store; the contract stands in `store.relinking_contract`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from masv_watch.model import TaskDraft, Upload, UploadEvent, UploadState
from masv_watch.store.ledger import finish_drops
from masv_watch.store.seal import Seal
from masv_watch.store.sql import (
    Engine,
    Moved,
    Row,
    Transaction,
    announce,
    hold_fence,
    move_upload,
    must,
)

_STEPS = (UploadEvent.ALL_SENT, UploadEvent.FINALIZE, UploadEvent.FINALIZED)


class RelinkingVerbs:
    """`relinking_contract.Relinking` in SQL."""

    engine: Engine
    seal: Seal

    def relink(self, upload: Upload, earlier: Upload, tasks: Sequence[TaskDraft]) -> bool:
        """Complete a claimed upload with the package of an earlier one."""

        def relink(tx: Transaction) -> bool:
            hold_fence(tx, upload.id, upload.fence)
            row = must(tx.one("upload", id=upload.id), f"upload {upload.id}")
            pairs = _pairs(tx, row, earlier.id)
            is_ready = row["state"] == UploadState.TRANSFERRING and row["relinks"] == earlier.id
            if not is_ready or not pairs or tx.number("unready_drops", upload_id=upload.id):
                return False
            was = must(tx.one("upload", id=earlier.id), f"upload {earlier.id}")
            if was["state"] != UploadState.COMPLETE or was["retired"]:
                return False
            # what was compared while it waited for its delivery may have changed before that
            if tx.number("unsettled_since", upload_id=was["id"], since=row["created_at"]):
                return False
            _serve(tx, row, was, pairs)
            for task in tasks:
                tx.run(
                    "add_task",
                    upload_id=upload.id,
                    kind=task.kind,
                    key=task.key,
                    now=tx.now,
                    facts=json.dumps(dict(task.facts)),
                )
            finish_drops(tx, upload.id)
            return True

        return self.engine.write(relink)

    def forget_relink(self, upload: Upload, why: str) -> None:
        """Let a claimed upload have a package of its own, and say why."""

        def forget(tx: Transaction) -> None:
            hold_fence(tx, upload.id, upload.fence)
            # the window in which it waited to be served is the one that it has
            tx.run("end_served_recall", id=upload.id, now=tx.now)
            tx.run("forget_relink", id=upload.id)
            row = must(tx.one("upload", id=upload.id), f"upload {upload.id}")
            _tell(tx, row, f"it is sent: {why}")

        self.engine.write(forget)

    def shares_package(self, upload: Upload) -> bool:
        """Say whether the package of an upload serves another one as well."""
        whose = {"id": upload.id, "package_id": upload.package_id}
        return self.engine.read(lambda tx: bool(tx.number("shares_package", **whose)))

    def note_link_by_hand(self, upload: Upload, link_id: str) -> None:
        """Note a link that somebody had us make."""
        made = {"id": link_id, "upload_id": upload.id}
        self.engine.write(lambda tx: tx.run("add_link_by_hand", **made))

    def links_by_hand(self, upload: Upload) -> set[str]:
        """Give the links of an upload that somebody had us make."""
        rows = self.engine.read(lambda tx: tx.all("links_by_hand", upload_id=upload.id))
        return {str(row["id"]) for row in rows}

    def named_beside(self, upload: Upload) -> set[str]:
        """Give the recipients of the other uploads with which an upload shares its package."""
        whose = {"id": upload.id, "package_id": upload.package_id}
        rows = self.engine.read(lambda tx: tx.all("named_beside", **whose))
        return {str(row["address"]) for row in rows}

    def known_links(self, upload: Upload) -> set[str]:
        """Give the links of the uploads with which an upload shares its package."""
        whose = {"id": upload.id, "package_id": upload.package_id}
        rows = self.engine.read(lambda tx: tx.all("known_links", **whose))
        return {str(row["id"]) for row in rows}


def _pairs(tx: Transaction, upload: Row, earlier_id: str) -> list[tuple[Row, Row]]:
    """Pair each file of an upload with its equal in the earlier one; [] where one has none."""
    now, was = (
        {
            bytes(file["path"])[len(bytes(drop["path"])) :]: file
            for drop in tx.all("drops_of", upload_id=upload_id)
            for file in tx.all("files_of_drop", drop_id=drop["id"], upload_id=upload_id)
        }
        for upload_id in (upload["id"], earlier_id)
    )
    is_equal = now.keys() == was.keys() and all(
        file["size"] == was[below]["size"] and not file["open_asked"] and was[below]["hash"]
        for below, file in now.items()
    )
    return [(file, was[below]) for below, file in now.items()] if is_equal else []


def _serve(tx: Transaction, row: Row, was: Row, pairs: Sequence[tuple[Row, Row]]) -> None:
    tx.run(
        "relink_upload",
        id=row["id"],
        package_id=was["package_id"],
        # sealed as it is
        token=was["package_token"],
    )
    for file, equal in pairs:
        kept = ("package_path", "name", "cloud_id", "chunk_size", "max_chunks", "hash")
        tx.run("relink_file", id=file["id"], **{key: equal[key] for key in kept})
        tx.run("count_files", id=row["id"], size=0, sent=file["size"], files=0, open=-1)
    _tell(tx, row, f"linked to package {was['package_id']} of upload {was['id']}")
    # it had its window before it was served
    tx.run("set_recall_over", id=row["id"], over=1)
    for event in _STEPS:
        # the cloud confirmed all of it when it finalized the earlier one
        move_upload(tx, must(tx.one("upload", id=row["id"]), f"upload {row['id']}"), event)


def _tell(tx: Transaction, row: Row, detail: str) -> None:
    state = row["state"]
    for drop in tx.all("drops_of", upload_id=row["id"]):
        tx.run("note_drop", id=drop["id"], note=detail)
    announce(
        tx,
        Moved(
            noun="upload",
            noun_id=row["id"],
            event="relink",
            before=state,
            after=state,
            detail=detail,
        ),
    )
