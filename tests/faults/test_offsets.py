"""A connection that breaks behind every byte there is: one delivery each time, and never two.

The whole walk is `long`; `make test` takes a seeded handful of the offsets of each call.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.faults.line import PATIENT, SHORT, Line, Sent
from tests.faults.proxy import Fault, Kind, Way
from tests.integration.daemon.dispatch import CALLS
from tests.processes import Sandbox

SEED = 20261201
#: offsets of one call and one kind of break that `make test` tries
FEW = 5
CONTENT = b"what was dropped"
MIB = 1024 * 1024
#: sent by another way than small ones: poured in blocks
LARGE = bytes(range(256)) * 4096 + b"!"

BREAKS = {
    "reset on the way up": (Kind.RESET, Way.UP),
    "reset on the way down": (Kind.RESET, Way.DOWN),
    "half close on the way up": (Kind.HALF_CLOSE, Way.UP),
    "half close on the way down": (Kind.HALF_CLOSE, Way.DOWN),
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Give one sandbox for all walks."""
    made = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield made
    made.end()


@pytest.fixture
def line(tmp_path: Path, sandbox: Sandbox) -> Iterator[Line]:
    """Give a room behind a proxy."""
    made = Line(tmp_path, sandbox, deadlines=PATIENT)
    made.room.build()
    yield made
    made.close()


def broken(line: Line, call: str, how: str, at: int, content: bytes) -> tuple[Sent, Fault]:
    """Send one file over a line that breaks once at this place."""
    kind, way = BREAKS[how]
    fault = line.proxy.order(kind, CALLS[call], way=way, at=at)
    sent = line.deliver(content, note=f"{call}, {how}, behind byte {at}")
    line.proxy.heal()
    return sent, fault


def size_of(line: Line, call: str, way: Way, content: bytes) -> int:
    """Give the bytes that a call has in a direction when nothing breaks."""
    line.proxy.forget()
    line.judge([line.deliver(content)])
    (exchange,) = line.proxy.exchanges(CALLS[call])
    return exchange.passed(way)


def finalizes(line: Line, sent: Sent) -> int:
    package = line.room.package(sent.upload_id)
    return int(package["finalize_calls"])


@pytest.mark.fault(52)
@pytest.mark.fault(62)
@pytest.mark.fault(63)
@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("call", CALLS)
def test_connection_broken_anywhere_within_a_call_costs_a_retry_and_nothing_else(
    line: Line, call: str, how: str
):
    """Whatever byte was the last: delivered once, with the right bytes, as one file."""
    size = size_of(line, call, BREAKS[how][1], CONTENT)
    rng = random.Random(f"{SEED} {call} {how}")
    sent = []
    for at in [0, size, *rng.sample(range(1, size), FEW - 2)]:
        one, fault = broken(line, call, how, at, CONTENT)
        assert fault.struck == 1, one
        sent.append(one)

    line.judge(sent)
    if call == "package finalize":
        # where all of it had gone up, a second one is allowed only to be refused
        assert all(finalizes(line, one) <= 2 for one in sent)
    if (call, how) == ("package finalize", "reset on the way down"):
        assert [finalizes(line, one) for one in sent] == [1] * FEW


@pytest.mark.long
@pytest.mark.fault(52)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("call", CALLS)
def test_connection_broken_behind_every_byte_of_a_call_delivers_once(
    line: Line, call: str, how: str
):
    """N = 0, 1, 2, ... until the call is over before the line breaks."""
    sent = []
    for at in count():
        one, fault = broken(line, call, how, at, CONTENT)
        sent.append(one)
        if not fault.struck:
            break

    line.judge(sent)
    print(f"{call}, {how}: {len(sent) - 1} offsets")
    assert len(sent) > 100


@pytest.mark.fault(52)
@pytest.mark.parametrize("how", BREAKS)
def test_connection_broken_within_a_chunk_that_is_poured_costs_one_chunk_again(
    line: Line, how: str
):
    """What is larger than a block goes another way, with breaks at the blocks' borders."""
    _sends_large(line, how, few=2)


@pytest.mark.long
@pytest.mark.fault(52)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", BREAKS)
def test_connection_broken_all_over_a_chunk_that_is_poured_delivers_once(line: Line, how: str):
    """Every byte of its head and its answer, and a seeded sample of its body."""
    _sends_large(line, how, few=None)


