"""Who may ask at all: every protection of the API, in the one place where it is read and tested.

Owns the refusal of foreign hosts, of pages of other sites, of bodies that are not JSON and of
callers who prove nothing. Never answers a call and never looks at what is asked for. Called by
`api.app` before a route is chosen.

Law 1. A Host, an Origin and a token pass by equality with what is ours, never by a pattern.
Law 2. Not knowing who calls is a refusal: neither a missing answer of the kernel nor a missing
header ever admits.
Law 3. A token that is shown must be right, also where none is needed: a mistake is not hidden.
Law 4. No header opens this API to another origin, and OPTIONS is a call like any other.
Law 5. What a browser sends by itself, the token as a password, counts for the page alone: its
buttons need a token of the page beside it.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from masv_watch.api.doors import Door
from masv_watch.api.peers import Peers, is_loopback
from masv_watch.errors import Denied, NotJson, Unauthenticated
from masv_watch.loops import Clock
from masv_watch.model import NOBODY, Auth, Caller, Listen, Scheme, Secret, Server
from masv_watch.names import shown

#: where a call's environment says by which door it came
DOOR = "masv_watch.door"
#: answered to anybody who names one of our hosts: they tell how the daemon is and nothing else
OPEN_TO_ALL = frozenset({"/healthz", "/readyz"})
#: calls that must say that they bring JSON, also when they bring nothing
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SITES = frozenset({"same-origin", "none"})
_PROOF = "send the token: Authorization: Bearer TOKEN"


def is_page(path: str) -> bool:
    """Say whether a path is of the page, which people open in a browser."""
    return path == "/" or path.startswith("/page/")


class Guard:
    """The door-keeper of one API; safe for any thread."""

    def __init__(
        self,
        settings: Callable[[], Server],
        *,
        listens: Callable[[], Sequence[Listen]],
        token: Callable[[], Secret],
        clock: Clock,
        uid: int | None = None,
    ) -> None:
        """Keep where the rules come from; `listens` gives the addresses with their real ports.

        `uid` is the daemon's own user; None takes the one that this process runs as.
        """
        self._settings = settings
        self._listens = listens
        self._token = token
        self._peers = Peers(clock)
        self._owners = frozenset({0, os.geteuid() if uid is None else uid})

    def close(self) -> None:
        """Let go of what is held open to ask the kernel who calls."""
        self._peers.close()

    def admit(self, environ: Mapping[str, Any]) -> Caller:
        """Give who makes this call, or refuse it.

        Raises:
            Denied: its Host is not ours, or a page of another site made it.
            NotJson: it brings a body that is not declared as JSON.
            Unauthenticated: the caller did not prove who he is.
        """
        door: Door = environ[DOOR]
        settings = self._settings()
        self._check_host(environ, door, settings)
        self._check_site(environ, door, settings)
        _check_content(environ)
        try:
            return self._identify(environ, door, settings)
        except Unauthenticated:
            if environ.get("PATH_INFO") not in OPEN_TO_ALL:
                raise
            return Caller(uid=None, is_owner=False, is_admitted=False)

    def _check_host(self, environ: Mapping[str, Any], door: Door, settings: Server) -> None:
        if door.listen.scheme is Scheme.UNIX:
            # whoever opened the file has passed its rights; no name led him here
            return
        host = str(environ.get("HTTP_HOST", "")).lower()
        if host not in own_hosts(door.listen, settings, _arrived_at(door)):
            raise Denied(
                "the Host of this call is not one of this API",
                hint=f"call {_example(door.listen)}, or add the name to server.hosts",
            )

    def _check_site(self, environ: Mapping[str, Any], door: Door, settings: Server) -> None:
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and str(origin).lower() not in self._own_origins(door, settings):
            raise Denied(
                "a page of another site made this call",
                hint="only pages of this API itself may call it from a browser",
            )
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site is not None and str(site).lower() not in _SITES:
            raise Denied(
                "a page of another site led to this call",
                hint="open this address by itself, not from another page",
            )

    def _own_origins(self, door: Door, settings: Server) -> set[str]:
        origins: set[str] = set()
        for listen in {*self._listens(), door.listen}:
            if listen.scheme is not Scheme.UNIX:
                local = _arrived_at(door) if listen == door.listen else ()
                hosts = own_hosts(listen, settings, local)
                origins.update(f"{listen.scheme}://{host}" for host in hosts)
        if settings.tls_elsewhere:
            origins.update(f"https://{host}" for host in _elsewhere(settings))
        return origins

    def _identify(self, environ: Mapping[str, Any], door: Door, settings: Server) -> Caller:
        is_relayed = _is_relayed(door, settings)
        # what stands in front lends its user's rights to nobody
        uid = None if is_relayed else self._peers.uid_of(door)
        is_owner = uid in self._owners
        caller = Caller(uid=uid, is_owner=is_owner)
        shown_token = environ.get("HTTP_AUTHORIZATION")
        if shown_token is not None:
            self._check_token(str(shown_token), is_page(str(environ.get("PATH_INFO", ""))))
            if uid is None and _is_local(door) and not is_relayed:
                # nobody sheds his rights to get the daemon's by hiding from the kernel
                return Caller(uid=NOBODY, is_owner=False)
            return caller
        if settings.auth is Auth.TOKEN or is_relayed:
            raise Unauthenticated("every call of this API needs its token", hint=_PROOF)
        if uid is None:
            raise self._unknown(door)
        if is_owner or self._peers.is_trusted(uid, settings.trusted_users, settings.trusted_groups):
            return caller
        raise self._stranger(uid)

    def _check_token(self, header: str, may_be_basic: bool) -> None:
        scheme, _, sent = header.partition(" ")
        # the server reads headers as latin-1, so this gives back the bytes that came
        came = sent.strip(" ").encode("latin-1", "replace")
        if may_be_basic and scheme.lower() == "basic":
            # a browser can send no other; the page's buttons need a token of the page beside it
            came = _password(came)
        elif scheme.lower() != "bearer":
            raise Unauthenticated("the Authorization of this call is no bearer token", hint=_PROOF)
        right = self._token().reveal().encode()
        if not right or not hmac.compare_digest(came, right):
            raise Unauthenticated(
                "the token of this call is not the one of this API",
                hint="send the token of server.token, or of the file api-token in the state folder",
            )

    def _unknown(self, door: Door) -> Unauthenticated:
        if not _is_local(door):
            return Unauthenticated("a call from another machine needs the token", hint=_PROOF)
        return Unauthenticated(
            "the system does not tell who makes this call, so it needs the token", hint=_PROOF
        )

    def _stranger(self, uid: int) -> Unauthenticated:
        name = self._peers.name_of(uid)
        called = str(uid) if name is None else shown(os.fsencode(name))
        who = f"user {uid}" if name is None else f"user {uid} ({called})"
        return Unauthenticated(
            f"{who} may not call masv-watch here",
            hint=f"add {called} to server.trusted_users in the configuration and reload, "
            f"or {_PROOF}",
        )


def _password(credentials: bytes) -> bytes:
    """Give the password of HTTP's basic scheme, empty where there is none."""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _is_relayed(door: Door, settings: Server) -> bool:
    """Say whether who connects may be what stands in front of us, not who calls."""
    return settings.tls_elsewhere and door.listen.scheme is not Scheme.UNIX


