"""Which limits hold for a file: its own answer's, the specification's, or the documented ones."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from masv_watch.cloud.wire import AddedFile, Blueprint
from masv_watch.errors import CloudGarbled
from masv_watch.transfer.chunks import MIB, Limits
from masv_watch.transfer.limits import KnownLimits
from tests.integration.rooms.sent import Door, Room

SPEC = "/v1/system/packages/spec"
BARE = AddedFile(
    id="f",
    blueprint=Blueprint(method="POST", url="https://storage.example/k"),
    min_chunk=None,
    max_chunk=None,
    max_count=None,
)
WHOLE = replace(BARE, min_chunk=MIB, max_chunk=7 * MIB, max_count=70)


def _asked(room: Room) -> int:
    return len(room.requests("GET", SPEC))


def _answer(room: Room, body: Any, status: int = 200, times: int | None = None) -> None:
    room.sandbox.fault("status", f"GET {SPEC}", status=status, body=body, times=times)


@pytest.mark.parametrize("spelling", ["max_chunks_count", "max_chunk_count"])
def test_limits_that_a_file_does_not_name_are_the_specifications(room: Room, spelling: str):
    """Whichever way it spells the count."""
    spec = {spelling: 500, "max_chunk_size": 64 * MIB, "min_chunk_size": 6 * MIB}
    _answer(room, spec)
    limits = KnownLimits(room.cloud)

    assert limits.of(BARE, 1) == Limits(min_chunk=6 * MIB, max_chunk=64 * MIB, max_count=500)
    mine = limits.of(replace(BARE, max_count=70), 1)
    assert mine == Limits(min_chunk=6 * MIB, max_chunk=64 * MIB, max_count=70)


def test_sandbox_names_the_documented_limits(room: Room):
    """10,000 chunks of at most 5 GiB."""
    assert KnownLimits(room.cloud).of(BARE, 1) == Limits()


def test_specification_is_asked_for_once_and_only_when_it_is_needed(room: Room):
    """Not for a file that names all; once for all others, however many begin together."""
    limits, before = KnownLimits(room.cloud), _asked(room)
    found = limits.of(WHOLE, 1)
    unasked = _asked(room)
    threads = [threading.Thread(target=limits.of, args=(BARE, 1)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == Limits(min_chunk=MIB, max_chunk=7 * MIB, max_count=70)
    assert (unasked - before, _asked(room) - before) == (0, 1)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"message": "session is nil"}),
        (403, {}),
        (404, "not found"),
        (200, "<html>sign in to this network</html>"),
        (200, "[]"),
        (200, ""),
        (200, {"max_chunk_count": 0}),
        (200, {"max_chunk_size": MIB, "min_chunk_size": 2 * MIB}),
        (200, {"max_chunk_size": MIB}),
        (200, {"min_chunk_size": 6 * 1024 * MIB}),
    ],
)
def test_specification_that_is_refused_or_garbled_stops_nothing(room: Room, status: int, body: Any):
    """The documented limits hold, and it is not asked for again."""
    _answer(room, body, status)
    limits, before = KnownLimits(room.cloud), _asked(room)

    assert [limits.of(BARE, 1) for _ in range(3)] == [Limits()] * 3
    assert _asked(room) - before == 1


def test_specification_without_an_answer_is_asked_for_a_few_times(room: Room):
    """A hiccup of the first file does not settle it for months, and nobody asks for ever."""
    _answer(room, "", 503, times=2)
    limits, before = KnownLimits(room.cloud), _asked(room)
    _answer(room, {"max_chunk_count": 500})
    counts = [limits.of(BARE, 1).max_count for _ in range(4)]
    room.sandbox.heal()
    _answer(room, "", 500)
    silent = KnownLimits(room.cloud)
    after = _asked(room)
    for _ in range(9):
        assert silent.of(BARE, 1) == Limits()

    assert counts == [10_000, 10_000, 500, 500]
    assert (after - before, _asked(room) - after) == (3, 3)


@pytest.mark.parametrize("body", [{}, {"max_chunk_count": 10**9}, {"max_chunk_count": "many"}])
def test_specification_that_says_little_or_too_much_leaves_what_is_known(room: Room, body: Any):
    """No count is believed beyond what a storage takes."""
    _answer(room, body)

    assert KnownLimits(room.cloud).of(BARE, 1) == Limits()


def test_specification_that_contradicts_a_files_answer_is_not_believed_for_it(room: Room):
    """The answer for the file is nearer; where that alone is nonsense, it is garbled."""
    _answer(room, {"max_chunk_size": 6 * MIB})
    limits = KnownLimits(room.cloud)
    found = limits.of(replace(BARE, min_chunk=8 * MIB), 1)

    assert found == Limits(min_chunk=8 * MIB)
    with pytest.raises(CloudGarbled, match="no storage takes"):
        limits.of(replace(BARE, max_chunk=1), 10 * MIB)


def test_files_are_cut_by_the_specification_where_their_answers_name_no_limit(room: Room):
    """From the answer to the chunks that the cloud puts together."""
    _answer(room, {"max_chunk_count": 3, "max_chunk_size": 64 * MIB})
    real, before = room.cloud.add_file, _asked(room)

    def add_file(*given: Any, **named: Any) -> Any:
        return replace(real(*given, **named), min_chunk=None, max_chunk=None, max_count=None)

    room.build(cloud=Door(room.cloud, add_file=add_file))
    upload_id = room.drop("limited", 20 * MIB, 21 * MIB, 10)
    room.until_state(upload_id, "complete")
    files = room.store.files(upload_id)

    assert [file.chunk_size for file in files] == [7 * MIB, 7 * MIB, 5 * MIB]
    assert {file.max_chunks for file in files} == {3}
    assert _asked(room) - before == 1