def _sends_large(line: Line, how: str, few: int | None) -> None:
    call, way = "chunk PUT", BREAKS[how][1]
    size = size_of(line, call, way, LARGE)
    rng = random.Random(f"{SEED} {how}")
    head = size - len(LARGE) if way is Way.UP else size
    body = [head, head + 1, head + MIB // 4, head + MIB, size - 1, size]
    within = range(1, head)
    places = list(within) if few is None else rng.sample(within, few)
    if way is Way.UP:
        places += body if few is None else body[-4:]
        places += rng.sample(range(head, size), few or 60)
    sent = []
    for at in places:
        one, fault = broken(line, call, how, at, LARGE)
        assert fault.struck == 1, one
        sent.append(one)

    line.judge(sent)
    for one in sent:
        package = line.room.package(one.upload_id)
        assert set(line.puts(package["id"])) == {1}, one
        assert line.puts(package["id"])[1] <= 2, one


def storm(line: Line, rng: random.Random) -> Callable[[], int]:
    """Break one call in five at a random place in a random way; give how often it struck."""
    faults = []
    for _ in range(6):
        kind, way = rng.choice(list(BREAKS.values()))
        at = rng.choice([rng.randrange(900), rng.randrange(120)])
        faults.append(line.proxy.order(kind, way=way, at=at, skip=rng.randrange(14), times=1))
    return lambda: sum(fault.struck for fault in faults)


def _weathers(line: Line, seeds: range) -> int:
    sent, struck = [], 0
    for seed in seeds:
        breaks = storm(line, random.Random(f"{SEED} storm {seed}"))
        size = random.Random(seed).choice([0, 1, 16, 3000])
        sent.append(line.deliver(bytes(size), note=f"storm {seed}"))
        struck += breaks()
        line.proxy.heal()
    line.judge(sent)
    return struck


@pytest.mark.fault(52)
@pytest.mark.fault(56)
def test_line_that_breaks_again_during_every_recovery_delivers_once(line: Line):
    """What is asked after a break breaks as well: looking, deleting, asking anew."""
    assert _weathers(line, range(40)) > 60


@pytest.mark.long
@pytest.mark.fault(56)
@pytest.mark.timeout(900)
def test_line_that_breaks_again_and_again_delivers_a_thousand_files_once(line: Line):
    """Twenty-five times as many storms."""
    struck = _weathers(line, range(1000, 2000))
    print(f"1000 deliveries, {struck} breaks")
    assert struck > 1500


@pytest.mark.fault(61)
@pytest.mark.parametrize("call", CALLS)
def test_answer_with_a_turned_bit_delivers_right_or_shows_an_error(
    tmp_path: Path, sandbox: Sandbox, call: str
):
    """Without TLS nothing vouches for an answer: it is believed only as far as it does no harm."""
    line = Line(tmp_path, sandbox, deadlines=SHORT)
    line.room.build()
    try:
        size = size_of(line, call, Way.DOWN, CONTENT)
        rng = random.Random(f"{SEED} {call}")
        line.judge(_garbled(line, call, rng.sample(range(size), FEW)), may_fail=True)
    finally:
        line.close()


@pytest.mark.long
@pytest.mark.fault(61)
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("call", CALLS)
def test_every_answer_with_every_byte_turned_delivers_right_or_shows_an_error(
    tmp_path: Path, sandbox: Sandbox, call: str
):
    """Byte after byte, the answers of every call."""
    line = Line(tmp_path, sandbox, deadlines=SHORT)
    line.room.build()
    try:
        size = size_of(line, call, Way.DOWN, CONTENT)
        sent = _garbled(line, call, range(size))
        line.judge(sent, may_fail=True)
        right = sum(one.state == "complete" for one in sent)
        print(f"{call}: {size} bytes turned, {right} delivered, {size - right} shown as errors")
    finally:
        line.close()


def _garbled(line: Line, call: str, places: object) -> list[Sent]:
    sent = []
    for at in places:  # type: ignore[attr-defined]
        line.proxy.order(Kind.FLIP, CALLS[call], way=Way.DOWN, at=at)
        sent.append(line.deliver(CONTENT, note=f"{call}, byte {at} turned"))
        line.proxy.heal()
    return sent
