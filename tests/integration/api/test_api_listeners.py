"""The doors of the API: TCP, unix sockets, what systemd hands over, and the end."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading

import pytest

from masv_watch.api.doors import Bound, bind, handed_over
from masv_watch.api.server import IDLE_S, LOOK_S
from masv_watch.errors import CannotListen
from masv_watch.model import Listen, Scheme
from tests.integration.api.listening import (
    PLAIN,
    PLAIN_6,
    PROJECT,
    House,
    curl,
    drained,
    run_as,
)
from tests.processes import free_port
from tests.waiting import eventually


def unix(path):
    return Listen(scheme=Scheme.UNIX, path=str(path))


@pytest.fixture
def build(tmp_path):
    """Build houses that are closed at the end."""
    built = []

    def build(*listens, **rest):
        built.append(House(tmp_path / "state", *listens, **rest))
        return built[-1]

    yield build
    for house in built:
        house.close()


def test_listeners_answer_at_every_door_and_say_by_which_a_call_came(build, tmp_path):
    """IPv4, IPv6 and a unix socket side by side, each with its own port and its own name."""
    house = build(PLAIN, unix(tmp_path / "api"), PLAIN_6)

    first = curl(house.listeners.urls[0])
    second = curl("--unix-socket", str(tmp_path / "api"), "http://anything/uploads")
    third = curl(house.listeners.urls[2])

    assert [answer[0] for answer in (first, second, third)] == [200, 200, 200]
    assert [answer[1]["listen"] for answer in (first, second, third)] == list(house.listeners.urls)
    assert first[1]["remote"][0] == "127.0.0.1"
    assert third[1]["remote"][0] == "::1"
    assert house.listeners.ports[1] == 0
    assert house.listeners.alive


def test_listener_on_a_taken_port_says_so_and_leaves_no_door_open(build, tmp_path):
    """The address and what helps; what was bound before it is let go."""
    taken = build()

    with pytest.raises(CannotListen) as refused:
        build(unix(tmp_path / "api"), Listen(port=taken.port))

    assert f"127.0.0.1:{taken.port}" in refused.value.message
    assert "server.listen" in refused.value.hint
    assert not (tmp_path / "api").exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "::ffff:192.0.2.1", "1.2.3"])
def test_listener_on_a_foreign_address_says_so(build, host):
    """One sentence, whatever the system calls it."""
    with pytest.raises(CannotListen, match="cannot listen on http://"):
        build(Listen(host=host, port=0))


def test_address_that_is_not_of_this_machine_is_not_told_as_taken():
    """Nothing listens there that could be stopped; it may come late, as of a VPN (RFC 5737)."""
    with pytest.raises(CannotListen, match="cannot assign requested address") as caught:
        bind(Listen(host="192.0.2.1", port=8443))

    assert "no such address, or not yet" in caught.value.hint
    assert "stop what listens" not in caught.value.hint


def test_https_listener_without_a_certificate_is_refused_and_binds_nothing(build):
    """A mistake of the caller shows at the start, not at the first call."""
    with pytest.raises(CannotListen, match="no certificate"):
        build(PLAIN, Listen(scheme=Scheme.HTTPS, port=0))


def test_unix_socket_is_for_its_user_and_group_and_is_gone_after_the_end(build, tmp_path):
    """0660 whatever the umask; no file stays behind."""
    before = os.umask(0o077)
    try:
        house = build(unix(tmp_path / "api"))
    finally:
        os.umask(before)
    mode = stat.S_IMODE((tmp_path / "api").stat().st_mode)

    house.close()

    assert mode == 0o660
    assert not (tmp_path / "api").exists()


def test_unix_socket_of_a_dead_daemon_is_replaced(build, tmp_path):
    """A file on which nobody listens keeps no daemon from starting."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "api"))

    house = build(unix(tmp_path / "api"))

    assert curl("--unix-socket", str(tmp_path / "api"), "http://x/")[0] == 200
    assert house.listeners.alive


