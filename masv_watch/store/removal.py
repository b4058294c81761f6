"""How a file leaves its upload: renamed, vanished, delivered before, or with its drop.

Owns what is noted of it, and what may be left of it in the cloud's package. Never reads a source.
Used by the verbs of the store that let files go.
"""

from __future__ import annotations

from masv_watch.errors import SourceVanished
from masv_watch.model import DropDraft, OnVanish
from masv_watch.names import shown
from masv_watch.store.packaging_contract import UNNAMED
from masv_watch.store.sql import Row, Transaction, must, terms_of
from masv_watch.store.versions import reset

#: what is noted of a file that vanished, by whether the cloud may have had it
_GONE = {False: "vanished before it was sent", True: "vanished while it was sent"}


def leave_out(tx: Transaction, file: Row, *, is_renamed: bool) -> None:
    """Take out a file that its drop holds no more.

    Raises:
        SourceVanished: the cloud has it, and its rule lets nothing go without it.
    """
    if is_renamed and (file["cloud_id"] is not None or not file["open_asked"]):
        remove_file(tx, file)
        return
    upload = must(tx.one("upload", id=file["upload_id"]), "upload")
    if file["open_asked"] and terms_of(upload).on_vanish is OnVanish.FAIL:
        raise SourceVanished(
            f"{shown(bytes(file['path']))} vanished while its package was being sent",
            hint=f"put it back, then masv-watch resume {upload['id']};"
            f" or masv-watch cancel {file['drop_id']} ends its drop",
            path=bytes(file["path"]),
        )
    leave_out_vanished(tx, file)


def leave_out_vanished(tx: Transaction, file: Row) -> None:
    """Take a file that vanished out of its upload, and note that it did."""
    tx.run(
        "add_skipped",
        upload_id=file["upload_id"],
        drop_id=file["drop_id"],
        reason=f"{shown(bytes(file['path']))}: {_GONE[bool(file['open_asked'])]}",
    )
    take_out_file(tx, file)


def take_out_file(tx: Transaction, file: Row) -> None:
    """Take a file out of its upload, whatever of it the cloud was asked for."""
    if file["open_asked"] and file["cloud_id"] is None:
        # an add that is under way may still leave a file in the package that no row names
        tx.run("add_leftover", upload_id=file["upload_id"], cloud_id=UNNAMED)
    remove_file(tx, file)


def vanished(tx: Transaction, drop_id: int, upload_id: str, draft: DropDraft) -> list[str]:
    """List what is noted of a drop's files that vanished and did not come back."""
    rows = tx.all("skipped_of", upload_id=upload_id, drop_id=drop_id)
    noted = [str(row["reason"]) for row in rows]
    gone = [one for one in noted if one.endswith(tuple(_GONE.values()))]
    if not gone:
        # hardly ever is there one, and a drop may have a million files
        return []
    back = {f"{shown(file.path)}: {words}" for file in draft.files for words in _GONE.values()}
    return [one for one in gone if one not in back]


def remove_file(tx: Transaction, file: Row) -> None:
    """Take a file out of its upload; what the cloud has of it goes before the finalize."""
    reset(tx, file, size=0)
    tx.run("count_files", id=file["upload_id"], size=0, sent=0, files=-1, open=-1)
    tx.run("remove_file", id=file["id"])
