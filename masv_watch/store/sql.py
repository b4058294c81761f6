"""Named statements, transactions over them, and rows as nouns.

Owns how a row becomes a noun, and the one place where a state is moved and announced. Never opens a
database (`store.sqlite` does) and holds no verb of the contract. Used by the rooms of verbs beside
it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from masv_watch import lifecycle, recall
from masv_watch.errors import FenceLost, IllegalTransition, NotFound
from masv_watch.logs import redacted
from masv_watch.model import (
    After,
    Chunk,
    Drop,
    DropEvent,
    DropState,
    Follow,
    FoundBy,
    HoldReason,
    Identity,
    Link,
    OnVanish,
    Partial,
    Secret,
    SourceFile,
    Task,
    TaskEvent,
    TaskKind,
    TaskState,
    Terms,
    Upload,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.store import consequences
from masv_watch.store.seal import Seal

T = TypeVar("T")
Row = Mapping[str, Any]
Statements = Mapping[str, str]

_TWO_64 = 2**64
#: parameters whose text may come from outside: the cloud, a mail server, a file system
_FREE_TEXT = {"error", "note", "detail", "reason"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One state that a transaction moved, to be announced after its commit."""

    noun: str
    noun_id: str
    event: str
    before: str
    after: str
    detail: str = ""
    #: how the recall window of an upload ended by it; "" where none did
    recall: str = ""


class Transaction:
    """One open transaction: statements by name, the store's time, and what moved."""

    def __init__(
        self,
        execute: Callable[[str, Mapping[str, object]], tuple[int, list[Row]]],
        statements: Statements,
        now: float,
    ) -> None:
        """Bind the engine's `execute`, which gives the row count and the rows."""
        self._execute = execute
        self._statements = statements
        self.now = now
        self.moved: list[Moved] = []
        #: whether whoever listens is to look, though no state moved
        self.rings = False

    def run(self, statement: str, /, **values: object) -> int:
        """Carry out a statement; give how many rows it touched.

        What others said (an error, a note) is stored without the secrets that the log knows.
        """
        for name in _FREE_TEXT & values.keys():
            if values[name]:
                values[name] = redacted(str(values[name]))
        return self._execute(self._statements[statement], values)[0]

    def one(self, statement: str, /, **values: object) -> Row | None:
        """Carry out a statement; give its first row or None."""
        rows = self._execute(self._statements[statement], values)[1]
        return rows[0] if rows else None

    def all(self, statement: str, /, **values: object) -> list[Row]:
        """Carry out a statement; give its rows."""
        return self._execute(self._statements[statement], values)[1]

    def number(self, statement: str, /, **values: object) -> int:
        """Carry out a statement that counts; give the count."""
        row = self.one(statement, **values)
        return int(row["number"]) if row else 0


class Engine(Protocol):
    """What a database must offer to the verbs."""

    def write(self, job: Callable[[Transaction], T]) -> T:
        """Run a job in a transaction that is durable when this returns."""
        ...

    def read(self, job: Callable[[Transaction], T]) -> T:
        """Run a job that only reads, on one state of the database."""
        ...

    #: what kept the last batch from being stored; "" when it was stored
    trouble: str

    def now(self) -> float:
        """Give the store clock's seconds."""
        ...

    def ago(self, seconds: float) -> float:
        """Give the store time since which so much time passed, without what the clock leapt."""
        ...

    def listen(self, ring: Callable[[], None]) -> None:
        """Have `ring` called after every commit that moved a state."""
        ...

    def scrub(self) -> None:
        """Leave nothing of overwritten values behind in the files of the database."""
        ...

    def close(self) -> None:
        """Finish what is queued and close."""
        ...


def move_upload(
    tx: Transaction,
    row: Row,
    event: UploadEvent,
    *,
    code: int | None = None,
    error: str = "",
    was_finalized: bool = False,
) -> UploadState:
    """Move an upload's state in this transaction; the one place that does.

    `was_finalized` says that a finalize took effect whose answer was lost.

    Raises:
        IllegalTransition: the table has no such pair.
    """
    before = UploadState(row["state"])
    after = lifecycle.advance(lifecycle.UPLOAD, before, event)
    is_finalized = was_finalized or event is UploadEvent.FINALIZED
    finalized_at = row["finalized_at"] or (tx.now if is_finalized else None)
    # a refusal says that the finalize did nothing: the next one begins afresh
    finalize_asked = 0 if event is UploadEvent.REFUSED else row["finalize_asked"]
    touched = tx.run(
        "advance_upload",
        id=row["id"],
        before=before,
        after=after,
        code=code,
        error=error,
        finalize_at=consequences.finalize_at(row, terms_of(row), after, tx.now),
        finalized_at=finalized_at,
        finalize_asked=finalize_asked,
    )
    if not touched:
        raise FenceLost(f"upload {row['id']} moved meanwhile")
    end = recall.end_of(recall.window_of(row), event, tx.now)
    detail = error or (recall.TOLD[end] if end else "")
    kept = {"event": event, "before": before, "after": after, "detail": detail}
    announce(tx, Moved(noun="upload", noun_id=row["id"], recall=end or "", **kept))
    consequences.follow(tx.run, row, event, after)
    if after is UploadState.GONE:
        _end_drops(tx, row, delivered=finalized_at is not None)
    return after


