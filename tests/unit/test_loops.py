"""Clocks, bells, supervised loops and the letters to systemd."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from masv_watch.loops import (
    STALLED_AFTER_S,
    Bell,
    Heart,
    Loop,
    SystemClock,
    assert_outside_transaction,
    in_transaction,
    transaction_flag,
)
from masv_watch.metrics import Metrics
from tests.waiting import eventually


class DrivenClock(SystemClock):
    """A clock whose monotonic seconds stand still until a test moves them."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def loops(metrics: Metrics) -> Iterator[object]:
    """Build loops that end with the test."""
    built: list[Loop] = []

    def build(tick: object, **settings: object) -> Loop:
        chosen = {"bell": Bell(), "clock": SystemClock(), "metrics": metrics, **settings}
        built.append(Loop("probe", tick, **chosen))
        return built[-1]

    yield build
    for loop in built:
        assert loop.stop(5.0)


def test_bell_several_rings_before_the_wait_fold_into_one():
    """A ring before the wait is not lost, and many are one."""
    bell = Bell()
    bell.ring()
    bell.ring()

    assert bell.wait(0) is True
    assert bell.wait(0) is False


def test_bell_ring_wakes_the_waiting_thread():
    """A wait without end returns on the ring of another thread."""
    bell, woke = Bell(), threading.Event()
    threading.Thread(target=lambda: (bell.wait(None), woke.set()), daemon=True).start()

    bell.ring()

    assert woke.wait(60)


def test_bell_rung_by_many_threads_never_loses_the_last_ring():
    """Whatever is written before a ring is seen by a wait that follows it."""
    bell, seen, written = Bell(), [], []

    def listen() -> None:
        while len(written) < 800 or len(seen) < 800:
            if bell.wait(60):
                seen[:] = written[:]

    def ring() -> None:
        for _ in range(200):
            written.append(1)
            bell.ring()

    threads = [threading.Thread(target=ring) for _ in range(4)]
    listener = threading.Thread(target=listen, daemon=True)
    for thread in (listener, *threads):
        thread.start()
    for thread in threads:
        thread.join(60)

    listener.join(60)

    assert len(seen) == 800


def test_loop_ticks_again_after_the_seconds_its_tick_asks_for(loops):
    """The tick's answer is the pause to the next one."""
    at: list[float] = []
    loop = loops(lambda: at.append(time.monotonic()) or 0.05)

    loop.start()
    eventually(lambda: len(at) >= 4)

    assert min(later - earlier for earlier, later in pairwise(at)) >= 0.045


def test_loop_without_an_answer_waits_its_own_bound(loops):
    """None means `at_most_s`, and no answer may ask for longer."""
    ticks: list[int] = []
    patient = loops(lambda: ticks.append(1) or 3600.0, at_most_s=0.05)

    patient.start()

    assert eventually(lambda: len(ticks) >= 3, within=2)


def test_loop_rung_while_it_waits_ticks_at_once(loops):
    """The bell cuts the pause short."""
    ticks: list[int] = []
    loop = loops(lambda: ticks.append(1), at_most_s=60.0)
    loop.start()
    eventually(lambda: len(ticks) == 1)

    loop.bell.ring()

    assert eventually(lambda: len(ticks) == 2, within=2)


def test_loop_whose_tick_crashes_goes_on_logs_once_and_counts(loops, metrics, caplog):
    """One crash is one log record with its traceback, one count, and not the end."""
    left = [ValueError("first"), ValueError("second")]
    ticks: list[int] = []

    def tick() -> None:
        if left:
            raise left.pop(0)
        ticks.append(1)

    with caplog.at_level(logging.ERROR):
        loop = loops(tick, backoff_s=0.02)
        loop.start()
        eventually(lambda: ticks)

    crashes = [record for record in caplog.records if record.message == "a tick crashed"]
    assert [str(record.exc_info[1]) for record in crashes] == ["first", "second"]
    assert metrics.value("loop_crashes", loop="probe") == 2
    assert loop.crashes_in_row == 0


def test_loop_crashing_again_and_again_doubles_its_pause_up_to_a_minute(loops, caplog):
    """The pauses are 1, 2, 4 ... 60 times the first, as the log says."""
    loop = loops(lambda: None)

    pauses = []
    for crashes in (1, 2, 3, 4, 5, 6, 7, 8, 1000):
        loop._crashes_in_row = crashes
        pauses.append(loop._pause())

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_loop_in_its_crash_pause_is_not_hurried_by_the_bell(loops):
    """A storm of rings never turns a crash into a busy loop."""
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        raise OSError("broken")

    loop = loops(tick, backoff_s=30.0)
    loop.start()
    eventually(lambda: ticks)

    for _ in range(100):
        loop.bell.ring()
        time.sleep(0.001)

    assert len(ticks) == 1


