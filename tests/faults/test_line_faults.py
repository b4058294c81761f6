"""Lines that swallow, crawl, garble, expire and slow down: what each costs, and what ends it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from masv_watch.cloud.streams import Deadlines
from masv_watch.model import Draft, Terms, UploadType, Verify
from tests.faults.crumbs import CrumbSandbox
from tests.faults.line import SHORT, Line
from tests.faults.proxy import Exchange, Fault, Kind, Way
from tests.integration.daemon.dispatch import CALLS
from tests.integration.rooms.sent import FOLDER
from tests.processes import Sandbox
from tests.waiting import eventually

MIB = 1024 * 1024
SMALL, LARGE = bytes(range(256)) * 64, bytes(range(256)) * (5 * 1024)
#: a call that goes by each of the three libraries
BY_EACH = {"file create": SMALL, "package finalize": SMALL, "chunk PUT": LARGE}

Make = Callable[..., Line]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Give one sandbox whose chunks may be small."""
    made = CrumbSandbox(tmp_path_factory.mktemp("cloud"))
    yield made
    made.heal()
    made.end()


@pytest.fixture
def make(tmp_path: Path, sandbox: Sandbox) -> Iterator[Make]:
    """Make a room behind a proxy."""
    made: list[Line] = []

    def one(*, cloud: Sandbox = sandbox, verify: Verify = Verify.FAST, **options: Any) -> Line:
        made.append(Line(tmp_path, cloud, **options))
        made[-1].room.verify = verify
        made[-1].room.build()
        return made[-1]

    yield one
    for line in made:
        line.close()
    sandbox.heal()


def error_of(line: Line, upload_id: str, words: str) -> str:
    """Wait until our books say of a failure what is expected; give it.

    A busy machine may fail another call first, for being late: that one is tried again.
    """

    def said() -> str:
        row = line.room.upload(upload_id)
        return row.error or next((each.error for each in line.room.store.files(upload_id)), "")

    first = str(line.until(said, step_s=0.0))
    return first if words in first else line.until(lambda: said() if words in said() else "")


def ends(line: Line, content: bytes, fault: Fault, words: str) -> None:
    """Let a delivery meet its fault and end by it, heal the line, assure that all ends well."""
    upload_id = line.upload(content)
    line.until(lambda: fault.struck, step_s=0.2)
    error = error_of(line, upload_id, words)
    line.proxy.heal()
    line.until(lambda: line.is_over(upload_id))
    line.judge([line.sent(upload_id, content, error)])


@pytest.mark.fault(53)
@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("call", BY_EACH)
def test_black_hole_ends_by_the_deadline_of_its_call(make: Make, call: str, way: Way):
    """What is sent disappears, or the answer does: nobody waits for ever, nothing is doubled."""
    line = make(deadlines=SHORT)
    fault = line.proxy.order(Kind.HOLE, CALLS[call], way=way, at=100 if way is Way.UP else 0)

    ends(line, BY_EACH[call], fault, "in time")

    assert fault.struck == 1


@pytest.mark.long
@pytest.mark.fault(53)
@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", CALLS)
def test_black_hole_anywhere_within_any_call_ends_by_a_deadline(make: Make, call: str):
    """Within its first line, its head, its body; before an answer and within it."""
    line = make(deadlines=SHORT)
    for way, at in [(Way.UP, 0), (Way.UP, 3), (Way.UP, 270), (Way.DOWN, 1), (Way.DOWN, 60)]:
        fault = line.proxy.order(Kind.HOLE, CALLS[call], way=way, at=at)
        ends(line, SMALL, fault, "in time")
        assert fault.struck == 1, (way, at)


@pytest.mark.fault(53)
def test_storage_that_stops_reading_ends_by_the_deadline_of_a_send(make: Make):
    """The kernels' buffers are full and nothing moves."""
    line = make(deadlines=SHORT, is_narrow=True)
    fault = line.proxy.order(Kind.DEAF, CALLS["chunk PUT"], at=100_000)

    ends(line, LARGE * 3, fault, "in time")


#: a send may stand still longer than a whole chunk may take: it is not the stall that ends it
RATED = replace(SHORT, connect_s=5.0, least_rate=4.0 * MIB)


@pytest.mark.fault(54)
@pytest.mark.parametrize(
    ("content", "deadlines", "words"),
    [(SMALL * 50, SHORT, "in time"), (LARGE * 3, RATED, "slower than")],
    ids=["small", "poured"],
)
def test_line_below_the_least_rate_is_given_up_for_another_try(
    make: Make, content: bytes, deadlines: Deadlines, words: str
):
    """Bytes arrive all the time, and still no chunk would ever end."""
    line = make(deadlines=deadlines, is_narrow=True)
    fault = line.proxy.order(Kind.SLOW, CALLS["chunk PUT"], at=700, rate=100_000)

    ends(line, content, fault, words)


