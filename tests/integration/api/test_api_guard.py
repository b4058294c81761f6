"""Who is let in: by the kernel's word on every kind of door, by the token, and nobody else."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from dataclasses import replace

import pytest

from masv_watch.api.doors import Bound
from masv_watch.api.peers import Peers
from masv_watch.loops import SystemClock
from masv_watch.model import NOBODY, Auth, Listen, Scheme
from tests.integration.api.listening import (
    JSON,
    PLAIN,
    PLAIN_6,
    STRANGER,
    House,
    curl,
    run_as,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")


@pytest.fixture
def folder():
    """Give a folder that every user can walk into; pytest's own is closed."""
    made = tempfile.mkdtemp(prefix="masv-watch-")
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def build(folder):
    """Build houses that are closed at the end; their unix socket is open to all."""
    built = []

    def build(*listens, **rest):
        house = House(f"{folder}/state", *listens, **rest)
        built.append(house)
        for listen in house.listeners.listens:
            if listen.scheme is Scheme.UNIX:
                os.chmod(listen.path, 0o666)
        return house

    yield build
    for house in built:
        house.close()


@pytest.fixture
def doors(build, folder):
    """Give a house with every plain door and a way for curl to each of them."""

    def doors(**settings):
        path = f"{folder}/api"
        house = build(PLAIN, PLAIN_6, Listen(scheme=Scheme.UNIX, path=path), **settings)
        first, second, _ = house.listeners.urls
        named = f"http://localhost:{house.listeners.ports[0]}"
        ways = [[first], [second], ["--unix-socket", path, "http://localhost/"], [named]]
        return house, [[*way[:-1], way[-1].rstrip("/") + "/uploads"] for way in ways]

    return doors


def test_own_user_needs_no_proof_at_any_door(doors):
    """The page's plain curl works for who runs the daemon, over IPv4, IPv6 and a unix socket."""
    _, ways = doors()

    answers = [curl(*way) for way in ways]

    assert [status for status, _ in answers] == [200] * 4
    assert {(tree["uid"], tree["is_owner"]) for _, tree in answers} == {(os.geteuid(), True)}


@needs_root
def test_daemon_of_an_own_user_belongs_to_him_and_to_root(doors):
    """Who runs it and root own it; a third one is refused."""
    _, ways = doors(uid=STRANGER)

    for way in ways:
        assert curl(*way, uid=STRANGER)[1]["is_owner"]
        assert curl(*way)[1]["is_owner"]
        assert curl(*way, uid=STRANGER + 1)[0] == 401


@needs_root
def test_second_user_is_refused_at_every_door_with_the_line_to_add(doors):
    """401 with his uid and what helps; nothing of the answer."""
    _, ways = doors()

    for way in ways:
        status, tree = curl(*way, uid=STRANGER)

        assert status == 401
        assert tree["code"] == 1502
        assert tree["message"] == f"user {STRANGER} may not call masv-watch here"
        assert f"add {STRANGER} to server.trusted_users" in tree["hint"]
        assert "Bearer" in tree["hint"]


@needs_root
def test_second_user_with_a_name_is_called_by_it(doors):
    """The line to add is the one that a person would write."""
    import pwd

    _, ways = doors()
    nobody = pwd.getpwnam("daemon")

    _, tree = curl(*ways[0], uid=nobody.pw_uid)

    assert tree["message"] == f"user {nobody.pw_uid} (daemon) may not call masv-watch here"
    assert "add daemon to server.trusted_users" in tree["hint"]


@needs_root
@pytest.mark.parametrize(
    "trust", [{"trusted_users": (str(STRANGER),)}, {"trusted_users": ("root", str(STRANGER))}]
)
def test_second_user_who_is_trusted_is_let_in_but_owns_nothing(doors, trust):
    """Trusted by number at every door; he may call, not send any path."""
    _, ways = doors(**trust)

    answers = [curl(*way, uid=STRANGER) for way in ways]

    assert [status for status, _ in answers] == [200] * 4
    assert {(tree["uid"], tree["is_owner"]) for _, tree in answers} == {(STRANGER, False)}


@needs_root
def test_user_whom_the_kernel_shows_as_nobody_is_unknown_even_if_he_is_trusted(doors):
    """65534 stands for every user of other namespaces; no list of ours can mean one of them."""
    house, ways = doors(trusted_users=("65534",))

    for way in ways:
        status, tree = curl(*way, uid=65534)

        assert (status, "does not tell" in tree["message"]) == (401, True)
    assert house.listeners.alive


