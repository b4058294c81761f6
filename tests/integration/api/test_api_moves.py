"""The stream of what moves: live, resumed, bounded, and over when its time has come."""

from __future__ import annotations

import gc
import http.client
import json
import threading
import weakref

import pytest

from masv_watch.api import moves
from masv_watch.api.bodies import move_body
from masv_watch.api.moves import AT_ONCE, LIFE_S, MOST, Moves
from masv_watch.errors import Busy
from masv_watch.metrics import Metrics
from masv_watch.model import UploadEvent
from masv_watch.store.sqlite import open_store
from tests.doubles import FakeClock
from tests.integration.api.calling import UPLOADS, said
from tests.integration.store.making import create
from tests.waiting import eventually

EVENTS = "/api/v1/events"
KEYS = {"id", "at", "noun", "noun_id", "event", "before", "after", "detail"}


class Reader:
    """A client that follows a stream."""

    def __init__(self, caller, path=EVENTS, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", caller.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", path, headers=named)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def block(self):
        """Give the next block of lines as fields; a comment has none, None is the end."""
        lines = []
        while line := self.answer.readline():
            if line == b"\n":
                return dict(each.split(": ", 1) for each in lines if not each.startswith(":"))
            lines.append(line.decode().rstrip("\n"))
        return None

    def events(self, number):
        """Give so many events."""
        found = []
        while len(found) < number:
            block = self.block()
            assert block is not None, "the stream ended"
            if "data" in block:
                found.append((block["event"], int(block["id"]), json.loads(block["data"])))
        return found

    def close(self):
        self.answer.close()
        self.connection.close()


@pytest.fixture
def follow(caller):
    """Open streams that are closed at the end."""
    readers = []

    def follow(path=EVENTS, **headers):
        readers.append(Reader(caller, path, **headers))
        return readers[-1]

    yield follow
    for reader in readers:
        reader.close()


@pytest.fixture
def bench(tmp_path):
    """Give a store, its clock, and the moves of it, without a listener."""
    clock = FakeClock()
    store = open_store(str(tmp_path / "state"), clock=clock, metrics=Metrics())
    yield store, clock, Moves(store, monotonic=clock.monotonic)
    store.close()


def stir(store, number=1):
    """Let uploads be paused and resumed; give the numbers of those moves."""
    before = store.newest_move()
    upload_id, _ = create(store, b"%d.mov" % before)
    for turn in range(number):
        event = UploadEvent.RESUME if turn % 2 else UploadEvent.PAUSE
        store.advance_upload(upload_id, event)
    return [move.id for move in store.moves(before, 10_000)]


def numbers(events):
    return [number for _, number, _ in events]


def test_stream_tells_what_moves_as_it_moves(caller, follow):
    """Each move with its number, its noun, and the same keys as everywhere; nothing of before."""
    create(caller.store, b"before.mov")
    reader = follow()
    assert reader.block() == {"retry": "1000"}

    upload_id, _ = create(caller.store, b"live.mov")
    caller.ask(f"{UPLOADS}/{upload_id}/pause", "POST")
    found = reader.events(3)

    assert reader.status == 200
    assert reader.answer.headers["Content-Type"] == "text/event-stream"
    assert reader.answer.headers["Cache-Control"] == "no-store"
    (_, _, made), (_, _, taken), (noun, number, paused) = found
    assert (made["event"], taken["event"]) == ("create", "take")
    assert set(made) == set(taken) == set(paused) == KEYS
    assert (noun, paused["id"], paused["noun"]) == ("upload", number, "upload")
    assert (paused["noun_id"], paused["event"]) == (upload_id, "pause")
    assert (paused["before"], paused["after"]) == ("transferring", "paused")


@pytest.mark.parametrize("way", ["header", "query", "both"])
def test_stream_goes_on_after_the_last_move_that_was_seen(caller, follow, way):
    """By `Last-Event-ID` or `after`; of both the header counts, for it is the newer one."""
    known = stir(caller.store, 6)
    seen = known[2]
    path = EVENTS if way == "header" else f"{EVENTS}?after={seen if way == 'query' else known[0]}"
    headers = {} if way == "query" else {"Last_Event_ID": str(seen)}

    found = follow(path, **headers).events(len(known) - 3)

    assert numbers(found) == known[3:]


def test_stream_from_the_beginning_gives_every_move_once(caller, follow):
    """Also when there are more than are read at a time."""
    known = stir(caller.store, 2 * AT_ONCE + 7)

    found = follow(f"{EVENTS}?after=0").events(len(known))

    assert numbers(found) == known


def test_stream_that_is_over_holds_nothing_of_what_it_read(bench):
    """A page that comes and goes leaves no moves behind until the next look for garbage."""
    store, _, moves = bench
    stir(store, 6)
    stream = moves.follow(0, move_body)
    pieces = iter(stream)
    assert [next(pieces)[:5], next(pieces)[:3]] == [b"retry", b"id:"]

    gone = threading.Event()
    weakref.finalize(stream, gone.set)
    gc.disable()
    try:
        stream.close()
        del stream, pieces
        assert gone.is_set()
    finally:
        gc.enable()


def test_streams_at_the_same_time_see_the_same(caller, follow):
    """No stream takes a move from another."""
    readers = [follow() for _ in range(MOST)]
    for reader in readers:
        assert reader.block() == {"retry": "1000"}

    known = stir(caller.store, 5)

    assert [numbers(reader.events(len(known))) for reader in readers] == [known] * MOST


