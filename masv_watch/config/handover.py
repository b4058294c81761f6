"""What a loaded configuration is, and how it goes from one process of ours to another.

Owns the form of that hand-over: one JSON object, secrets included, and of whatever else is asked of
a configuration. Never reads a file and never
judges a value: both ends are the same version, or nothing is taken over. Used by `load`, and by
both ends of `apart`.

Law 1. What is handed over is made anew of the model's own types, and of nothing that it brings
       along: no code, no name of a class.
Law 2. What holds a secret is never shown: neither a message nor a log quotes what was handed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from masv_watch import __version__, model
from masv_watch.config import portable
from masv_watch.errors import ConfigError
from masv_watch.model import Secret

T = TypeVar("T")

#: where a value stands: names of fields and places in tuples, from the outside in
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration that can be used, and what to say about it."""

    settings: model.Settings
    #: each `file:line:col: path: warning: sentence`
    warnings: tuple[str, ...] = ()
    #: every secret of the file, for the log's redaction
    secrets: tuple[Secret, ...] = ()
    #: other files that hold its secrets; never sent, whoever asks
    private: tuple[str, ...] = ()
    #: where values stand (`hot_folders[0].path` -> `file:line:col`), for messages about the world
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """One value that counts."""

    #: as in messages: `hot_folders[0].settle.quiet`
    key: str
    #: as people write it; three stars for a secret
    value: str
    #: `default`, or `FILE:LINE` with what fetched it
    origin: str


@dataclass(slots=True, kw_only=True)
class Imported:
    """A file made of a provisioning file, and what of that one it does not hold."""

    text: str = ""
    #: one sentence each
    left: list[str] = field(default_factory=list)
    #: names that the new file looks up in secrets.yml
    secrets: list[str] = field(default_factory=list)


class NotOurs(ValueError):
    """Bytes are no hand-over of this version."""


def packed(loaded: Loaded) -> bytes:
    """Give a configuration as it goes through a pipe."""
    places = list(_secrets(loaded.settings))
    return _told(
        settings=portable.write(loaded.settings),
        placed=[[list(at), *_open(secret)] for at, secret in places],
        warnings=loaded.warnings,
        secrets=[_open(secret) for secret in loaded.secrets],
        private=loaded.private,
        places=dict(loaded.places),
    )


def refused(problems: Sequence[str]) -> bytes:
    """Give what stands for a configuration that cannot be used."""
    return _told(problems=list(problems))


def unpacked(content: bytes) -> Loaded:
    """Give the configuration that was handed over.

    Raises:
        ConfigError: it cannot be used, with every reason.
        NotOurs: this is none of this version.
    """
    return _heard(content, _loaded)


def told(answer: Any) -> bytes:
    """Give any other answer as it goes through a pipe; it is plain JSON."""
    return _told(answer=answer)


def heard(content: bytes) -> Any:
    """Give any other answer that was handed over.

    Raises: as `unpacked`.
    """
    return _heard(content, lambda tree: tree["answer"])


def _heard(content: bytes, read: Callable[[Any], T]) -> T:
    try:
        tree = json.loads(content)
        is_ours = tree["version"] == __version__
        problems = tuple(map(str, tree.get("problems", ())))
        found = [read(tree)] if is_ours and not problems else []
    except (AttributeError, LookupError, TypeError, ValueError):
        # what was read may hold a secret, and so may an error about it
        raise NotOurs("it is no configuration of this version") from None
    if not is_ours:
        raise NotOurs("it is of another version")
    if not found:
        raise ConfigError(problems)
    return found[0]


def _loaded(tree: Any) -> Loaded:
    settings = portable.read(model.Settings, tree["settings"])
    for at, value, origin in tree["placed"]:
        settings = _with(settings, tuple(at), Secret(value, origin))
    return Loaded(
        settings=settings,
        warnings=tuple(tree["warnings"]),
        secrets=tuple(Secret(value, origin) for value, origin in tree["secrets"]),
        private=tuple(tree["private"]),
        places=tree["places"],
    )


def _told(**tree: Any) -> bytes:
    return json.dumps({"version": __version__, **tree}).encode("ascii")


def _open(secret: Secret) -> list[str]:
    return [secret.reveal(), secret.origin]


def _secrets(value: object, at: Place = ()) -> Iterator[tuple[Place, Secret]]:
    """Give every secret in a noun of the model with its place."""
    if isinstance(value, Secret):
        yield at, value
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from _secrets(getattr(value, each.name), (*at, each.name))
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _secrets(one, (*at, number))


def _with(value: Any, at: Place, secret: Secret) -> Any:
    """Give a noun again with a secret put in its place."""
    if not at:
        return secret
    step, rest = at[0], at[1:]
    if isinstance(step, int):
        return (*value[:step], _with(value[step], rest, secret), *value[step + 1 :])
    return replace(value, **{step: _with(getattr(value, step), rest, secret)})