def test_unix_socket_of_a_living_daemon_is_left_alone(build, tmp_path):
    """The second one is refused, the first one goes on answering."""
    build(unix(tmp_path / "api"))

    with pytest.raises(CannotListen, match="another process listens"):
        build(unix(tmp_path / "api"))

    assert curl("--unix-socket", str(tmp_path / "api"), "http://x/")[0] == 200


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_unix_socket_never_replaces_what_is_no_socket(build, tmp_path, kind):
    """A mistyped path costs nobody a file."""
    path = tmp_path / "api"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(CannotListen, match="no socket"):
        build(unix(path))

    assert os.path.lexists(path)


@pytest.mark.parametrize("path", ["missing/api", "x" * 200])
def test_unix_socket_that_cannot_be_made_says_why(build, tmp_path, path):
    """A missing folder and a path too long for the system are one clear error each."""
    with pytest.raises(CannotListen, match="cannot listen on unix://"):
        build(unix(tmp_path / path))


def test_end_of_a_daemon_leaves_the_socket_of_its_successor(build, tmp_path):
    """Only the file that was made is removed, known by its inode."""
    house = build(unix(tmp_path / "api"))
    os.unlink(tmp_path / "api")
    successor = bind(unix(tmp_path / "api"))

    house.close()

    assert (tmp_path / "api").exists()
    successor.close()


HANDED = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
sockets = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
sockets[1].bind(sys.argv[2]); sockets[1].listen()
sockets.append(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
taken = [os.dup2(each.fileno(), 40 + number) for number, each in enumerate(sockets)]
for each in sockets: each.close()
os.closerange(3, 40)
for number, each in enumerate(taken): os.dup2(each, 3 + number)
from masv_watch.api.doors import handed_over
bound = handed_over({
    "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "api:connection:https",
})
for each in bound: print(each.listen.scheme, each.listen.host, each.listen.path, each.file)
print([each.socket.get_inheritable() for each in bound])
"""


def test_sockets_of_systemd_are_taken_with_their_addresses_and_names(tmp_path):
    """Three kinds in order; one named https speaks TLS; none is inherited any further."""
    said = run_as(None, HANDED, PROJECT, tmp_path / "s").splitlines()

    assert said == [
        "http 127.0.0.1  None",
        f"unix  {tmp_path / 's'} None",
        "https ::  None",
        "[False, False, False]",
    ]


def test_sockets_of_systemd_replace_the_configured_addresses(build):
    """What was handed over is served; server.listen is not bound; a file of systemd's stays."""
    handed = socket.create_server(("127.0.0.1", 0))
    port = handed.getsockname()[1]
    bound = Bound(listen=Listen(port=port), socket=handed)

    house = build(Listen(host="192.0.2.1", port=1), handed=[bound])

    assert house.listeners.ports == (port,)
    assert curl(f"http://127.0.0.1:{port}/")[0] == 200


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "x", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
    ],
)
def test_sockets_of_systemd_for_somebody_else_are_not_taken(environ):
    """The variables are inherited by children, for whom they are not meant."""
    assert handed_over(environ) == ()


@pytest.mark.parametrize("count", ["", "x", "-1", "65", "99999999999999999999", "\u0661"])
def test_sockets_of_systemd_in_an_absurd_number_are_refused(count):
    """One sentence, no loop over a billion descriptors."""
    with pytest.raises(CannotListen, match="LISTEN_FDS"):
        handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count})


USELESS = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
made = {
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "quiet": lambda: socket.socket(),
    "file": lambda: open(os.devnull),
}[sys.argv[2]]()
number = made.fileno()
kept = os.dup2(number, 40)
os.closerange(3, 40)
os.dup2(40, 3)
from masv_watch.api.doors import handed_over
from masv_watch.errors import CannotListen
try:
    handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
