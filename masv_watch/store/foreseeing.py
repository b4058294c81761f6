"""What the ledger says of hundreds of paths, by one statement for all of them.

Owns how many paths are asked and written at once. Decides nothing. Part of the store.

It stands alone because a statement for each path waits each time for its turn among all threads: in
a burst of files that is most of what it costs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from masv_watch.model import Drop, FoundBy
from masv_watch.store.sql import Engine, Row, Transaction, drop_of, rows_as


class ForeseeingVerbs:
    """The verbs about many paths at once."""

    engine: Engine

    def latest_drops(self, hot_folder: str, paths: Sequence[bytes]) -> list[Drop]:
        """Give the newest generation of each path that has one."""
        written = _written(paths)

        def find(tx: Transaction) -> list[Row]:
            if written:
                return tx.all("latest_drops", hot_folder=hot_folder, paths=written)
            found = (tx.one("latest_drop", hot_folder=hot_folder, path=path) for path in paths)
            return [row for row in found if row is not None]

        return rows_as(self.engine.read(find), drop_of)

    def see_firsts(self, hot_folder: str, paths: Sequence[bytes]) -> bool:
        """Make the first drop of each path that has none; say whether each of them had none."""
        written = _written(paths)
        if not written:
            return False

        def see(tx: Transaction) -> int:
            return tx.run("see_firsts", hot_folder=hot_folder, paths=written, now=tx.now)

        return self.engine.write(see) == len(paths)

    def note_found(self, found: Mapping[int, FoundBy]) -> None:
        """Note what found a drop."""
        if not found:
            return

        def note(tx: Transaction) -> None:
            for by in FoundBy:
                ids = [drop_id for drop_id, found_by in found.items() if found_by is by]
                tx.run("note_found", ids=json.dumps(ids), found_by=by)

        self.engine.write(note)


def _written(paths: Sequence[bytes]) -> str:
    """Write paths as the database takes them apart, "" where one of them is not UTF-8."""
    try:
        return json.dumps([path.decode() for path in paths])
    except UnicodeDecodeError:
        return ""
