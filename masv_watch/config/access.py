"""Say what one value below `server:` may be: a listener, a host, a user, a token, a path.

Owns the forms of the words that decide who reaches our own API. Never looks at a second value or at
the machine. Called by the schema for each value, and by `exposure` to read the same listeners.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re

from masv_watch.config.origins import NOT_READ, FromEnv
from masv_watch.config.problems import Wrong, nearest
from masv_watch.config.values import kind, secret, shown, text
from masv_watch.model import Listen, Scheme, Secret

LISTENERS = "http://HOST:PORT, https://HOST:PORT or unix:///PATH, HOST an IP address or localhost"
#: addresses of our own API; each costs a thread and a descriptor
MOST_LISTENERS = 32
_LISTENER = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:/?#@]+)):(?P<port>[0-9]{1,5})/?",
    re.ASCII | re.IGNORECASE,
)
#: bytes of a unix socket's path; the kernel's field has 108, the last one a zero
_LONGEST_SOCKET = 107
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII)
# directories add domains to names: DOMAIN\user, user@domain, "domain users"
_NAMED = re.compile(r"[\w.][\w.@\\+$ -]{0,254}[\w.$]|[\w.]")
_LARGEST_ID = 2**32 - 2
#: what the kernel shows in the place of whoever it cannot name
_UNNAMED = {"user": ("65534", "nobody"), "group": ("65534", "nobody", "nogroup")}
_TOKEN = re.compile(r"[\x21-\x7e]*")
_SHORTEST_TOKEN, _LONGEST_TOKEN = 16, 4096
_TLS = "elsewhere or {certificate: PATH, key: PATH}"


def one_or_more(value: object) -> list[object]:
    """Give a list of listeners for one address or several."""
    if isinstance(value, list):
        if not value:
            raise Wrong("is empty - write at least one address, or remove the key")
        if len(value) > MOST_LISTENERS:
            raise Wrong(f"names {len(value)} addresses - {MOST_LISTENERS} at most")
        return value
    if isinstance(value, dict):
        raise Wrong(f"must be one address or a list of them, not a mapping - {LISTENERS}")
    return [value]


def listener(value: object) -> Listen:
    """Accept one address of our own API."""
    given = text(value)
    scheme, mark, rest = given.partition("://")
    if mark and scheme.lower() == Scheme.UNIX:
        return Listen(scheme=Scheme.UNIX, host="", port=0, path=_socket(value, rest))
    if scheme.lower().startswith("unix:"):
        raise Wrong(f"{shown(value)} lacks slashes - unix:///PATH, three of them")
    found = _LISTENER.fullmatch(given)
    if found is None:
        raise Wrong(f"{shown(value)} is not a listener - {LISTENERS}")
    port = int(found["port"])
    if port > 65535:
        raise Wrong("the port is out of range - 1 to 65535, or 0 for a free one")
    host = _ip(found["six"] or "", 6) if found["six"] else _ip(found["host"].lower(), 4)
    if host is None:
        raise Wrong(
            f"the host of {shown(value)} is no IP address in its usual form - write the address, "
            "localhost, or 0.0.0.0 or [::] for every address"
        )
    return Listen(scheme=Scheme(found["scheme"].lower()), host=host, port=port)


def _ip(given: str, version: int) -> str | None:
    if given == "localhost":
        return "127.0.0.1"
    try:
        found = ipaddress.ip_address(given)
    except ValueError:
        return None
    # `[::ffff:127.0.0.1]` looks like another address and is not: one spelling for one address
    is_odd = found.version == 6 and (found.ipv4_mapped is not None or found.scope_id is not None)
    return None if is_odd or found.version != version else str(found)


def _socket(value: object, path: str) -> str:
    if not path.startswith("/"):
        raise Wrong(f"{shown(value)} has no absolute path - unix:///PATH, with three slashes")
    if path.endswith("/") or ".." in path.split("/"):
        raise Wrong(f"{shown(value)} names no file - write the path out, without `..` or a last /")
    clean = "/" + posixpath.normpath(path).lstrip("/")
    length = len(clean.encode())
    if length > _LONGEST_SOCKET:
        raise Wrong(
            f"the path of the socket is {length} bytes long - the kernel takes {_LONGEST_SOCKET}"
        )
    return clean


def is_loopback(listen: Listen) -> bool:
    """Say whether only this machine can reach a listener."""
    return listen.scheme is Scheme.UNIX or ipaddress.ip_address(listen.host).is_loopback


def collides(one: Listen, other: Listen) -> bool:
    """Say whether two listeners want the same address, so that only one of them could have it."""
    if Scheme.UNIX in {one.scheme, other.scheme}:
        return one.path == other.path
    if one.port == 0 or one.port != other.port:
        return one == other
    mine, its = (ipaddress.ip_address(listen.host) for listen in (one, other))
    takes_all = mine.version == its.version and (mine.is_unspecified or its.is_unspecified)
    return mine == its or takes_all


def host(value: object) -> str:
    """Accept a name or an IP address by which callers reach us."""
    given = text(value).lower()
    try:
        return str(ipaddress.ip_address(given.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    if "://" in given or "/" in given:
        raise Wrong(
            f"{shown(value)} is an address - write its host alone, such as masv.example.com"
        )
    if re.fullmatch(r"[^:]+:[0-9]*|\[.*\]:[0-9]*", given):
        raise Wrong(f"{shown(value)} has a port - write the host alone, our own ports are known")
    if "*" in given:
        raise Wrong(f"{shown(value)} is a pattern - write each name out")
    if not given.isascii():
        raise Wrong(f"{shown(value)} is not ASCII - write the name as browsers send it, xn--...")
    if _HOST.fullmatch(given) is None or given.rpartition(".")[2].isdigit():
        raise Wrong(f"{shown(value)} is no host - a name or an IP address")
    return given


def user(value: object) -> str:
    """Accept a user's name or number."""
    return _named(value, "user")


