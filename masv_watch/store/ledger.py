"""The verbs of the ledger: drops by hot folder, path and generation.

Owns how a drop is seen, held, released, seeded, changed and settled again. Never touches a file of
the disk or the cloud. Part of the store; the contract stands in `store.contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition
from masv_watch.model import (
    UNKEPT_INODE,
    Drop,
    DropDraft,
    DropEvent,
    DropState,
    FileDraft,
    HoldReason,
    Identity,
    UploadEvent,
    UploadState,
)
from masv_watch.store.removal import leave_out, take_out_file, vanished
from masv_watch.store.sql import (
    Engine,
    Row,
    Transaction,
    drop_of,
    identity_of,
    identity_values,
    move_drop,
    move_upload,
    must,
    rows_as,
)
from masv_watch.store.versions import begin_version
from masv_watch.store.watching_contract import RECORDED

_LIVING = {DropState.SETTLING, DropState.HELD, DropState.QUEUED, DropState.TAKEN}
_LEAVING = {DropEvent.CANCEL, DropEvent.SUPERSEDE, DropEvent.SAME_CONTENT}

_TAKEN = DropState.TAKEN
#: drops of one transaction where a person's word is about any number of them
SOME = 1000
#: the reasons of `lifecycle.SENDS_ON` as the statements look for them
SENDS_ON = f" {' '.join(sorted(lifecycle.SENDS_ON))} "
_OVER = {UploadState.COMPLETE, UploadState.DELETING, UploadState.GONE}


class LedgerVerbs:
    """`contract.Ledger` in SQL."""

    engine: Engine

    def is_adopted(self, hot_folder: str, path: bytes) -> bool:
        """Say whether this hot folder was swept before at this path."""
        return self.engine.read(
            lambda tx: tx.one("is_adopted", hot_folder=hot_folder, path=path) is not None
        )

    def adopt(self, hot_folder: str, path: bytes) -> None:
        """Remember that the first sweep at this path is dealt with."""
        self.engine.write(lambda tx: tx.run("adopt", hot_folder=hot_folder, path=path, now=tx.now))

    def latest_drop(self, hot_folder: str, path: bytes) -> Drop | None:
        """Give the newest generation of a path, or None."""
        row = self.engine.read(lambda tx: tx.one("latest_drop", hot_folder=hot_folder, path=path))
        return None if row is None else drop_of(row)

    def drops(self, hot_folder: str | None = None, *, living: bool = False) -> list[Drop]:
        """List drops, oldest first."""

        def find(tx: Transaction) -> list[Row]:
            if living and hot_folder is not None:
                # asked at every sweep: an index keeps the long history out of it
                return tx.all("living_drops", hot_folder=hot_folder)
            return tx.all("drops", hot_folder=hot_folder, living=int(living))

        return rows_as(self.engine.read(find), drop_of)

    def drops_of(self, upload_id: str) -> list[Drop]:
        """List the drops of an upload."""
        return rows_as(
            self.engine.read(lambda tx: tx.all("drops_of", upload_id=upload_id)), drop_of
        )

    def delivered_before(self, hot_folder: str, path: bytes) -> int:
        """Count the finalized uploads that held this path."""
        return self.engine.read(
            lambda tx: tx.number("delivered_before", hot_folder=hot_folder, path=path)
        )

    def see_drop(self, hot_folder: str, path: bytes) -> Drop:
        """Give the living drop of a path, made in a new generation if there is none."""
        return self.see_drops(hot_folder, (path,))[0]

    def see_drops(self, hot_folder: str, paths: Sequence[bytes]) -> list[Drop]:
        """Give the living drop of each path, made in a new generation if there is none."""

        def see(tx: Transaction, path: bytes) -> Drop:
            # nearly always it is the first of its name
            first = tx.one("see_first", hot_folder=hot_folder, path=path, now=tx.now)
            if first is not None:
                return drop_of(first)
            latest = tx.one("latest_drop", hot_folder=hot_folder, path=path)
            if latest is not None and DropState(latest["state"]) in _LIVING:
                return drop_of(latest)
            return drop_of(add_drop(tx, (hot_folder, path), latest, DropState.SETTLING))

        return self.engine.write(lambda tx: [see(tx, path) for path in paths])

    def advance_drop(self, drop_id: int, event: DropEvent, *, hold: HoldReason | None = None,
                     note: str = "", asked: str = "", by_look: bool = False) -> Drop:  # fmt: skip
        """Move one drop."""

        def advance(tx: Transaction) -> Drop:
            row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            refuse(tx, row, event)
            if by_look and is_kept_by_person(row):
                raise IllegalTransition(f"a person holds drop {drop_id}")
            if row["state"] == DropState.TAKEN and event is DropEvent.CHANGE:
                # never without its upload
                unsettle(tx, drop_id, note)
            else:
                move_drop(tx, row, event, hold=hold, note=note, asked=asked)
            if row["state"] == DropState.TAKEN and event in _LEAVING:
                leave(tx, row)
            if row["state"] == DropState.TAKEN and hold is not None:
                stop_sending(tx, row, hold)
            return drop_of(must(tx.one("drop", id=drop_id), f"drop {drop_id}"))

        return self.engine.write(advance)

    def release(self, hot_folder: str, reason: HoldReason) -> int:
        """Release what is held for this reason."""

        def release(tx: Transaction) -> int:
            return _each_of_some(tx, hot_folder, reason, release_one, with_taken=True)

        return self._until_none(release)

    def seed(self, hot_folder: str) -> int:
        """Record what is held as `initial_ask` as seen."""

        def record(tx: Transaction, row: Row) -> None:
            move_drop(tx, row, DropEvent.RELEASE)
            released = must(tx.one("drop", id=row["id"]), "drop")
            move_drop(tx, released, DropEvent.IGNORE, note=RECORDED)

        def seed(tx: Transaction) -> int:
            return _each_of_some(tx, hot_folder, HoldReason.INITIAL_ASK, record, with_taken=False)

        return self._until_none(seed)

    def _until_none(self, some: Callable[[Transaction], int]) -> int:
        """Do a part of something, again and again until there is none left; give of how many.

        In between other rooms write: a million drops at once would have them wait for minutes. What
        a crash leaves out is held as before.
        """
        done = 0
        while touched := self.engine.write(some):
            done += touched
        return done

    def note_change(self, drop_id: int, note: str) -> None:
        """Say that a taken drop changed."""
        self.engine.write(lambda tx: unsettle(tx, drop_id, note))

    def settle_again(self, draft: DropDraft) -> None:
        """Take in what a changed drop holds now."""
        self.engine.write(lambda tx: _settle_again(tx, draft))


def add_drop(
    tx: Transaction,
    key: tuple[str, bytes],
    latest: Row | None,
    state: DropState,
    *,
    hold: HoldReason | None = None,
    signature: str = "",
    size: int = 0,
    file_count: int = 0,
) -> Row:
    """Add a drop in this transaction, in the generation that follows the latest of its path."""
    row = tx.one(
        "add_drop",
        hot_folder=key[0],
        path=key[1],
        generation=1 if latest is None else latest["generation"] + 1,
        state=state,
        hold=hold,
        signature=signature,
        size=size,
        file_count=file_count,
        now=tx.now,
    )
    return must(row, "drop")


def release_held(tx: Transaction, hot_folder: str, reason: HoldReason) -> int:
    """Release what is held for this reason, in this transaction; give how many drops."""
    rows = tx.all("drops_held", hot_folder=hot_folder, hold=reason)
    for row in rows:
        release_one(tx, row)
    return len(rows)


def _each_of_some(
    tx: Transaction,
    hot_folder: str,
    reason: HoldReason,
    act: Callable[[Transaction, Row], None],
    *,
    with_taken: bool,
) -> int:
    rows = tx.all(
        "some_held", hot_folder=hot_folder, hold=reason, with_taken=int(with_taken), most=SOME
    )
    for row in rows:
        act(tx, row)
    return len(rows)


def release_one(tx: Transaction, drop: Row) -> None:
    """Release a held drop in this transaction; what was asked about its limits is not again."""
    question = f": {drop['note']}" if drop["note"] else ""
    move_drop(tx, drop, DropEvent.RELEASE, note=f"released{question}")
    if drop["hold"] == HoldReason.LIMIT_EXCEEDED:
        tx.run("waive_limit", id=drop["id"], waived=drop["asked"])
    if drop["hold"] == HoldReason.REDROP_ASK:
        tx.run("answer_drop", id=drop["id"], answer=2, answered_for=drop["asked"])
    if drop["hold"] == HoldReason.INCOMPLETE:
        tx.run("waive_lack", id=drop["id"], shown=drop["asked"])
    if drop["state"] == DropState.TAKEN:
        tx.run("clear_upload_retry", id=drop["upload_id"])


def is_kept_by_person(drop: Row) -> bool:
    """Say whether a person holds a drop that no upload has: no look at it ends that."""
    return (drop["state"], drop["hold"]) == (DropState.HELD, HoldReason.OPERATOR)


def stop_sending(tx: Transaction, drop: Row, hold: HoldReason) -> None:
    """Take an upload from whoever sends it: its files in hand give up, and others are chosen."""
    upload = must(tx.one("upload", id=drop["upload_id"]), "upload")
    if hold not in lifecycle.SENDS_ON and upload["state"] == UploadState.TRANSFERRING:
        tx.run("end_claim", id=upload["id"])


def refuse(tx: Transaction, row: Row, event: DropEvent) -> None:
    """Refuse what the table allows but this row cannot bear."""
    if event is DropEvent.TAKE and row["state"] in (DropState.SETTLING, DropState.QUEUED):
        raise IllegalTransition(
            f"drop {row['id']} is taken only together with its upload",
            hint="create an upload with it, or let it join one",
        )
    if event is not DropEvent.RESEND or row["state"] in _LIVING:
        return
    latest = must(
        tx.one("latest_drop", hot_folder=row["hot_folder"], path=row["path"]), f"drop {row['id']}"
    )
    if latest["id"] != row["id"]:
        raise IllegalTransition(
            f"drop {row['id']} has a newer generation", hint=f"resend drop {latest['id']} instead"
        )


def leave(tx: Transaction, drop: Row) -> None:
    """Take a drop that ended out of its upload; the last one takes the upload along."""
    upload = must(tx.one("upload", id=drop["upload_id"]), "upload")
    if UploadState(upload["state"]) in _OVER:
        return
    rest = [row for row in tx.all("drops_of", upload_id=upload["id"]) if row["state"] == _TAKEN]
    if not rest:
        move_upload(tx, upload, UploadEvent.DELETE)
        return
    for file in tx.all("files_of_drop", drop_id=drop["id"], upload_id=upload["id"]):
        take_out_file(tx, file)
    tx.run("remove_skipped", upload_id=upload["id"], drop_id=drop["id"])
    tx.run("leave_upload", id=drop["id"])


def unsettle(tx: Transaction, drop_id: int, note: str) -> None:
    """Mark a taken drop as changed, and its upload as not idle, in this transaction."""
    row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
    if row["state"] != DropState.TAKEN or not row["whole"]:
        # what never was whole counts its changes file by file (`restart_file`)
        return
    upload = must(tx.one("upload", id=row["upload_id"]), "upload")
    if is_beyond_change(upload):
        make_way(tx, row, upload, note="a new version came")
        return
    move_drop(tx, row, DropEvent.CHANGE, hold=_hold_of(row), note=note)
    tx.run("unsettle_drop", id=drop_id)
    # what it holds now is not known to be in an earlier package
    tx.run("forget_relink", id=row["upload_id"])
    move_upload(
        tx, upload, UploadEvent.SOURCE_CHANGED, code=upload["error_code"], error=upload["error"]
    )


def make_way(tx: Transaction, drop: Row, upload: Row, *, note: str) -> None:
    """Finish a delivered drop for what follows it; letters hang on its upload.

    One whose source is still to be put away stays as it is.
    """
    if upload["state"] == UploadState.COMPLETE and not tx.number(
        "due_disposals", upload_id=upload["id"], key=str(drop["id"])
    ):
        move_drop(tx, drop, DropEvent.FINISH, note=note)


def finish_drops(tx: Transaction, upload_id: str) -> None:
    """Finish the drops of a delivered upload once it owes nothing but its receipt.

    Nobody waits for the receipt, and one that cannot be made keeps no drop.
    """
    if tx.number("open_tasks_of", upload_id=upload_id):
        return
    for row in tx.all("drops_of", upload_id=upload_id):
        if row["state"] == "taken":
            move_drop(tx, row, DropEvent.FINISH)


def is_beyond_change(upload: Row) -> bool:
    """Say whether a change of a source comes too late for this upload."""
    state = UploadState(upload["state"])
    # a change seen after the POST belongs to a new ledger row (probes row 3), also once it was
    # given up to learn what became of it
    return (
        bool(upload["finalize_asked"])
        or UploadEvent.SOURCE_CHANGED not in (lifecycle.UPLOAD[state])
    )


def restart_file(tx: Transaction, file: Row, note: str) -> None:
    """Send nothing more of a file until it has settled anew; its drop has other content now.

    Files that change one after the other, before the first is settled anew, are one change.
    """
    if file["stale"]:
        return
    drop = must(tx.one("drop", id=file["drop_id"]), f"drop {file['drop_id']}")
    is_first = not tx.number("stale_files", drop_id=drop["id"])
    if is_first and lifecycle.is_arriving(drop_of(drop)):
        move_drop(tx, drop, DropEvent.CHANGE, hold=_hold_of(drop), note=note)
        tx.run("count_generation", id=drop["id"])
    tx.run("stale_file", id=file["id"], note=note)


def _hold_of(row: Row) -> HoldReason | None:
    return None if row["hold"] is None else HoldReason(row["hold"])


def _settle_again(tx: Transaction, draft: DropDraft) -> None:
    row = must(tx.one("drop", id=draft.drop_id), f"drop {draft.drop_id}")
    if row["state"] == DropState.TAKEN and row["whole"] and row["signature"] == draft.signature:
        return
    if row["state"] != DropState.TAKEN or row["whole"]:
        raise IllegalTransition(f"drop {draft.drop_id} is not one that changed in an upload")
    known = {
        bytes(file["path"]): file
        for file in tx.all("files_of_drop", drop_id=row["id"], upload_id=row["upload_id"])
    }
    staying = {new.path for new in draft.files}
    renamed = {
        _content(new.identity)
        for new in draft.files
        if new.path not in known and new.identity.inode != UNKEPT_INODE
    }
    for path, file in known.items():
        if path in draft.delivered:
            take_out_file(tx, file)
        elif path not in staying:
            leave_out(tx, file, is_renamed=_content(identity_of(file)) in renamed)
    for new in draft.files:
        take_in_file(tx, row, known.get(new.path), new)
    if row["settled_at"] is None:
        # of a batch, this is the moment at which its last file settled
        tx.run("note_joined", id=row["upload_id"], now=tx.now)
    # other holds ended with the change; what a person holds waits for a person
    kept = HoldReason.OPERATOR if row["hold"] == HoldReason.OPERATOR else None
    move_drop(tx, row, DropEvent.QUIET, hold=kept)
    tx.run("clear_upload_retry", id=row["upload_id"])
    take(tx, row["id"], row["upload_id"], draft)


def take_in_file(tx: Transaction, drop: Row, known: Row | None, new: FileDraft) -> bool:
    """Let a settled file be of a drop's upload as it is now; say whether there is more to send.

    `known` is the row that the upload has of it. Equal identity keeps what was acknowledged, as far
    as both are known: what is found not to be kept, or kept again, is no change.
    """
    if known is None:
        add_file(tx, drop["upload_id"], drop["id"], new)
        return True
    was = identity_of(known)
    # what was read while not all of it was kept is read twice, whatever is kept by now
    now = new.identity.kept_by(was)
    # what changed and shows the same is known by its bytes alone, where not all of it is kept
    is_in_doubt = bool(known["stale"]) and not now.is_whole
    if is_in_doubt or not _is_version(was, now):
        _renew(tx, known, new)
        return True
    if was == now and not (known["stale"] or known["error"]):
        return False
    # the number of its device may be that of an earlier boot
    tx.run("renew_file", id=known["id"], **identity_values(now))
    tx.run("unstale_file", id=known["id"])
    return bool(known["stale"])


def _content(identity: Identity) -> tuple[int, int, int]:
    """Give what a rename leaves as it was."""
    return identity.inode, identity.size, identity.mtime_ns


def _is_version(was: Identity, now: Identity) -> bool:
    known = was if was.device >= 0 else replace(was, device=now.device)
    return now == known.kept_by(now)


def _renew(tx: Transaction, old: Row, new: FileDraft) -> None:
    begin_version(tx, old, size=new.identity.size)
    tx.run("renew_file", id=old["id"], **identity_values(new.identity))
    tx.run("unstale_file", id=old["id"])


def add_file(
    tx: Transaction,
    upload_id: str,
    drop_id: int | None,
    draft: FileDraft,
    *,
    reader: int | None = None,
) -> None:
    """Note a file of an upload and count it; `reader` is the user who named it, if one did."""
    tx.run(
        "add_file",
        upload_id=upload_id,
        drop_id=drop_id,
        path=draft.path,
        package_path=draft.package_path,
        name=draft.name,
        reader=reader,
        **identity_values(draft.identity),
    )
    tx.run("count_files", id=upload_id, size=draft.identity.size, sent=0, files=1, open=1)


def take(tx: Transaction, drop_id: int, upload_id: str, draft: DropDraft) -> None:
    """Note what a drop holds now that it is whole in an upload."""
    tx.run(
        "take_drop",
        id=drop_id,
        upload_id=upload_id,
        signature=draft.signature,
        size=sum(file.identity.size for file in draft.files),
        file_count=len(draft.files),
        now=tx.now,
    )
    tx.run("late_drop", id=drop_id, late=int(draft.is_late))
    kept = vanished(tx, drop_id, upload_id, draft)
    tx.run("remove_skipped", upload_id=upload_id, drop_id=drop_id)
    for reason in (*draft.skipped, *kept):
        tx.run("add_skipped", upload_id=upload_id, drop_id=drop_id, reason=reason)
