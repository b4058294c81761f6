"""The verbs about quotas that do not suffice: since when, until when, and what waits.

Owns one row for each who pays. Never judges a refusal: `transfer.dues` does. Part of the store; the
contract stands in `store.shortages_contract`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TypedDict, Unpack

from masv_watch.errors import CloudUnpaid
from masv_watch.retry import UNWAITED_S, Shortage, shortage
from masv_watch.store.sql import Engine, Row, Transaction, must, rows_as, terms_of

_CODE = CloudUnpaid.code


class Wait(TypedDict):
    """How an upload waits once nobody has it in hand."""

    retry_at: float
    error: str
    code: int | None


class ShortageVerbs:
    """`shortages_contract.Shortages` in SQL."""

    engine: Engine

    def shortage(self, payer: str) -> Shortage | None:
        """Give the shortage of whom an upload's bytes count against, or None."""
        row = self.engine.read(lambda tx: tx.one("shortage", payer=payer))
        return None if row is None else _shortage_of(row)

    def shortages(self) -> list[Shortage]:
        """List all of them."""
        return rows_as(self.engine.read(lambda tx: tx.all("shortages")), _shortage_of)

    def note_shortage(self, payer: str, *, step: str, why: str) -> Shortage:
        """Store that the cloud refused a step."""

        def note(tx: Transaction) -> Shortage:
            row = tx.one("shortage", payer=payer)
            before = None if row is None else _shortage_of(row)
            found = shortage(before, payer, step=step, why=why, now=tx.now)
            tx.run("note_shortage", **asdict(found))
            return found

        return self.engine.write(note)

    def end_shortage(self, payer: str) -> None:
        """Forget a shortage."""

        def end(tx: Transaction) -> None:
            tx.run("end_shortage", payer=payer)
            _hurry_all(tx, payer)

        self.engine.write(end)

    def ask_again(self, payer: str) -> None:
        """Let the cloud be asked at once for all who wait."""

        def ask(tx: Transaction) -> None:
            tx.run("set_ask_at", payer=payer, ask_at=tx.now)
            _hurry_all(tx, payer)

        self.engine.write(ask)

    def retry_upload(self, upload_id: str) -> None:
        """Let an upload be tried in its turn."""

        def hasten(tx: Transaction) -> None:
            row = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
            tx.run("hasten_upload", id=upload_id)
            tx.run("clear_file_retries", upload_id=upload_id)
            if tx.run("hurry_refused", id=upload_id, code=_CODE):
                tx.run("hasten_shortage", payer=terms_of(row).payer, now=tx.now)
            tx.rings = True

        self.engine.write(hasten)

    def unpaid(self) -> Mapping[str, Shortage]:
        """Give the ids of uploads that wait, and until when."""
        return self.engine.read(lambda tx: dict(_waiting(tx)))

    def forget_shortages(self) -> Sequence[str]:
        """Forget those for which nobody waits."""

        def forget(tx: Transaction) -> list[str]:
            waited = {each.payer for _, each in _waiting(tx)}
            over = [
                each.payer
                for each in rows_as(tx.all("shortages"), _shortage_of)
                if each.payer not in waited and tx.now - each.ask_at > UNWAITED_S
            ]
            for payer in over:
                tx.run("end_shortage", payer=payer)
            return over

        return self.engine.write(forget)


def unpaid_wait(tx: Transaction, upload_id: str, **wait: Unpack[Wait]) -> Wait:
    """Give how an upload waits that was refused: until its payer may be asked, or not at all.

    Raises:
        NotFound: no such upload.
    """
    upload = must(tx.one("upload", id=upload_id), f"upload {upload_id}")
    found = tx.one("shortage", payer=terms_of(upload).payer)
    if found is None:
        return {"retry_at": 0.0, "error": "", "code": None}
    return {**wait, "retry_at": min(wait["retry_at"], found["ask_at"])}


def _hurry_all(tx: Transaction, payer: str) -> None:
    for row in tx.all("refused_for", code=_CODE):
        if terms_of(row).payer == payer:
            tx.run("hurry_refused", id=row["id"], code=_CODE)
    tx.rings = True


def _waiting(tx: Transaction) -> Iterator[tuple[str, Shortage]]:
    known = {each.payer: each for each in rows_as(tx.all("shortages"), _shortage_of)}
    if not known:
        return
    for row in tx.all("waits_for_payment", now=tx.now, code=_CODE):
        found = known.get(terms_of(row).payer)
        if found is None:
            continue
        own_at = row["retry_at"] if row["is_refused"] else 0.0
        at = max(own_at, found.ask_at) if row["needs_one"] else own_at
        # what was not refused waits for nothing but its turn once the cloud may be asked
        if row["is_refused"] or at > tx.now:
            yield str(row["id"]), replace(found, ask_at=at)


def _shortage_of(row: Row) -> Shortage:
    keys = ("payer", "since", "ask_at", "refusals", "step", "why")
    return Shortage(**{key: row[key] for key in keys})
