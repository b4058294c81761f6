"""The verbs by which intake asks of the past.

Owns what is remembered of a hot folder's writers and counted of a drop's changes. Never decides
what follows from it. Part of the store; the contract stands in `store.watching_contract`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from masv_watch.model import (
    DeliveredAt,
    DeliveredFile,
    Disposal,
    Drop,
    DropEvent,
    DropState,
    Identity,
)
from masv_watch.store.duplicates import owe_disposal
from masv_watch.store.ledger import is_kept_by_person, leave, make_way, refuse
from masv_watch.store.receipts import keep_for_receipt
from masv_watch.store.sql import (
    Engine,
    Row,
    Transaction,
    drop_of,
    identity_of,
    identity_values,
    move_drop,
    must,
    rows_as,
)
from masv_watch.store.watching_contract import RECORDED

#: drops of a hot folder whose longest pause is kept
_KEPT_GAPS = 500
_DAY_S = 24 * 3600.0
#: deliveries of one file that are looked at
_MOST_ALIKE = 16
#: what a column of whole numbers holds
_MOST_NS = 2**63


class WatchingVerbs:
    """`watching_contract.Watching` in SQL."""

    engine: Engine

    def arrivals(self, hot_folder: str) -> tuple[float, float] | None:
        """Give when the first and the newest drop of a hot folder were seen."""
        row = self.engine.read(lambda tx: tx.one("arrivals", hot_folder=hot_folder))
        return None if row is None or row["first"] is None else (row["first"], row["newest"])

    def gaps(self, hot_folder: str) -> list[float]:
        """Give the longest pauses of the last drops of a hot folder."""
        rows = self.engine.read(lambda tx: tx.all("gaps", hot_folder=hot_folder))
        return [float(row["seconds"]) for row in rows]

    def note_gap(self, hot_folder: str, seconds: float) -> None:
        """Remember the longest pause of one more drop."""

        def note(tx: Transaction) -> None:
            tx.run("add_gap", hot_folder=hot_folder, seconds=seconds)
            tx.run("forget_gaps", hot_folder=hot_folder, kept=_KEPT_GAPS)

        self.engine.write(note)

    def living_paths(self, hot_folder: str) -> list[bytes]:
        """List the paths of all drops of a hot folder that have not come to their end."""
        rows = self.engine.read(lambda tx: tx.all("living_paths", hot_folder=hot_folder))
        return [bytes(row["path"]) for row in rows]

    def unsettled_paths(self, hot_folder: str) -> list[bytes]:
        """List those of them that were not taken, or not in whole."""
        rows = self.engine.read(lambda tx: tx.all("unsettled_paths", hot_folder=hot_folder))
        return [bytes(row["path"]) for row in rows]

    def judged_ahead(self, hot_folder: str, wall: float) -> list[bytes]:
        """List the paths of what was found too old by a clock that was later than this second."""
        wanted = {"hot_folder": hot_folder, "wall": wall}
        rows = self.engine.read(lambda tx: tx.all("judged_ahead", **wanted))
        return [bytes(row["path"]) for row in rows]

    def ended_signatures(self, hot_folder: str, paths: Sequence[bytes]) -> dict[bytes, str]:
        """Give the signatures of those paths whose newest row ended with content that is known."""
        # one statement for all: each of its own would take three times as long
        ends = list(accumulate(map(len, paths)))
        spans = [[end - len(path) + 1, len(path)] for end, path in zip(ends, paths, strict=True)]
        wanted = {"paths": b"".join(paths), "spans": json.dumps(spans)}
        rows = self.engine.read(
            lambda tx: tx.all("ended_signatures", hot_folder=hot_folder, **wanted)
        )
        return {bytes(row["path"]): row["signature"] for row in rows}

    def delivered_files(self, hot_folder: str, path: bytes) -> dict[bytes, DeliveredFile]:
        """Give every file that was delivered of a drop's path."""
        rows = self.engine.read(
            lambda tx: tx.all("delivered_files", hot_folder=hot_folder, path=path)
        )
        # later ones last: each path shows its last delivery
        return {
            bytes(row["path"]): DeliveredFile(
                size=row["size"],
                mtime_ns=row["mtime_ns"],
                inode=row["inode"],
                hash=row["hash"],
                chunk_size=row["chunk_size"],
            )
            for row in rows
        }

    def delivered_within(
        self, hot_folder: str, path: bytes, folders: Sequence[bytes]
    ) -> dict[bytes, DeliveredAt]:
        """Give what was delivered at a path and below it with a drop of another path."""
        place = {"hot_folder": hot_folder, "first": path + b"/", "behind": path + b"0"}

        def find(tx: Transaction) -> list[Row]:
            rows = tx.all("delivered_below", **place)
            for folder in folders:
                rows += tx.all("delivered_above", path=path, folder=folder, **place)
            return rows

        return {each.path: each for each in rows_as(self.engine.read(find), _delivered_at)}

    def recorded_before(self, hot_folder: str, path: bytes) -> Drop | None:
        """Give what was recorded of a path of which no whole was delivered."""
        place = {"hot_folder": hot_folder, "path": path, "seen": RECORDED}
        row = self.engine.read(lambda tx: tx.one("recorded_before", **place))
        return None if row is None else drop_of(row)

    def ended_before(self, drop: Drop) -> Drop | None:
        """Give the generation before it whose content is known."""
        row = self.engine.read(lambda tx: tx.one("ended_before", id=drop.id))
        return None if row is None else drop_of(row)

    def was_delivered(self, hot_folder: str, path: bytes) -> bool:
        """Say whether anything was delivered of a drop's path."""
        place = {"hot_folder": hot_folder, "path": path}
        return self.engine.read(lambda tx: tx.one("was_delivered", **place)) is not None

    def like_drops(
        self, hot_folder: str, path: bytes, *, files: int, size: int, most: int
    ) -> list[Drop]:
        """List delivered drops of other paths with so many files and bytes."""
        like = {"hot_folder": hot_folder, "path": path, "file_count": files, "size": size}
        return rows_as(
            self.engine.read(lambda tx: tx.all("like_drops", most=most, **like)), drop_of
        )

    def same_inodes(
        self, hot_folder: str, wanted: Sequence[Identity], *, grain_ns: int
    ) -> list[list[DeliveredAt]]:
        """Give for each identity what was delivered with its size, inode and time."""
        numbers = [
            (each["size"], each["mtime_ns"], each["inode"]) for each in map(identity_values, wanted)
        ]
        asked: dict[str, Any] = {"hot_folder": hot_folder, "wanted": json.dumps(numbers)}

        def find(tx: Transaction) -> list[Row]:
            if grain_ns <= 1:
                return tx.all("same_inodes", **asked)
            return tx.all("near_inodes", within=grain_ns - 1, **asked)

        found: list[list[DeliveredAt]] = [[] for _ in wanted]
        for row in self.engine.read(find):
            if len(found[row["number"]]) < _MOST_ALIKE:
                found[row["number"]].append(_delivered_at(row))
        return found

    def tops_of_file(self, hot_folder: str, path: bytes, identity: Identity) -> list[bytes]:
        """List the paths of other drops that were taken with a file of this identity."""
        values = identity_values(identity)
        wanted: dict[str, Any] = {key: values[key] for key in ("size", "mtime_ns", "inode")}
        wanted |= {"hot_folder": hot_folder, "path": path, "most": _MOST_ALIKE}
        rows = self.engine.read(lambda tx: tx.all("tops_of_file", **wanted))
        return [bytes(row["top"]) for row in rows]

    def same_sizes(
        self, hot_folder: str, wanted: Identity, *, grain_ns: int, most: int
    ) -> list[DeliveredAt]:
        """Give what was delivered with the size of an identity: of its time, then the youngest."""

        def find(tx: Transaction) -> list[Row]:
            about = _about(wanted, grain_ns)
            rows = tx.all("same_time", hot_folder=hot_folder, most=most, **about)
            seen = {row["id"] for row in rows}
            young = tx.all("same_size", hot_folder=hot_folder, most=most, size=wanted.size)
            return [*rows, *(row for row in young if row["id"] not in seen)]

        return rows_as(self.engine.read(find), _delivered_at)

    def coming_drops(
        self, hot_folder: str, path: bytes, *, files: int, size: int, most: int
    ) -> list[Drop]:
        """List drops of other paths of which all is up, with so many files and bytes."""
        like = {"hot_folder": hot_folder, "path": path, "file_count": files, "size": size}
        return rows_as(
            self.engine.read(lambda tx: tx.all("coming_drops", most=most, **like)), drop_of
        )

    def ongoing_drops(
        self, hot_folder: str, path: bytes, *, files: int, size: int, most: int
    ) -> list[Drop]:
        """List drops of other paths that are on their way, with so many files and bytes."""
        like = {"hot_folder": hot_folder, "path": path, "file_count": files, "size": size}
        return rows_as(
            self.engine.read(lambda tx: tx.all("ongoing_drops", most=most, **like)), drop_of
        )

    def late_drops(self, hot_folder: str, path: bytes) -> int:
        """Count the drops of late files of a path within a day."""
        place = {"hot_folder": hot_folder, "path": path}
        return self.engine.read(
            lambda tx: tx.number("late_drops_since", since=tx.now - _DAY_S, **place)
        )

    def conclude_drop(
        self,
        drop_id: int,
        event: DropEvent,
        *,
        signature: str,
        size: int,
        files: int,
        note: str,
        disposal: Disposal | None = None,
        judged_at: float | None = None,
    ) -> None:
        """End a drop without sending it."""

        def conclude(tx: Transaction) -> None:
            row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            if is_kept_by_person(row):
                return
            if row["state"] == DropState.HELD:
                move_drop(tx, row, DropEvent.RELEASE)
                row = must(tx.one("drop", id=drop_id), "drop")
            move_drop(tx, row, event, note=note)
            if row["state"] == DropState.TAKEN:
                leave(tx, row)
            tx.run(
                "conclude_drop",
                id=drop_id,
                signature=signature,
                size=size,
                file_count=files,
                now=tx.now,
                judged_at=judged_at,
            )
            if disposal is not None:
                owe_disposal(tx, drop_id, disposal)

        self.engine.write(conclude)

    def resend_drop(self, drop_id: int) -> Drop:
        """Let a drop that ended go again."""

        def resend(tx: Transaction) -> Drop:
            row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            if row["state"] == DropState.TAKEN:
                upload = must(tx.one("upload", id=row["upload_id"]), "upload")
                make_way(tx, row, upload, note="it is delivered")
                row = must(tx.one("drop", id=drop_id), f"drop {drop_id}")
            refuse(tx, row, DropEvent.RESEND)
            keep_for_receipt(tx, row)
            move_drop(tx, row, DropEvent.RESEND, note="to be sent again")
            tx.run("answer_drop", id=drop_id, answer=1, answered_for="")
            return drop_of(must(tx.one("drop", id=drop_id), "drop"))

        return self.engine.write(resend)

    def forget_path(self, hot_folder: str, path: bytes) -> int:
        """Let what ended under a path count no more."""
        place = {"hot_folder": hot_folder, "path": path}
        return self.engine.write(lambda tx: tx.run("forget_path", **place))

    def forgotten_paths(self, hot_folder: str) -> list[bytes]:
        """List the paths of a hot folder that a person had forgotten."""
        rows = self.engine.read(lambda tx: tx.all("forgotten_paths", hot_folder=hot_folder))
        return list(dict.fromkeys(bytes(row["path"]) for row in rows))

    def ledger_page(self, hot_folder: str | None, *, after: int, limit: int) -> list[Drop]:
        """List drops with a number above `after`."""
        wanted = {"hot_folder": hot_folder, "after": after, "limit": limit}
        return rows_as(self.engine.read(lambda tx: tx.all("ledger_page", **wanted)), drop_of)

    def changes_of(self, drop_id: int) -> int:
        """Count how often a drop changed within a day."""
        return self.engine.read(
            lambda tx: tx.number("changes_of", drop_id=str(drop_id), since=tx.now - _DAY_S)
        )

    def taken_since(self, hot_folder: str, at: float, *, but: int | None = None) -> int:
        """Count the bytes of the drops that were taken since then."""
        place = {"hot_folder": hot_folder, "but": -1 if but is None else but}
        return self.engine.read(
            lambda tx: (
                tx.number("taken_since", since=at, **place) + tx.number("arriving_bytes", **place)
            )
        )

    def delivered_sizes(self, hot_folder: str, limit: int) -> list[int]:
        """Give the bytes of the last drops that were delivered."""
        rows = self.engine.read(
            lambda tx: tx.all("delivered_sizes", hot_folder=hot_folder, limit=limit)
        )
        return [int(row["size"]) for row in rows]

    def delivered_to(self, hot_folder: str, domain: str) -> bool:
        """Say whether an address of this domain was told of a delivery of a hot folder."""
        whose = {"hot_folder": hot_folder, "domain": domain}
        return self.engine.read(lambda tx: tx.one("delivered_to", **whose) is not None)


def _about(identity: Identity, grain_ns: int) -> dict[str, int]:
    """Give the size of an identity and the times that count as its own."""
    within = max(grain_ns, 1) - 1
    return {
        "size": identity.size,
        "least": max(identity.mtime_ns - within, -_MOST_NS),
        "most_ns": min(identity.mtime_ns + within, _MOST_NS - 1),
    }


def _delivered_at(row: Row) -> DeliveredAt:
    identity = identity_of(row)
    return DeliveredAt(
        path=bytes(row["path"]),
        file=DeliveredFile(
            size=identity.size,
            mtime_ns=identity.mtime_ns,
            inode=identity.inode,
            hash=row["hash"],
            chunk_size=row["chunk_size"] or 0,
        ),
        drop_id=row["drop_id"],
        top=bytes(row["top"]),
        files=row["of_files"],
        upload_id=row["upload_id"],
    )
