"""The verbs of drops that are taken while they still arrive, and of those that wait on their way.

Owns how files join a drop that is not whole, and how such a drop ends before it is. Never decides
what settled. Part of the store; the contract stands in `store.arriving_contract`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition
from masv_watch.model import (
    ASKED_TOGETHER,
    Arrived,
    Drop,
    DropEvent,
    DropState,
    HoldReason,
    SourceFile,
    UploadEvent,
    UploadState,
)
from masv_watch.store.ledger import (
    SENDS_ON,
    SOME,
    is_kept_by_person,
    leave,
    release_one,
    restart_file,
    take_in_file,
)
from masv_watch.store.removal import leave_out_vanished
from masv_watch.store.sql import (
    Engine,
    Row,
    Transaction,
    drop_of,
    hold_fence,
    move_drop,
    move_upload,
    must,
    rows_as,
)

_OVER = {UploadState.DELETING, UploadState.GONE}
_BY_PERSON = "a person said so"


class ArrivingVerbs:
    """`arriving_contract.Arriving` in SQL."""

    engine: Engine

    def note_arrived(self, arrived: Arrived) -> None:
        """Take in what a sample showed of a drop that is not whole."""

        def note(tx: Transaction) -> None:
            drop = must(tx.one("drop", id=arrived.drop_id), f"drop {arrived.drop_id}")
            if drop["state"] != DropState.TAKEN or drop["whole"]:
                raise IllegalTransition(f"drop {arrived.drop_id} is not one that still arrives")
            upload = must(tx.one("upload", id=drop["upload_id"]), "upload")
            if UploadState(upload["state"]) not in _OVER:
                _take_in(tx, drop, upload, arrived)

        self.engine.write(note)

    def note_file_unasked(self, file: SourceFile, fence: int) -> None:
        """Take back the intent to add a file."""

        def note(tx: Transaction) -> None:
            hold_fence(tx, file.upload_id, fence)
            tx.run("note_file_unasked", id=file.id)

        self.engine.write(note)

    def abandon(self, drop_id: int, note: str, *, only_unsent: bool = False) -> bool:
        """End a drop that still arrives, as if it had never been taken."""

        def abandon(tx: Transaction) -> bool:
            drop = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            if not lifecycle.is_arriving(drop_of(drop)):
                return False
            place = {"drop_id": drop_id, "upload_id": drop["upload_id"]}
            if only_unsent and tx.number("asked_files", **place):
                return False
            move_drop(tx, drop, DropEvent.CANCEL, note=note)
            leave(tx, drop)
            # what comes again under its path is a drop of its own, and is sent
            tx.run("leave_upload", id=drop_id)
            return True

        return self.engine.write(abandon)

    def cancel_drop(self, drop_id: int, note: str, *, sight: str = "") -> Drop:
        """End a drop that has not gone yet, for good."""

        def cancel(tx: Transaction) -> Drop:
            row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            if row["state"] == DropState.TAKEN:
                _withdraw(tx, row, note)
            else:
                move_drop(tx, row, DropEvent.CANCEL, note=note)
            is_known = row["whole"] or row["hold"] == HoldReason.INITIAL_ASK
            known = {"was_whole": row["whole"], "is_known": is_known}
            tx.run("note_unwanted", id=drop_id, sight=sight, **known)
            shown = json.loads(row["asked"] or "{}").get("tree")
            if row["hold"] == HoldReason.REDROP_ASK and shown:
                # what was shown is not wanted; with anything else it is asked about anew
                tx.run("note_given_up", id=drop_id, signature=shown, now=tx.now)
                tx.run("late_drop", id=drop_id, late=1)
            tx.rings = True
            return drop_of(must(tx.one("drop", id=drop_id), f"drop {drop_id}"))

        return self.engine.write(cancel)

    def given_up(self, hot_folder: str) -> list[Drop]:
        """List the drops that ended with their upload before all of them had arrived."""
        return rows_as(
            self.engine.read(lambda tx: tx.all("given_up", hot_folder=hot_folder)), drop_of
        )

    def note_awaited(self, drop_id: int, note: str) -> None:
        """Say what a drop that settles waits for."""
        self.engine.write(lambda tx: tx.run("note_awaited", id=drop_id, note=note))

    def note_given_up(self, drop_id: int, signature: str) -> None:
        """Say what a drop that was given up came to."""
        self.engine.write(
            lambda tx: tx.run("note_given_up", id=drop_id, signature=signature, now=tx.now)
        )

    def files_up(self) -> Mapping[int, tuple[int, int]]:
        """Count the files of each drop that arrives or is held on its way."""
        rows = self.engine.read(lambda tx: tx.all("files_up"))
        return {int(row["drop_id"]): (int(row["files"]), int(row["up"])) for row in rows}

    def held_drops(self) -> list[Drop]:
        """List the taken drops whose hold is all that their upload waits for."""
        return rows_as(
            self.engine.read(lambda tx: tx.all("held_drops", sends_on=SENDS_ON)), drop_of
        )

    def drop(self, drop_id: int) -> Drop | None:
        """Give one drop, or None."""
        row = self.engine.read(lambda tx: tx.one("drop", id=drop_id))
        return None if row is None else drop_of(row)

    def hold_drop(self, drop_id: int) -> Drop:
        """Hold one drop until a person releases it."""

        def hold(tx: Transaction) -> Drop:
            row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            if not is_kept_by_person(row):
                _demand_not_gone(tx, row)
                if row["state"] == DropState.HELD:
                    move_drop(tx, row, DropEvent.RELEASE)
                    row = must(tx.one("drop", id=drop_id), "drop")
                move_drop(tx, row, DropEvent.BLOCK, hold=HoldReason.OPERATOR, note=_BY_PERSON)
                tx.rings = True
            return drop_of(must(tx.one("drop", id=drop_id), f"drop {drop_id}"))

        return self.engine.write(hold)

    def release_drop(self, drop_id: int) -> Drop:
        """Release one drop from a hold that asks a person."""

        def release(tx: Transaction) -> Drop:
            row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            hold = row["hold"]
            if hold is None or HoldReason(hold) not in lifecycle.RELEASABLE:
                raise IllegalTransition(f"drop {drop_id} is not held for an answer", state=hold)
            asked.append(row)
            release_one(tx, row)
            return drop_of(must(tx.one("drop", id=drop_id), f"drop {drop_id}"))

        asked: list[Row] = []
        released = self.engine.write(release)
        if asked[-1]["asked"].startswith(ASKED_TOGETHER):
            self._release_alike(asked[-1])
        return released

    def _release_alike(self, drop: Row) -> None:
        """Release what is held for the same question, a part after the other; a repeat goes on."""
        same = {"hold": drop["hold"], "hot_folder": drop["hot_folder"], "asked": drop["asked"]}

        def release(tx: Transaction) -> int:
            rows = tx.all("some_asked_alike", **same, most=SOME)
            for row in rows:
                release_one(tx, row)
            return len(rows)

        while self.engine.write(release):
            pass


def _demand_not_gone(tx: Transaction, drop: Row) -> None:
    """Refuse to hold what an upload has, or what ended."""
    state = DropState(drop["state"])
    if state in (DropState.SETTLING, DropState.HELD, DropState.QUEUED):
        return
    hint = f"it ended as {state} before"
    if state is DropState.TAKEN:
        upload = must(tx.one("upload", id=drop["upload_id"]), "upload")
        hint = f"masv-watch pause {upload['id']} stops its upload"
        if upload["finalize_asked"] or upload["state"] == UploadState.COMPLETE:
            hint = f"it is delivered, or may be already: masv-watch show {upload['id']} tells"
    raise IllegalTransition(
        f"drop {drop['id']} is {state} and cannot be held any more",
        hint=hint,
        state=str(state),
        allowed=[],
    )


def _withdraw(tx: Transaction, drop: Row, note: str) -> None:
    """Take a drop out of an upload that cannot be delivered yet."""
    upload = must(tx.one("upload", id=drop["upload_id"]), "upload")
    if UploadState(upload["state"]) in _OVER:
        raise IllegalTransition(f"the upload of drop {drop['id']} is being deleted already")
    if upload["finalize_asked"] or upload["state"] == UploadState.COMPLETE:
        raise IllegalTransition(
            f"drop {drop['id']} is delivered, or may be already",
            hint=f"masv-watch show {upload['id']} tells; masv-watch delete {upload['id']} --package"
            " takes a delivered package back",
            state=drop["state"],
            allowed=[],
        )
    move_drop(tx, drop, DropEvent.CANCEL, note=note)
    leave(tx, drop)
    # whoever has it in hand may be about to finalize it with what leaves it
    tx.run("end_claim", id=upload["id"])


def _take_in(tx: Transaction, drop: Row, upload: Row, arrived: Arrived) -> None:
    place = {"upload_id": upload["id"]}
    for path in arrived.gone:
        file = tx.one("file_at", path=path, **place)
        if file is not None and not file["open_asked"]:
            leave_out_vanished(tx, file)
    for path in arrived.changed:
        file = tx.one("file_at", path=path, **place)
        if file is not None:
            restart_file(tx, file, "changed before its drop was whole")
    # each is asked for by its own: after a restart all of them are told again
    joined = [
        take_in_file(tx, drop, tx.one("file_at", path=new.path, **place), new)
        for new in arrived.settled
    ]
    if any(joined):
        move_upload(
            tx,
            upload,
            UploadEvent.FILES_ADDED,
            code=upload["error_code"],
            error=upload["error"],
        )
        tx.run("note_joined", id=upload["id"], now=tx.now)
        tx.run("clear_upload_retry", id=upload["id"])