def group(value: object) -> str:
    """Accept a group's name or number."""
    return _named(value, "group")


def _named(value: object, what: str) -> str:
    if isinstance(value, bool | float):
        raise Wrong(f"must be the name or the number of a {what}, not {kind(value)}")
    given = str(value) if isinstance(value, int) else text(value)
    if given.lstrip("-").isdigit() and given.isascii():
        digits = given.lstrip("0") or "0"
        if len(digits) > 10 or not 0 <= int(digits) <= _LARGEST_ID:
            raise Wrong(f"{shown(value)} is no number of a {what} - 0 to {_LARGEST_ID}")
        given = digits
    elif _NAMED.fullmatch(given) is None:
        raise Wrong(f"{shown(value)} is no {what} - a name or a number as in `id`")
    if given in _UNNAMED[what]:
        raise Wrong(
            f"{shown(value)} stands for every {what} that the kernel cannot name - "
            f"give the service a {what} of its own and trust that one"
        )
    return str(given)


def token(value: object) -> Secret | None:
    """Accept a token that a header can carry; None stands for one that was left unread."""
    found = secret(value)
    if found.origin == NOT_READ:
        return None
    given = found.reveal()
    where = f" ({found.origin})" if found.origin else ""
    if _TOKEN.fullmatch(given) is None:
        raise Wrong(
            f"the token{where} holds a blank or a character that no header can carry - "
            "letters, digits and signs of ASCII; `openssl rand -hex 32` makes one"
        )
    if not _SHORTEST_TOKEN <= len(given) <= _LONGEST_TOKEN:
        raise Wrong(
            f"the token{where} is too {'short' if len(given) < _SHORTEST_TOKEN else 'long'} - "
            f"{_SHORTEST_TOKEN} to {_LONGEST_TOKEN} characters; `openssl rand -hex 32` makes one"
        )
    return found


def is_elsewhere(value: object) -> bool:
    """Say whether something in front of us speaks TLS; a mapping says that we do."""
    if isinstance(value, dict):
        return False
    if isinstance(value, str):
        if value == "elsewhere":
            return True
        meant = None if isinstance(value, FromEnv) else nearest(value, ("elsewhere",))
        hint = f" (did you mean `{meant}`?)" if meant else ""
        raise Wrong(f"{shown(value)} is not known{hint} - {_TLS}")
    raise Wrong(f"must be {_TLS}, not {kind(value)}")


def certificate(value: object) -> str:
    """Accept the path of a certificate."""
    return _pem(value, "certificate")


def key(value: object) -> str:
    """Accept the path of a certificate's key; somebody may have put the key itself there."""
    return _pem(value, "key")


def _pem(value: object, what: str) -> str:
    if isinstance(value, Secret) or (isinstance(value, str) and "-----BEGIN" in value):
        raise Wrong(f"must be the path of a file, not the {what} itself")
    given = text(value)
    if given.startswith("~"):
        raise Wrong("is no path (`~` is not expanded) - write it out, or begin beside this file")
    return given
