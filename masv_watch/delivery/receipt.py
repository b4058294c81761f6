"""The receipt of one delivery: its text, its place in the chain, and whether both are sound.

Owns the form of the document, byte for byte, and what is wrong with one that was touched. Never
signs, stores or reads a file: those who do hand in what they have. Called by the outbox, which
makes receipts, by the front desk, which gives them out, and by `verify`.

Law 1. What is signed is one text (`store.papers`): however a document is laid out, it says the same
       as long as that text does.
Law 2. The seal names the hash of the delivery and the hash of the seal before it: neither can be
       changed, and none can be left out of the middle, without the next one showing it.
Law 3. No secret is in it: neither link nor token, neither password nor access code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from masv_watch.model import MOST_CHUNKS, SentFile, Upload, UploadType
from masv_watch.names import sent_path
from masv_watch.store.papers import canonical, digest

FORMAT = "masv-watch receipt 1"
#: what `previous` of the first receipt of a state says
NOTHING = "0" * 64
#: largest whole number that every reader of JSON keeps
_LARGEST = 2**53 - 1
_HEX = frozenset("0123456789abcdef")
#: as `files.hashes` writes it; the number is the bytes of a chunk
_HASH = re.compile(r"xxh3-128(?:/([1-9][0-9]{0,15}))?:\w+", re.ASCII)

#: says whether a signature in hex over a content was made with a public key in hex
IsSigned = Callable[[str, bytes, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is wrong, and what helps."""

    #: which test failed, stable: `document`, `delivery`, `signature`, `key`, `chain`, `missing`...
    test: str
    #: one clause for people, names escaped
    what: str
    #: one line
    cure: str
    #: of the file that it is about, as the receipt or the folder names it, escaped; "" for none
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file as the receipt has it."""

    #: in the package, as it was sent
    path: str
    size: int
    #: of the whole content (`files.hashes`); "" where none was made
    hash: str
    #: size and hash of each chunk, in order; empty where they are not known
    chunks: tuple[tuple[int, str], ...]

    @property
    def chunk_size(self) -> int:
        """Give the bytes of each of its chunks but the last, of which its hash is made."""
        found = _HASH.fullmatch(self.hash)
        return int(found[1]) if found and found[1] else max(self.size, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A receipt's place in the chain, as it was signed."""

    #: the text that was signed
    text: bytes
    signature: str
    #: which state, and which life of it: one that was restored begins another chain
    chain: str
    number: int
    #: SHA-256 of the text of the seal before
    previous: str
    #: SHA-256 of the delivery's text
    delivery: str
    upload_id: str
    key: str

    @property
    def hash(self) -> str:
        """Give what the next seal names as the one before it."""
        return digest(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A document that can be read; whether it is sound is another question."""

    seal: Seal
    #: SHA-256 of the delivery as it stands in the document
    delivery: str
    upload_id: str
    name: str
    entries: tuple[Entry, ...]


class _Unreadable(ValueError):
    """The text is no receipt; says why."""


def facts_of(
    upload: Upload,
    drops: Iterable[tuple[int, bytes]],
    *,
    skipped: Sequence[str],
    team: str | None,
    asked_at: float | None,
    version: str,
) -> dict[str, object]:
    """Give what a receipt says of a delivery beside its files.

    `drops` are their generations and paths.
    `asked_at` is when its finalize was asked for, store clock; None where nobody knows any more.
    """
    terms = upload.terms
    return {
        "created_at": moment(upload.created_at),
        "delivered_at": moment(upload.finalized_at),
        "drops": [
            {"generation": generation, "path": sent_path(path)} for generation, path in drops
        ],
        "files_total": upload.file_count,
        "finalize_asked_at": moment(asked_at),
        "hot_folder": upload.hot_folder and whole(upload.hot_folder),
        "mail_to": [whole(address) for address in terms.mail_to],
        "package": {
            "id": upload.package_id and whole(upload.package_id),
            "name": whole(upload.name),
        },
        "portal": terms.portal,
        "recipients": [whole(address) for address in terms.recipients],
        "relinks": upload.relinks,
        "sender": terms.sender and whole(terms.sender),
        "size": upload.size,
        "skipped": [whole(clause) for clause in skipped],
        "software": f"masv-watch {version}",
        "team": (terms.team or team) if terms.type is UploadType.TEAM else None,
        # ASCII alone, and with numbers that are not whole: nobody is to make it again
        "terms_sha256": digest(json.dumps(asdict(terms), sort_keys=True).encode()),
        "type": str(terms.type),
        "upload_id": upload.id,
    }


def delivery_text(facts: Mapping[str, object], files: Iterable[SentFile]) -> Iterator[bytes]:
    """Give the text of a delivery piece by piece; however many its files, one is held at a time.

    `facts` are those of `facts_of`; the files come in their order.
    """
    before = {key: value for key, value in facts.items() if key < "files"}
    after = {key: value for key, value in facts.items() if key > "files"}
    yield canonical(before)[:-1] + (b"," if before else b"") + b'"files":['
    hashed = plain = 0
    for file in files:
        entry = canonical(_entry(file))
        yield b"," + entry if hashed or plain else entry
        hashed, plain = hashed + bool(file.hash), plain + (not file.hash)
    after["hashes"] = "xxh3-128" if not plain else "some" if hashed else "none"
    yield b"]," + canonical(after)[1:]


def seal_text(
    *, chain: str, number: int, previous: str, delivery: str, upload_id: str, key: str, at: float
) -> bytes:
    """Give the text of a seal, which is what is signed."""
    return canonical(
        {
            "chain": chain,
            "delivery": delivery,
            "format": FORMAT,
            "key": key,
            "made_at": moment(at),
            "number": number,
            "previous": previous,
            "upload_id": upload_id,
        }
    )


def whole(text: str) -> str:
    """Give a text in which an escape stands for half a character (a lone surrogate)."""
    return text.encode("utf-8", "backslashreplace").decode()


def moment(at: float | None) -> str | None:
    """Write a second of the store's clock; None stays None."""
    if at is None:
        return None
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def read(text: bytes) -> Receipt | Flaw:
    """Read a document, or say why it is none."""
    try:
        tree = _tree(text)
        _demand_no_more(tree)
        delivery, seal = _object(tree, "delivery"), _seal(_object(tree, "seal"))
        return Receipt(
            seal=seal,
            delivery=digest(canonical(delivery)),
            upload_id=_text(delivery, "upload_id"),
            name=_text(_object(delivery, "package"), "name"),
            entries=_entries(delivery),
        )
    except _Unreadable as error:
        return Flaw(
            test="document",
            what=f"the receipt cannot be read: {error}",
            cure="ask the sender for it once more: masv-watch receipt ID prints it",
        )


def check(receipt: Receipt, is_signed: IsSigned, *, key: str = "") -> list[Flaw]:
    """Say what is wrong with a document; `key` is the sender's, "" where nobody gave it."""
    seal, flaws = receipt.seal, []
    if receipt.delivery != seal.delivery:
        flaws.append(
            Flaw(
                test="delivery",
                what="what the receipt says of the delivery is not what was signed",
                cure="trust nothing in it, and ask the sender for the receipt once more",
            )
        )
    return [*flaws, *_check_seal(seal, is_signed, key=key)]


def _check_seal(seal: Seal, is_signed: IsSigned, *, key: str) -> Iterator[Flaw]:
    if not is_signed(seal.key, seal.text, seal.signature):
        yield Flaw(
            test="signature",
            what=f"the signature of receipt {seal.number} is not that of its key",
            cure="trust nothing in it, and ask the sender for the receipt once more",
        )
    elif key and seal.key != key:
        yield Flaw(
            test="key",
            what=f"receipt {seal.number} was signed with the key {seal.key[:16]}...,"
            f" and the sender's is {key[:16]}...",
            cure="it is another's receipt, or --key names another state's key: ask the sender",
        )


def read_chain(text: bytes) -> list[Seal] | Flaw:
    """Read a list of seals, one JSON object a line, or say why it is none."""
    seals = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            seals.append(_seal(_tree(line)))
        except _Unreadable as error:
            return Flaw(
                test="chain",
                what=f"line {number} of the chain cannot be read: {error}",
                cure="ask the sender for it once more: masv-watch receipt --chain prints it",
            )
    return seals


def check_chain(
    seals: Sequence[Seal], is_signed: IsSigned, *, receipt: Seal | None = None, key: str = ""
) -> list[Flaw]:
    """Say what is wrong with a chain, and with the place of a receipt in it.

    The first seal of the list may be any of the chain's; what lies before it is not looked at.
    """
    flaws: list[Flaw] = []
    for before, seal in zip((None, *seals), seals, strict=False):
        flaws += _check_seal(seal, is_signed, key=key)
        if before is None:
            continue
        if seal.number != before.number + 1:
            flaws.append(_broken(f"receipt {seal.number} follows receipt {before.number}"))
        elif seal.previous != before.hash:
            flaws.append(
                _broken(f"receipt {seal.number} does not name receipt {before.number} before it")
            )
        elif seal.key != before.key:
            flaws.append(_broken(f"receipt {seal.number} has another key than the one before it"))
    if receipt is not None and receipt.text not in {seal.text for seal in seals}:
        flaws.append(_broken(f"receipt {receipt.number} is not in the chain that was given"))
    return flaws


def _broken(what: str) -> Flaw:
    return Flaw(
        test="chain",
        what=what,
        cure="ask the sender for the whole chain: masv-watch receipt --chain prints it",
    )


def _entry(file: SentFile) -> dict[str, object]:
    chunks = [
        {"etag": whole(each.etag), "hash": each.hash or None, "size": each.size}
        for each in file.chunks
    ]
    return {
        "chunk_size": file.chunk_size,
        "chunks": chunks,
        "hash": file.hash or None,
        "id": file.cloud_id and whole(file.cloud_id),
        "path": whole(file.path),
        "size": file.size,
    }


def _tree(text: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_pairs,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        # what cannot be written cannot have been signed
        canonical(tree)
    except _Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise _Unreadable("it is no JSON, or only a piece of it") from error
    if not isinstance(tree, dict):
        raise _Unreadable("it is no JSON object")
    return tree


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unreadable("a key is written twice")
    return found


def _refuse_number(_text: str) -> Any:
    raise _Unreadable("it holds a number that is not whole")


def _demand_no_more(tree: Mapping[str, Any]) -> None:
    if set(tree) != {"delivery", "seal"}:
        raise _Unreadable("it holds more than `delivery` and `seal`")


def _object(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = tree.get(key)
    if not isinstance(value, dict):
        raise _Unreadable(f"`{key}` is missing, or no object")
    return value


def _text(tree: Mapping[str, Any], key: str, *, may_be_null: bool = False) -> str:
    value = tree.get(key)
    if value is None and may_be_null and key in tree:
        return ""
    if not isinstance(value, str):
        raise _Unreadable(f"`{key}` is missing, or no text")
    return value


def _number(tree: Mapping[str, Any], key: str) -> int:
    value = tree.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise _Unreadable(f"`{key}` is missing, or no whole number")
    return value


def _hex(tree: Mapping[str, Any], key: str, length: int) -> str:
    value = _text(tree, key)
    if len(value) != length or not _HEX.issuperset(value):
        raise _Unreadable(f"`{key}` is not {length} hexadecimal digits")
    return value


def _seal(tree: Mapping[str, Any]) -> Seal:
    form = _text(tree, "format")
    if form != FORMAT:
        raise _Unreadable(f"its format is {form[:40]!r}, and {FORMAT!r} is known here")
    return Seal(
        text=canonical({key: value for key, value in tree.items() if key != "signature"}),
        signature=_hex(tree, "signature", 128),
        chain=_text(tree, "chain"),
        number=_number(tree, "number"),
        previous=_hex(tree, "previous", 64),
        delivery=_hex(tree, "delivery", 64),
        upload_id=_text(tree, "upload_id"),
        key=_hex(tree, "key", 64),
    )


def _entries(delivery: Mapping[str, Any]) -> tuple[Entry, ...]:
    listed = delivery.get("files")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise _Unreadable("`files` is missing, or no list of files")
    entries = tuple(map(_read_entry, listed))
    if len({entry.path for entry in entries}) != len(entries):
        raise _Unreadable("`files` names a path twice")
    return entries


def _read_entry(tree: Mapping[str, Any]) -> Entry:
    chunks = tree.get("chunks")
    if not isinstance(chunks, list) or not all(isinstance(each, dict) for each in chunks):
        raise _Unreadable("`chunks` of a file is missing, or no list of chunks")
    size, hash_ = _number(tree, "size"), _text(tree, "hash", may_be_null=True)
    found = _HASH.fullmatch(hash_)
    if hash_ and (found is None or size > int(found[1] or size) * MOST_CHUNKS):
        # whoever wrote it could have every byte of a disk hashed alone
        raise _Unreadable("`hash` of a file is made in a way that is not known here")
    return Entry(
        path=_text(tree, "path"),
        size=size,
        hash=hash_,
        chunks=tuple(
            (_number(chunk, "size"), _text(chunk, "hash", may_be_null=True)) for chunk in chunks
        ),
    )
