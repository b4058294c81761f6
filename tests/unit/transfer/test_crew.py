"""The two lanes of workers: as many as there is work, none at rest, no piece lost."""

from __future__ import annotations

import threading

from masv_watch.errors import CloudUnreachable
from masv_watch.loops import Bell, SystemClock
from masv_watch.metrics import Metrics
from masv_watch.transfer import crew as rooms
from masv_watch.transfer.crew import Crew, Lane
from tests.waiting import eventually


def crew_of(small=lambda: 8, large=lambda: 2) -> Crew[str]:
    sizes = {Lane.SMALL: small, Lane.LARGE: large}
    return Crew(sizes, bell=Bell(), clock=SystemClock(), metrics=Metrics())


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("worker-")]


def drained(crew: Crew[str], count: int) -> list[str]:
    """Take outcomes until so many came; give their keys."""
    keys: list[str] = []

    def taken():
        keys.extend(outcome.key for outcome in crew.take_outcomes())
        return len(keys) >= count

    eventually(taken)
    return keys


def test_crew_has_no_worker_before_there_is_work_and_no_more_than_pieces():
    """A daemon at rest costs nothing, and three files need no sixty-four threads."""
    before = set(workers())
    crew = crew_of()
    assert set(workers()) == before
    go_on = threading.Event()

    for number in range(3):
        crew.hand_in(Lane.SMALL, str(number), go_on.wait)
    started = set(workers()) - before
    go_on.set()

    assert len(started) == 3
    assert sorted(drained(crew, 3)) == ["0", "1", "2"]
    crew.stop(5.0)
    assert set(workers()) == before


def test_crew_lanes_never_wait_for_each_other():
    """Every connection may be busy with a chunk: a small file goes all the same."""
    crew = crew_of()
    go_on = threading.Event()
    for number in range(crew.room(Lane.LARGE)):
        crew.hand_in(Lane.LARGE, f"large {number}", go_on.wait)
    assert crew.room(Lane.LARGE) == 0

    crew.hand_in(Lane.SMALL, "small", lambda: None)

    assert drained(crew, 1) == ["small"]
    assert eventually(lambda: crew.is_full(Lane.LARGE))
    go_on.set()
    assert len(drained(crew, 4)) == 4
    assert crew.busy == 0
    crew.stop(5.0)


def test_crew_takes_back_only_what_nobody_began():
    """What runs has an outcome, what was taken back has none."""
    crew = crew_of(large=lambda: 1)
    go_on, began = threading.Event(), threading.Event()

    def piece():
        began.set()
        go_on.wait()

    crew.hand_in(Lane.LARGE, "runs", piece)
    assert began.wait(60)
    crew.hand_in(Lane.LARGE, "waits", piece)

    assert crew.take_back() == ["waits"]
    assert crew.busy == 1
    go_on.set()
    assert drained(crew, 1) == ["runs"]
    crew.stop(5.0)


def test_crew_that_may_be_smaller_lets_workers_go_and_larger_takes_new_ones():
    """The number of connections follows a reload, and what tunes it."""
    most = [4]
    crew = crew_of(large=lambda: most[0])
    go_on = threading.Event()
    for number in range(4):
        crew.hand_in(Lane.LARGE, str(number), go_on.wait)
    assert crew.is_full(Lane.LARGE)
    most[0] = 1
    go_on.set()
    drained(crew, 4)

    crew.hand_in(Lane.LARGE, "alone", lambda: None)
    drained(crew, 1)

    assert eventually(lambda: sum(name.startswith("worker-large") for name in workers()) <= 1)
    crew.stop(5.0)


def test_crew_whose_workers_ended_for_want_of_work_works_again(monkeypatch):
    """Threads that idle end; the next piece finds a new one, whenever it comes."""
    monkeypatch.setattr(rooms, "IDLE_S", 0.002)
    before = set(workers())
    crew = crew_of()

    for turn in range(200):
        crew.hand_in(Lane.SMALL, str(turn), lambda: None)
        assert drained(crew, 1) == [str(turn)]

    assert eventually(lambda: set(workers()) == before)
    crew.stop(5.0)


def test_crew_tells_an_error_of_ours_and_a_crash_apart():
    """A crash is a fault of ours and says so; its worker goes on."""
    crew = crew_of(small=lambda: 1)

    def breaks():
        raise CloudUnreachable("away")

    def crashes():
        raise RuntimeError("a mistake")

    found = {}
    for key, piece in (("breaks", breaks), ("crashes", crashes), ("works", lambda: None)):
        crew.hand_in(Lane.SMALL, key, piece)

    def all_in():
        found.update({outcome.key: outcome for outcome in crew.take_outcomes()})
        return len(found) == 3

    eventually(all_in)
    assert isinstance(found["breaks"].error, CloudUnreachable)
    assert (found["crashes"].crashed, found["works"].crashed) == (True, False)
    crew.stop(5.0)
