"""Callers who try to be taken for another: closed, reset, half-closed, and on borrowed ports."""

from __future__ import annotations

import contextlib
import os
import socket
import struct

import pytest

from masv_watch.api.doors import Door
from masv_watch.api.peers import Peers, SocketTable
from masv_watch.loops import SystemClock
from masv_watch.model import Listen
from tests.integration.api.listening import (
    PLAIN,
    PLAIN_6,
    STRANGER,
    House,
    curl,
    run_as,
    start_as,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")


@pytest.fixture
def build(tmp_path):
    """Build houses that are closed at the end."""
    built = []

    def build(*listens):
        built.append(House(tmp_path / "state", *listens))
        return built[-1]

    yield build
    for house in built:
        house.close()


@pytest.fixture
def table():
    made = SocketTable()
    yield made
    made.close()


def test_owner_of_a_socket_is_nobody_once_it_is_closed(table):
    """The kernel shows uid 0 for a socket without an inode; that is nobody, never root."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((host, 0), family=family) as listening:
            near = listening.getsockname()[:2]
            call = socket.create_connection(near)
            far = call.getsockname()[:2]
            line, _ = listening.accept()
            with line:
                held = table.owner_of(far, near)
                swapped = table.owner_of(near, far)
                call.close()
                closed = table.owner_of(far, near)
                never = table.owner_of((host, 1), near)
                listener = table.owner_of(near, (host, 1))

        assert (held, swapped) == (os.geteuid(), os.geteuid())
        assert (closed, never, listener) == (None, None, None)


SPOOF = """
import socket, struct, sys
host, port, tries = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
call = b"GET /spoof HTTP/1.1\\r\\nHost: localhost:%d\\r\\n\\r\\n" % port
family = socket.AF_INET6 if ":" in host else socket.AF_INET
for number in range(tries):
    with socket.socket(family) as line:
        line.connect((host, port))
        line.sendall(call)
        how = number % 4
        if how == 1:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == 2:
            line.shutdown(socket.SHUT_WR)
        elif how == 3:
            line.shutdown(socket.SHUT_RDWR)
print("done")
"""


@needs_root
def test_caller_who_sends_and_closes_is_never_taken_for_another(build):
    """4,000 calls that end in four ways before they are judged: none admitted, none as root."""
    house = build(PLAIN, PLAIN_6)
    admitted = []
    judged = []
    admit = house.guard.admit

    def watched(environ):
        judged.append(environ["PATH_INFO"])
        caller = admit(environ)
        admitted.append((environ["PATH_INFO"], caller))
        return caller

    house.guard.admit = watched
    for host, port in zip(("127.0.0.1", "::1"), house.listeners.ports, strict=True):
        assert run_as(STRANGER, SPOOF, host, port, 2000) == "done\n"
    curl(house.url)

    # how many live until they are judged is the machine's affair
    assert judged.count("/spoof") > 50
    assert [path for path, _ in admitted] == ["/"]


def connected_from(near, far):
    """Connect from a port that another connection had a moment ago."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    line.bind(near)
    line.connect(far)
    return line


def test_connection_that_was_reset_is_not_taken_for_the_next_one_with_the_same_ends():
    """What the kernel says of four ends counts only while our own end of them still stands."""
    peers = Peers(SystemClock())
    with contextlib.closing(peers), socket.create_server(("127.0.0.1", 0)) as listening:
        local = listening.getsockname()
        first = connected_from(("127.0.0.1", 0), local)
        peer = first.getsockname()
        dead, _ = listening.accept()
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        with connected_from(peer, local), dead:
            living, _ = listening.accept()
            with living:
                said = [
                    peers.uid_of(Door(listen=Listen(), local=local, peer=peer, line=line))
                    for line in (dead, living)
                ]

    assert said == [None, os.geteuid()]


REUSE = """
import socket, struct, sys
port, own, tries = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
call = b"GET /spoof HTTP/1.1\\r\\nHost: localhost:%d\\r\\n\\r\\n" % port
for number in range(tries):
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        line.bind(("127.0.0.1", own))
        line.connect(("127.0.0.1", port))
        line.sendall(call)
    except OSError:
        pass
    line.close()
print("done")
"""


@needs_root
def test_caller_whose_port_a_trusted_one_takes_over_is_not_taken_for_him(build):
    """A reset connection and a new one of root with the same four ends are two callers."""
    house = build()
    spoofed = []
    admit = house.guard.admit

    def watched(environ):
        caller = admit(environ)
        spoofed.append(environ["PATH_INFO"])
        return caller

    house.guard.admit = watched
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    with start_as(STRANGER, REUSE, house.port, own, 5000) as attack:
        while attack.poll() is None:
            call_from(own, house)
        _, errors = attack.communicate()

    assert attack.returncode == 0, errors
    assert "/spoof" not in spoofed
    assert "/root" in spoofed


def call_from(port, house):
    with socket.socket() as line:
        line.settimeout(60)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind(("127.0.0.1", port))
            line.connect(("127.0.0.1", house.port))
            line.sendall(house.head("Connection: close", path="/root") + b"\r\n")
            line.recv(65536)
        except OSError:
            # the other one has it
            return
