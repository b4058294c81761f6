"""The verbs by which callers steer: lists, priorities, deletion, files by name, pauses, moves.

Owns what the front desk asks of rows that no hot folder asks. Never talks to the cloud and never
reads a source. Part of the store; the contract stands in `store.contract`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from masv_watch import recall
from masv_watch.errors import IllegalTransition, Unprocessable
from masv_watch.model import (
    NO_TURNS,
    Consigned,
    FileDraft,
    HoldReason,
    Identity,
    Move,
    Repeat,
    Secret,
    Selection,
    SourceFile,
    TaskEvent,
    TaskKind,
    TaskState,
    Turns,
    Upload,
    UploadEvent,
    UploadLine,
    UploadState,
    UploadType,
)
from masv_watch.store.ledger import add_file, release_held
from masv_watch.store.outages import rest_for_good
from masv_watch.store.receipts import prove_later
from masv_watch.store.seal import Seal
from masv_watch.store.searching import spellings
from masv_watch.store.sql import (
    Engine,
    Row,
    Transaction,
    file_of,
    hold_fence,
    identity_values,
    move_task,
    move_upload,
    must,
    refuse_in_doubt,
    rows_as,
    task_of,
)
from masv_watch.store.turns import queued_in_turn, words
from masv_watch.store.versions import begin_version, hold_version

_SESSION = "session"
_RATE_LIMIT = "upload_rate_limit"


class SteeringVerbs:
    """`contract.Steering` in SQL."""

    engine: Engine
    seal: Seal

    def select_uploads(self, wanted: Selection) -> list[UploadLine]:
        """List the uploads of a selection."""
        after, after_id = wanted.after or (0, "")
        ordered = "uploads_latest" if wanted.sort == "created_at" else "uploads_down"
        row = self.engine.read(
            lambda tx: tx.one(
                ordered if wanted.descending else "uploads_up",
                states=f" {' '.join(wanted.states)} " if wanted.states else "",
                type=wanted.type,
                hot_folder=wanted.hot_folder,
                needle=wanted.needle,
                holders=json.dumps(wanted.holders),
                **spellings(wanted.needle),
                reader=wanted.reader,
                sort=wanted.sort,
                after=after,
                after_id=after_id,
                limit=-1 if wanted.limit is None else wanted.limit,
            )
        )
        # all in one row: each step to another would let a busy sender take its turn first
        return [] if row is None else [_line_of(line) for line in json.loads(row["lines"])]

    def consigned(self, upload_ids: Sequence[str]) -> dict[str, Consigned]:
        """Say of these uploads to whom they go, and what goes with them."""
        ids = json.dumps(list(upload_ids))
        row = self.engine.read(lambda tx: tx.one("consigned", ids=ids))
        found = json.loads("{}" if row is None else row["found"])
        return {
            upload_id: Consigned(
                portal=portal,
                recipients=tuple(recipients or ()),
                mail_to=tuple(mail_to or ()),
                drops=tuple(drops),
            )
            for upload_id, (portal, recipients, mail_to, drops) in found.items()
        }

    def upload_states(self, reader: int | None) -> dict[UploadState, int]:
        """Count the uploads in each state."""
        rows = self.engine.read(lambda tx: tx.all("upload_states", reader=reader))
        return {UploadState(row["state"]): int(row["uploads"]) for row in rows}

    def queued(self, turns: Turns = NO_TURNS) -> list[str]:
        """List the ids of uploads that wait for a slot, in their order."""
        rows = self.engine.read(lambda tx: queued_in_turn(tx, turns))
        return [str(row["id"]) for row in rows]

    def unsent(self) -> int:
        """Give the bytes that the uploads which are to be sent still lack."""
        return self.engine.read(lambda tx: tx.number("unsent"))

    def unsettled(self) -> set[str]:
        """Give the ids of uploads that wait for a source to be quiet again."""
        rows = self.engine.read(lambda tx: tx.all("unsettled_uploads"))
        return {str(row["upload_id"]) for row in rows}

    def repeated(self, repeat: Repeat) -> str | None:
        """Give the upload that was created under this key, or None."""
        return self.engine.read(lambda tx: find_repeat(tx, repeat))

    def add_files(
        self,
        upload_id: str,
        files: Sequence[FileDraft],
        skipped: Sequence[str],
        *,
        reader: int | None,
    ) -> UploadState:
        """Add files that a caller named to an open upload."""

        def add(tx: Transaction) -> UploadState:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            refuse_in_doubt(row)
            after = move_upload(
                tx, row, UploadEvent.FILES_ADDED, code=row["error_code"], error=row["error"]
            )
            name_files(tx, upload_id, files, skipped, reader=reader)
            tx.run("note_joined", id=upload_id, now=tx.now)
            return after

        return self.engine.write(add)

    def delete_upload(
        self, upload_id: str, *, takes_package: bool, if_unasked: bool = False
    ) -> UploadState:
        """Have an upload deleted."""

        def delete(tx: Transaction) -> UploadState:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            if if_unasked and (row["finalize_asked"] or row["finalized_at"] is not None):
                raise IllegalTransition(
                    f"upload {upload_id} may be delivered already",
                    state=row["state"],
                    allowed=[],
                )
            is_known = row["package_id"] is not None or row["package_asked_at"] is not None
            stays = row["finalized_at"] is not None and not takes_package
            move_upload(tx, row, UploadEvent.DELETE)
            tx.run("set_takes_package", id=upload_id, takes_package=int(takes_package))
            _withdraw_tasks(tx, upload_id)
            if row["lease_until"] > tx.now or (is_known and not stays):
                return UploadState.DELETING
            return _end(tx, upload_id)

        return self.engine.write(delete)

    def note_deleted(self, upload: Upload, *, was_finalized: bool) -> None:
        """Store that the cloud has nothing more to delete."""

        def note(tx: Transaction) -> None:
            hold_fence(tx, upload.id, upload.fence)
            _end(tx, upload.id, was_finalized=was_finalized)

        self.engine.write(note)

    def prioritize(self, upload_id: str, priority: int) -> None:
        """Set whose turn it is as a person says it."""

        def prioritize(tx: Transaction) -> None:
            tx.run("set_priority", id=upload_id, priority=priority)
            tx.rings = True

        self.engine.write(prioritize)

    def adopt_priorities(self, priorities: Mapping[str, int]) -> int:
        """Give each unfinished upload the priority of its hot folder."""

        def adopt(tx: Transaction) -> int:
            changed = 0
            for hot_folder, priority in priorities.items():
                values = {"hot_folder": hot_folder, "priority": priority}
                changed += len(tx.all("set_rule_priority", **values))
            tx.rings = tx.rings or changed > 0
            return changed

        return self.engine.write(adopt)

    def in_line(self, limit: int, turns: Turns = NO_TURNS) -> list[int]:
        """List the priorities of uploads that wait for a slot and are due."""
        shut = {"closed": words(turns.closed), "undelivered": words(turns.undelivered)}
        rows = self.engine.read(lambda tx: tx.all("in_line", now=tx.now, limit=limit, **shut))
        return [int(row["priority"]) for row in rows]

    def is_astir(self) -> bool:
        """Say whether time alone can move an upload."""
        return self.engine.read(lambda tx: tx.number("uploads_astir")) > 0

    def start_upload(self, upload_id: str) -> None:
        """Let an upload go at once."""

        def start(tx: Transaction) -> None:
            tx.run("set_started", id=upload_id)
            tx.run("clear_file_retries", upload_id=upload_id)
            tx.run("hasten_letters", upload_id=upload_id)
            tx.run("trust_upload", upload_id=upload_id)
            tx.run("trust_letters", upload_id=upload_id)
            tx.rings = True

        self.engine.write(start)

    def advance_uploads(self, before: UploadState, event: UploadEvent) -> list[str]:
        """Move every upload that is in a state."""

        def advance(tx: Transaction) -> list[str]:
            rows = tx.all("uploads_in", state=before)
            for row in rows:
                move_upload(tx, row, event)
                if event is UploadEvent.RESUME:
                    tx.run("clear_upload_retry", id=row["id"])
                    tx.run("clear_file_retries", upload_id=row["id"])
            if event is UploadEvent.PAUSE:
                rows = [*rows, *(row for row in tx.all("reviving") if rest_for_good(tx, row))]
            return [str(row["id"]) for row in rows]

        return self.engine.write(advance)

    def files_to_settle(self, upload_id: str, limit: int) -> list[SourceFile]:
        """List a caller's changed files that are due."""
        return rows_as(
            self.engine.read(
                lambda tx: tx.all("files_to_settle", upload_id=upload_id, now=tx.now, limit=limit)
            ),
            file_of,
        )

    def delay_file(self, file: SourceFile, fence: int, retry_at: float) -> None:
        """Look at a changed file again later."""

        def delay(tx: Transaction) -> None:
            hold_fence(tx, file.upload_id, fence)
            tx.run("delay_file", id=file.id, retry_at=retry_at)

        self.engine.write(delay)

    def settle_file(self, file: SourceFile, fence: int, identity: Identity) -> None:
        """Take in what a changed file is now."""

        def settle(tx: Transaction) -> None:
            hold_fence(tx, file.upload_id, fence)
            row = hold_version(tx, file)
            begin_version(tx, row, size=identity.size)
            tx.run("renew_file", id=file.id, **identity_values(identity))
            tx.run("unstale_file", id=file.id)

        self.engine.write(settle)

    def pause_folder(self, hot_folder: str) -> None:
        """Take nothing new from a hot folder."""
        self.engine.write(lambda tx: tx.run("pause_folder", hot_folder=hot_folder, now=tx.now))

    def resume_folder(self, hot_folder: str) -> None:
        """Take from a hot folder again."""

        def resume(tx: Transaction) -> None:
            tx.run("resume_folder", hot_folder=hot_folder)
            release_held(tx, hot_folder, HoldReason.PAUSED)

        self.engine.write(resume)

    def paused_folders(self) -> Mapping[str, float]:
        """Give the paused hot folders, and since when."""
        rows = self.engine.read(lambda tx: tx.all("paused_folders"))
        return {str(row["hot_folder"]): float(row["at"]) for row in rows}

    def moves(self, after: int, limit: int) -> list[Move]:
        """List what moved after the move of this number."""
        rows = self.engine.read(lambda tx: tx.all("events_after", after=after, limit=limit))
        return [Move(**{key: row[key] for key in _MOVE}) for row in rows]

    def newest_move(self) -> int:
        """Give the number of the newest move."""
        return self.engine.read(lambda tx: tx.number("newest_event"))

    def oldest_move(self) -> int:
        """Give the number of the oldest move that is still known."""
        return self.engine.read(lambda tx: tx.number("oldest_event"))

    def digest(self, content: bytes) -> str:
        """Give a hash that tells nothing about its content."""
        return self.seal.digest(content)

    def readers(self, upload_id: str) -> set[int | None]:
        """Give whose rights the files of an upload were read by; None stands for the daemon's."""
        rows = self.engine.read(lambda tx: tx.all("readers", upload_id=upload_id))
        return {row["reader"] for row in rows}

    def living_secrets(self) -> list[Secret]:
        """List the secrets that are needed yet."""
        rows = self.engine.read(lambda tx: tx.all("living_secrets"))
        return [self.seal.open(text) for row in rows for text in tuple(row) if text is not None]

    def remember_rate_limit(self, text: str | None) -> None:
        """Keep the limit that a caller posted."""
        self.engine.write(lambda tx: tx.run("set_meta", key=_RATE_LIMIT, value=text or ""))

    def remembered_rate_limit(self) -> str | None:
        """Give the limit that a caller posted, or None."""
        row = self.engine.read(lambda tx: tx.one("meta", key=_RATE_LIMIT))
        return str(row["value"]) if row and row["value"] else None

    def remember_session(self, text: str | None) -> None:
        """Keep who signed in, sealed."""
        value = "" if text is None else self.seal.close(Secret(text))
        self.engine.write(lambda tx: tx.run("set_meta", key=_SESSION, value=value))

    def remembered_session(self) -> str | None:
        """Give who signed in, or None."""
        row = self.engine.read(lambda tx: tx.one("meta", key=_SESSION))
        return self.seal.open(row["value"]).reveal() if row and row["value"] else None


