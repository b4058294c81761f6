"""The keys of the file as a JSON Schema, for editors.

Owns what of a key's form an editor can know: its kind, its words, its bounds. Never judges a file:
`schema` does, whose classes it reads. Never holds a meaning or a default either: `meanings` and
`defaults` do. Called by `config schema` and by the call of that name.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from masv_watch.config import schema
from masv_watch.config.defaults import defaults
from masv_watch.config.faults import written
from masv_watch.config.meanings import Said, meaning_of, said_of_keys
from masv_watch.config.problems import listed

Json = dict[str, Any]

#: what stands in a file's first line, so that editors find the schema
EDITOR_LINE = "# yaml-language-server: $schema=./masv-watch.schema.json"
#: the one that the YAML servers of editors read in full
_DIALECT = "http://json-schema.org/draft-07/schema#"


def json_schema() -> Json:
    """Give the schema of the whole file; what stands there and is right for `check`, it accepts.

    Each key has the words of reference.yml, and its default where that is a value.
    """
    whole = {"$schema": _DIALECT, "title": "masv-watch", **_keys(schema.Keys)}
    _explain(whole, "", said_of_keys(), defaults())
    return whole


def _explain(
    described: Json, path: str, said: Mapping[str, Said], known: Mapping[str, Any]
) -> None:
    """Put words and defaults on everything below a key."""
    for arm in (described, *described.get("anyOf", ())):
        for key, value in arm.get("properties", {}).items():
            at = f"{path}.{key}".removeprefix(".")
            words = meaning_of(at, said)
            value["description"] = words or value.get("description") or f"`{key}`."
            if at in known:
                value["default"] = known[at]
            _explain(value, at, said, known)
        if isinstance(arm.get("items"), dict):
            _explain(arm["items"], f"{path}[]", said, known)


def _keys(of: type[Any]) -> Json:
    hints = get_type_hints(of, include_extras=True)
    members = [(written(one.name, hints[one.name]), one) for one in fields(of)]
    required = [key for key, one in members if one.default is MISSING]
    choice: Json = {}
    if "like" in dict(members):
        # what it is like may say it
        required.remove("to")
        choice = {"anyOf": [{"required": ["to"]}, {"required": ["like"]}]}
    return {
        "type": "object",
        "description": f"With {listed([key for key, _ in members], 'and')}.",
        "properties": {key: _value(hints[one.name]) for key, one in members},
        "additionalProperties": False,
        **({"required": required} if required else {}),
        **choice,
    }


def _value(hint: Any) -> Json:
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        checks = [check for note in notes if (check := _check_of(note)) is not None]
        return _checked(inner, checks) if checks else _value(inner)
    arms = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return _value(next(arm for arm in arms if arm is not type(None)))
    if get_origin(hint) is list:
        return {"type": "array", "items": _value(arms[0])}
    if isinstance(hint, type) and is_dataclass(hint):
        return _keys(hint)
    return {}


def _check_of(note: Any) -> Callable[[object], object] | None:
    """Give the check of ours that a validator of a key runs."""
    run = getattr(note, "func", None)
    if run is None:
        return None
    check = inspect.getclosurevars(run).nonlocals.get("check")
    return check if callable(check) else None


def _checked(inner: Any, checks: list[Callable[[object], object]]) -> Json:
    if (isinstance(inner, type) and is_dataclass(inner)) or get_origin(inner) is list:
        short = {"type": "string"}
        if _has_keys(inner) or get_origin(inner) is list:
            # one of a list may stand alone, and so may the one word that a section can be
            return {"anyOf": [_value(inner), short]}
    check = checks[0]
    bounds = inspect.getclosurevars(check).nonlocals
    name = getattr(check, "__qualname__", "").partition(".")[0]
    if name == "one_of":
        return {"enum": list(bounds["words"])}
    if name == "whole":
        return {"type": "integer", "minimum": bounds["least"], "maximum": bounds["most"]}
    return dict(_KINDS.get(name, {}))


def _has_keys(inner: Any) -> bool:
    return hasattr(inner, "__pydantic_config__")


#: what a check of ours reads; one that is not named here says nothing to an editor
_KINDS: dict[str, Json] = {
    "flag": {"type": "boolean"},
    "_version": {"const": 1},
    "failed": {"const": "keep"},
    "delivered": {
        "anyOf": [
            {"enum": ["keep", "delete"]},
            {"type": "object", "required": ["move"], "maxProperties": 1},
        ]
    },
    "by_subfolder": {"type": "object"},
    "user": {"type": ["string", "integer"]},
    "group": {"type": ["string", "integer"]},
    **{
        name: {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        for name in ("spans", "domains", "filesystems")
    },
    "connections": {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 64}]},
    **{
        name: {"type": "string"}
        for name in (
            "text", "message", "template", "name", "label", "path", "address", "secret", "host",
            "mailbox", "api_url", "link_url", "state", "seconds", "bytes_between", "expression",
            "pattern", "row_pattern", "done_marker", "quiet", "token", "zone", "limit",
            "clock_time", "hours", "days", "proxy_url", "listener", "mtime_grain",
        )
    },
}  # fmt: skip
