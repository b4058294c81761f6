"""Settings as JSON and back, without their secrets: what a command hands to the daemon.

Owns the form. Never judges a value beyond its type: the configuration was checked where it was
loaded. Called by the command `plan` and by the call that answers it.

Law 1. No secret is written; where one stands, nothing stands in the JSON.
Law 2. What is read has the types of the model all through, or is refused with its place.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from masv_watch.model import Secret

T = TypeVar("T")
Json = Any


class NotPortable(ValueError):
    """JSON is not what was asked for; the text names the place and what is wrong there."""


def write(value: object) -> Json:
    """Give a noun of the model as JSON, every secret left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: write(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, frozenset):
        return sorted(write(each) for each in value)
    if isinstance(value, tuple | list):
        return [write(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): write(each) for key, each in value.items()}
    return _plain(value)


def _plain(value: object) -> Json:
    if isinstance(value, Secret):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value.value if isinstance(value, Enum) else value


def read(kind: type[T], tree: Json, place: str = "") -> T:
    """Read a dataclass of the model.

    Raises:
        NotPortable: it is none, or not of this version.
    """
    if not isinstance(tree, dict):
        raise NotPortable(f"{place or 'it'} is no object")
    hints, known = _hints(kind), {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(tree) - set(known))
    if unknown:
        raise NotPortable(f"{_within(place, unknown[0][:64])} is not known here")
    given = {}
    for name, each in known.items():
        if name in tree:
            given[name] = _read(hints[name], tree[name], _within(place, name))
        elif each.default is MISSING and each.default_factory is MISSING:
            raise NotPortable(f"{_within(place, name)} is missing")
    return kind(**given)


def bare(value: T) -> T:
    """Give a noun of the model without its secrets, for a comparison."""
    return read(type(value), write(value))


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, tree: Json, place: str) -> Any:
    origin, arms = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if tree is None and type(None) in arms:
            return None
        return _first(tuple(arm for arm in arms if arm is not type(None)), tree, place)
    if origin is not None:
        return _group(origin, arms, tree, place)
    if isinstance(hint, type) and is_dataclass(hint):
        return read(hint, tree, place)
    return _leaf(hint, tree, place)


def _group(origin: Any, arms: tuple[Any, ...], tree: Json, place: str) -> Any:
    if origin is tuple:
        return _tuple(arms, tree, place)
    if origin is frozenset:
        return frozenset(_tuple((arms[0], ...), tree, place))
    if origin not in (dict, Mapping) or not isinstance(tree, dict):
        raise NotPortable(f"{place} has another form")
    return {key: _read(arms[1], each, _within(place, key[:64])) for key, each in tree.items()}


def _first(arms: tuple[Any, ...], tree: Json, place: str) -> Any:
    for arm in arms[:-1]:
        try:
            return _read(arm, tree, place)
        except NotPortable:
            continue
    return _read(arms[-1], tree, place)


def _tuple(arms: tuple[Any, ...], tree: Json, place: str) -> tuple[Any, ...]:
    if not isinstance(tree, list):
        raise NotPortable(f"{place} is no list")
    if len(arms) == 2 and arms[1] is Ellipsis:
        return tuple(_read(arms[0], each, f"{place}[{at}]") for at, each in enumerate(tree))
    if len(arms) != len(tree):
        raise NotPortable(f"{place} has not {len(arms)} members")
    return tuple(_read(arm, each, place) for arm, each in zip(arms, tree, strict=True))


def _leaf(hint: Any, tree: Json, place: str) -> Any:
    if hint is Any:
        return tree
    if hint is bytes and isinstance(tree, str):
        try:
            return tree.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise NotPortable(f"{place} holds half a character") from None
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(tree)
        except ValueError:
            raise NotPortable(f"{place} is none of its words") from None
    if hint is float and isinstance(tree, int) and not isinstance(tree, bool):
        return _float(tree, place)
    if isinstance(hint, type) and type(tree) is hint:
        return tree
    raise NotPortable(f"{place} has another type")


def _float(number: int, place: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise NotPortable(f"{place} is too large a number") from None


def _within(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