def _line_of(line: list[Any]) -> UploadLine:
    # times are written with all their digits, which a number of JSON would lose
    id_, type_, state, *middle, created, finalized, retry = line[:13]
    finalized = None if finalized is None else float(finalized)
    times = (float(created), finalized, float(retry))
    *rest, started, due, batch, recall_s, is_over, relinks, asked = line[13:]
    due = None if due is None else float(due)
    # most have none, and there may be ten thousand of them
    window = recall_s and recall.window_of(
        {
            "recall_s": recall_s, "recall_over": is_over, "started": started, "state": state,
            "finalize_at": due, "batch": batch, "relinks": relinks, "package_id": line[5],
            "created_at": times[0],
        }
    )  # fmt: skip
    rest += [bool(started), due if batch else None, window.until if window else None, bool(asked)]
    return UploadLine._make((id_, UploadType(type_), UploadState(state), *middle, *times, *rest))


_MOVE = ("id", "at", "noun", "noun_id", "event", "before", "after", "detail")


def find_repeat(tx: Transaction, repeat: Repeat) -> str | None:
    """Give the upload that was created under this key, or None.

    Raises:
        Unprocessable: the key was used for something else.
    """
    row = tx.one("repeat", key=repeat.key)
    if row is None:
        return None
    if row["digest"] != repeat.digest:
        raise Unprocessable(
            "this Idempotency-Key was used for another call",
            hint="send the very same call again, or a new key for a new upload",
        )
    return str(row["upload_id"])