def test_loop_asked_to_stop_in_its_crash_pause_ends_at_once(loops):
    """Stopping waits for no pause."""

    def tick() -> None:
        raise OSError("broken")

    loop = loops(tick, backoff_s=60.0)
    loop.start()
    eventually(lambda: loop.crashes_in_row)

    ended = loop.stop(30.0)

    assert ended
    assert not loop.alive


def test_loop_stop_of_a_hung_tick_says_that_it_did_not_end(loops):
    """Stop gives up after its time and tells the truth."""
    release = threading.Event()
    loop = loops(lambda: release.wait(60) and None)
    loop.start()

    ended = loop.stop(0.05)

    release.set()
    assert not ended


def test_loop_started_twice_is_refused(loops):
    """A loop has one thread in its life."""
    loop = loops(lambda: None)
    loop.start()

    with pytest.raises(RuntimeError, match="probe"):
        loop.start()


def test_loop_hung_in_a_tick_is_not_healthy_until_it_beats(loops):
    """A tick longer than the bound is a hang unless it shows progress."""
    clock, release, inside = DrivenClock(), threading.Event(), threading.Event()

    def tick() -> None:
        inside.set()
        release.wait(60)

    loop = loops(tick, clock=clock)
    loop.start()
    inside.wait(60)

    clock.now += STALLED_AFTER_S
    on_time = loop.healthy(clock.now)
    clock.now += 1
    late = loop.healthy(clock.now)
    loop.beat()
    beaten = loop.healthy(clock.now)

    release.set()
    assert (on_time, late, beaten) == (True, False, True)


def test_loop_in_a_long_crash_pause_stays_healthy(loops):
    """Waiting on purpose is not hanging."""
    clock = DrivenClock()

    def tick() -> None:
        raise OSError("broken")

    loop = loops(tick, clock=clock, backoff_s=60.0)
    loop.start()
    eventually(lambda: loop.crashes_in_row)
    eventually(lambda: loop._wakes_at > clock.now)

    assert loop.healthy(clock.now + 60.0 + STALLED_AFTER_S)
    assert not loop.healthy(clock.now + 61.0 + STALLED_AFTER_S)


def test_loop_never_started_is_not_healthy(loops):
    """No thread, no health."""
    assert not loops(lambda: None).healthy(0.0)


def test_heart_without_a_socket_is_silent():
    """Outside systemd nothing is sent and nothing fails."""
    heart = Heart(clock=SystemClock(), environ={})

    assert heart.ready() is False
    assert heart.watchdog_s is None


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_heart_reads_the_watchdog_only_when_it_is_meant_for_us(environ, seconds):
    """Another process' watchdog and nonsense are no watchdog."""
    assert Heart(clock=SystemClock(), environ=environ).watchdog_s == seconds


def test_heart_with_a_socket_that_is_gone_loses_the_letter_only(tmp_path, caplog):
    """A letter that cannot be sent is a warning."""
    gone = {"NOTIFY_SOCKET": str(tmp_path / "gone")}

    assert Heart(clock=SystemClock(), environ=gone).status("x") is False
    assert "systemd did not take a letter" in caplog.text


def test_system_clock_local_time_knows_its_zone():
    """A local time without a zone would make names ambiguous."""
    clock = SystemClock()
    wall = clock.wall()

    local = clock.local(wall)

    assert isinstance(local, datetime)
    assert local.utcoffset() is not None
    assert local.timestamp() == pytest.approx(wall)


def test_system_clock_boottime_never_goes_back():
    """Boot time counts sleep and only grows."""
    clock = SystemClock()
    times = [clock.boottime() for _ in range(50)]

    assert times == sorted(times)


def test_transaction_flag_makes_calls_to_the_outside_a_mistake():
    """Inside a transaction the guard raises, outside it does not, in this thread only."""
    assert_outside_transaction()

    with transaction_flag():
        with pytest.raises(RuntimeError, match="transaction"):
            assert_outside_transaction()
        elsewhere: list[bool] = []
        thread = threading.Thread(target=lambda: elsewhere.append(in_transaction.get()))
        thread.start()
        thread.join(60)

    assert elsewhere == [False]
    assert_outside_transaction()


def test_transaction_flag_is_cleared_when_the_transaction_raises():
    """A rollback leaves the thread free to speak."""
    with pytest.raises(KeyError), transaction_flag():
        raise KeyError("x")

    assert_outside_transaction()
