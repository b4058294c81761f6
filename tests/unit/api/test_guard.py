"""Which Host, Origin, site, body and token the guard lets pass."""

from __future__ import annotations

import contextlib
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.api.doors import Door
from masv_watch.api.guard import DOOR, Guard, own_hosts
from masv_watch.errors import Denied, NotJson, Unauthenticated
from masv_watch.model import NOBODY, Auth, Listen, Scheme, Secret, Server
from tests.doubles import FakeClock

TOKEN = "0123456789abcdef" * 4
BEARER = f"Bearer {TOKEN}"
PLAIN = Listen(port=8080)
WIDE = Listen(host="0.0.0.0", port=8080)
SECURE = Listen(scheme=Scheme.HTTPS, host="::1", port=8443)
UNIX = Listen(scheme=Scheme.UNIX, path="/run/api")


def guard(*listens, token=TOKEN, uid=None, **settings):
    server = Server(**settings)
    return Guard(
        lambda: server,
        listens=lambda: listens or (PLAIN,),
        token=lambda: Secret(token),
        clock=FakeClock(),
        uid=uid,
    )


def door(listen=PLAIN, *, local="127.0.0.1", peer="192.0.2.9"):
    """Give a door whose caller the kernel cannot name."""
    line = socket.socket()
    line.close()
    if listen.scheme is Scheme.UNIX:
        return Door(listen=listen, local=None, peer=None, line=line)
    return Door(listen=listen, local=(local, listen.port), peer=(peer, 40_000), line=line)


def admit(keeper, entry=None, *, host="127.0.0.1:8080", method="GET", path="/uploads", **headers):
    environ = {DOOR: entry or door(), "REQUEST_METHOD": method, "PATH_INFO": path}
    if host is not None:
        environ["HTTP_HOST"] = host
    environ.setdefault("HTTP_AUTHORIZATION", BEARER)
    environ.update(headers)
    return keeper.admit(environ)


OURS = ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080", "[::1]:8080"]
OTHERS = [
    None,
    "",
    " ",
    "127.0.0.1",
    "localhost",
    "[::1]",
    "127.0.0.1:",
    "127.0.0.1:80",
    "127.0.0.1:8081",
    "127.0.0.1:08080",
    "127.0.0.1:8080 ",
    " 127.0.0.1:8080",
    "127.0.0.1:8080:8080",
    "127.0.0.1:8080, 127.0.0.1:8080",
    "127.0.0.1:8080/",
    "127.0.0.2:8080",
    "127.1:8080",
    "2130706433:8080",
    "0x7f000001:8080",
    "0177.0.0.1:8080",
    "0.0.0.0:8080",
    "0:8080",
    "[::]:8080",
    "::1:8080",
    "[::1%lo]:8080",
    "[0:0:0:0:0:0:0:1]:8080",
    "[::ffff:127.0.0.1]:8080",
    "localhost.:8080",
    "localhost.evil.example:8080",
    "127.0.0.1.evil.example:8080",
    "evil.example:8080",
    "evil.example#127.0.0.1:8080",
    "evil@127.0.0.1:8080",
    "127.0.0.1:8080@evil.example",
    "127.0.0.1:\u0668\u0660\u0668\u0660",
    "\uff11\uff12\uff17.0.0.1:8080",
    "\u212aocalhost:8080",
    "127.0.0.1:8080\x00",
    "*",
]


@pytest.mark.parametrize("host", OURS)
def test_host_that_is_ours_is_let_in(host):
    """The three names of loopback, each with the port that is listened on."""
    assert admit(guard(), host=host).uid is None


@pytest.mark.parametrize("host", OTHERS)
def test_host_that_is_not_exactly_ours_is_refused(host):
    """A name that merely resolves here is what a rebinding page would use (security 5.1)."""
    with pytest.raises(Denied) as refused:
        admit(guard(), host=host)

    assert "http://127.0.0.1:8080" in refused.value.hint


@given(st.text(max_size=40))
def test_host_of_any_text_is_judged_without_an_error(host):
    """Junk is refused, never a crash; only what is ours passes."""
    with contextlib.suppress(Denied):
        admit(guard(), host=host)
        assert host.lower() in OURS


