"""The verbs about what was there when a hot folder was met first, and what could not be read then.

Owns how `initial` holds it, and the rows of these paths until it reaches what stands there. Never
looks at a root. Part of the store; the contract stands in `store.meeting_contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from masv_watch.model import DropEvent, DropState, HoldReason, Initial, Unread
from masv_watch.store.ledger import SOME, add_drop
from masv_watch.store.meeting_contract import Met
from masv_watch.store.sql import Engine, Row, Transaction, move_drop, must
from masv_watch.store.watching_contract import RECORDED

_ASKED = HoldReason.INITIAL_ASK
#: before the name of a hot folder: what was there first is being held
_HOLDING = "holding:"
_LIVING = {DropState.SETTLING, DropState.HELD, DropState.QUEUED, DropState.TAKEN}


class MeetingVerbs:
    """`meeting_contract.Meeting` in SQL."""

    engine: Engine

    def hold_new(
        self,
        hot_folder: str,
        found: Sequence[Met],
        reason: HoldReason,
        *,
        anew: bool = False,
    ) -> None:
        """Make drops that are held at once."""

        def hold(tx: Transaction, some: Sequence[Met]) -> None:
            for path, signature, size, file_count in some:
                latest = tx.one("latest_drop", hot_folder=hot_folder, path=path)
                if latest is None or (anew and DropState(latest["state"]) not in _LIVING):
                    add_drop(
                        tx,
                        (hot_folder, path),
                        latest,
                        DropState.HELD,
                        hold=reason,
                        signature=signature,
                        size=size,
                        file_count=file_count,
                    )

        def begin(tx: Transaction) -> None:
            tx.run("set_meta", key=_HOLDING + hot_folder, value="1")

        def end(tx: Transaction) -> None:
            tx.run("forget_meta", key=_HOLDING + hot_folder)

        self._by_the_thousand(found, hold, begin, end)

    def is_holding(self, hot_folder: str) -> bool:
        """Say whether a crash came while what was there first was held."""
        return self.engine.read(lambda tx: tx.one("meta", key=_HOLDING + hot_folder)) is not None

    def _by_the_thousand(
        self,
        found: Sequence[Met],
        act: Callable[[Transaction, Sequence[Met]], None],
        begin: Callable[[Transaction], None],
        end: Callable[[Transaction], None],
    ) -> None:
        """Act on all, some at a time; begin with the first, where they are not all, and end last.

        A million drops at once would have whoever sends wait for minutes.
        """

        def some(tx: Transaction, start: int) -> None:
            is_last = start + SOME >= len(found)
            if start == 0 and not is_last:
                begin(tx)
            act(tx, found[start : start + SOME])
            if is_last:
                end(tx)

        for start in range(0, len(found) or 1, SOME):
            self.engine.write(partial(some, start=start))

    def unread(self, hot_folder: str) -> list[Unread]:
        """List what could not be read at the first start."""
        rows = self.engine.read(lambda tx: tx.all("unread", hot_folder=hot_folder))
        return [
            Unread(
                path=bytes(row["path"]),
                initial=Initial(row["initial"]),
                is_anew=bool(row["anew"]),
                is_mounted=None if row["mounted"] is None else bool(row["mounted"]),
            )
            for row in rows
        ]

    def note_unread(self, hot_folder: str, unread: Sequence[Unread]) -> None:
        """Note what cannot be read at a first start."""

        def note(tx: Transaction) -> None:
            for each in unread:
                _add(tx, hot_folder, each)

        if unread:
            self.engine.write(note)

    def meet(
        self,
        hot_folder: str,
        unread: Unread,
        found: Sequence[Met],
        *,
        rest: Sequence[Unread] = (),
        is_recorded: bool = False,
    ) -> None:
        """Hold what was found there, and forget that it could not be read."""

        def hold(tx: Transaction, some: Sequence[Met]) -> None:
            for each in some:
                _hold(tx, hot_folder, each, unread.is_anew, is_recorded=is_recorded)

        def begin(tx: Transaction) -> None:
            if unread.initial is Initial.AUTO:
                # so few may be left after a crash that they would be sent
                _add(tx, hot_folder, replace(unread, initial=Initial.ASK))

        def end(tx: Transaction) -> None:
            tx.run("forget_unread", hot_folder=hot_folder, path=unread.path)
            for left in rest:
                _add(tx, hot_folder, left)

        self._by_the_thousand(found, hold, begin, end)


def _add(tx: Transaction, hot_folder: str, unread: Unread) -> None:
    tx.run("add_unread", hot_folder=hot_folder, path=unread.path, initial=unread.initial,
           anew=int(unread.is_anew),
           mounted=None if unread.is_mounted is None else int(unread.is_mounted))  # fmt: skip


def _hold(
    tx: Transaction, hot_folder: str, found: Met, is_anew: bool, *, is_recorded: bool
) -> None:
    path, signature, size, file_count = found
    latest = tx.one("latest_drop", hot_folder=hot_folder, path=path)
    if latest is None or (is_anew and DropState(latest["state"]) not in _LIVING):
        row = add_drop(tx, (hot_folder, path), latest, DropState.HELD, hold=_ASKED,
                       signature=signature, size=size, file_count=file_count)  # fmt: skip
    elif _only_waited(latest):
        if latest["state"] == DropState.HELD:
            move_drop(tx, latest, DropEvent.RELEASE)
            latest = must(tx.one("drop", id=latest["id"]), "drop")
        move_drop(tx, latest, DropEvent.BLOCK, hold=_ASKED)
        shape = {"signature": signature, "size": size, "file_count": file_count}
        tx.run("know_drop", id=latest["id"], **shape)
        row = must(tx.one("drop", id=latest["id"]), "drop")
    else:
        return
    if is_recorded:
        move_drop(tx, row, DropEvent.RELEASE)
        released = must(tx.one("drop", id=row["id"]), "drop")
        move_drop(tx, released, DropEvent.IGNORE, note=RECORDED)


def _only_waited(drop: Row) -> bool:
    """Say whether all that is known of a drop is that it could not be read."""
    is_open = drop["state"] in (DropState.SETTLING, DropState.HELD)
    return is_open and drop["upload_id"] is None and drop["hold"] in (None, HoldReason.UNREADABLE)