@pytest.mark.fault(54)
@pytest.mark.parametrize("content", [SMALL * 50, LARGE * 2], ids=["small", "poured"])
def test_line_above_the_least_rate_outlasts_every_single_deadline(make: Make, content: bytes):
    """No total time-out: what moves fast enough goes on, however long it takes.

    One of five goes in one try: a busy machine may stand still for longer than a send may.
    """
    quick = Deadlines(
        connect_s=0.5, answer_s=0.5, finalize_s=2.0, least_put_s=0.5, least_rate=100 * 1024.0
    )
    line = make(deadlines=quick, is_narrow=True)
    tries = []
    while not tries or (tries[-1] != {1: 1} and len(tries) < 5):
        line.proxy.order(Kind.SLOW, CALLS["chunk PUT"], at=700, rate=len(content) // 2)
        sent = line.deliver(content)
        line.proxy.heal()
        line.judge([sent])
        tries.append(line.puts(line.room.package(sent.upload_id)["id"]))

    assert tries[-1] == {1: 1}, tries


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    ("call", "words"), [("file create", "in time"), ("package finalize", "too slowly")]
)
def test_answer_that_trickles_in_ends_by_a_deadline(make: Make, call: str, words: str):
    """Every byte comes in time and the whole never does."""
    line = make(deadlines=SHORT)
    # within the body: of a head the last 30 bytes are the end
    fault = line.proxy.order(Kind.SLOW, CALLS[call], way=Way.DOWN, at=200, rate=5)

    ends(line, SMALL, fault, words)


