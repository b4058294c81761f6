"""Read a call's body and query into the shape that the call takes.

Owns the limits of what is read at all and the words for what does not fit. Never carries anything
out and never shows a value that may be a secret. Called by `api.routes`; `api.openapi` describes
the same shapes.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from masv_watch.api.fields import HALF
from masv_watch.errors import BadRequest, Unprocessable

T = TypeVar("T")

#: names of one object; no shape has half as many
_MOST_NAMES = 64
#: characters of a name for which a similar one is looked for
_LONGEST_NAME = 64
#: digits of one number; more than any field can hold
_LONGEST_NUMBER = 400


def read_body(kind: type[T], body: bytes) -> T:
    """Read a JSON body; an empty one counts as an empty object.

    Raises:
        BadRequest: it is not JSON, or no object.
        Unprocessable: a field is missing, unknown or wrong; `facts["field"]` names it.
    """
    tree = _parsed(body) if body else {}
    if not isinstance(tree, dict):
        raise BadRequest("the body is no JSON object", hint='send {"name": value, ...}')
    return _fitted(kind, tree, "field")


def read_query(kind: type[T], query: Mapping[str, str]) -> T:
    """Read the query of a call's URL.

    Raises:
        Unprocessable: a parameter is unknown or wrong; `facts["field"]` names it.
    """
    _demand_few(len(query), "the query")
    return _fitted(kind, dict(query), "query parameter")


def _parsed(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not UTF-8") from error
    try:
        return json.loads(
            text,
            object_pairs_hook=partial(once, where="an object of the body"),
            parse_int=_number,
            parse_constant=_no_number,
        )
    except RecursionError as error:
        raise BadRequest("the body is nested too deep") from error
    except ValueError as error:
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadRequest(f"the body is not JSON{place}", hint="look at quotes and commas") from (
            error
        )


def once(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, Any]:
    """Give names with their values; of two values nobody could say which was meant.

    Raises:
        Unprocessable: they are too many, or one is given twice; `facts["field"]` names it.
    """
    _demand_few(len(pairs), where)
    tree = dict(pairs)
    if len(tree) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = _printable(next(name for name, times in counted.items() if times > 1))
        raise Unprocessable(f"`{twice}` is given twice", hint="keep one", field=twice)
    return tree


def _demand_few(count: int, where: str) -> None:
    if count > _MOST_NAMES:
        raise Unprocessable(
            f"{where} holds {count} names, and at most {_MOST_NAMES} are read",
            hint="leave out what this call does not know",
        )


def _number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise BadRequest(f"the body holds a number of {len(digits)} digits")
    return int(digits)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def adapter_of(kind: type[T]) -> TypeAdapter[T]:
    """Give the reader of one shape; it is slow to build, and never changes."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _fitted(kind: type[T], tree: dict[str, Any], noun: str) -> T:
    try:
        return adapter_of(kind).validate_python(tree)
    except ValidationError as error:
        # never str(error): it prints values, and so secrets
        found = error.errors(include_input=False, include_url=False, include_context=True)
    first = min(found, key=lambda one: one["type"] != "unexpected_keyword_argument")
    where = _where(first["loc"])
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    raise Unprocessable(
        _sentence(first, where, noun) + more,
        hint=_advice(kind, first, noun),
        field=where,
    )


def _where(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return _printable(text.removeprefix("."))


def _printable(text: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."


_SAID = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_unicode": HALF,
    "list_type": "must be a list",
    "dataclass_type": "must be an object",
    "dict_type": "must be an object",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def _sentence(found: ErrorDetails, where: str, noun: str) -> str:
    kind = found["type"]
    if kind == "unexpected_keyword_argument":
        return f"unknown {noun} `{where}`"
    words = _SAID.get(kind) or found["msg"].replace("Input should", "must").replace(
        "String should", "must"
    )
    words = re.sub(r"^(List|Value) should", "must", words).replace(" after validation", "")
    return f"`{where}` {words[0].lower()}{words[1:]}"


def _advice(kind: type[Any], found: ErrorDetails, noun: str) -> str:
    known = [each.name for each in fields(_section(kind, found["loc"][:-1]))]
    if found["type"] != "unexpected_keyword_argument":
        return ""
    name = str(found["loc"][-1])
    # comparing takes long for a long name, which is nobody's slip of the pen
    meant = difflib.get_close_matches(name, known, n=1) if len(name) <= _LONGEST_NAME else []
    if meant:
        return f"did you mean `{meant[0]}`?"
    return f"known: {', '.join(known)}" if known else f"this call takes no {noun}"


def _section(kind: type[Any], loc: tuple[int | str, ...]) -> type[Any]:
    """Give the shape within a shape to which a place leads."""
    for step in loc:
        hint = get_type_hints(kind).get(str(step))
        inner = [arm for arm in (hint, *get_args(hint)) if is_dataclass(arm)]
        kind = inner[0] if inner and isinstance(inner[0], type) else kind
    return kind
