"""The verbs about archives: on what each stood when a source was moved there last.

Owns what was noted of them. Never looks at a disk. Part of the store; the contract stands in
`store.archiving_contract`.
"""

from __future__ import annotations

from masv_watch.model import Archive, Footing
from masv_watch.store.sql import Engine, Row, Transaction, rows_as


class ArchivingVerbs:
    """`archiving_contract.Archiving` in SQL."""

    engine: Engine

    def archive(self, hot_folder: str, path: bytes) -> Archive | None:
        """Give what was noted of an archive."""
        row = self.engine.read(lambda tx: tx.one("archive", hot_folder=hot_folder, path=path))
        return None if row is None else _archive_of(row)

    def note_archive(self, archive: Archive) -> None:
        """Note on what an archive stands."""
        footing = archive.footing

        def note(tx: Transaction) -> None:
            known = tx.one("archive", hot_folder=archive.hot_folder, path=archive.path)
            tx.run(
                "note_archive",
                hot_folder=archive.hot_folder,
                path=archive.path,
                top=footing.top,
                uuid=footing.uuid,
                # as text: a number of 64 bits without a sign has no room in a column
                device=str(footing.device),
                boot=footing.boot,
                source=footing.source,
                home=int(footing.is_home),
            )
            if known is not None and known["why"]:
                _hurry(tx)

        self.engine.write(note)

    def note_archive_away(self, archive: Archive, why: str) -> None:
        """Note why nothing is moved to an archive now."""
        if archive.why != why:
            place = {"hot_folder": archive.hot_folder, "path": archive.path}
            self.engine.write(lambda tx: tx.run("note_archive_away", **place, why=why))

    def adopt_archives(self, hot_folder: str) -> None:
        """Take whatever stands at a hot folder's targets for its archive."""

        def adopt(tx: Transaction) -> None:
            tx.run("forget_archives", hot_folder=hot_folder)
            _hurry(tx)

        self.engine.write(adopt)

    def archives_away(self) -> list[Archive]:
        """List the archives against which something speaks."""
        return rows_as(self.engine.read(lambda tx: tx.all("archives_away")), _archive_of)


def _hurry(tx: Transaction) -> None:
    if tx.run("hurry_disposals"):
        tx.rings = True


def _archive_of(row: Row) -> Archive:
    return Archive(
        hot_folder=row["hot_folder"],
        path=bytes(row["path"]),
        footing=Footing(
            top=bytes(row["top"]),
            uuid=row["uuid"],
            device=int(row["device"]),
            boot=row["boot"],
            source=row["source"],
            is_home=bool(row["home"]),
        ),
        why=row["why"],
    )