def _is_local(door: Door) -> bool:
    return door.peer is None or is_loopback(door.peer[0])


def own_hosts(listen: Listen, settings: Server, local: Sequence[str] = ()) -> set[str]:
    """Give every value of the Host header that names an API which listens there.

    `local` are further addresses at which the connection itself says that it arrived.
    """
    named = [name for name in settings.hosts if not _has_port(name)]
    addresses = [_as_host(address) for address in (listen.host, *local) if not _is_any(address)]
    hosts = {f"{name}:{listen.port}".lower() for name in (*_LOOPBACK, *addresses, *named)}
    if _DEFAULT_PORTS.get(listen.scheme) == listen.port:
        hosts.update(name.lower() for name in (*_LOOPBACK, *addresses, *named))
    return hosts | _elsewhere(settings)


def _arrived_at(door: Door) -> tuple[str, ...]:
    return () if door.local is None else (door.local[0],)


def _elsewhere(settings: Server) -> set[str]:
    """Give the names under which something in front of us is called, port included."""
    hosts = {name.lower() for name in settings.hosts if _has_port(name)}
    if settings.tls_elsewhere:
        hosts.update(name.lower() for name in settings.hosts)
    return hosts


def _has_port(name: str) -> bool:
    return name.rpartition("]")[2].count(":") == 1


def _as_host(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped) if mapped else f"[{found}]" if found.version == 6 else str(found)


def _is_any(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return not address


def _check_content(environ: Mapping[str, Any]) -> None:
    method = environ.get("REQUEST_METHOD")
    if method not in _WITH_BODY and str(environ.get("CONTENT_LENGTH") or "0").strip("0") == "":
        return
    declared = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip(" \t").lower()
    if declared != "application/json":
        raise NotJson(
            "the body of this call is not declared as JSON",
            hint="send the header Content-Type: application/json",
        )


def _example(listen: Listen) -> str:
    host = "127.0.0.1" if _is_any(listen.host) else _as_host(listen.host)
    return f"{listen.scheme}://{host}:{listen.port}"
