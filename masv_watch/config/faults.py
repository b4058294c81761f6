"""Say which keys do not fit, each at its place and with what was meant.

Owns the words for keys that are missing, unknown or of the wrong form, and the way to a value in a
tree that may be wrong. Never judges a value itself. Called by `schema`, whose classes it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from masv_watch.config.origins import Plain
from masv_watch.config.problems import listed, nearest, shown_key
from masv_watch.config.values import kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that does not fit the schema."""

    path: tuple[str | int, ...]
    #: whether the key, not its value, is the place
    at_key: bool
    message: str
    #: the text within the value that is meant; empty for all of it
    passage: str = ""
    #: the value must not be shown: nobody knows what an unknown key holds
    is_private: bool = False


_MISSING = {
    "version": "`version` is missing - write `version: 1`",
    "name": "`name` is missing - a name of your choice, unique in this file",
    "path": "`path` is missing - the absolute path of the folder to watch",
    "to": "`to` is missing - {recipients: [ADDRESS, ...]} or {portal: NAME, sender: ADDRESS}",
    "url": "`url` is missing - http://HOST:PORT, or env",
    "host": "`host` is missing - the mail server's name",
    "smtp": "`smtp` is missing - {host: ..., port: 587, tls: starttls}",
    "limit": "`limit` is missing - 200 Mbit/s, 25 MB/s or unlimited",
    "rules": '`rules` is missing - [{hours: "08:00-19:00", limit: 200 Mbit/s}, ...]',
    "pattern": '`pattern` is missing - "{stem}.{frame:04d}.exr"',
    "files": '`files` is missing - ["*.mhl"]',
    "each": '`each` is missing - "{stem}.mxf"',
    "needs": '`needs` is missing - ["{stem}.xml"]',
    "open": '`open` is missing - "mon-sun 19:00-07:00", or a list of such windows',
    "from": "`from` is missing - the address that our letters come from",
}


def nothings(tree: Plain, path: tuple[str | int, ...] = ()) -> list[Fault]:
    """Find keys without a value: a forgotten one must not pass as the default."""
    if isinstance(tree, dict):
        return [fault for key, value in tree.items() for fault in nothings(value, (*path, key))]
    if isinstance(tree, list):
        return [fault for at, value in enumerate(tree) for fault in nothings(value, (*path, at))]
    if tree is not None:
        return []
    return [Fault(path=path, at_key=True, message="is empty - write a value or remove the key")]


def known_keys(of: type[Any], prefix: str = "") -> set[str]:
    """List every key of a section as a dotted path, lists as `[]`."""
    found = set()
    for key, inner, is_list in members(of):
        path = f"{prefix}{key}"
        found.add(path)
        if inner is not None:
            found |= known_keys(inner, f"{path}[]." if is_list else f"{path}.")
    return found


def members(of: type[Any]) -> list[tuple[str, type[Any] | None, bool]]:
    """Give the keys of a section: each with the class of its own keys, and if a list is meant."""
    if of.__name__ not in _MEMBERS:
        hints, noted = get_type_hints(of), get_type_hints(of, include_extras=True)
        _MEMBERS[of.__name__] = [
            (written(one.name, noted[one.name]), *_inner(hints[one.name])) for one in fields(of)
        ]
    return _MEMBERS[of.__name__]


#: type hints are slow to read, and never change
_MEMBERS: dict[str, list[tuple[str, type[Any] | None, bool]]] = {}


def written(name: str, hint: Any) -> str:
    """Give the key as the file writes it, where Python forbids the word."""
    aliases = (getattr(note, "alias", None) for note in getattr(hint, "__metadata__", ()))
    return next((alias for alias in aliases if isinstance(alias, str)), name)


def _inner(hint: Any) -> tuple[type[Any] | None, bool]:
    """Find the keys class within a type hint, and whether a list of it is meant."""
    if is_dataclass(hint) and isinstance(hint, type) and hasattr(hint, "__pydantic_config__"):
        return hint, False
    for arm in get_args(hint):
        inner, is_list = _inner(arm)
        if inner is not None:
            return inner, is_list or getattr(hint, "__origin__", None) is list
    return None, False


def value_at(tree: Plain, path: tuple[str | int, ...]) -> Any:
    """Give the plain value at a path, None when there is none."""
    at: Any = tree
    for step in path:
        is_there = step in at if isinstance(at, dict) else False
        if isinstance(at, list) and isinstance(step, int):
            is_there = step < len(at)
        if not is_there:
            return None
        at = at[step]
    return at


