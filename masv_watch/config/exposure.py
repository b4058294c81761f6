"""Say whether our own API may be reached in the way that the file asks for.

Owns the rules between listeners, token, TLS and those who are trusted. Never looks at the machine
beyond the real names of folders. Called by `relations`.

Law 1. Beyond loopback nobody is let in without a token: there the kernel names no caller.
Law 2. The token crosses a network only within TLS, ours or the one that the operator speaks for.
"""

from __future__ import annotations

from itertools import islice

from masv_watch.config import access
from masv_watch.config.problems import Wrong
from masv_watch.config.reading import Path, Reading, above, is_path, real_path
from masv_watch.config.values import shown
from masv_watch.model import Listen, Scheme

_HOLDS_STATE = (
    "contains the state folder, of which nothing is ever sent - name the folders beside it, or set"
    " `state` to a folder elsewhere"
)
_FAR = "can be reached from other machines"


def check(reading: Reading, state: str) -> None:
    """Note the faults and the warnings of `server:` taken together."""
    if not isinstance(reading.get("server"), dict):
        return
    listeners = _listeners(reading)
    _twice(reading, listeners)
    for at, listen in listeners:
        _beyond_loopback(reading, at, listen)
    _certificate(reading, listeners)
    _roots(reading, state)
    _trusted(reading)


def _listeners(reading: Reading) -> list[tuple[Path, Listen]]:
    found = []
    for at, given in islice(reading.texts("server", "listen"), access.MOST_LISTENERS):
        try:
            found.append((at, access.listener(given)))
        except Wrong:
            continue  # the schema says so
    return found


def _twice(reading: Reading, listeners: list[tuple[Path, Listen]]) -> None:
    """Refuse a listener that could never listen beside one above it."""
    for number, (at, listen) in enumerate(listeners):
        for earlier, other in listeners[:number]:
            if access.collides(listen, other):
                line = reading.line_of(earlier)
                message = f"takes the same address as the listener of line {line} - keep one"
                reading.fault(at, message)
                break


def _beyond_loopback(reading: Reading, at: Path, listen: Listen) -> None:
    if access.is_loopback(listen):
        return
    name = shown(reading.get(*at))
    if not reading.has("server", "token"):
        message = f"{name} {_FAR}, and there is no token - add `token: !file PATH` below `server:`"
        if not _is_secured(reading, listen):
            message += ", and use https:// or say `tls: elsewhere`"
        reading.fault(at, message)
    elif not _is_secured(reading, listen):
        message = (
            f"{name} {_FAR}, and the token would cross the network in the clear - use https://"
        )
        other = ", or write `tls: elsewhere` where a reverse proxy or a container's host speaks TLS"
        reading.fault(at, message + ("" if reading.has("server", "tls") else other))


def _is_secured(reading: Reading, listen: Listen) -> bool:
    # a wrong text under `tls` has a problem of its own: what is meant by it is not known
    said = reading.get("server", "tls")
    return listen.scheme is Scheme.HTTPS or not (said is None or isinstance(said, dict))


def _certificate(reading: Reading, listeners: list[tuple[Path, Listen]]) -> None:
    given = [key for key in ("certificate", "key") if reading.has("server", "tls", key)]
    if len(given) == 1:
        other = "key" if given[0] == "certificate" else "certificate"
        message = f"`{given[0]}` without `{other}` - give both or neither"
        reading.fault(("server", "tls", given[0]), message, at_key=True)
    if given and not any(listen.scheme is Scheme.HTTPS for _, listen in listeners):
        message = "no listener is https, so the certificate has no use"
        reading.warn(("server", "tls"), message, at_key=True)


def _roots(reading: Reading, state: str) -> None:
    kept = real_path(state)
    for at, root in reading.texts("server", "allowed_roots"):
        if not is_path(root):
            continue
        real = real_path(root)
        if real == kept or kept in above(real):
            reading.warn(at, "lies in the state folder, of which nothing is ever sent")
        elif real in above(kept):
            reading.warn(at, _HOLDS_STATE)


def _trusted(reading: Reading) -> None:
    keys = [key for key in ("trusted_users", "trusted_groups") if reading.get("server", key)]
    for key in keys:
        if reading.get("server", "auth") == "token":
            message = "has no use: `auth: token` asks everybody for the token"
            reading.warn(("server", key), message, at_key=True)
    has_roots = reading.get("server", "allowed_roots") or list(reading.folders())
    if keys and not has_roots:
        message = (
            "there is nothing that trusted callers may send: neither a hot folder nor "
            "`allowed_roots: [/PATH]`"
        )
        reading.warn(("server", keys[0]), message, at_key=True)
