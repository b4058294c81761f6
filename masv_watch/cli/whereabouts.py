"""Where the daemon is, and what proves to it who we are.

Owns the order of addresses and tokens: flags, environment, configuration. Never speaks to anybody.
Called once by every command that calls the API.

Law 1. A token never stands on a command line, where every user of the machine could read it.
Law 2. The configuration's token goes to the configuration's own listeners and to nobody else.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from masv_watch.cli.answers import printable
from masv_watch.cli.outcomes import WrongUsage
from masv_watch.config.access import is_loopback
from masv_watch.config.finding import find
from masv_watch.config.guarded import check_mode, read_text
from masv_watch.config.problems import Wrong
from masv_watch.errors import ConfigError
from masv_watch.model import Auth, Listen, Scheme, Secret, Settings

_FORMS = "write http://HOST:PORT, https://HOST:PORT or unix:///PATH"
#: what the daemon calls its own certificate and its own token in the state folder; a test compares
CERTIFICATE_FILE, TOKEN_FILE = "api-certificate.pem", "api-token"
_UNTOLD = "masv-watch: so the file does not tell where the daemon is - name its address by --url"
_LARGEST_SECRET = 64 * 1024
_TOKEN = re.compile(r"[\x21-\x7e]+")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, never bound
_PORTS = {Scheme.HTTP: 80, Scheme.HTTPS: 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where the daemon is looked for, and with what."""

    #: in the order in which they are tried
    addresses: tuple[Listen, ...]
    token: Secret | None = None
    #: PEM file with the authorities that a person named; None: those of the machine
    authorities: str | None = None
    #: PEM file of the certificate that the daemon made for itself; it may be absent
    own_certificate: str | None = None
    #: why the configuration did not help, one clause; empty when it did
    remark: str = ""
    #: what is wrong with the configuration of which only the daemon's address was taken
    problems: tuple[str, ...] = ()
    #: form of a share link; None when no configuration was read
    link_url: str | None = None
    #: subdomain of the configured team
    team: str | None = None


def seek(options: argparse.Namespace, environ: Mapping[str, str]) -> Whereabouts:
    """Find out where the daemon is.

    A configuration that cannot be used is no hindrance where the address is given otherwise, or
    where the mistake is none of the keys that say it: the daemon runs by an earlier one.

    Raises:
        ConfigError: the configuration must say where the daemon is, and does not.
        WrongUsage: an address, a token or a certificate cannot be used as given.
    """
    url = options.url or environ.get("MASV_WATCH_URL") or None
    given = None if url is None else address(url)
    found = _configuration(options.config, environ, is_needed=given is None)
    settings = found.settings
    listeners = () if settings is None else _listeners(settings)
    if settings is not None and given is None and not listeners:
        raise WrongUsage(
            "server.listen leaves the port to the system - name the daemon's address by --url"
        )
    addresses = listeners or (Listen(),) if given is None else (given,)
    is_own = settings is not None and _host_of(addresses[0]) in map(_host_of, listeners)
    token = _given_token(options.token_file, environ)
    if token is None and settings is not None and is_own and _is_proof_needed(settings, addresses):
        token = settings.server.token or _state_token(settings)
    own = None
    if settings is not None and is_own and settings.server.tls.certificate is None:
        own = os.path.join(settings.state, CERTIFICATE_FILE)
    return Whereabouts(
        addresses=addresses,
        token=token,
        authorities=options.cacert or environ.get("MASV_WATCH_CACERT") or None,
        own_certificate=own,
        remark=found.remark if given is None else "",
        problems=found.problems,
        link_url=None if settings is None else settings.masv.link_url,
        team=None if settings is None else settings.masv.team,
    )


def address(url: str) -> Listen:
    """Read an address as a person writes it; `/api/v1` behind it is passed over.

    Raises:
        WrongUsage: it is none.
    """
    # what stands before an @ may be a password
    shown = shown_word(re.sub(r"[^/]*@", "***@", url))
    wrong = WrongUsage(f"{shown} is no daemon's address - {_FORMS}")
    if url.startswith("unix://"):
        path = url.removeprefix("unix://")
        if not path.startswith("/") or "\0" in path:
            raise wrong
        return Listen(scheme=Scheme.UNIX, host="", port=0, path=path)
    try:
        pieces = urlsplit(url)
        host, port = pieces.hostname, pieces.port
    except ValueError:
        raise wrong from None
    behind = pieces.path.rstrip("/").removeprefix("/api/v1") + pieces.query + pieces.fragment
    is_plain = host is not None and host.isprintable() and " " not in host and host.isascii()
    if pieces.scheme not in {"http", "https"} or not host or behind or not is_plain:
        raise wrong
    if "@" in pieces.netloc:
        raise WrongUsage(
            "an address holds no user and no password - name a token's file by --token-file"
        )
    scheme = Scheme(pieces.scheme)
    return Listen(scheme=scheme, host=host, port=_PORTS[scheme] if port is None else port)


