"""The verbs of an upload's package: its making, what must go from it, and its finalize.

Owns what is stored about the package as a whole. Never talks to the cloud and never decides when
to try again. Part of the store; the contract stands in `store.packaging_contract`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from masv_watch.errors import SourceChanged
from masv_watch.model import NO_TURNS, Secret, Turns, UploadEvent, UploadState
from masv_watch.store.seal import Seal
from masv_watch.store.sql import Engine, Transaction, hold_fence, move_upload, must
from masv_watch.store.turns import words

T = TypeVar("T")


class PackagingVerbs:
    """`packaging_contract.Packaging` in SQL."""

    engine: Engine
    seal: Seal

    def note_package_asked(self, upload_id: str, fence: int) -> None:
        """Store the intent to create the package."""
        self._held(
            upload_id,
            fence,
            lambda tx: _run(tx, "note_package_asked", id=upload_id, fence=fence, now=tx.now),
        )

    def note_package(self, upload_id: str, fence: int, package_id: str, token: Secret) -> None:
        """Store the cloud's package, or a fresh token of it."""
        self._held(
            upload_id,
            fence,
            lambda tx: _run(
                tx,
                "note_package",
                id=upload_id,
                fence=fence,
                package_id=package_id,
                token=self.seal.close(token),
            ),
        )

    def package_is_ours(self, package_id: str) -> bool:
        """Say whether an upload of ours names this package."""
        return self.engine.read(
            lambda tx: tx.one("package_is_ours", package_id=package_id) is not None
        )

    def leftovers(self, upload_id: str) -> list[str]:
        """List cloud files that must go before the finalize."""
        rows = self.engine.read(lambda tx: tx.all("leftovers", upload_id=upload_id))
        return [str(row["cloud_id"]) for row in rows]

    def note_leftover_gone(self, upload_id: str, fence: int, cloud_id: str) -> None:
        """Store that the cloud deleted a leftover file."""
        self._held(
            upload_id,
            fence,
            lambda tx: _run(tx, "remove_leftover", upload_id=upload_id, cloud_id=cloud_id),
        )

    def advance_all_sent(self, upload_id: str, fence: int) -> bool:
        """Move to idle if everything is in and sent."""

        def advance(tx: Transaction) -> bool:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            ready = tx.one("all_sent", id=upload_id, fence=fence) is not None
            if ready and row["state"] == UploadState.TRANSFERRING:
                move_upload(tx, row, UploadEvent.ALL_SENT)
                tx.run("clear_upload_retry", id=upload_id)
                return True
            return False

        return self._held(upload_id, fence, advance)

    def finalize_due(self, turns: Turns = NO_TURNS) -> list[str]:
        """Move every idle upload whose time has come to finalizing."""
        shut = words(turns.undelivered)

        def finalize(tx: Transaction) -> list[str]:
            due = [str(row["id"]) for row in tx.all("finalize_due", now=tx.now, undelivered=shut)]
            for upload_id in due:
                row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
                move_upload(tx, row, UploadEvent.FINALIZE)
            return due

        if not self.engine.read(lambda tx: tx.one("finalize_due", now=tx.now, undelivered=shut)):
            return []
        return self.engine.write(finalize)

    def note_finalize_asked(self, upload_id: str, fence: int) -> None:
        """Store that the finalize goes out, if every drop is still ready."""

        def note(tx: Transaction) -> None:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            if (
                row["state"] != UploadState.FINALIZING
                or row["open_files"]
                or tx.number("unready_drops", upload_id=upload_id)
            ):
                raise SourceChanged("a drop changed before the package was finalized")
            tx.run("note_finalize_asked", id=upload_id, fence=fence, asked=1)

        self._held(upload_id, fence, note)

    def note_finalize_unasked(self, upload_id: str, fence: int) -> None:
        """Store that no finalize has reached the cloud."""
        self._held(
            upload_id,
            fence,
            lambda tx: _run(tx, "note_finalize_asked", id=upload_id, fence=fence, asked=0),
        )

    def _held(self, upload_id: str, fence: int, job: Callable[[Transaction], T]) -> T:
        def checked(tx: Transaction) -> T:
            hold_fence(tx, upload_id, fence)
            return job(tx)

        return self.engine.write(checked)


def _run(tx: Transaction, statement: str, /, **values: object) -> None:
    tx.run(statement, **values)