except CannotListen as error:
    print(error.message)
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize(
    ("kind", "why"), [("udp", "no stream"), ("quiet", "does not listen"), ("file", "no socket")]
)
def test_socket_of_systemd_that_cannot_be_served_is_refused(kind, why):
    """What a socket unit got wrong is named."""
    said = run_as(None, USELESS, PROJECT, kind)

    assert why in said


def test_end_lets_a_call_in_progress_be_answered(build):
    """Who is being served gets his answer; the listener is gone for others."""
    house = build()
    goes_on, is_in = threading.Event(), threading.Event()

    def wait(_):
        is_in.set()
        goes_on.wait(60)

    house.on_call = wait
    with house.connect() as connection:
        connection.sendall(house.head() + b"\r\n")
        assert is_in.wait(60)
        end = threading.Thread(target=house.close)
        end.start()
        eventually(lambda: refused(house.port))
        # the idle ones have been sent home; the busy one is waited for
        eventually(lambda: len(house.listeners._dispatcher.threads) == 1)
        goes_on.set()

        came = drained(connection)

    end.join(60)
    assert came.startswith(b"HTTP/1.1 200")
    assert not end.is_alive()
    assert not house.listeners.alive


def refused(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_end_of_streams_is_asked_for_before_anybody_waits_for_them(build):
    """Event streams look at what `on_close` sets, and hold up nothing."""
    stops = threading.Event()
    house = build(on_close=stops.set)
    is_in = threading.Event()

    def stream(_):
        is_in.set()
        assert stops.wait(60)

    house.on_call = stream
    with house.connect() as connection:
        connection.sendall(house.head() + b"\r\n")
        assert is_in.wait(60)

        house.close()

        assert drained(connection).startswith(b"HTTP/1.1 200")
    assert not house.listeners.alive


def test_end_cuts_idle_connections_and_leaves_no_descriptor_and_no_thread(tmp_path):
    """Built and closed twenty times with callers that stay, the process is as before."""
    program = f"""
import os, sys, threading
sys.path.insert(0, {str(PROJECT)!r})
from tests.integration.api.listening import House, PLAIN, PLAIN_6
from masv_watch.model import Listen, Scheme
def once(number):
    house = House({str(tmp_path / "state")!r}, PLAIN, PLAIN_6,
                  Listen(scheme=Scheme.UNIX, path={str(tmp_path / "api")!r}))
    kept = [house.connect(door) for door in (0, 1, 2)]
    house.call()
    house.close()
    assert not house.channels
    for each in kept: each.close()
once(0)
before = len(os.listdir("/proc/self/fd"))
for number in range(20): once(number)
print(len(os.listdir("/proc/self/fd")) - before, threading.active_count())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.stdout.split() == ["0", "1"], done.stderr
    assert not done.stderr


def test_listener_on_127_0_0_1_takes_its_twin_as_well(tmp_path):
    """Callers of localhost try [::1] first, so no other user may have it."""
    port = free_port()
    house = House(tmp_path / "house", Listen(port=port))
    try:
        with socket.create_connection(("::1", port), timeout=60) as connection:
            connection.sendall(
                f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()
            )
            answer = drained(connection)

        assert house.listeners.ports == (port, port)
        assert answer.startswith(b"HTTP/1.1 200")
    finally:
        house.close()


def test_listener_whose_twin_is_taken_does_not_start(tmp_path):
    """Half of localhost would answer with somebody else's words."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]

        with pytest.raises(CannotListen, match="localhost is its name as well"):
            House(tmp_path / "house", Listen(port=port))
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_listener_without_a_connection_sleeps_and_with_one_looks_at_it_each_second(build):
    """It polled each second for nobody; a caller wakes it, and a silent one is seen to the end."""
    house = build()
    alone = house.listeners._rest_s()
    with house.connect():
        eventually(lambda: house.listeners._rest_s() == LOOK_S)
    eventually(lambda: house.listeners._rest_s() == IDLE_S)

    assert alone == IDLE_S
    assert house.call()[0] == 200
