"""The hash of a whole file from those of its chunks."""

from __future__ import annotations

import pytest
import xxhash

from masv_watch.files.hashes import hash_of_file
from masv_watch.model import Chunk


def chunks(*pieces: bytes) -> list[Chunk]:
    """Give the chunks of a file that consists of these."""
    return [
        Chunk(number=number, size=len(piece), etag="e", hash=xxhash.xxh3_128_hexdigest(piece))
        for number, piece in enumerate(pieces, start=1)
    ]


@pytest.mark.parametrize("content", [b"", b"abc"])
def test_hash_of_one_chunk_is_that_of_the_bytes(content: bytes):
    """So that any tool for xxh3-128 confirms it."""
    found = hash_of_file(chunks(content), size=len(content), chunk_size=4)

    assert found == f"xxh3-128:{xxhash.xxh3_128_hexdigest(content)}"


def test_hash_of_several_chunks_is_made_of_a_line_for_each():
    """It says the chunk size, without which nobody could make it again."""
    lines = (
        f"{xxhash.xxh3_128_hexdigest(b'abcd')} 4\n"
        f"{xxhash.xxh3_128_hexdigest(b'efgh')} 4\n"
        f"{xxhash.xxh3_128_hexdigest(b'i')} 1\n"
    )
    found = hash_of_file(chunks(b"abcd", b"efgh", b"i"), size=9, chunk_size=4)

    assert found == f"xxh3-128/4:{xxhash.xxh3_128_hexdigest(lines.encode())}"


@pytest.mark.parametrize(
    "others", [(b"abcd", b"efgh"), (b"efgh", b"abcd", b"i"), (b"abcd", b"efgh", b"j")]
)
def test_hash_differs_for_other_chunks_and_another_order(others: tuple[bytes, ...]):
    """Every byte and its place counts."""
    size = sum(map(len, others))
    one = hash_of_file(chunks(b"abcd", b"efgh", b"i"), size=9, chunk_size=4)

    assert hash_of_file(chunks(*others), size=size, chunk_size=4) != one


def test_hash_of_what_is_not_whole_is_none():
    """Neither of missing chunks nor of chunks that nobody hashed is anything said."""
    held = chunks(b"abcd", b"e")
    unhashed = [*held[:1], Chunk(number=2, size=1, etag="e", hash="")]

    assert hash_of_file([], size=0, chunk_size=4) == ""
    assert hash_of_file(held, size=6, chunk_size=4) == ""
    assert hash_of_file(unhashed, size=5, chunk_size=4) == ""