@needs_root
def test_second_user_in_a_trusted_group_is_let_in(doors):
    """The group of the user database counts, by name and by number."""
    import grp
    import pwd

    user = pwd.getpwnam("daemon")
    group = grp.getgrgid(user.pw_gid)
    house, ways = doors()
    for name in (group.gr_name, str(group.gr_gid)):
        house.settings = replace(house.settings, trusted_groups=(name,))

        assert curl(*ways[0], uid=user.pw_uid)[0] == 200
        assert curl(*ways[0], uid=STRANGER)[0] == 401


@needs_root
def test_trust_that_is_taken_back_counts_at_once(doors):
    """What is remembered of names belongs to the settings it was asked for."""
    house, ways = doors(trusted_users=(str(STRANGER),))
    before = curl(*ways[0], uid=STRANGER)[0]

    house.settings = replace(house.settings, trusted_users=())

    assert (before, curl(*ways[0], uid=STRANGER)[0]) == (200, 401)


@needs_root
def test_token_lets_a_second_user_in_and_a_wrong_one_lets_nobody_in(doors):
    """The right one admits anyone; a wrong one is refused even from the daemon's own user."""
    house, ways = doors()
    right = f"Authorization: Bearer {house.token.reveal()}"

    for way in ways:
        status, tree = curl(*way, "-H", right, uid=STRANGER)

        assert (status, tree["uid"], tree["is_owner"]) == (200, STRANGER, False)
        assert curl(*way, "-H", right)[1]["is_owner"]
        assert curl(*way, "-H", right + "0")[0] == 401
        assert curl(*way, "-H", right + "0", uid=STRANGER)[0] == 401


def test_token_demanded_from_all_is_demanded_from_the_owner(doors):
    """`server.auth: token` leaves the kernel's word out; health stays open."""
    house, ways = doors(auth=Auth.TOKEN)
    right = f"Authorization: Bearer {house.token.reveal()}"

    for way in ways:
        refused, tree = curl(*way)

        assert (refused, tree["hint"]) == (401, "send the token: Authorization: Bearer TOKEN")
        assert curl(*way, "-H", right)[0] == 200
        assert curl(*way[:-1], way[-1].replace("/uploads", "/healthz"))[0] == 200


ABSURD = [
    "Bearer",
    "Bearer ",
    "Bearer x",
    "bearer\t",
    "Basic cm9vdDo=",
    "Bearer " + "0" * 64,
    "Bearer " + "f" * 50_000,
    "Bearer \xff\xfe\x80",
    "\xff",
    "Bearer a, Bearer b",
    "",
]


@pytest.mark.parametrize("value", ABSURD)
def test_token_of_any_form_is_refused_without_a_crash(build, value):
    """Empty, long, binary, another scheme: 401 and one sentence."""
    house = build()

    status, tree = house.call(f"Authorization: {value}")

    assert status == 401
    assert house.token.reveal() not in str(tree)


def test_token_beside_another_one_is_refused(build):
    """Two headers are one value that is not the token, even if one of them is."""
    house = build()
    right = f"Authorization: Bearer {house.token.reveal()}"

    assert house.call(right)[0] == 200
    assert house.call(right, right)[0] == 401
    assert house.call("Authorization: Bearer x", right)[0] == 401


@needs_root
def test_health_needs_no_proof_but_one_of_our_hosts(doors):
    """Anybody may ask how the daemon is; a page of another site may not."""
    _, ways = doors()
    url = ways[0][0].replace("/uploads", "/healthz")

    assert curl(url, uid=STRANGER)[0] == 200
    assert curl(url, "-H", "Host: evil.example", uid=STRANGER)[0] == 403
    assert curl(url, "-H", "Origin: http://evil.example", uid=STRANGER)[0] == 403
    assert curl(url.replace("healthz", "healthz/"), uid=STRANGER)[0] == 401
    assert (
        curl("--path-as-is", url.replace("healthz", "healthz/../uploads"), uid=STRANGER)[0] == 401
    )


