"""The verbs by which an upload leaves its package, or files leave an upload on its way.

Owns the intent to cancel a package, what its upload begins anew by that, and what is left out of
it. Never talks to the cloud. Part of the store; the contract stands in `store.packaging_contract`.

Law 1. That a package is left, and that its upload begins anew, is one transaction: from there on
       nobody finalizes it, and its files are all to be sent to another one.
Law 2. One whose finalize may have reached the cloud is never left.
"""

from __future__ import annotations

from dataclasses import replace

from masv_watch.errors import CloudUnpaid, IllegalTransition
from masv_watch.model import (
    DropEvent,
    DropState,
    LeftPackage,
    Secret,
    SourceFile,
    Stray,
    Terms,
    Upload,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.names import shown
from masv_watch.store.ledger import leave
from masv_watch.store.removal import remove_file
from masv_watch.store.seal import Seal
from masv_watch.store.sql import (
    Engine,
    Row,
    Transaction,
    hold_fence,
    move_drop,
    move_upload,
    must,
    sealed,
    terms_of,
    terms_text,
)

#: seconds for which a package that stays in the cloud is told of
_TOLD_S = 7 * 86400.0
#: what is noted of a drop that is nowhere any more
#: states of an upload whose package may still be another one
_OPEN = {UploadState.TRANSFERRING, UploadState.PAUSED, UploadState.IDLE, UploadState.ERROR}


class LeavingVerbs:
    """The part of `packaging_contract.Packaging` about what is left, in SQL."""

    engine: Engine
    seal: Seal

    def rebind_upload(
        self, upload_id: str, terms: Terms, *, password: Secret | None = None
    ) -> None:
        """Let an upload go to whom these terms name."""

        def rebind(tx: Transaction) -> None:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            if UploadState(row["state"]) not in _OPEN or row["finalize_asked"]:
                raise IllegalTransition(
                    f"upload {upload_id} may be delivered already", state=row["state"], allowed=[]
                )
            sealed_before = row["password"]
            before = None if sealed_before is None else self.seal.open(sealed_before)
            is_other = _place(terms_of(row)) != _place(terms) or before != password
            if row["package_asked_at"] is not None and is_other:
                _leave(tx, row)
                if row["state"] == UploadState.IDLE:
                    move_upload(tx, row, UploadEvent.FILES_ADDED)
            elif is_other:
                # whoever has it in hand would have a package made by the earlier terms
                tx.run("end_claim", id=upload_id)
            if terms_of(row).payer != terms.payer:
                # whoever pays now may have what the first lacked
                tx.run("hurry_refused", id=upload_id, code=CloudUnpaid.code)
            # a link that served the first may not serve these
            tx.run("forget_relink", id=upload_id)
            tx.run("forget_relinks_of", id=upload_id, now=tx.now)
            # whom it goes to changes, not what it is to the packages before it, nor how its
            # sources were found
            was = terms_of(row)
            kept = replace(terms, replaces=was.replaces, follow=was.follow)
            tx.run("rebind_upload", id=upload_id, terms=terms_text(kept), type=terms.type)
            tx.run("set_password", id=upload_id, password=sealed(self.seal, password))
            tx.rings = True

        self.engine.write(rebind)

    def fail_vanished(self, upload_id: str, *, code: int, error: str) -> None:
        """Stop an upload of which a source vanished, and leave its package."""

        def fail(tx: Transaction) -> None:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            move_upload(tx, row, UploadEvent.FAIL, code=code, error=error)
            if not row["finalize_asked"]:
                _leave(tx, row, was_sent=True)

        self.engine.write(fail)

    def drop_vanished(self, drop_id: int, note: str, *, is_renamed: bool = False) -> bool:
        """Take a drop that vanished out of its upload, unless it is the last one."""

        def vanish(tx: Transaction) -> bool:
            drop = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            upload = must(tx.one("upload", id=drop["upload_id"]), "upload")
            rest = [row for row in tx.all("drops_of", upload_id=upload["id"]) if row != drop]
            others = any(row["state"] == DropState.TAKEN for row in rest)
            if upload["finalize_asked"] or not (others or is_renamed):
                return False
            move_drop(tx, drop, DropEvent.CANCEL, note=note)
            leave(tx, drop)
            for statement in ("leave_upload", "forget_settled"):
                tx.run(statement, id=drop_id)
            # whoever has the upload in hand may be sending what left it
            tx.run("end_claim", id=upload["id"])
            if not is_renamed:
                reason = f"{shown(bytes(drop['path']))}: {note}"
                tx.run("add_skipped", upload_id=upload["id"], drop_id=0, reason=reason)
            return True

        return self.engine.write(vanish)

    def leave_package(self, upload: Upload, package_id: str, token: Secret) -> None:
        """Let a package be cancelled that was made for an upload which is not so any more."""
        values = {
            "package_id": package_id,
            "upload_id": upload.id,
            "token": self.seal.close(token),
            "type": upload.terms.type,
            "team": upload.terms.team,
        }

        def leave_it(tx: Transaction) -> None:
            tx.run("leave_package", **values)
            tx.rings = True

        self.engine.write(leave_it)

    def note_stray(self, package_id: str, upload_id: str, why: str) -> None:
        """Note that a package stays in the cloud, and why."""
        values = {"package_id": package_id, "upload_id": upload_id, "why": why}

        def note(tx: Transaction) -> None:
            tx.run("forget_strays", before=tx.now - _TOLD_S)
            tx.run("note_stray", now=tx.now, **values)

        self.engine.write(note)

    def strays(self) -> list[Stray]:
        """List the packages that stay in the cloud."""
        rows = self.engine.read(lambda tx: tx.all("strays", since=tx.now - _TOLD_S))
        return [
            Stray(package_id=row["package_id"], upload_id=row["upload_id"], why=row["why"])
            for row in rows
        ]

    def left_packages(self) -> list[LeftPackage]:
        """List what is left and due."""
        rows = self.engine.read(lambda tx: tx.all("left_packages", now=tx.now))
        return [_left_of(row, self.seal) for row in rows]

    def has_left_packages(self) -> bool:
        """Say whether a package is left, due or not."""
        return self.engine.read(lambda tx: tx.number("has_left_packages")) > 0

    def retry_left(self, package_id: str, *, retry_at: float, attempts: int) -> None:
        """Let a package that is left wait."""
        values = {"package_id": package_id, "retry_at": retry_at, "attempts": attempts}
        self.engine.write(lambda tx: tx.run("retry_left", **values))

    def note_left_gone(self, package_id: str) -> None:
        """Store that nothing more is to be done about a package that was left."""
        self.engine.write(lambda tx: tx.run("note_left_gone", package_id=package_id))

    def note_file_refused(self, file: SourceFile, fence: int, reason: str) -> None:
        """Store that the cloud never takes a file."""

        def note(tx: Transaction) -> None:
            hold_fence(tx, file.upload_id, fence)
            tx.run("note_file_refused", id=file.id, reason=reason)

        self.engine.write(note)

    def leave_out_refused(self, upload_id: str, fence: int) -> str:
        """Leave out what the cloud refused, if anything else is there."""

        def leave_out(tx: Transaction) -> str:
            hold_fence(tx, upload_id, fence)
            refused = tx.all("refused_files", upload_id=upload_id)
            if refused and tx.one("closed_file", upload_id=upload_id) is None:
                return str(refused[0]["refused"])
            for file in refused:
                tx.run(
                    "add_skipped",
                    upload_id=upload_id,
                    drop_id=file["drop_id"] or 0,
                    reason=f"{_inside(file)}: {file['refused']}",
                )
                remove_file(tx, file)
            return ""

        if not self.engine.read(lambda tx: tx.all("refused_files", upload_id=upload_id)):
            return ""
        return self.engine.write(leave_out)


def _place(terms: Terms) -> tuple[object, ...]:
    """Give what of these terms the cloud is told when it makes a package."""
    whom = (terms.type, terms.recipients, terms.portal, terms.sender, terms.team)
    return (*whom, terms.downloads)


def _leave(tx: Transaction, upload: Row, *, was_sent: bool = False) -> None:
    """Let the cloud's package of an upload be cancelled, and all of its files be sent anew.

    `was_sent`: one that is missing goes on to count as vanished while it was sent.
    """
    terms = terms_of(upload)
    if upload["package_id"] is not None:
        tx.run(
            "leave_package",
            package_id=upload["package_id"],
            upload_id=upload["id"],
            token=upload["package_token"],
            type=terms.type,
            team=terms.team,
        )
    tx.run("add_toll", id=upload["id"], resent=_sent(tx, upload), retries=0, reason="")
    for statement in ("remove_chunks_of", "remove_leftovers"):
        tx.run(statement, upload_id=upload["id"])
    tx.run("restart_files", upload_id=upload["id"], was_sent=int(was_sent))
    tx.run("forget_package", id=upload["id"])
    # whoever has it in hand has the package that was left
    tx.run("end_claim", id=upload["id"])


def _sent(tx: Transaction, upload: Row) -> int:
    return tx.number("chunk_bytes_of", upload_id=upload["id"])


def _inside(file: Row) -> str:
    return f"{file['package_path']}/{file['name']}".lstrip("/")


def _left_of(row: Row, seal: Seal) -> LeftPackage:
    token: Secret = seal.open(row["token"])
    return LeftPackage(
        id=row["package_id"],
        upload_id=row["upload_id"],
        token=token,
        type=UploadType(row["type"]),
        team=row["team"],
        attempts=row["attempts"],
    )
