"""By which proxy a host of the cloud is reached, and what proves to it who we are.

Owns the choice: the configuration's proxy for every host, or what the environment names for each.
Never connects and never shows a password. Asked by `cloud.http` before each request.

Law 1. The environment is read only where the configuration says so: a variable of whoever starts
       the daemon leads nothing of it elsewhere.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from masv_watch.errors import CloudUnreachable
from masv_watch.logs import register_secrets
from masv_watch.model import ENVIRONMENT, Proxy, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A proxy that stands between us and a host."""

    #: host and port, for messages too
    host: str
    user: str = ""
    password: Secret | None = None

    @property
    def url(self) -> str:
        """Give its address without what proves who we are."""
        return f"http://{self.host}"

    @property
    def proof(self) -> dict[str, str]:
        """Give the header that proves who we are; nothing where nobody asked for a user."""
        if not self.user:
            return {}
        both = f"{self.user}:{self._revealed()}".encode()
        return {"Proxy-Authorization": f"Basic {base64.b64encode(both).decode()}"}

    def _revealed(self) -> str:
        return "" if self.password is None else self.password.reveal()


class Proxies:
    """The ways to all hosts; any thread may ask."""

    def __init__(
        self, proxy: Proxy | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        """Go by this proxy; None goes straight to every host."""
        self._proxy = proxy
        self._environ = dict(environ or {})

    def way(self, url: str) -> Way | None:
        """Give the proxy for a URL; None where it is reached straight.

        Raises:
            CloudUnreachable: the environment names one that cannot be used.
        """
        proxy = self._proxy
        if proxy is None:
            return None
        if proxy.url != ENVIRONMENT:
            return Way(
                host=urlsplit(proxy.url).netloc, user=proxy.user or "", password=proxy.password
            )
        pieces = urlsplit(url)
        named = self._named(f"{pieces.scheme}_proxy") or self._named("all_proxy")
        host, port = pieces.hostname or "", pieces.port or (443 if pieces.scheme == "https" else 80)
        if not named or is_exempt(host, port, self._named("no_proxy")):
            return None
        return _way_of(named)

    def _named(self, name: str) -> str:
        return self._environ.get(name) or self._environ.get(name.upper()) or ""


def _way_of(named: str) -> Way:
    """Read what a variable of the environment names, with or without a scheme.

    Raises:
        CloudUnreachable: it is no proxy that is spoken to here.
    """
    whole = named if "://" in named else f"http://{named}"
    try:
        pieces = urlsplit(whole)
        host, port = pieces.hostname, pieces.port
    except ValueError:
        pieces, host, port = urlsplit(""), None, None
    if pieces.scheme != "http" or not host:
        raise CloudUnreachable(
            "the proxy that the environment names is no http://HOST:PORT",
            hint="set masv.proxy to one that is, or leave it out",
        )
    shown = f"[{host}]" if ":" in host else host
    password = None if pieces.password is None else Secret(unquote(pieces.password), "environment")
    if password is not None:
        register_secrets(password, lasting=True)
    return Way(host=f"{shown}:{port or 80}", user=unquote(pieces.username or ""), password=password)


def is_exempt(host: str, port: int, listed: str) -> bool:
    """Say whether a host is on a list of those that are reached straight, as `no_proxy` has it.

    Each entry is a name with all below it, an address, a network, or `*`; a port may follow.
    """
    for entry in listed.replace(",", " ").split():
        name, colon, wanted = entry.rpartition(":")
        if not colon or not wanted.isdigit() or name.count(":"):
            name, wanted = entry, ""
        is_port = not wanted or int(wanted) == port
        if is_port and (name == "*" or _is_within(host.lower(), name.lower().strip("[]"))):
            return True
    return False


def _is_within(host: str, name: str) -> bool:
    bare = name.removeprefix("*").removeprefix(".")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(bare, strict=False)
    except ValueError:
        return bool(bare) and (host == bare or host.endswith(f".{bare}"))