def test_stream_without_moves_shows_that_it_lives(caller, follow, monkeypatch):
    """A comment now and then, so that both ends notice when the other one is gone."""
    monkeypatch.setattr(moves, "SIGN_S", 0.02)
    reader = follow()
    assert reader.block() == {"retry": "1000"}

    assert [reader.block() for _ in range(3)] == [{}] * 3


def test_one_stream_too_many_is_503_and_other_calls_are_answered(caller, follow):
    """Streams never take the last thread; the refusal says when to ask again."""
    for _ in range(MOST):
        assert follow().status == 200

    refused = caller.call(EVENTS)

    assert (refused.status, said(refused)[0]) == (503, 1510)
    assert int(refused.headers["Retry-After"]) > 0
    assert [caller.call(UPLOADS).status for _ in range(20)] == [200] * 20


def test_client_that_goes_away_gives_its_place_to_another(caller, follow, monkeypatch):
    """However it ends; nobody waits until its time is over."""
    monkeypatch.setattr(moves, "SIGN_S", 0.05)
    for reader in [follow() for _ in range(MOST)]:
        reader.block()
        reader.close()

    for _ in range(MOST):
        eventually(lambda: follow().status == 200, within=20)
    assert follow().status == 503


def test_heads_and_refusals_take_no_place(caller, follow):
    """What is no stream in the end holds nothing."""
    for _ in range(MOST + 2):
        assert caller.call(EVENTS, "HEAD").status == 200
        assert caller.call(f"{EVENTS}?after=x").status == 422
        assert caller.call(EVENTS, host="evil.example").status == 403

    assert [follow().status for _ in range(MOST)] == [200] * MOST


def test_client_that_does_not_read_keeps_nobody_waiting(caller, follow):
    """Its moves pile up in a buffer until it is cut; calls and other streams go on."""
    silent = follow(f"{EVENTS}?after=0")
    reader = follow()
    reader.block()

    known = stir(caller.store, 300)

    assert numbers(reader.events(len(known))) == known
    assert caller.call(UPLOADS).status == 200
    assert silent.status == 200


def test_close_of_the_daemon_ends_every_stream_by_its_own_end(caller, follow):
    """A stream is not cut: its last chunk comes, so that the client knows that it was all."""
    readers = [follow() for _ in range(MOST)]
    for reader in readers:
        reader.block()

    closing = threading.Thread(target=caller.listener.close)
    closing.start()
    ends = [reader.block() for reader in readers]
    closing.join(60)

    # a stream that is cut raises IncompleteRead instead
    assert ends == [None] * MOST
    assert not closing.is_alive()


def test_stream_after_forgotten_moves_begins_with_a_gap(bench):
    """Who missed moves that are known no more is told so, and from where on he has all."""
    store, clock, told = bench
    old = stir(store, 9)
    clock.advance(100)
    young = stir(store, 3)
    store.forget_events(50)
    pieces = iter(told.follow(old[1], move_body))

    assert next(pieces) == b"retry: 1000\n\n"
    gap, rest = next(pieces).decode(), next(pieces).decode()

    assert gap == f'id: {young[0] - 1}\nevent: gap\ndata: {{"oldest": {young[0]}}}\n\n'
    assert [int(line[4:]) for line in rest.splitlines() if line.startswith("id: ")] == young


@pytest.mark.parametrize("missed", [0, 1])
def test_stream_that_missed_nothing_begins_without_a_gap(bench, missed):
    """The oldest known move is the very next one, or a later one."""
    store, clock, told = bench
    stir(store, 9)
    clock.advance(100)
    young = stir(store, 3)
    store.forget_events(50)
    pieces = iter(told.follow(young[0] - 1 + missed, move_body))
    next(pieces)

    assert next(pieces).startswith(b"id: %d\nevent: " % young[missed])


def test_stream_with_a_number_of_another_state_begins_with_a_gap(bench):
    """A state that was made anew counts from one again; waiting for its number would miss all."""
    store, _, told = bench
    known = stir(store, 2)
    pieces = iter(told.follow(known[-1] + 500, move_body))
    next(pieces)

    assert next(pieces) == b'id: %d\nevent: gap\ndata: {"oldest": %d}\n\n' % (known[-1], known[0])
    after = stir(store)
    assert next(pieces).startswith(b"id: %d\n" % after[0])


def test_stream_ends_when_its_time_is_over(bench):
    """A client comes back by itself; nobody holds a place for ever."""
    store, clock, told = bench
    stream = told.follow(None, move_body)
    pieces = iter(stream)
    next(pieces)
    stir(store)
    assert next(pieces).startswith(b"id: ")

    clock.advance(LIFE_S)

    assert list(pieces) == []


def test_stream_of_a_daemon_that_stops_is_refused(bench):
    """Nothing that would go on is begun any more, and what runs ends."""
    _, _, told = bench
    pieces = iter(told.follow(None, move_body))
    next(pieces)

    told.stop()

    assert list(pieces) == []
    with pytest.raises(Busy):
        told.follow(None, move_body)


def test_place_is_given_back_once_however_often_a_stream_is_closed(bench):
    """Two closes of one stream make no second place."""
    _, _, told = bench
    streams = [told.follow(None, move_body) for _ in range(MOST)]

    for _ in range(2):
        streams[0].close()

    told.follow(None, move_body)
    with pytest.raises(Busy):
        told.follow(None, move_body)
