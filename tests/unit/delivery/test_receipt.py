"""The text of a receipt, its seal and its chain: whatever is touched is found."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.delivery import receipt
from masv_watch.delivery.receipt import Flaw, Receipt
from masv_watch.model import Chunk, Secret, SentFile, Terms, Upload, UploadType
from masv_watch.model import UploadState as State
from masv_watch.names import sent_path
from masv_watch.store import papers, signing
from tests.searching import examples

SIGNER = signing.Signer(Secret("5a" * 32))
CHAIN = "5b0c3b8e-2f55-4c3a-9f0f-0d0c2d1c7c11"

names = st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"/", b"_")).map(sent_path)
hashes = st.integers(0, 2**128 - 1).map(lambda value: f"{value:032x}")


@st.composite
def sent_files(draw):
    """Give files of a package, hashed or not, with names of every kind."""
    files = []
    for path in draw(st.lists(names, max_size=4, unique=True)):
        hashed = draw(st.booleans())
        one = Chunk(number=1, size=5, etag=draw(st.text(max_size=5)), hash=draw(hashes))
        files.append(
            SentFile(
                source=b"", path=path, size=5, hash=f"xxh3-128:{one.hash}" if hashed else "",
                chunk_size=5, cloud_id="f1", chunks=(one,) if hashed else (),
            )
        )  # fmt: skip
    return files


def upload(name="Day 1") -> Upload:
    """Give a delivered upload."""
    return Upload(
        id="11111111-2222-3333-4444-555555555555", hot_folder="out", root=b"/srv/out", name=name,
        message="", terms=Terms(
            type=UploadType.TEAM, recipients=("a@example.com",), mail_to=("b@example.com",)
        ),
        state=State.COMPLETE, package_id="P1", package_token=None, package_asked_at=1.0,
        finalize_asked=True, finalize_at=None, retry_at=0.0, attempts=0, error_code=None, error="",
        fence=1, lease_until=0.0, created_at=1_700_000_000.0, joined_at=1_700_000_000.0,
        finalized_at=1_700_000_009.25, size=5, sent=5, file_count=1,
    )  # fmt: skip


def facts(name="Day 1") -> dict[str, object]:
    """Give what a receipt says beside its files."""
    skipped, drops = ["a: a link"], [(2, b"CARD 1%")]
    return receipt.facts_of(
        upload(name), drops, skipped=skipped, team="acme", asked_at=None, version="1.0"
    )


def seal(delivery: bytes, *, number=1, previous=receipt.NOTHING, chain=CHAIN) -> dict[str, object]:
    """Give the signed seal of a delivery."""
    text = receipt.seal_text(
        chain=chain, number=number, previous=previous, delivery=papers.digest(delivery),
        upload_id=upload().id, key=SIGNER.public, at=1_700_000_010.0,
    )  # fmt: skip
    return papers.sealed(text, SIGNER.sign(text))


def made(files, name="Day 1") -> bytes:
    """Give a whole document."""
    delivery = b"".join(receipt.delivery_text(facts(name), files))
    return b"".join(papers.document([delivery], seal(delivery)))


def sound(text: bytes, key: str = SIGNER.public) -> list[Flaw]:
    """Read a document and give what is wrong with it."""
    read = receipt.read(text)
    return [read] if isinstance(read, Flaw) else receipt.check(read, signing.is_signed, key=key)


@settings(max_examples=examples(60))
@given(sent_files(), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_delivery_written_in_pieces_is_the_one_text_of_its_tree(files, name):
    """Law 1: what is signed can be made again from the document by any reader of JSON."""
    text = b"".join(receipt.delivery_text(facts(name), files))

    assert papers.canonical(json.loads(text)) == text
    assert [entry["path"] for entry in json.loads(text)["files"]] == [file.path for file in files]
    assert sound(made(files, name)) == []


@settings(max_examples=examples(60))
@given(sent_files(), st.data())
def test_receipt_with_any_byte_changed_is_refused(files, data):
    """Beyond 10: flip any byte, and it is found; only blanks between words may differ."""
    whole = made(files)
    at = data.draw(st.integers(0, len(whole) - 2))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))

    flaws = sound(bytes(changed))

    assert flaws or json.loads(changed) == json.loads(whole)
    assert all(flaw.what and flaw.cure for flaw in flaws)


@settings(max_examples=examples(40))
@given(sent_files(), st.data())
def test_receipt_that_is_cut_short_is_refused(files, data):
    """A file that was only half written says so, and never crashes its reader."""
    whole = made(files)

    assert sound(whole[: data.draw(st.integers(0, len(whole) - 2))])


@settings(max_examples=examples(40))
@given(st.binary(max_size=200))
def test_text_that_is_no_receipt_is_refused_with_a_reason(text):
    """Bad input gets one clear error, whatever it is."""
    flaw = receipt.read(text)

    assert isinstance(flaw, Flaw)
    assert flaw.test == "document"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'"number":1', b'"number":1.0', "not whole"),
        (b'"number":1', b'"number":true', "no whole number"),
        (b'"number":1', b'"number":1,"number":1', "twice"),
        (b'"number":1', b'"number":-1', "no whole number"),
        (b'{"delivery":', b'{"also":1,"delivery":', "more than"),
        (b"masv-watch receipt 1", b"masv-watch receipt 2", "its format"),
        (b'"size":5', b'"size":NaN', "not whole"),
        (b'"hash":null', b'"hash":7', "no text"),
        (b'"hash":null', b'"hash":"md5:00"', "not known here"),
        (b'"hash":null', b'"hash":"xxh3-128/0:00"', "not known here"),
        (b'"hash":null', b'"hash":"xxh3-128/%s:00"' % (b"9" * 5000), "not known here"),
        (
            b'"hash":null,"id":null,"path":"a","size":5',
            b'"hash":"xxh3-128/1:00","id":null,"path":"a","size":10001',
            "not known here",
        ),
        (b'"name":"Day 1"', b'"name":"\\ud800"', "no JSON"),
        (b'"signature":"', b'"signature":"A', "hexadecimal"),
    ],
)
def test_receipt_of_another_form_says_what_is_odd(before, after, why):
    """Two readers could take such a text for two things."""
    plain = SentFile(source=b"", path="a", size=5, hash="", chunk_size=5, cloud_id=None, chunks=())
    text = made([plain])
    assert before in text

    flaw = receipt.read(text.replace(before, after, 1))

    assert isinstance(flaw, Flaw)
    assert why in flaw.what


def test_receipt_laid_out_by_another_program_is_as_sound_as_before():
    """Law 1: `jq .` changes no word of it."""
    tree = json.loads(made([]))

    assert sound(json.dumps(tree, indent=2).encode()) == []


def test_receipt_signed_by_another_state_is_told_by_its_key():
    """A whole receipt of somebody else proves nothing of this sender."""
    other = signing.Signer(Secret("a5" * 32)).public

    assert [flaw.test for flaw in sound(made([]), key=other)] == ["key"]
    assert sound(made([]), key="") == []


def test_receipt_says_what_went_to_whom_and_when():
    """A dispute needs no other paper."""
    told = json.loads(made([]))["delivery"]

    assert told["package"] == {"id": "P1", "name": "Day 1"}
    assert (told["recipients"], told["mail_to"]) == (["a@example.com"], ["b@example.com"])
    assert told["team"] == "acme"
    assert told["created_at"] == "2023-11-14T22:13:20.000Z"
    assert told["delivered_at"] == "2023-11-14T22:13:29.250Z"
    assert told["drops"] == [{"generation": 2, "path": "CARD 1%25"}]
    assert told["skipped"] == ["a: a link"]
    assert len(told["terms_sha256"]) == 64


def chain(length: int) -> list[dict[str, object]]:
    """Give the seals of some deliveries one after the other."""
    seals, previous = [], receipt.NOTHING
    for number in range(1, length + 1):
        seals.append(seal(b"%d" % number, number=number, previous=previous))
        text = {key: value for key, value in seals[-1].items() if key != "signature"}
        previous = papers.digest(papers.canonical(text))
    return seals


def judged(seals, own=None) -> list[Flaw]:
    """Read a chain and give what is wrong with it."""
    read = receipt.read_chain(b"\n".join(papers.canonical(each) for each in seals))
    assert not isinstance(read, Flaw)
    return receipt.check_chain(read, signing.is_signed, receipt=own, key=SIGNER.public)


@settings(max_examples=examples(60))
@given(st.integers(2, 5), st.data())
def test_chain_with_any_byte_changed_is_refused(length, data):
    """Beyond 10: no link of it can be touched unseen."""
    whole = b"\n".join(papers.canonical(each) for each in chain(length))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    read = receipt.read_chain(bytes(changed))

    flaws = [read] if isinstance(read, Flaw) else receipt.check_chain(read, signing.is_signed)

    same = not isinstance(read, Flaw) and read == receipt.read_chain(whole)
    assert flaws or same


@settings(max_examples=examples(30))
@given(st.integers(3, 6), st.data())
def test_chain_with_a_link_left_out_or_two_exchanged_is_refused(length, data):
    """Law 2: none of the middle can be hidden, and the order is proved."""
    seals = chain(length)
    at = data.draw(st.integers(1, length - 2))
    assert judged(seals) == []

    without = judged(seals[:at] + seals[at + 1 :])
    exchanged = judged([*seals[:at], seals[at + 1], seals[at], *seals[at + 2 :]])

    assert {flaw.test for flaw in without} == {"chain"}
    assert {flaw.test for flaw in exchanged} == {"chain"}


@pytest.mark.parametrize(
    ("number", "names_it", "why"),
    [(3, True, "3 follows receipt 1"), (2, False, "does not name receipt 1 before it")],
)
def test_chain_that_its_own_state_signed_wrongly_is_refused(number, names_it, why):
    """Law 2: not even who has the key can leave one out unseen."""
    (first,) = chain(1)
    text = papers.canonical({key: value for key, value in first.items() if key != "signature"})
    previous = papers.digest(text) if names_it else receipt.NOTHING

    (flaw,) = judged([first, seal(b"2", number=number, previous=previous)])

    assert flaw.test == "chain"
    assert why in flaw.what


def test_chain_made_anew_with_the_same_key_does_not_hold_the_receipt_of_before():
    """Whoever rewrites history has to ask back every receipt that he gave out."""
    own = receipt.read(made([]))
    assert isinstance(own, Receipt)
    first = chain(1)

    assert [flaw.test for flaw in judged(first, own=own.seal)] == ["chain"]


def test_public_key_is_read_as_it_was_written():
    """Openssl's form and the bare digits are the same key; another kind is refused."""
    pem = signing.public_pem(SIGNER.public).encode()

    assert signing.read_public(pem) == SIGNER.public
    assert signing.read_public(SIGNER.public.encode() + b"\n") == SIGNER.public
    for wrong in (b"", b"00", pem.replace(b"MCow", b"MCwo"), pem[:40], b"\xff" * 64):
        with pytest.raises(ValueError):  # noqa: PT011 - any of them is the answer
            signing.read_public(wrong)
