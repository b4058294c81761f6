"""GET /api/v1/uploads/{id}/receipt, /receipts and /receipts/key."""

from __future__ import annotations

import json

import pytest

from masv_watch.delivery import receipt, receipts
from masv_watch.errors import NotFound
from masv_watch.model import TaskKind, UploadState
from masv_watch.store import signing
from tests.integration.store.making import RECEIPT, bring_upload, create

ONE = "/api/v1/uploads/{}/receipt"


@pytest.fixture
def proved(caller):
    """Give a delivered upload with its receipt."""
    upload = bring_upload(caller.store, UploadState.COMPLETE, tasks=(RECEIPT,))
    task = caller.store.claim_task([TaskKind.RECEIPT], 60.0)
    receipts.make(caller.store, task, upload, team="acme")
    return upload


def test_receipt_is_given_as_one_json_document_that_is_sound(caller, proved):
    """What a script stores is what `verify` reads."""
    answer = caller.call(ONE.format(proved.id), version="1.0")

    read = receipt.read(answer.body)
    key = caller.call("/api/v1/receipts/key").tree
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert isinstance(read, receipt.Receipt)
    assert receipt.check(read, signing.is_signed, key=key["public_key"]) == []
    assert signing.read_public(key["pem"].encode()) == key["public_key"]
    assert answer.tree["delivery"]["upload_id"] == proved.id


def test_chain_lists_every_seal_and_pages_by_number(caller, proved):
    """The seals tell nothing of a delivery but its upload's id."""
    (seal,) = caller.call("/api/v1/receipts").tree

    assert seal["number"] == 1
    assert seal["upload_id"] == proved.id
    assert set(seal) == {
        "chain", "delivery", "format", "key", "made_at", "number", "previous", "signature",
        "upload_id",
    }  # fmt: skip
    assert caller.call("/api/v1/receipts?after=1").tree == []
    assert caller.call("/api/v1/receipts?limit=0").status == 422
    assert isinstance(receipt.read_chain(json.dumps(seal).encode()), list)


def test_receipt_of_what_is_not_delivered_is_not_found_with_the_reason(caller):
    """Nobody waits for what never comes."""
    upload_id, _ = create(caller.store, b"a.mov")

    waiting = caller.call(ONE.format(upload_id))
    unknown = caller.call(ONE.format("nobody"))

    assert (waiting.status, waiting.tree["code"]) == (404, NotFound.code)
    assert waiting.tree["hint"] == "it is made once the upload is delivered"
    assert (unknown.status, unknown.tree["hint"]) == (404, "masv-watch uploads lists the uploads")


def test_receipt_that_is_forgotten_with_its_history_keeps_its_place_in_the_chain(caller, proved):
    """What was given out stays proved by the chain."""
    caller.store.engine.write(lambda tx: tx.run("forget_receipt_pieces_of", upload_id=proved.id))

    answer = caller.call(ONE.format(proved.id), version="1.0")

    assert answer.status == 404
    assert "forgotten with the history" in answer.tree["message"]
    assert [seal["number"] for seal in caller.call("/api/v1/receipts").tree] == [1]
