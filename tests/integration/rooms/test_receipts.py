"""The receipts that the outbox makes: one for each delivery, in one chain, whatever happens."""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import replace

import pytest

from masv_watch.delivery import receipt, receipts
from masv_watch.delivery.receipt import Receipt
from masv_watch.errors import FenceLost, NotFound, StoreFull
from masv_watch.model import Secret, TaskKind, TaskState, UploadEvent
from masv_watch.store import copying, papers, signing
from masv_watch.store.sqlite import SCHEMA
from masv_watch.uploads.receipts import Receipts
from tests.integration.rooms.delivered import World

#: what no packing makes short, so that a receipt rests in several pieces
LONG = tuple(random.Random(n).randbytes(2000).hex() for n in range(20))


@pytest.fixture
def world(tmp_path, sandbox):
    world = World(tmp_path, sandbox)
    yield world
    world.close()


def text_of(world, upload) -> bytes:
    """Give the document of a delivery as the API gives it."""
    desk = Receipts(world.store)
    row = desk.find(upload.id)
    delivery = papers.unpacked(desk.pieces(upload.id))
    return b"".join(papers.document(delivery, papers.sealed(row.text, row.signature)))


def chain_of(world) -> list[receipt.Flaw]:
    """Read the whole chain and give what is wrong with it."""
    rows = world.store.receipts(after=0, limit=1000)
    lines = [papers.canonical(papers.sealed(row.text, row.signature)) for row in rows]
    seals = receipt.read_chain(b"\n".join(lines))
    assert not isinstance(seals, receipt.Flaw)
    return receipt.check_chain(seals, signing.is_signed, key=world.store.receipt_key())


def assert_sound(world, upload) -> dict:
    """Make sure that the receipt of an upload proves it, and give what it says."""
    text = text_of(world, upload)
    read = receipt.read(text)
    assert isinstance(read, Receipt), read
    assert receipt.check(read, signing.is_signed, key=world.store.receipt_key()) == []
    return json.loads(text)["delivery"]


def test_delivery_leaves_a_signed_receipt_of_every_file_as_it_was_sent(world):
    """Beyond 10: path, size, hash and ETag of what the upload pass read, and no second read."""
    contents = {"CARD/a 100%.mov": b"frames" * 50, "CARD/sub/empty": b""}
    upload = world.deliver(contents, mail_to=("lab@example.com",), skipped=("CARD/l: a link",))
    for path in world.root.rglob("*"):
        if path.is_file():
            path.unlink()

    world.work()

    told = assert_sound(world, upload)
    sent = {entry["path"]: entry for entry in world.package(upload)["files"]}
    assert [one["path"] for one in told["files"]] == ["CARD/a 100%25.mov", "CARD/sub/empty"]
    assert [one["size"] for one in told["files"]] == [300, 0]
    assert all(one["hash"].startswith("xxh3-128:") for one in told["files"])
    assert all(chunk["etag"] for one in told["files"] for chunk in one["chunks"])
    assert len(sent) in {1, 2}
    assert told["package"] == {"id": upload.package_id, "name": "Day 1"}
    assert (told["upload_id"], told["hot_folder"], told["team"]) == (upload.id, "out", "acme")
    assert told["finalize_asked_at"] <= told["delivered_at"]
    assert told["skipped"] == ["CARD/l: a link"]
    task = world.task(upload, TaskKind.RECEIPT)
    assert (task.state, task.note) == (TaskState.DONE, "receipt 1")


def test_receipt_holds_no_secret_of_its_delivery(world):
    """Law 3: who shows it to a court shows no way to the files."""
    upload = world.deliver(mail_to=("lab@example.com",), password=Secret("open-sesame"))
    world.work()
    link = world.store.link(upload.id)

    text = text_of(world, upload).decode()

    assert link is not None
    for secret in (link.secret.reveal(), "open-sesame", upload.package_token.reveal()):
        assert secret not in text


def test_receipts_of_one_state_are_one_chain_in_the_order_of_their_signing(world):
    """Law 2: each names the one before it, and the first names none."""
    uploads = [world.deliver({f"{n}.mov": b"x"}, name=f"Day {n}") for n in range(3)]
    world.work()

    rows = world.store.receipts(after=0, limit=10)

    assert [row.number for row in rows] == [1, 2, 3]
    assert {row.upload_id for row in rows} == {upload.id for upload in uploads}
    assert json.loads(rows[0].text)["previous"] == receipt.NOTHING
    assert chain_of(world) == []
    assert [row.number for row in world.store.receipts(after=1, limit=1)] == [2]