def turned(content: bytes, at: int) -> bytes:
    """Give bytes of which one bit of one byte is turned."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _sends_turned(line: Line, content: bytes, at: int) -> tuple[str, dict[str, Any]]:
    """Send a file of which one byte arrives turned; give its state and its package."""
    # the head of a PUT ends where its body begins: known from one that nothing happened to
    line.deliver(content)
    head = line.proxy.exchanges(CALLS["chunk PUT"])[-1].up - len(content)
    line.proxy.order(Kind.FLIP, CALLS["chunk PUT"], at=head + at)
    sent = line.deliver(content)
    return sent.state, line.room.package(sent.upload_id)


@pytest.mark.fault(60)
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "poured"])
def test_byte_that_turns_on_its_way_up_is_found_by_strict_and_goes_again(
    make: Make, content: bytes
):
    """The storage's MD5 is not the one of what was read: that chunk is sent once more."""
    state, package = _sends_turned(make(verify=Verify.STRICT), content, len(content) // 2)

    (file,) = package["files"]
    assert (state, file["sha256"]) == ("complete", hashlib.sha256(content).hexdigest())
    assert package["finalize_calls"] == 1


@pytest.mark.fault(60)
@pytest.mark.parametrize("verify", [Verify.SIZE, Verify.FAST])
def test_byte_that_turns_on_its_way_up_without_tls_is_found_by_strict_alone(
    make: Make, verify: Verify
):
    """The limit of the other two: our hash says what was read, and nobody compares it up there.

    Over https no byte can turn unseen; `strict` is for what lies behind the TLS of the storage.
    """
    line = make(verify=verify)
    for content in (SMALL, LARGE):
        state, package = _sends_turned(line, content, 5)
        (file,) = package["files"]

        assert (state, file["size"]) == ("complete", len(content))
        assert file["sha256"] == hashlib.sha256(turned(content, 5)).hexdigest()


def card(line: Line, name: str, sizes: list[int], **said: Any) -> str:
    """Make an upload of a folder of files; give its id."""
    drop = line.room.store.see_drop(FOLDER, name.encode())
    for number, size in enumerate(sizes):
        (line.room.root / name).mkdir(exist_ok=True)
        (line.room.root / name / f"f{number}").write_bytes(bytes([number % 256]) * size)
    return line.room.store.create_upload(
        Draft(
            hot_folder=FOLDER, root=bytes(line.room.root), name=name, message="",
            terms=Terms(type=UploadType.TEAM), drops=(line.room.settled(name, drop.id),), **said,
        )
    )  # fmt: skip


def demand_whole(line: Line, upload_id: str, sizes: list[int]) -> dict[str, Any]:
    """Assure that a card arrived once and whole; give its package."""
    package = line.room.package(upload_id)

    def calls() -> list[Exchange]:
        # a call with a token that had just expired is none
        asked = line.proxy.exchanges(CALLS["package finalize"])
        return [each for each in asked if package["id"] in each.path and each.status != 401]

    # the line notes a call once it has passed on the answer
    assert len(eventually(calls)) == 1
    found = Counter((file["name"], file["sha256"]) for file in package["files"])
    assert found == Counter(
        (f"f{number}", hashlib.sha256(bytes([number % 256]) * size).hexdigest())
        for number, size in enumerate(sizes)
    )
    return package


@pytest.mark.fault(55)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("call", ["chunk PUT", "file create", "chunk URLs", "package create"])
def test_retry_after_of_any_call_slows_every_worker_of_every_upload(
    make: Make, call: str, status: int
):
    """The storage's word counts as the cloud's: until the pause is over nothing is asked at all."""
    line = make(workers=8)
    names = {f"{call} {status} {kind}": sizes for kind, sizes in {
        "large": [6 * MIB, 6 * MIB], "small": [500] * 30, "other": [700] * 30,
    }.items()}  # fmt: skip
    line.sandbox.fault("status", CALLS[call], status=status, headers={"Retry-After": "30"}, skip=1)
    ids = {card(line, name, sizes, chunk_size=MIB): sizes for name, sizes in names.items()}
    sender = line.room.sender
    assert sender is not None
    line.until(lambda: sender.slow_until > line.room.store.now(), step_s=0.0)
    line.until(lambda: not line.room.crew.busy, step_s=0.0)
    asked = len(line.proxy.exchanges())
    for _ in range(100):
        line.room.turn()
    line.room.clock.advance(29.0)
    for _ in range(100):
        line.room.turn()
    during = len(line.proxy.exchanges()) - asked
    line.until(lambda: all(line.is_over(upload_id) for upload_id in ids))

    assert during == 0
    for upload_id, sizes in ids.items():
        demand_whole(line, upload_id, sizes)


@pytest.mark.fault(57)
def test_urls_that_expire_by_time_are_asked_for_again_one_by_one(make: Make, tmp_path: Path):
    """A window of URLs outlives a slow line only in part: each late chunk costs one call more."""
    brief = CrumbSandbox(tmp_path / "brief", "--url-lifetime", "2")
    try:
        line = make(cloud=brief, workers=1, is_narrow=True)
        line.proxy.order(Kind.SLOW, CALLS["chunk PUT"], at=700, rate=3 * MIB // 2, times=None)
        content = bytes(range(256)) * (20 * 1024)
        sent = line.deliver(content, chunk_size=MIB)
        line.judge([sent])
        package = line.room.package(sent.upload_id)
        puts = line.puts(package["id"])
        windows = [
            each["path"].partition("?")[2]
            for each in brief.witness("requests")
            if each["method"] == "POST" and "start=" in each["path"]
        ]
    finally:
        brief.end()

    late = [number for number, attempts in puts.items() if attempts > 1]
    assert sorted(puts) == [1, 2, 3, 4, 5]
    assert late
    assert set(puts.values()) == {1, 2}
    assert windows[0] == "start=0&count=5"
    assert sorted(windows[1:]) == [f"start={number - 1}&count=1" for number in sorted(late)]


@pytest.mark.fault(57)
def test_token_that_expires_under_many_workers_is_renewed_once_for_all(make: Make, tmp_path: Path):
    """Everybody is refused at the same moment, one of them asks, and no file goes twice."""
    life_s = 8.0
    brief = CrumbSandbox(tmp_path / "brief", "--token-lifetime", str(life_s))
    # three calls a file, each there and back, ten files a worker: longer than a token lives, which
    # is by far longer than a call takes
    sizes = [300] * 80
    try:
        line = make(cloud=brief, workers=8, latency_s=0.2)
        upload_id = card(line, "many", sizes)
        line.until(lambda: line.is_over(upload_id), within=240)
        package = demand_whole(line, upload_id, sizes)
        renewals = line.proxy.exchanges("GET /v1.1/teams/[^/]+/packages/")
        refused = [each for each in line.proxy.exchanges("POST /v1/packages") if each.status == 401]
        seconds = refused[-1].began_at - line.proxy.exchanges()[0].began_at
        attempts = {
            each["attempts"] for each in brief.witness("puts") if each["package"] == package["id"]
        }
    finally:
        brief.end()

    assert len(refused) > 1
    assert 1 <= len(renewals) <= seconds / life_s + 1
    assert attempts == {1}


@pytest.mark.fault(52)
@pytest.mark.fault(12)
def test_chunk_given_up_long_ago_that_arrives_behind_its_successor_tears_nothing(make: Make):
    """A PUT is lost on our side only; the file changes and goes again; then the old one arrives."""
    line = make(workers=2)
    old, new = (bytes([byte]) * MIB for byte in b"on")
    rest = bytes(2 * MIB)
    upload_id = line.upload(old + rest, chunk_size=MIB)
    late = line.proxy.order(Kind.LATE, CALLS["chunk PUT"])
    hold = line.proxy.order(Kind.HOLD, CALLS["file finalize"])
    line.until(late.reached.is_set)
    (source,) = [path for path in (line.room.top / "named").iterdir() if path.stat().st_size]
    source.write_bytes(new + rest)
    line.until(hold.reached.is_set)
    late.released.set()
    assert late.arrived.wait(60)
    line.proxy.heal()
    line.until(lambda: line.is_over(upload_id))

    line.judge([line.sent(upload_id, new + rest)])