def note_repeat(tx: Transaction, repeat: Repeat, upload_id: str) -> None:
    """Note under which key an upload is created, in this transaction."""
    tx.run("add_repeat", key=repeat.key, digest=repeat.digest, upload_id=upload_id, now=tx.now)


def name_files(
    tx: Transaction,
    upload_id: str,
    files: Sequence[FileDraft],
    skipped: Sequence[str],
    *,
    reader: int | None,
) -> None:
    """Note the files that a caller named, in this transaction; known ones stay as they are.

    `reader` is his user, by whose rights each is looked at again should it change.

    Raises:
        Unprocessable: another file of the upload has the same name inside the package.
    """
    rows = tx.all("files", upload_id=upload_id) if files else []
    known = {bytes(row["path"]) for row in rows}
    inside = {(row["package_path"], row["name"]) for row in rows}
    for file in files:
        if file.path in known:
            continue
        if (file.package_path, file.name) in inside:
            whole = f"{file.package_path}/{file.name}".lstrip("/")
            raise Unprocessable(
                f"two files would be called {whole!r} inside the package",
                hint="name a folder above them, or make two uploads",
            )
        inside.add((file.package_path, file.name))
        add_file(tx, upload_id, None, file, reader=reader)
    for reason in skipped:
        tx.run("add_skipped", upload_id=upload_id, drop_id=0, reason=reason)


def _withdraw_tasks(tx: Transaction, upload_id: str) -> None:
    # whoever is at a task finds its fence gone, and stores no outcome
    tx.run("drop_open_tasks", upload_id=upload_id)
    for task in rows_as(tx.all("tasks", upload_id=upload_id), task_of):
        # what was delivered is proved all the same
        if task.state is TaskState.DUE and task.kind is not TaskKind.RECEIPT:
            move_task(tx, task, TaskEvent.WITHDRAWN, note="its upload was deleted")


def _end(tx: Transaction, upload_id: str, *, was_finalized: bool = False) -> UploadState:
    row: Row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
    after = move_upload(tx, row, UploadEvent.DELETED, was_finalized=was_finalized)
    tx.run("forget_secrets", id=upload_id)
    tx.run("end_claim", id=upload_id)
    if was_finalized:
        prove_later(tx, upload_id)
    return after