def resume(tx: Transaction, row: Row, *, code: int | None = None, error: str = "") -> UploadState:
    """Let an upload go on in this transaction; of what may be delivered the cloud is asked first.

    Raises:
        IllegalTransition: it does not stand still.
    """
    state = UploadState(row["state"])
    event = lifecycle.resumption(state, is_asked=bool(row["finalize_asked"]))
    return move_upload(tx, row, event, code=code, error=error)


def refuse_in_doubt(upload: Row) -> None:
    """Refuse to change what goes with an upload whose package may be delivered already.

    Raises:
        IllegalTransition: a finalize was asked for, and nobody knows what became of it.
    """
    if upload["finalize_asked"]:
        raise IllegalTransition(
            f"upload {upload['id']} may be delivered already", state=upload["state"], allowed=[]
        )


def _end_drops(tx: Transaction, upload: Row, *, delivered: bool) -> None:
    # a drop that stayed taken would keep its path from ever being sent again
    for row in tx.all("drops_of", upload_id=upload["id"]):
        if row["state"] == DropState.TAKEN:
            move_drop(tx, row, DropEvent.FINISH if delivered else DropEvent.CANCEL)


def move_drop(
    tx: Transaction,
    row: Row,
    event: DropEvent,
    *,
    hold: HoldReason | None = None,
    note: str = "",
    asked: str = "",
) -> DropState:
    """Move a drop's state in this transaction; the one place that does.

    Raises:
        IllegalTransition: the table has no such pair.
    """
    before = DropState(row["state"])
    after = lifecycle.advance(lifecycle.DROP, before, event)
    told = {"hold": hold, "note": note, "asked": asked, "now": tx.now}
    if not tx.run("advance_drop", id=row["id"], before=before, after=after, **told):
        raise FenceLost(f"drop {row['id']} moved meanwhile")
    detail = f"{hold}: {note}" if hold else note
    announce(
        tx,
        Moved(
            noun="drop",
            noun_id=str(row["id"]),
            event=event,
            before=before,
            after=after,
            detail=detail,
        ),
    )
    return after


def move_task(tx: Transaction, task: Task, event: TaskEvent, *, note: str) -> None:
    """Move a claimed task's state in this transaction; the one place that does.

    Raises:
        FenceLost: the row has a newer claim.
        IllegalTransition: the table has no such pair.
    """
    row = must(tx.one("task", id=task.id), f"task {task.id}")
    if row["fence"] != task.fence:
        # asked first: what was withdrawn from under its claimer is no mistake of his
        raise FenceLost(f"task {task.id} has a newer claim")
    before = TaskState(row["state"])
    after = lifecycle.advance(lifecycle.TASK, before, event)
    tx.run("advance_task", id=task.id, fence=task.fence, before=before, after=after, note=note)
    announce(
        tx,
        Moved(
            noun="task",
            noun_id=str(task.id),
            event=event,
            before=before,
            after=after,
            detail=note,
        ),
    )


def announce(tx: Transaction, moved: Moved) -> None:
    """Note a move in this transaction; after its commit it is told to whoever listens."""
    tx.run("add_event", now=tx.now, **asdict(moved))
    tx.moved.append(moved)


def must(row: Row | None, what: str) -> Row:
    """Give the row.

    Raises:
        NotFound: there is none.
    """
    if row is None:
        raise NotFound(f"there is no {what}")
    return row


def hold_fence(tx: Transaction, upload_id: str, fence: int) -> None:
    """Make sure that the claim is still ours.

    Raises:
        FenceLost: the row has a newer claim or is gone.
    """
    if tx.one("fenced", id=upload_id, fence=fence) is None:
        raise FenceLost(f"upload {upload_id} has a newer claim")


def terms_text(terms: Terms) -> str:
    """Write terms as JSON."""
    return json.dumps(asdict(terms))


def terms_of(row: Row) -> Terms:
    """Read the terms of an upload's row."""
    return _terms(row["terms"])


@lru_cache(maxsize=256)
def _terms(text: str) -> Terms:
    # the uploads of one rule have the same ones
    tree = json.loads(text)
    lists = {key: tuple(tree.get(key, ())) for key in ("recipients", "mail_to", "replaces")}
    # what an earlier version froze says nothing of the last three
    fixed = {
        "type": UploadType(tree["type"]),
        "after": After(**tree["after"]),
        "on_vanish": OnVanish(tree.get("on_vanish", OnVanish.FAIL)),
        "partial": Partial(tree.get("partial", Partial.HOLD)),
        "follow": Follow(tree.get("follow", Follow.NONE)),
    }
    return Terms(**(tree | lists | fixed))


