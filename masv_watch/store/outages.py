"""The verbs by which an upload is given up that does not get through, and is tried again later.

Owns since when nothing of an upload got through. Never judges an error: `transfer.failures` does.
Part of the store; the contract stands in `store.outages_contract`.
"""

from __future__ import annotations

from masv_watch.model import Upload, UploadEvent, UploadState
from masv_watch.retry import Outage, outage, revival
from masv_watch.store.sql import Engine, Row, Transaction, hold_fence, move_upload, must, resume


class OutageVerbs:
    """`outages_contract.Outages` in SQL."""

    engine: Engine

    def note_outage(self, upload: Upload) -> Outage:
        """Store that something of a claimed upload did not get through."""

        def note(tx: Transaction) -> Outage:
            hold_fence(tx, upload.id, upload.fence)
            row = must(tx.one("upload", id=upload.id), f"upload {upload.id}")
            found = outage(_outage_of(row), _mark(row), tx.now)
            tx.run(
                "note_outage",
                id=upload.id,
                mark=found.mark,
                since=found.since,
                at=found.at,
                gave_up_at=found.gave_up_at,
            )
            return found

        return self.engine.write(note)

    def give_up(self, upload: Upload, *, code: int, error: str) -> float | None:
        """Stop a claimed upload, and say when it is tried again by itself."""

        def give_up(tx: Transaction) -> float | None:
            hold_fence(tx, upload.id, upload.fence)
            row = must(tx.one("upload", id=upload.id), f"upload {upload.id}")
            if row["state"] == UploadState.PAUSED:
                # a person was faster
                return None
            found = _outage_of(row)
            again = None if found is None else revival(found)
            move_upload(tx, row, UploadEvent.FAIL, code=code, error=error)
            revives = {"revives": int(again is not None), "retry_at": again or 0.0}
            tx.run("note_outage_end", id=upload.id, now=tx.now, **revives)
            return again

        return self.engine.write(give_up)

    def revive_due(self) -> int:
        """Let what was given up be tried once more when its time has come."""

        def revive(tx: Transaction) -> int:
            due = tx.all("given_up_uploads", now=tx.now)
            for row in due:
                resume(tx, row)
                tx.run("revive_upload", id=row["id"])
                tx.run("clear_file_retries", upload_id=row["id"])
            return len(due)

        if not self.engine.read(lambda tx: tx.all("given_up_uploads", now=tx.now)):
            return 0
        return self.engine.write(revive)


def rest_for_good(tx: Transaction, upload: Row) -> bool:
    """Have one that was given up tried no more until a person resumes it; say whether it was."""
    if upload["state"] != UploadState.ERROR or not upload["revives"]:
        return False
    tx.run("revive_upload", id=upload["id"])
    return True


def _outage_of(row: Row) -> Outage | None:
    if row["outage_since"] is None:
        return None
    return Outage(
        mark=row["outage_mark"],
        since=row["outage_since"],
        at=row["outage_at"],
        gave_up_at=row["gave_up_at"],
    )


def _mark(row: Row) -> str:
    """Say how far an upload has come: every byte and every file that gets through changes it."""
    return f"{row['package_id']} {row['sent']} {row['open_files']} {row['file_count']}"
