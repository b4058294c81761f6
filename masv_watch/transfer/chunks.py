"""Cut a file within the cloud's limits, and say which chunks come next.

Owns the arithmetic of chunks and nothing else. Never reads a file and never talks to the cloud.
Called by `transfer.sending` once a file was added and its limits are known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from masv_watch.errors import SourceForbidden
from masv_watch.model import MOST_CHUNKS

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the cloud accepts of one file ([docs-upload]; the least is S3's, [inferred])."""

    #: bytes; every chunk but the last has at least so many
    min_chunk: int = 5 * MIB
    #: bytes
    max_chunk: int = 5 * 1024 * MIB
    max_count: int = MOST_CHUNKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where one chunk lies in its file."""

    #: counted from 1, as the storage does
    number: int
    offset: int
    size: int


def cut(size: int, asked: int, limits: Limits) -> int:
    """Give the chunk size for a file: as asked, grown until the count fits, within the limits.

    The count is never above MOST_CHUNKS. The size is whole MiB unless a limit is not ([inferred],
    cloud-api E).

    Raises:
        SourceForbidden: no chunk size fits; the file is larger than the cloud takes.
    """
    most = min(limits.max_count, MOST_CHUNKS)
    least = -(-size // most)
    if least > limits.max_chunk:
        raise SourceForbidden(
            f"a file of {size} bytes is larger than the cloud takes"
            f" ({most} chunks of {limits.max_chunk} bytes)",
            hint="split the file, or leave it out with `ignore`",
        )
    wanted = -(-max(asked, least, 1) // MIB) * MIB
    return max(limits.min_chunk, min(wanted, limits.max_chunk))


def is_cut_too_small(size: int, chunk_size: int) -> bool:
    """Say whether this chunk size would make more chunks of a file than any storage takes."""
    return size > MOST_CHUNKS * chunk_size


def spans(size: int, chunk_size: int) -> list[Span]:
    """Give every chunk of a file in order; an empty file is one chunk of 0 bytes ([inferred])."""
    if size == 0:
        return [Span(number=1, offset=0, size=0)]
    return [
        Span(number=number, offset=offset, size=min(chunk_size, size - offset))
        for number, offset in enumerate(range(0, size, chunk_size), start=1)
    ]


def missing(acknowledged: Collection[int], *, size: int, chunk_size: int) -> list[Span]:
    """Give the chunks that the storage has not acknowledged yet, in order (promise P4)."""
    have = frozenset(acknowledged)
    return [span for span in spans(size, chunk_size) if span.number not in have]


def window(numbers: Sequence[int], at_most: int) -> tuple[int, int]:
    """Give `start` (zero-based) and `count` of the URLs to ask for: a run from the first number.

    Raises:
        ValueError: nothing is missing, or the window has no room.
    """
    if not numbers or at_most < 1:
        raise ValueError("a window begins at a missing chunk and has room for it")
    first = numbers[0]
    wanted = set(numbers)
    count = 1
    while count < at_most and first + count in wanted:
        count += 1
    return first - 1, count