def test_host_on_a_unix_socket_is_not_looked_at():
    """Whoever opened the file was led by no name."""
    for host in (None, "", "evil.example", "localhost"):
        assert admit(guard(UNIX), door(UNIX), host=host).uid == NOBODY


@pytest.mark.parametrize(
    ("listen", "host"),
    [
        (Listen(port=80), "localhost"),
        (Listen(port=80), "127.0.0.1:80"),
        (Listen(scheme=Scheme.HTTPS, port=443), "[::1]"),
        (Listen(scheme=Scheme.HTTPS, port=443), "localhost:443"),
        (Listen(host="127.0.0.9", port=8080), "127.0.0.9:8080"),
        (Listen(host="fd00::7", port=8080), "[fd00::7]:8080"),
    ],
)
def test_host_without_a_port_is_ours_on_the_default_port_of_the_scheme(listen, host):
    """Clients leave 80 out of http and 443 out of https; the bound address is a name of ours."""
    assert admit(guard(listen), door(listen), host=host).uid is None


@pytest.mark.parametrize(
    ("listen", "host"),
    [
        (Listen(scheme=Scheme.HTTPS, port=80), "localhost"),
        (Listen(port=443), "localhost"),
        (WIDE, "0.0.0.0:8080"),
        (Listen(host="::", port=8080), "[::]:8080"),
    ],
)
def test_host_without_a_port_elsewhere_and_every_wildcard_is_refused(listen, host):
    """A browser reaches this machine by 0.0.0.0 too; that is nobody's name."""
    with pytest.raises(Denied):
        admit(guard(listen), door(listen), host=host)


def test_host_is_the_address_at_which_the_call_arrived():
    """A wildcard listener is called by the address that the caller used, and by no other."""
    here = door(WIDE, local="192.0.2.7")
    mapped = door(Listen(host="::", port=8080), local="::ffff:192.0.2.7")

    assert admit(guard(WIDE), here, host="192.0.2.7:8080").uid is None
    assert admit(guard(WIDE), mapped, host="192.0.2.7:8080").uid is None
    with pytest.raises(Denied):
        admit(guard(WIDE), here, host="192.0.2.8:8080")


def test_host_of_the_configuration_is_ours_with_the_port_it_needs():
    """`server.hosts`: with the listener's port, with its own if it has one, bare behind TLS."""
    named = Server(hosts=("Nas.example", "proxy.example:443"))
    behind = Server(hosts=("nas.example",), tls_elsewhere=True)

    assert {"nas.example:8080", "proxy.example:443"} <= own_hosts(PLAIN, named)
    assert not {"nas.example", "proxy.example", "proxy.example:8080"} & own_hosts(PLAIN, named)
    assert {"nas.example", "nas.example:8080"} <= own_hosts(PLAIN, behind)
    assert "localhost" not in own_hosts(PLAIN, behind)


ORIGINS = ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"]
FOREIGN = [
    "",
    "null",
    "http://127.0.0.1",
    "http://127.0.0.1:8081",
    "https://127.0.0.1:8080",
    "https://localhost:8080",
    "http://127.0.0.1:8080/",
    "http://evil.example",
    "http://evil.example:8080",
    "http://127.0.0.1:8080.evil.example",
    "http://127.0.0.1:8080, http://evil.example",
    "http://127.0.0.1:8080 http://evil.example",
    "file://",
    "chrome-extension://abcdef",
    "*",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_page_of_ours_is_let_in(origin):
    """Exactly one of our own listeners."""
    assert admit(guard(), HTTP_ORIGIN=origin).uid is None


@pytest.mark.parametrize("path", ["/uploads", "/healthz"])
@pytest.mark.parametrize("entry", [door(), door(UNIX)], ids=["tcp", "unix"])
@pytest.mark.parametrize("origin", FOREIGN)
def test_page_of_another_site_is_refused_at_every_door(entry, origin, path):
    """Another port is another site, `null` hides which; the token does not help."""
    with pytest.raises(Denied):
        admit(guard(PLAIN, UNIX), entry, path=path, HTTP_ORIGIN=origin)


def test_page_of_another_listener_of_ours_is_let_in():
    """Each listener is the origin of the same API."""
    keeper = guard(PLAIN, SECURE, hosts=("nas.example",), tls_elsewhere=True)
    for origin in ("https://[::1]:8443", "https://localhost:8443", "https://nas.example"):
        assert admit(keeper, HTTP_ORIGIN=origin).uid is None
    with pytest.raises(Denied):
        admit(keeper, HTTP_ORIGIN="http://localhost:8443")


@pytest.mark.parametrize("site", ["same-origin", "none", "None"])
def test_site_that_is_ours_or_nobodys_is_let_in(site):
    """What a person typed into the address bar comes from no site."""
    assert admit(guard(), HTTP_SEC_FETCH_SITE=site).uid is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "x", "none, cross-site"])
