"""Who may ask at all: a Bottle plugin in front of every route.

Owns the refusal of what is not a GET and of every Host that is not this machine. Never answers a
call itself. Installed by `api.app`.

It stands alone because every protection of the API is read and tested in this one place.
"""

from __future__ import annotations

import ipaddress

import bottle

from masv_watch.errors import Denied, MethodNotAllowed


def check() -> None:
    """Let the call at hand pass.

    Raises:
        Denied: its Host is not loopback: a page of another site may have been made to ask.
        MethodNotAllowed: it is not a GET.
    """
    if not is_loopback(bottle.request.get_header("Host", "")):
        raise Denied(
            "the Host of this call is not this machine",
            hint="call http://127.0.0.1, http://localhost or http://[::1] with the daemon's port",
        )
    if bottle.request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed("only GET is served", hint="other calls come with a later version")


def is_loopback(host: str) -> bool:
    """Say whether a Host header names this machine: `localhost` or a loopback address."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return False
        is_ours, port = _is_loopback_address(name, version=6), port[1:]
    else:
        name, _, port = host.partition(":")
        is_ours = name.lower() == "localhost" or _is_loopback_address(name, version=4)
    return is_ours and (not port or (port.isascii() and port.isdigit() and int(port[:6]) < 65536))


def _is_loopback_address(name: str, *, version: int) -> bool:
    try:
        # decimal, hexadecimal and shortened spellings are no addresses here, though some resolve
        found = ipaddress.ip_address(name)
    except ValueError:
        return False
    return found.version == version and found.is_loopback and "%" not in name
