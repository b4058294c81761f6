"""Callers who are slow, silent, many, or never read: none of them holds up another."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from masv_watch.api.connections import CALL_S, CONNECTIONS, SILENCE_S
from masv_watch.api.server import THREADS
from tests.integration.api.listening import JSON, PLAIN, PROJECT, House, curl, drained, parsed
from tests.waiting import eventually


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path / "state", PLAIN)
    yield built
    built.close()


@contextlib.contextmanager
def connected(house, count):
    lines = [house.connect() for _ in range(count)]
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


def test_callers_who_stall_everywhere_leave_others_answered(house):
    """A hundred: before, in and after the header, in a body and in a chunk."""
    post = house.head(JSON, "Content-Length: 100", method="POST") + b"\r\n"
    chunked = house.head(JSON, "Transfer-Encoding: chunked", method="POST") + b"\r\n"
    stalls = [b"", b"G", house.head(), post + b"x", chunked + b"5\r\nab"]
    with connected(house, 100) as lines:
        for number, line in enumerate(lines):
            line.sendall(stalls[number % len(stalls)])

        answers = [house.call()[0] for _ in range(20)]

    assert answers == [200] * 20


def test_callers_who_drip_leave_others_answered(house):
    """A byte at a time from twenty callers while others are answered; in the end they are too."""
    call = house.head("Connection: close") + b"\r\n"
    with connected(house, 20) as lines:
        for byte in call:
            for line in lines:
                line.sendall(bytes([byte]))
            if byte == ord("\n"):
                assert house.call()[0] == 200
        answers = [parsed(drained(line))[0] for line in lines]

    assert answers == [200] * 20


def test_more_callers_than_there_are_places_leave_others_answered(house):
    """The one that has brought no whole call for longest makes room."""
    with connected(house, CONNECTIONS + 100) as lines:
        for line in lines[:CONNECTIONS]:
            with contextlib.suppress(OSError):
                line.sendall(house.head())

        answers = [house.call()[0] for _ in range(5)]
        held = len(house.channels)

    assert answers == [200] * 5
    assert held <= CONNECTIONS


def test_caller_who_is_being_answered_is_never_the_one_who_makes_room(house):
    """A long call survives a flood of connections."""
    goes_on, is_in = threading.Event(), threading.Event()

    def wait(environ):
        if environ["PATH_INFO"] == "/long":
            is_in.set()
            goes_on.wait(60)

    house.on_call = wait
    with house.connect() as long:
        long.sendall(house.head("Connection: close", path="/long") + b"\r\n")
        assert is_in.wait(60)
        with connected(house, CONNECTIONS + 100):
            eventually(lambda: len(house.channels) >= CONNECTIONS - 1)
            goes_on.set()
            answer = parsed(drained(long))[0]

    assert answer == 200


def test_callers_who_never_read_hold_no_worker(house):
    """As many as there are workers, each asking for far more than is kept, and a call passes."""
    calls = []
    house.on_call = calls.append
    house.answer = b" " * 6_000_000
    with connected(house, 2 * THREADS) as lines:
        for line in lines:
            line.sendall((house.head() + b"\r\n") * 60)
        eventually(lambda: len(calls) > 3 * THREADS)

        # whoever leaves more unread than is kept is cut
        eventually(lambda: not house.channels, within=20)
        house.answer = b""
        assert house.call()[0] == 200


def test_caller_who_reads_slowly_gets_a_large_answer_whole(house):
    """What waits in the buffer is his for as long as he goes on reading."""
    house.answer = b" " * 20_000_000
    with house.connect() as line:
        line.sendall(house.head("Connection: close") + b"\r\n")
        (channel,) = eventually(lambda: house.channels)
        eventually(lambda: channel.total_outbufs_len and not channel.requests)
        channel.waits_since -= 10 * CALL_S
        look(house, 0)
        assert house.channels == [channel]

        came = drained(line)

    assert came.endswith(b"\r\n\r\n" + b" " * 20_000_000)


def look(house, seconds):
    """Let the listener look at its connections as if so many seconds had passed."""
    house.listeners._on_thread(
        lambda: [hall.maintenance(time.time() + seconds) for hall in house.listeners._halls]
    )


def test_caller_who_is_silent_for_too_long_is_let_go(house):
    """Half a minute without a byte; not before."""
    with house.connect() as line:
        line.sendall(house.head())
        (channel,) = eventually(lambda: house.channels)
        eventually(lambda: channel.request is not None)
        look(house, SILENCE_S - 15)
        before = len(house.channels)

        look(house, SILENCE_S + 1)

        assert line.recv(1) == b""
    assert (before, house.channels) == (1, [])


def test_caller_who_drips_for_too_long_is_let_go(house):
    """A byte now and then keeps a place for two minutes, not for ever."""
    with house.connect() as line:
        line.sendall(house.head())
        (channel,) = eventually(lambda: house.channels)
        eventually(lambda: channel.request is not None)
        channel.last_activity += 10 * CALL_S
        look(house, CALL_S - 30)
        before = len(house.channels)

        look(house, CALL_S + 1)

    assert (before, house.channels) == (1, [])


def test_caller_who_waits_for_a_long_answer_is_not_let_go(house):
    """A call that is being answered may take its time, and a kept connection starts anew."""
    goes_on, is_in = threading.Event(), threading.Event()

    def wait(_):
        is_in.set()
        goes_on.wait(60)

    house.on_call = wait
    with house.connect() as line:
        line.sendall(house.head("Connection: close") + b"\r\n")
        assert is_in.wait(60)

        look(house, 100 * CALL_S)
        goes_on.set()

        assert parsed(drained(line))[0] == 200


def test_caller_who_leaves_an_answer_unread_for_too_long_is_let_go_in_the_middle_of_it(tmp_path):
    """A stream whose buffer does not move ends, and its worker with it."""
    house = House(tmp_path / "state", PLAIN)
    ended = threading.Event()

    def stream(_, start):
        start("200 OK", [("Content-Type", "text/event-stream")])
        try:
            for _ in range(1_000):
                yield b" " * 10_000
            is_full.set()
            while True:
                goes_on.wait(0.05)
                yield b" "
        finally:
            ended.set()

    goes_on, is_full = threading.Event(), threading.Event()
    house.listeners._halls[0].application = stream
    try:
        with house.connect() as line:
            line.sendall(house.head() + b"\r\n")
            assert is_full.wait(60)
            look(house, SILENCE_S - 15)
            assert not ended.is_set()

            look(house, 2 * SILENCE_S)

            assert ended.wait(60)
    finally:
        house.close()


def test_caller_who_goes_away_is_noticed_while_he_is_answered(house):
    """The route can see it and need not go on."""
    seen = threading.Event()
    is_in = threading.Event()

    def watch(environ):
        is_in.set()
        eventually(environ["waitress.client_disconnected"])
        seen.set()

    house.on_call = watch
    with house.connect() as line:
        line.sendall(house.head() + b"\r\n")
        assert is_in.wait(60)

    assert seen.wait(60)


EXHAUSTED = """
import os, resource, sys, time
sys.path.insert(0, sys.argv[1])
from tests.integration.api.listening import House, PLAIN
house = House(sys.argv[2], PLAIN)
print(house.port, flush=True)
# room for twenty connections beside what is open
limit = max(map(int, os.listdir("/proc/self/fd"))) + 20
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
print("limited", flush=True)
sys.stdin.readline()
used = time.process_time()
sys.stdin.readline()
print(time.process_time() - used < 0.5, flush=True)
# not one is left, and nobody is there to make room
while house.channels:
    time.sleep(0.01)
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    print("none", flush=True)
used = time.process_time()
sys.stdin.readline()
print(time.process_time() - used < 0.2, flush=True)
for each in taken:
    os.close(each)