def test_site_that_is_another_is_refused(site):
    """Another port of the same machine is `same-site`, and that is not us."""
    with pytest.raises(Denied):
        admit(guard(), HTTP_SEC_FETCH_SITE=site)


@pytest.mark.parametrize(
    "content",
    ["application/json", "Application/JSON", "application/json;charset=utf-8",
     "application/json ; charset=UTF-8"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_body_of_json_is_let_in(method, content):
    """Parameters change nothing."""
    assert admit(guard(), method=method, CONTENT_LENGTH="2", CONTENT_TYPE=content).uid is None


@pytest.mark.parametrize(
    "content",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "text/json", "application/jsonp", "application/json, text/plain", "application/ json", "json",
     "text/plain; application/json"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS", "BREW"])
def test_body_of_anything_else_is_refused(method, content):
    """A form or a text needs no leave to cross from one site to another; JSON does."""
    with pytest.raises(NotJson):
        admit(guard(), method=method, CONTENT_LENGTH="2", CONTENT_TYPE=content)


@pytest.mark.parametrize("length", [None, "", "0", "00"])
@pytest.mark.parametrize(
    ("method", "is_let_in"),
    [("GET", True), ("HEAD", True), ("DELETE", True), ("OPTIONS", True),
     ("POST", False), ("PUT", False), ("PATCH", False)],
)  # fmt: skip
def test_call_without_a_body_needs_the_type_only_where_one_belongs(method, is_let_in, length):
    """The documented page sends it on every POST; a DELETE without a body needs none."""
    headers = {} if length is None else {"CONTENT_LENGTH": length}
    if is_let_in:
        assert admit(guard(), method=method, **headers).uid is None
    else:
        with pytest.raises(NotJson):
            admit(guard(), method=method, **headers)


@pytest.mark.parametrize("value", [BEARER, f"bearer {TOKEN}", f"BEARER  {TOKEN}", f"{BEARER} "])
def test_token_that_is_right_admits_whom_the_kernel_does_not_know(value):
    """He may call, and owns nothing."""
    caller = admit(guard(), HTTP_AUTHORIZATION=value)

    assert (caller.uid, caller.is_owner) == (None, False)


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", f"Bearer {TOKEN}0",
     f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", f"{BEARER}, {BEARER}",
     f"Bearer x, {BEARER}", f"Bearer {TOKEN}\xff", "Bearer \u20ac", f"Bearer '{TOKEN}'"],
)  # fmt: skip
@pytest.mark.parametrize("auth", list(Auth))
def test_token_that_is_wrong_is_refused_whatever_is_demanded(auth, value):
    """One sentence, and never the token that would be right."""
    with pytest.raises(Unauthenticated) as refused:
        admit(guard(auth=auth), HTTP_AUTHORIZATION=value)

    assert TOKEN not in str(refused.value)


@given(st.text(max_size=80))
def test_token_of_any_text_is_judged_without_a_crash(value):
    """Whatever comes is either the token or refused."""
    with contextlib.suppress(Unauthenticated):
        admit(guard(), HTTP_AUTHORIZATION=value)
        assert value.partition(" ")[2].strip(" ") == TOKEN


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "bearer  "])
def test_token_that_is_empty_admits_nobody(value):
    """An empty setting is no password that everybody knows."""
    with pytest.raises(Unauthenticated):
        admit(guard(token=""), HTTP_AUTHORIZATION=value)


