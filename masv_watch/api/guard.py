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
    name = host.strip()
    if name.startswith("["):
        name, bracket, port = name[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return False
        port = port[1:]
    else:
        name, _, port = name.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return False
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
