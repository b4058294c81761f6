"""The calls on receipts: one, the chain of all, and the key that signs them.

Owns their routes and shapes. Never decides: the front desk does, and `store.papers` has the form.
Mounted by `api.routes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from masv_watch.api import commands as asked
from masv_watch.api import outlines
from masv_watch.api.calls import BASE, Desk, Route, query_of_call
from masv_watch.store import papers


def receipting(desk: Desk) -> list[Route]:
    """Give the table of its calls."""
    receipts = desk.uploads.receipts

    def one(upload_id: str) -> Iterable[bytes]:
        row = receipts.find(upload_id)
        delivery = papers.unpacked(receipts.pieces(upload_id))
        return papers.document(delivery, papers.sealed(row.text, row.signature))

    def chain() -> list[dict[str, Any]]:
        wanted = query_of_call(asked.ReceiptsAsked)
        found = receipts.chain(after=wanted.after, limit=wanted.limit)
        return [papers.sealed(row.text, row.signature) for row in found]

    def key() -> outlines.ReceiptKeyBody:
        return {"algorithm": "ed25519", "public_key": receipts.key(), "pem": receipts.pem()}

    return [
        Route(method="GET", path=f"{BASE}/uploads/<upload_id>/receipt", answer=one,
              gives=outlines.ReceiptBody, form="application/json; charset=utf-8", refuses=(404,),
              summary="Give the signed receipt of a delivered upload."),
        Route(method="GET", path=f"{BASE}/receipts", answer=chain, asks=asked.ReceiptsAsked,
              gives=list[outlines.SealBody], refuses=(422,),
              summary="List the seals of all receipts, each of which names the one before it."),
        Route(method="GET", path=f"{BASE}/receipts/key", answer=key, gives=outlines.ReceiptKeyBody,
              summary="Give the public key by which this daemon's receipts are signed."),
    ]  # fmt: skip