def fault(whole: type[Any], tree: Plain, one: Any) -> Fault:
    """Put one of pydantic's errors into our words; `whole` is the class of the whole file."""
    path: tuple[str | int, ...] = one["loc"]
    what = one["type"]
    if path and isinstance(path[-1], int) and not isinstance(value_at(tree, path[:-1]), list):
        path = path[:-1]  # one listener was read as a list of one
    if what == "wrong":
        facts = one["ctx"]
        return Fault(
            path=(*path, *facts["below"]),
            at_key=False,
            message=facts["what"],
            passage=facts["passage"],
        )
    if what == "missing":
        message = _MISSING.get(str(path[-1]), f"`{path[-1]}` is missing")
        return Fault(path=path[:-1], at_key=False, message=message)
    if what == "unexpected_keyword_argument":
        return _unknown(whole, tree, path)
    found = kind(value_at(tree, path))
    if what == "list_type":
        example = _LISTS.get(str(path[-1]) if path else "", "[..., ...]")
        return Fault(path=path, at_key=False, message=f"must be a list, not {found} - {example}")
    keys = listed([key for key, _, _ in members(_section(whole, path))][:12], "and")
    return Fault(path=path, at_key=False, message=f"must be a mapping, not {found} - with {keys}")


_LISTS = {
    "recipients": "write [ADDRESS, ...]",
    "mail_to": "write [ADDRESS, ...]",
    "ignore": 'write ["*.xmp", ...]',
    "only": 'write ["*.mov", ...]',
    "only_regex": "write [EXPRESSION, ...]",
    "ignore_regex": "write [EXPRESSION, ...]",
    "allowed_roots": "write [/PATH, ...]",
    "trusted_users": "write [NAME, ...]",
    "trusted_groups": "write [NAME, ...]",
    "hosts": "write [NAME, ...]",
    "rules": 'write [{hours: "08:00-19:00", limit: 200 Mbit/s}, ...]',
    "bundles": "write [p2, ...]",
    "profiles": "write [FILE, ...]",
    "may_set": "write [message, priority]",
    "companions": 'write [{each: "{stem}.mxf", needs: ["{stem}.xml"]}, ...]',
    "hot_folders": "each entry begins with `- name: ...`",
}


def _section(whole: type[Any], path: tuple[str | int, ...]) -> type[Any]:
    at = whole
    for step in path:
        if isinstance(step, str):
            inner = {key: inner for key, inner, _ in members(at)}.get(step)
            at = inner if inner is not None else at
    return at


#: where a key that is right elsewhere belongs
_ELSEWHERE = {
    "quiet": "settle.quiet",
    "samples": "settle.samples",
    "idle": "finalize.idle",
    "recipients": "to.recipients",
    "portal": "to.portal",
    "sender": "to.sender",
    "access_code": "to.access_code",
    "mail_to": "link.mail_to",
    "template": "link.template",
    "delivered": "after.delivered",
    "duplicate": "after.duplicate",
    "api_key": "masv.api_key",
    "team": "masv.team",
    "api_url": "masv.api_url",
    "link_url": "masv.link_url",
    "listen": "server.listen",
    "allowed_roots": "server.allowed_roots",
    "auth": "server.auth",
    "token": "server.token",
    "trusted_users": "server.trusted_users",
    "trusted_groups": "server.trusted_groups",
    "hosts": "server.hosts",
    "tls": "server.tls",
    "auto_finalize": "server.auto_finalize",
    "smtp": "mail.smtp",
    "pattern": "sequences.pattern",
    "gaps": "sequences.gaps",
    "chunk_size": "transfer.chunk_size",
    "connections": "transfer.connections",
}
#: what to write for a key that other programs know
_INSTEAD = {
    ("server", "host"): "write `listen: http://HOST:PORT`",
    ("server", "port"): "write `listen: http://HOST:PORT`",
    ("server", "bind"): "write `listen: http://HOST:PORT`",
    ("server", "address"): "write `listen: http://HOST:PORT`",
    ("server", "socket"): "write `listen: unix:///PATH`",
    ("server", "certificate"): "it belongs in tls.certificate",
    ("server", "key"): "it belongs in tls.key",
}
#: keys whose values stay hidden under a wrong name too
_PRIVATE = {None, "api_key", "password", "access_code", "token", "key"}


def _unknown(whole: type[Any], tree: Plain, path: tuple[str | int, ...]) -> Fault:
    key, above = str(path[-1]), path[:-1]
    here = [name for name, _, _ in members(_section(whole, above))]
    meant = nearest(key, here)
    elsewhere = _ELSEWHERE.get(key)
    if elsewhere is not None and (not above or elsewhere.split(".")[0] in here):
        meant = key
        advice = f"it belongs in {elsewhere}"
    elif path in _INSTEAD:
        meant, advice = key, _INSTEAD[path]
    elif meant is not None:
        advice = f"did you mean `{meant}`?"
    elif key == "<<":
        advice = "merging is not available: write the values out"
        if above[:1] == ("hot_folders",):
            advice += ", or let one hot folder be `like: NAME` of another"
    else:
        advice = f"known here: {', '.join(here)}"
    is_stray = value_at(tree, path) is None and meant is None
    # `{api_key: , x}` makes a key of what was meant as the value
    name = "`***`" if is_stray else shown_key(key)
    return Fault(
        path=path,
        at_key=True,
        message=f"unknown key {name} - {advice}",
        is_private=meant in _PRIVATE,
    )