@pytest.mark.parametrize("piece", [64, 256 * 1024])
def test_receipt_of_more_files_than_a_page_rests_in_pieces_and_is_whole(world, monkeypatch, piece):
    """Its text is never held at once; a page and a piece end wherever they end."""
    monkeypatch.setattr(receipts, "PAGE", 3)
    monkeypatch.setattr(receipts, "PIECE", piece)
    contents = {f"CARD/{n}.mov": random.Random(n).randbytes(40) for n in range(8)}
    upload = world.deliver(contents, skipped=LONG)

    world.work()

    told = assert_sound(world, upload)
    assert [one["path"] for one in told["files"]] == sorted(contents)
    assert told["skipped"] == sorted(LONG)
    assert (world.store.receipt_piece(upload.id, 1) is not None) == (piece == 64)


@pytest.mark.parametrize("at", range(6))
def test_receipt_whose_making_is_killed_at_any_write_is_made_once(world, monkeypatch, at):
    """The chain has neither a hole nor a fork, and no piece of an earlier try is left in it."""
    monkeypatch.setattr(receipts, "PIECE", 64)
    first = world.deliver({"a.mov": b"a"}, name="First")
    world.work()
    contents = {f"CARD/{n}": random.Random(n).randbytes(9) for n in range(5)}
    second = world.deliver(contents, name="Second", skipped=LONG)
    write, left = world.store.engine.write, [at]

    def killed(job):
        if not left[0]:
            raise StoreFull("killed here")
        left[0] -= 1
        return write(job)

    monkeypatch.setattr(world.store.engine, "write", killed)
    with contextlib.suppress(StoreFull):
        world.work()
    monkeypatch.undo()
    world.crash()
    world.clock.advance(700)

    world.work()

    made = world.store.receipts(after=0, limit=9)
    assert [(row.number, row.upload_id) for row in made] == [(1, first.id), (2, second.id)]
    assert chain_of(world) == []
    assert len(assert_sound(world, second)["files"]) == 5
    assert world.task(second, TaskKind.RECEIPT).state is TaskState.DONE
    assert world.store.drops_of(second.id)[0].state == "done"


def test_receipt_made_by_a_claim_that_was_lost_signs_nothing(world):
    """Whoever was held up while his lease ended finds what he packed refused."""
    upload = world.deliver()
    late = world.store.claim_task([TaskKind.RECEIPT], 1.0)
    world.clock.advance(2)
    newer = world.store.claim_task([TaskKind.RECEIPT], 1.0)

    with pytest.raises(FenceLost):
        world.store.add_receipt_piece(late, 0, b"old")
    with pytest.raises(FenceLost):
        receipts.make(world.store, late, upload, team=None)

    assert world.store.receipt(upload.id) is None
    world.store.add_receipt_piece(newer, 1, b"of a try that came further")
    receipts.make(world.store, newer, upload, team=None)
    assert world.store.receipt_piece(upload.id, 1) is None
    assert_sound(world, upload)


def test_receipt_that_cannot_be_made_leaves_delivery_and_letter_as_they_are(world, monkeypatch):
    """Behaviour 1: a failing task never changes the drop's state."""
    upload = world.deliver(name="Unproved", mail_to=("lab@example.com",))
    monkeypatch.setattr(
        world.store, "sent_files", lambda *_, **__: (_ for _ in ()).throw(StoreFull("no room"))
    )
    with pytest.raises(StoreFull):
        world.work()
    before = world.upload(upload.id).state, world.store.drops_of(upload.id)[0].state
    letters = len(world.mails(upload))
    monkeypatch.undo()
    world.clock.advance(700)
    world.work()

    assert before == ("complete", "done")
    assert letters == 1
    assert_sound(world, upload)
    assert len(world.mails(upload)) == 1