def secret_of(path: str, what: str) -> Secret:
    """Read a secret from a file that others cannot read, or from standard input for `-`.

    Raises:
        WrongUsage: there is none, or everybody could read it.
    """
    try:
        if path == "-":
            text = "" if sys.stdin is None else sys.stdin.readline(_LARGEST_SECRET)
        else:
            content, mode = read_text(path, _LARGEST_SECRET)
            check_mode(mode)
            text = content.decode("utf-8-sig")
    except Wrong as wrong:
        raise WrongUsage(f"the file of the {what} {shown_word(path)} {wrong.message}") from wrong
    except (UnicodeDecodeError, OSError):
        raise WrongUsage(f"the {what} in {shown_word(path)} is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\n" in text or "\0" in text:
        raise WrongUsage(f"the {what} in {shown_word(path)} must be one line of text")
    return Secret(text, path)


def shown_word(word: str) -> str:
    """Show what a person typed, in quotes and on one line."""
    return f"'{printable(word)}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Configuration:
    """What was found of a configuration, and why it is not all."""

    settings: Settings | None = None
    remark: str = ""
    problems: tuple[str, ...] = ()


def _configuration(
    named: str | None, environ: Mapping[str, str], *, is_needed: bool
) -> _Configuration:
    """Give the settings without their secrets, or what there is instead and the reason."""
    try:
        path = find(named, environ)
    except ConfigError:
        return _Configuration(remark="no configuration file was found")
    is_named = bool(named or environ.get("MASV_WATCH_CONFIG"))
    if not is_named and not os.access(path, os.R_OK):
        return _Configuration(remark=f"{printable(path)} cannot be read by this user")
    # most of what a command takes to begin, and not needed where an address is given
    from masv_watch.config.load import load  # noqa: PLC0415 - only once a file is there

    remark = f"{printable(path)} cannot be used"
    try:
        return _Configuration(settings=load(path, environ=environ, with_secrets=False).settings)
    except ConfigError as error:
        problems = error.problems
    if not is_needed:
        return _Configuration(remark=remark)
    from masv_watch.config.locating import located  # noqa: PLC0415 - only for a mistake

    settings = located(path, environ=environ)
    if settings is None:
        raise ConfigError((*problems, _UNTOLD))
    return _Configuration(settings=settings, remark=remark, problems=problems)


def _listeners(settings: Settings) -> tuple[Listen, ...]:
    """Give the daemon's own addresses as callers on this machine reach them, the best first."""
    reached = [
        replace(listen, host=_EVERYWHERE.get(listen.host, listen.host))
        for listen in settings.server.listen
        if listen.scheme is Scheme.UNIX or listen.port
    ]
    # behind a proxy only the unix socket tells who we are
    is_relayed = settings.server.tls_elsewhere
    return tuple(
        sorted(reached, key=lambda at: (is_relayed and at.scheme is not Scheme.UNIX, _rank(at)))
    )


def _is_proof_needed(settings: Settings, addresses: tuple[Listen, ...]) -> bool:
    """Say whether the kernel alone cannot vouch for us.

    Where it can, no token is sent: while the daemon is down its port may be anybody's.
    """
    if settings.server.auth is Auth.TOKEN or not os.access(settings.state, os.W_OK):
        return True
    if settings.server.tls_elsewhere and any(at.scheme is not Scheme.UNIX for at in addresses):
        return True
    return not all(each.scheme is Scheme.UNIX or is_loopback(_host_of(each)) for each in addresses)


def _rank(listen: Listen) -> int:
    if listen.scheme is Scheme.HTTP:
        return 0 if ipaddress.ip_address(listen.host).is_loopback else 3
    return 1 if listen.scheme is Scheme.UNIX else 2


def _host_of(listen: Listen) -> Listen:
    """Write the one machine-local name as the address that it stands for."""
    return replace(listen, host="127.0.0.1") if listen.host == "localhost" else listen


def _given_token(path: str | None, environ: Mapping[str, str]) -> Secret | None:
    value, where = environ.get("MASV_WATCH_TOKEN") or None, "$MASV_WATCH_TOKEN"
    if path is not None:
        value, where = secret_of(path, "token").reveal(), shown_word(path)
    if value is None:
        return None
    if _TOKEN.fullmatch(value) is None:
        raise WrongUsage(f"the token in {where} is not one word of printable ASCII")
    return Secret(value, where)


def _state_token(settings: Settings) -> Secret | None:
    """Give the token that the daemon made at its first start, where this user may read it."""
    try:
        content, _ = read_text(os.path.join(settings.state, TOKEN_FILE), _LARGEST_SECRET)
    except Wrong:
        return None
    value = content.decode("utf-8", "replace").strip()
    return Secret(value, TOKEN_FILE) if _TOKEN.fullmatch(value) else None