def upload_of(row: Row, seal: Seal) -> Upload:
    """Read an upload's row."""
    same = {
        key: row[key]
        for key in (
            "id", "hot_folder", "name", "message", "package_id", "package_asked_at", "finalize_at",
            "retry_at", "attempts", "error_code", "error", "fence", "lease_until", "created_at",
            "joined_at", "finalized_at", "size", "sent", "file_count", "priority", "chunk_size",
            "refusals", "resent", "retries", "retry_reason", "relinks", "recall_s",
        )
    }  # fmt: skip
    return Upload(
        **same,
        root=bytes(row["root"]),
        terms=terms_of(row),
        state=UploadState(row["state"]),
        package_token=_opened(seal, row["package_token"]),
        access_code=_opened(seal, row["access_code"]),
        password=_opened(seal, row["password"]),
        finalize_asked=bool(row["finalize_asked"]),
        is_started=bool(row["started"]),
        takes_package=bool(row["takes_package"]),
        is_retired=bool(row["retired"]),
        is_recall_over=bool(row["recall_over"]),
    )


def _opened(seal: Seal, text: str | None) -> Secret | None:
    return None if text is None else seal.open(text)


def sealed(seal: Seal, secret: Secret | None) -> str | None:
    """Give the sealed form of a secret that may be missing."""
    return None if secret is None else seal.close(secret)


#: columns of a drop that need no reading
_OF_DROP = (
    "id", "generation", "note", "upload_id", "signature", "size", "file_count", "seen_at",
    "settled_at", "asked", "waived", "answered_for", "lack_shown", "judged_at",
)  # fmt: skip


def drop_of(row: Row) -> Drop:
    """Read a drop's row."""
    hot_folder, _, volume = row["hot_folder"].partition("@")
    return Drop(
        **{key: row[key] for key in _OF_DROP},
        hot_folder=hot_folder,
        volume=volume,
        found_by=FoundBy(row["found_by"] or ""),
        path=bytes(row["path"]),
        state=DropState(row["state"]),
        hold=None if row["hold"] is None else HoldReason(row["hold"]),
        whole=bool(row["whole"]),
        limit_waived=bool(row["limit_waived"]),
        is_answered=row["answered"] == 1,
        is_wanted=row["answered"] == 2,
        is_late=bool(row["late"]),
        lack_waived=bool(row["lack_waived"]),
        is_unwanted=bool(row["unwanted"]),
        cancelled_as=row["cancelled_as"],
    )


#: no file system has all bits of its number set; `forget_devices` writes it
_NO_DEVICE = -1


def identity_of(row: Row) -> Identity:
    """Read the identity columns of a file's row."""
    return Identity(
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        ctime_ns=row["ctime_ns"],
        inode=row["inode"] % _TWO_64,
        device=_NO_DEVICE if row["device"] == _NO_DEVICE else row["device"] % _TWO_64,
    )


def identity_values(identity: Identity) -> dict[str, int]:
    """Give the identity columns of a file's row; `identity_of` reads them back."""
    return {
        "size": identity.size,
        "mtime_ns": identity.mtime_ns,
        "ctime_ns": identity.ctime_ns,
        "inode": _signed(identity.inode),
        "device": _signed(identity.device),
    }


def _signed(number: int) -> int:
    # inode and device numbers use all 64 bits on some file systems; columns are signed
    return number - _TWO_64 if number >= _TWO_64 // 2 else number


def file_of(row: Row) -> SourceFile:
    """Read a file's row."""
    same = {
        key: row[key]
        for key in (
            "id", "upload_id", "drop_id", "package_path", "name", "cloud_id", "multipart_id",
            "chunk_size", "sent", "attempts", "retry_at", "error", "reader", "version",
            "max_chunks", "hash", "reread", "sent_at",
        )
    }  # fmt: skip
    return SourceFile(
        **same,
        path=bytes(row["path"]),
        identity=identity_of(row),
        open_asked=bool(row["open_asked"]),
        close_asked=bool(row["close_asked"]),
        closed=bool(row["closed"]),
        stale=bool(row["stale"]),
    )


def chunk_of(row: Row) -> Chunk:
    """Read a chunk's row."""
    return Chunk(number=row["number"], size=row["size"], etag=row["etag"], hash=row["hash"])


def task_of(row: Row) -> Task:
    """Read a task's row."""
    same = {
        key: row[key]
        for key in (
            "id", "upload_id", "key", "attempts", "retry_at", "created_at", "tried_at", "fence",
            "letter", "note",
        )
    }  # fmt: skip
    return Task(
        **same,
        kind=TaskKind(row["kind"]),
        state=TaskState(row["state"]),
        asked=bool(row["asked"]),
        is_alone=bool(row["alone"]),
        facts=json.loads(row["facts"]),
    )


def link_of(row: Row, seal: Seal) -> Link:
    """Read a link's row."""
    return Link(
        upload_id=row["upload_id"],
        id=row["id"],
        secret=seal.open(row["secret"]),
        expiry=row["expiry"],
    )


def rows_as(rows: Sequence[Row], read: Callable[[Row], T]) -> list[T]:
    """Read many rows."""
    return [read(row) for row in rows]