def test_token_beyond_ascii_is_compared_by_its_bytes():
    """A passphrase of a person's own choice works as UTF-8."""
    keeper = guard(token="schl\u00fcssel")

    assert admit(keeper, HTTP_AUTHORIZATION="Bearer schl\u00c3\u00bcssel").uid is None
    with pytest.raises(Unauthenticated):
        admit(keeper, HTTP_AUTHORIZATION="Bearer schl\u00fcssel")


def test_caller_whom_nobody_knows_is_refused_and_told_what_helps():
    """From elsewhere, and from loopback when the kernel does not tell."""
    keeper = guard()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/uploads", "HTTP_HOST": "127.0.0.1:8080"}
    for entry, word in (
        (door(), "another machine"),
        (door(peer="127.0.0.1"), "does not tell"),
        (door(UNIX), "does not tell"),
    ):
        with pytest.raises(Unauthenticated, match=word) as refused:
            keeper.admit({**environ, DOOR: entry})

        assert "Bearer" in refused.value.hint


def test_caller_at_a_unix_socket_is_known_by_the_kernel():
    """The daemon's own user, root, a trusted one, and a stranger."""
    near, far = socket.socketpair()
    with near, far:
        entry = Door(listen=UNIX, local=None, peer=None, line=near)
        environ = {DOOR: entry, "REQUEST_METHOD": "GET", "PATH_INFO": "/uploads"}
        me = os.geteuid()

        own = guard(UNIX, uid=me).admit(environ)

        assert (own.uid, own.is_owner) == (me, True)
        if me != 0:
            with pytest.raises(Unauthenticated, match=f"user {me}"):
                guard(UNIX, uid=me + 1).admit(environ)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_proof(path):
    """Nobody owns what he asks there."""
    for auth in Auth:
        keeper = guard(auth=auth)
        environ = {DOOR: door(), "REQUEST_METHOD": "GET", "PATH_INFO": path}

        caller = keeper.admit({**environ, "HTTP_HOST": "localhost:8080"})

        assert (caller.uid, caller.is_owner) == (None, False)


@pytest.mark.parametrize("path", ["/healthz/", "/healthz/x", "/HEALTHZ", "/readyz\x00", "/", ""])
def test_path_that_only_looks_like_health_needs_proof(path):
    """Equality, no prefix."""
    environ = {DOOR: door(), "REQUEST_METHOD": "GET", "PATH_INFO": path}
    with pytest.raises(Unauthenticated):
        guard().admit({**environ, "HTTP_HOST": "localhost:8080"})


def test_caller_of_this_machine_whom_the_kernel_does_not_name_has_nobodys_rights():
    """The token admits him, but hiding from the kernel lends him no rights beyond his own."""
    here, afar = door(peer="127.0.0.1"), door(peer="192.0.2.9")

    assert admit(guard(), here).uid == NOBODY
    assert not admit(guard(), here).is_owner
    assert admit(guard(), afar).uid is None


def test_call_through_what_ends_tls_in_front_of_us_needs_the_token(monkeypatch):
    """Whoever connects there is a proxy: its user says nothing about who calls (P8).

    A caller from afar has the rights of the token then, not those of a proxy that runs as root.
    """
    monkeypatch.setattr("masv_watch.api.peers.Peers.uid_of", lambda _self, _door: 0)
    here = door(peer="127.0.0.1")

    assert admit(guard(), here, HTTP_AUTHORIZATION=None).is_owner
    with pytest.raises(Unauthenticated, match="needs its token"):
        admit(guard(tls_elsewhere=True), here, HTTP_AUTHORIZATION=None)
    relayed = admit(guard(tls_elsewhere=True), here)
    assert (relayed.uid, relayed.is_owner) == (None, False)
    assert admit(guard(tls_elsewhere=True), door(UNIX), host=None).is_owner