def test_receipt_of_a_linked_delivery_lists_the_package_that_serves_it(world):
    """What the recipient gets is that package, with the hashes of the time when it was sent."""
    first = world.deliver({"a.mov": b"abc"})
    second = world.relink(first, name="Again", mail_to=())
    world.work()

    told = assert_sound(world, second)

    assert (told["relinks"], told["package"]["id"]) == (first.id, first.package_id)
    assert told["files"] == assert_sound(world, first)["files"]


def test_receipt_stays_when_its_upload_is_deleted(world):
    """Who tidies his list does not throw away his proof."""
    upload = world.deliver()
    world.work()

    world.store.advance_upload(upload.id, UploadEvent.DELETE)
    world.store.claim_uploads(10, 60.0)
    world.store.note_deleted(world.upload(upload.id), was_finalized=False)

    assert world.upload(upload.id).state == "gone"
    assert_sound(world, upload)


def test_receipt_that_is_owed_is_made_though_its_upload_is_deleted_meanwhile(world):
    """Nobody gets rid of his proof, or of his trace, by being quick."""
    upload = world.deliver(mail_to=("lab@example.com",))
    task = world.store.claim_task([TaskKind.RECEIPT], 60.0)
    world.store.delete_upload(upload.id, takes_package=False)
    with pytest.raises(FenceLost):
        receipts.make(world.store, task, upload, team=None)

    world.work()

    assert world.upload(upload.id).state == "deleting"
    assert world.task(upload, TaskKind.LETTER).state is TaskState.WITHDRAWN
    assert_sound(world, upload)


def test_upload_without_a_receipt_says_why(world):
    """One that is not delivered, one that is being signed, and one that nobody knows."""
    upload = world.deliver()
    desk = Receipts(world.store)

    with pytest.raises(NotFound) as made:
        desk.find(upload.id)
    with pytest.raises(NotFound) as unknown:
        desk.find("nobody's")

    assert "being made" in made.value.hint
    assert "uploads lists" in unknown.value.hint


def test_key_of_a_state_is_that_of_its_seal_also_after_an_early_copy_is_put_back(world):
    """A copy of the database alone signs nothing, and one older than every receipt brings it."""
    state, copy = world.settings.state, str(world.top / "early.db")
    copying.back_up(state, copy)
    key = world.store.receipt_key()
    upload = world.deliver()
    world.work()
    rows = world.store.engine.read(lambda tx: tx.all("receipts", after=0, limit=1))
    world.store.close()
    copying.restore(copy, state, stamp="then", schema=SCHEMA)
    world.open()

    (row,) = rows
    assert world.store.upload(upload.id) is None
    assert world.store.receipt_key() == key
    assert json.loads(row["content"])["key"] == key


def test_receipts_after_a_restore_stand_in_a_chain_of_another_name(world):
    """What was signed after the copy was made is a branch, and says so."""
    world.deliver({"a.mov": b"a"}, name="First")
    world.work()
    before = json.loads(world.store.receipts(after=0, limit=1)[0].text)
    state, copy = world.settings.state, str(world.top / "copy.db")
    copying.back_up(state, copy)
    world.store.close()
    copying.restore(copy, state, stamp="then", schema=SCHEMA)
    world.open()
    world.deliver({"b.mov": b"b"}, name="Second")
    world.work()

    after = json.loads(world.store.receipts(after=1, limit=1)[0].text)

    assert after["chain"] != before["chain"]
    assert after["number"] == 2
    assert chain_of(world) == []


def test_receipt_that_is_made_after_a_resend_names_the_drop_as_it_was_delivered(world):
    """The drop belongs to another delivery by then, with another generation."""
    upload = world.deliver()
    (drop,) = world.store.drops_of(upload.id)
    world.store.resend_drop(drop.id)
    second = world.deliver()

    world.work()

    told = [{"generation": drop.generation, "path": "a.mov"}]
    assert [one.id for one in world.store.drops_of(second.id)] == [drop.id]
    assert assert_sound(world, upload)["drops"] == told
    assert [one["path"] for one in assert_sound(world, second)["drops"]] == ["a.mov"]


def test_team_of_the_rule_goes_before_the_one_of_the_configuration(world):
    """The receipt names who sent, as the cloud was told."""
    upload = world.deliver()
    terms = replace(upload.terms, team="other")

    told = receipt.facts_of(
        replace(upload, terms=terms), [], skipped=(), team="acme", asked_at=None, version="1"
    )

    assert told["team"] == "other"