sys.stdin.readline()
house.close()
"""


def test_daemon_without_a_descriptor_left_makes_room_and_does_not_spin(tmp_path):
    """EMFILE costs the oldest waiting caller, never the listener and never a processor."""
    command = [sys.executable, "-c", EXHAUSTED, str(PROJECT), str(tmp_path / "state")]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process,
        contextlib.ExitStack() as open_lines,
    ):
        port = int(process.stdout.readline())
        assert process.stdout.readline() == "limited\n"
        # the netlink socket takes its descriptor while there is one
        before = curl(f"http://127.0.0.1:{port}/")[0]
        say(process, "begin")
        for _ in range(60):
            line = open_lines.enter_context(socket.create_connection(("127.0.0.1", port)))
            line.sendall(b"GET / HTTP/1.1\r\n")

        answers = [curl("--max-time", "60", f"http://127.0.0.1:{port}/")[0] for _ in range(5)]
        open_lines.close()
        say(process, "end")
        was_calm = process.stdout.readline()
        assert process.stdout.readline() == "none\n"
        open_lines.enter_context(socket.create_connection(("127.0.0.1", port)))
        refused = curl("--max-time", "1", f"http://127.0.0.1:{port}/")[0]
        say(process, "give them back")
        stayed_calm = process.stdout.readline()
        again = curl("--max-time", "60", f"http://127.0.0.1:{port}/")[0]
        process.communicate("end\n", timeout=60)

    assert before == 200
    assert answers == [200] * 5
    assert (was_calm, stayed_calm) == ("True\n", "True\n")
    assert (refused, again) == (0, 200)


def say(process, word):
    process.stdin.write(word + "\n")
    process.stdin.flush()