def test_body_without_the_json_type_is_refused_at_every_door(doors):
    """A form of another site can send text, never JSON: 415."""
    _, ways = doors()

    for way in ways:
        assert curl(*way, "-d", "{}")[0] == 415
        assert curl(*way, "-d", "{}", "-H", "Content-Type: text/plain")[0] == 415
        assert curl(*way, "-d", "{}", "-H", f"{JSON}; charset=utf-8")[0] == 200
        assert curl(*way, "-X", "POST")[0] == 415
        assert curl(*way, "-X", "POST", "-H", JSON)[0] == 200
        assert curl(*way, "-X", "DELETE")[0] == 200
        assert curl(*way, "-X", "DELETE", "-d", "{}")[0] == 415
        assert curl(*way, "-X", "GET", "-H", "Transfer-Encoding: chunked", "-d", "x")[0] == 415


def test_answer_to_a_page_of_ours_opens_nothing_to_others(build):
    """No CORS header, and OPTIONS is a call like any other."""
    house = build()
    origin = f"Origin: {house.url}"
    with house.connect() as connection:
        lines = [origin, "Access-Control-Request-Method: POST", "Connection: close", "", ""]
        connection.sendall(house.head(method="OPTIONS") + "\r\n".join(lines).encode())
        came = connection.recv(65536)

    assert came.startswith(b"HTTP/1.1 200")
    assert b"access-control" not in came.lower()
    assert house.call("Origin: null")[0] == 403
    assert house.call("Sec-Fetch-Site: cross-site")[0] == 403


@needs_root
def test_caller_over_ipv4_inside_ipv6_is_known(build):
    """A dual-stack socket of systemd's names IPv4 callers in its own way; the kernel knows them."""
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = both.getsockname()[1]
    house = build(handed=[Bound(listen=Listen(host="::", port=port), socket=both)])

    status, tree = curl(f"http://127.0.0.1:{port}/uploads")
    refused, why = curl(f"http://127.0.0.1:{port}/uploads", uid=STRANGER)
    mapped = run_as(None, MAPPED, port)

    assert (status, tree["uid"], tree["remote"][0]) == (200, os.geteuid(), "::ffff:127.0.0.1")
    assert (refused, why["message"].split()[1]) == (401, str(STRANGER))
    assert '"uid": 0' in mapped
    assert house.listeners.alive


MAPPED = """
import socket, sys
port = int(sys.argv[1])
with socket.socket(socket.AF_INET6) as call:
    call.connect(("::ffff:127.0.0.1", port))
    host = b"Host: localhost:%d" % port
    call.sendall(b"GET /uploads HTTP/1.1\\r\\n" + host + b"\\r\\nConnection: close\\r\\n\\r\\n")
    print(call.makefile().read())
"""


def test_caller_from_another_address_of_this_machine_needs_the_token(build):
    """Only loopback is this machine for sure; elsewhere the token alone counts."""
    address = outer_address()
    house = build(Listen(host="0.0.0.0", port=0))
    url = f"http://{address}:{house.port}/uploads"

    status, tree = curl(url)
    admitted, with_token = curl(url, "-H", f"Authorization: Bearer {house.token.reveal()}")

    assert status == 401
    assert "another machine" in tree["message"]
    assert (admitted, with_token["uid"], with_token["is_owner"]) == (200, None, False)


def outer_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


def test_kernel_that_does_not_tell_is_said_once_and_admits_nobody(doors, monkeypatch, caplog):
    """Without netlink (a filter of system calls) the token alone counts, with one log line."""
    house, ways = doors()
    real = socket.socket

    def without_netlink(family=socket.AF_INET, *rest, **more):
        if family == socket.AF_NETLINK:
            raise PermissionError(97, "Address family not supported by protocol")
        return real(family, *rest, **more)

    monkeypatch.setattr("masv_watch.api.peers.socket.socket", without_netlink)

    answers = [curl(*way)[0] for way in ways]
    with_token = curl(*ways[0], "-H", f"Authorization: Bearer {house.token.reveal()}")

    assert answers == [401, 401, 200, 401]
    assert (with_token[0], with_token[1]["uid"]) == (200, NOBODY)
    assert caplog.text.count("callers are known by the token alone") == 1


def test_peers_of_a_closed_connection_are_unknown(build):
    """A door whose socket is gone names nobody, on TCP and on a unix socket."""
    house = build()
    seen = []
    house.on_call = lambda environ: seen.append(environ["masv_watch.door"])
    house.call()
    (door,) = seen
    door.line.close()

    assert Peers(SystemClock()).uid_of(door) is None
