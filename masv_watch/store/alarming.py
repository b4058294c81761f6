"""The verbs by which people are told of what needs them.

Owns the rows of alarms and of the letters about them. Never decides when a letter is due and never
sends one. Part of the store; the contract stands in `store.alarming_contract`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from masv_watch.lifecycle import LACKING_S
from masv_watch.model import Alarm, HeldKind, Need, Notice, Task
from masv_watch.store.sql import Engine, Row, Transaction, drop_of, must, task_of

#: seconds that a letter which ended is kept
_KEPT_S = 30 * 24 * 3600.0


class AlarmingVerbs:
    """`alarming_contract.Alarming` in SQL."""

    engine: Engine

    def held_kinds(self) -> list[HeldKind]:
        """Give what is held, by hot folder and reason."""

        def read(tx: Transaction) -> list[HeldKind]:
            rows = tx.all("held_kinds", lacking_before=tx.now - LACKING_S)
            return [_kind_of(tx, row) for row in rows]

        return self.engine.read(read)

    def disposal(self, drop_id: int) -> Task | None:
        """Give the task of a drop's source, or None."""
        row = self.engine.read(lambda tx: tx.one("disposal", key=str(drop_id)))
        return None if row is None else task_of(row)

    def tasks_in_trouble(self, most: int) -> list[tuple[Task, str]]:
        """List tasks that were refused or failed three times."""
        rows = self.engine.read(lambda tx: tx.all("tasks_in_trouble", most=most))
        return [(task_of(row), str(row["upload_name"])) for row in rows]

    def note_needs(self, needs: Iterable[Need]) -> list[Alarm]:
        """Take in all that needs a person now."""
        now = {need.key: need for need in needs}
        before = {alarm.need.key: alarm for alarm in self._alarms()}
        changed = [
            need
            for key, need in now.items()
            if key not in before or before[key].need != need or before[key].ended_at is not None
        ]
        gone = [alarm for key, alarm in before.items() if key not in now and alarm.ended_at is None]
        if not changed and not gone:
            return list(before.values())

        def note(tx: Transaction) -> None:
            for need in changed:
                tx.run(
                    "note_alarm",
                    key=need.key,
                    text=need.text,
                    cure=need.cure,
                    final=int(need.is_final),
                    more_since=need.more_since,
                    now=tx.now,
                )
            for alarm in gone:
                is_kept = alarm.is_told and not alarm.need.is_final
                tx.run(
                    "end_alarm" if is_kept else "forget_alarm",
                    key=alarm.need.key,
                    **({"now": tx.now} if is_kept else {}),
                )

        self.engine.write(note)
        return self._alarms()

    def _alarms(self) -> list[Alarm]:
        return [_alarm_of(row) for row in self.engine.read(lambda tx: tx.all("alarms"))]

    def unmet(self, hot_folder: str) -> float | None:
        """Give the moment by which nothing had come, as it was told."""
        row = self.engine.read(lambda tx: tx.one("meta", key=f"unmet:{hot_folder}"))
        return None if row is None else float(row["value"])

    def note_unmet(self, hot_folder: str, until: float) -> None:
        """Note that it was told that nothing had come by this moment."""
        told = {"key": f"unmet:{hot_folder}", "value": repr(until)}
        self.engine.write(lambda tx: tx.run("set_meta", **told))

    def told_at(self) -> float | None:
        """Give when the last letter was written."""
        row = self.engine.read(lambda tx: tx.one("last_notice_at"))
        return None if row is None or row["at"] is None else float(row["at"])

    def tell(
        self,
        addresses: Sequence[str],
        *,
        subject: str,
        text: str,
        told: Iterable[str],
        over: Iterable[str],
        seen_at: float,
    ) -> None:
        """Write one letter to each address, and that these keys are told or over."""

        def tell(tx: Transaction) -> None:
            tx.run("drop_notices")
            tx.run("forget_notices", before=tx.now - _KEPT_S)
            for address in addresses:
                tx.run("add_notice", address=address, subject=subject, text=text, now=tx.now)
            for key in told:
                tx.run("tell_alarm", key=key, now=tx.now)
                tx.run("tell_held", key=key, seen_at=seen_at, lacking_before=seen_at - LACKING_S)
            for key in over:
                tx.run("forget_alarm", key=key)

        self.engine.write(tell)

    def readdress(self, addresses: Sequence[str]) -> None:
        """Let a letter that has not left go to these addresses."""

        def changes(tx: Transaction) -> tuple[list[Row], list[str], list[Row]]:
            """Give the letters, whom they lack, and those that are for nobody named."""
            rows = list(tx.all("last_notices"))
            pending = [row for row in rows if not row["ended"] or row["refused"]]
            known = {row["address"] for row in rows}
            lacked = [address for address in addresses if pending and address not in known]
            return rows, lacked, [row for row in pending if row["address"] not in addresses]

        def readdress(tx: Transaction) -> None:
            rows, lacked, lost = changes(tx)
            for row in lost:
                tx.run("drop_notice", id=row["id"])
            for address in lacked:
                words = {"subject": rows[0]["subject"], "text": rows[0]["text"]}
                tx.run("add_notice", address=address, now=rows[0]["created_at"], **words)

        _, lacked, lost = self.engine.read(changes)
        if lacked or lost:
            self.engine.write(readdress)

    def due_notice(self) -> Notice | None:
        """Give the letter that is due first."""
        row = self.engine.read(lambda tx: tx.one("due_notice", now=tx.now))
        if row is None:
            return None
        return Notice(
            id=row["id"],
            address=row["address"],
            subject=row["subject"],
            text=row["text"],
            created_at=row["created_at"],
            attempts=row["attempts"],
        )

    def end_notice(self, notice: Notice, note: str, *, is_refused: bool = False) -> None:
        """Note that a letter was taken, or refused for good."""
        end = {"id": notice.id, "refused": int(is_refused), "note": note}
        self.engine.write(lambda tx: tx.run("end_notice", **end))

    def retry_notice(self, notice: Notice, *, retry_at: float, note: str) -> None:
        """Let a letter wait."""
        self.engine.write(
            lambda tx: tx.run("retry_notice", id=notice.id, retry_at=retry_at, note=note)
        )

    def unsent_notice(self) -> str:
        """Say why a letter has not left."""
        row = self.engine.read(lambda tx: tx.one("unsent_notice"))
        return "" if row is None else str(row["note"])


def _kind_of(tx: Transaction, row: Row) -> HeldKind:
    is_some_told = row["untold"] < row["number"]
    named = row["latest"] if row["untold"] and is_some_told else row["first"]
    return HeldKind(
        key=row["key"],
        drop=drop_of(must(tx.one("drop", id=named), "drop")),
        number=row["number"],
        untold_since=row["untold_since"],
    )


def _alarm_of(row: Row) -> Alarm:
    return Alarm(
        need=Need(
            key=row["key"],
            text=row["text"],
            cure=row["cure"],
            is_final=bool(row["final"]),
            more_since=row["more_since"],
        ),
        since=row["since"],
        is_told=bool(row["told"]),
        is_unsent=bool(row["unsent"]),
        ended_at=row["ended_at"],
    )
