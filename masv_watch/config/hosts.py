"""Say what the names and addresses of services may be: of the cloud, a portal, the mail server.

Owns their form and the words for wrong ones. Never asks whether a service is there: `world` does.
Called by the schema, and for a portal's name by the API.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from masv_watch.config.origins import NOT_READ, FromEnv
from masv_watch.config.problems import Wrong, listed, quoted
from masv_watch.config.values import address, path, placeholders, secret, shown, text
from masv_watch.model import Secret

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}", re.ASCII)
_PORTAL = re.compile(r"(?:https?://)?([A-Za-z0-9_-]+)\.portal\.massive\.(?:io|app)/?", re.ASCII)
_TEAM = re.compile(r"(?:https?://)?([A-Za-z0-9_-]+)\.massive\.(?:io|app)/?", re.ASCII)


def label(value: object) -> str:
    """Accept the first part of a host name, as teams and portals have."""
    given = text(value)
    if _LABEL.fullmatch(given):
        return given
    portal = _PORTAL.fullmatch(given) or _TEAM.fullmatch(given)
    if portal and not isinstance(value, FromEnv):
        raise Wrong(f"{quoted(given)} is an address - write its first part only: `{portal[1]}`")
    raise Wrong(f"{shown(value)} is no subdomain - letters, digits, `-` and `_`")


def mailbox(value: object) -> str:
    """Accept an address, or a name with an address in angle brackets."""
    given = text(value)
    head, bracket, tail = given.partition("<")
    if not bracket:
        return address(value)
    label_text = head.strip().strip('"')
    if not tail.endswith(">") or any(char in label_text for char in '<>"\\@'):
        raise Wrong(f"{shown(value)} is no sender - address, or Name <address>")
    address(FromEnv(tail[:-1]) if isinstance(value, FromEnv) else tail[:-1])
    return given


def state(value: object) -> str:
    """Accept the state's folder."""
    if isinstance(value, str) and "://" in value:
        raise Wrong("a database address is not available yet - name a folder")
    return path(value)


def host(value: object) -> str:
    """Accept a host name or an IP address."""
    given = text(value)
    if _HOST.fullmatch(given) is None or ".." in given or (":" in given and not _is_ip(given)):
        raise Wrong(f"{shown(value)} is no host - a name or an IP address, without a port")
    return given


def api_url(value: object) -> str:
    """Accept the cloud's address, without a version."""
    given = text(value).rstrip("/")
    try:
        parts = urlsplit(given)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
        parts = urlsplit("")
    if not good or parts.query or parts.fragment or "@" in parts.netloc or " " in given:
        raise Wrong(f"{shown(value)} is no address of a service - https://HOST or http://HOST")
    if re.search(r"/v1(\.\d+)?$", parts.path):
        raise Wrong("must not end in a version such as /v1 - the service's address alone")
    return given


def proxy_url(value: object) -> str:
    """Accept a proxy's address, or `env` for those that the environment names."""
    given = text(value).rstrip("/")
    if given == "env":
        return given
    try:
        parts = urlsplit(given)
        good = parts.scheme == "http" and bool(parts.hostname) and parts.port not in {None, 0}
    except ValueError:
        good, parts = False, urlsplit("")
    if "@" in given:
        # it may hold a password: `relations` refuses it without its line
        return given
    if not good or parts.path or parts.query or parts.fragment or " " in given:
        raise Wrong(f"{shown(value)} is no proxy - http://HOST:PORT, or env")
    return given


def proxy_alone(value: object) -> object:
    """Let the address alone stand for the whole key."""
    return {"url": value} if isinstance(value, str) else value


def link_url(value: object) -> str:
    """Accept the form of a share link, with its two placeholders."""
    given = text(value)
    if not re.match(r"https?://[^/\s{}]+", given) or " " in given:
        raise Wrong(f"{shown(value)} is no web address - https://HOST/{{id}}?secret={{secret}}")
    placeholders(given, ("id", "secret"), hidden=isinstance(value, FromEnv))
    lacking = [f"{{{word}}}" for word in ("id", "secret") if f"{{{word}}}" not in given]
    if lacking:
        raise Wrong(f"must contain {listed(lacking, 'and')} - or no link can be made")
    return given


def hook(value: object) -> Secret:
    """Accept the URL of a hook: https, or http of this machine itself; it is never quoted."""
    url = secret(value)
    if url.reveal() == NOT_READ:
        return url
    try:
        parts = urlsplit(url.reveal())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or not url.reveal().isascii() or " " in url.reveal():
        raise Wrong("the secret is no web address - https://HOST/...")
    if parts.scheme == "https" or (parts.scheme == "http" and is_here(host)):
        if "@" in parts.netloc or parts.fragment:
            raise Wrong("the secret names a user or a fragment - a hook's address has neither")
        return url
    raise Wrong("the secret is no https address - only this machine itself is told in the clear")


def _is_ip(given: str) -> bool:
    try:
        ipaddress.ip_address(given)
    except ValueError:
        return False
    return True


def is_here(host: str) -> bool:
    """Say whether a host is this machine itself, by its name or address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
