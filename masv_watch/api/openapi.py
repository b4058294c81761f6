"""Describe the API: OpenAPI 3.1, made of the table of routes and the shapes that they name.

Owns how a route and a shape are written down. Never knows a call by itself, so that the description
cannot drift from what is served. Called by `api.app` once.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from masv_watch import __version__
from masv_watch.api.calls import BASE, Route
from masv_watch.api.guard import OPEN_TO_ALL
from masv_watch.api.shapes import ErrorBody

_REF = "#/components/schemas/{model}"
_PIECE = re.compile(r"<(\w+)>")
#: how every call can be refused, whatever it asks for
_ALWAYS = (400, 403, 500)
_WORDS = {
    400: "The request cannot be read.",
    401: "The caller did not prove who he is.",
    403: "The call names a foreign host, a page of another site made it, or the caller may not"
    " do this.",
    404: "There is nothing of that name.",
    409: "Not in this state; `state` and `allowed` say what is possible.",
    413: "The body is larger than 8 MiB.",
    415: "The body is not declared as JSON.",
    422: "A field or parameter is missing, unknown or wrong; `field` names it.",
    500: "The daemon failed; its log has more.",
    502: "The cloud did not answer, or refused.",
    503: "Not now; Retry-After says when to ask again.",
    507: "The disk of the state is full; nothing was changed.",
}
_NO_SESSION = (
    "The caller did not prove who he is, or nobody is signed in at the cloud: then `code` is"
    " 262146 and `message` mostly `session is nil`."
)
_NOT_READABLE = "A source cannot be read now; `message` says which and why."
#: what the fields of answers hold beside their type
_FORMATS = {
    "upload_id": "uuid",
    **dict.fromkeys(
        (
            "created_at",
            "finalized_at",
            "since",
            "until",
            "seen_at",
            "paused_at",
            "last_sweep",
            "made_at",
            "next_try",
        ),
        "date-time",
    ),
}

Json = dict[str, Any]


def document(table: list[Route]) -> Json:
    """Give the whole description, of itself too."""
    itself = Route(
        method="GET",
        path=f"{BASE}/openapi.json",
        answer=dict,
        gives=None,
        summary="Describe this API.",
    )
    shapes = _Shapes(table)
    paths: dict[str, Json] = {}
    for route in (*table, itself):
        path = _PIECE.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, shapes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "masv-watch",
            "version": __version__,
            "description": "Uploads to MASV, as masv-agent documents them, and hot folders.",
        },
        "paths": paths,
        "components": {
            "schemas": shapes.definitions,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # nothing: on loopback the kernel says who calls
        "security": [{}, {"token": []}],
    }


class _Shapes:
    """The schemas of every shape that the table names."""

    def __init__(self, table: list[Route]) -> None:
        kinds: dict[int, tuple[Any, JsonSchemaMode]] = {id(ErrorBody): (ErrorBody, "serialization")}
        for route in table:
            if route.gives is not None:
                kinds[id(route.gives)] = (route.gives, "serialization")
            if route.takes is not None:
                kinds[id(route.takes)] = (route.takes, "validation")
            if route.asks is not None:
                kinds[id(route.asks)] = (route.asks, "validation")
        wanted = [(key, mode, TypeAdapter(kind)) for key, (kind, mode) in kinds.items()]
        found, rest = TypeAdapter.json_schemas(wanted, ref_template=_REF)
        self._of = {key: schema for (key, _), schema in found.items()}
        self.definitions: Json = rest.get("$defs", {})
        for definition in self.definitions.values():
            for name, schema in definition.get("properties", {}).items():
                if name in _FORMATS:
                    _say_format(schema, _FORMATS[name])

    def of(self, kind: Any) -> Json:
        """Give the schema of a shape, mostly a reference."""
        return dict(self._of[id(kind)])

    def fields(self, kind: Any) -> Json:
        """Give the fields of a shape by name."""
        schema = self._whole(kind)
        return dict(schema.get("properties", {}))

    def required(self, kind: Any) -> frozenset[str]:
        """Give the names of the fields that must be there."""
        return frozenset(self._whole(kind).get("required", ()))

    def _whole(self, kind: Any) -> Json:
        schema = self.of(kind)
        if "$ref" in schema:
            return dict(self.definitions[schema["$ref"].rpartition("/")[2]])
        return schema


def _say_format(schema: Json, form: str) -> None:
    for arm in schema.get("anyOf", [schema]):
        if arm.get("type") == "string":
            arm["format"] = form


def _operation(route: Route, shapes: _Shapes) -> Json:
    operation: Json = {
        "operationId": _name_of(route),
        "summary": route.summary,
        "responses": _responses(route, shapes),
    }
    parameters = _parameters(route, shapes)
    if parameters:
        operation["parameters"] = parameters
    if route.path in OPEN_TO_ALL:
        operation["security"] = []
    if route.takes is not None:
        operation["requestBody"] = {
            # its type has to be declared even where nothing need be said
            "required": True,
            "content": {"application/json": {"schema": shapes.of(route.takes)}},
        }
    return operation


def _parameters(route: Route, shapes: _Shapes) -> list[Json]:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PIECE.findall(route.path)
    ]
    if route.asks is not None:
        needed = shapes.required(route.asks)
        parameters += [
            {"name": name, "in": "query", "required": name in needed, "schema": _filled(schema)}
            for name, schema in shapes.fields(route.asks).items()
        ]
    if route.is_create:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "A repeat with the same key and body gives the same upload.",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 255,
                    "pattern": "^[ -~]*$",
                },
            }
        )
    if _is_stream(route):
        parameters.append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "description": "The number of the last move that is known; goes before `after`.",
                "schema": {"type": "string"},
            }
        )
    return parameters


def _filled(schema: Json) -> Json:
    """Leave out that a parameter may be null: one that is not given is just not there."""
    arms = [arm for arm in schema.get("anyOf", ()) if arm.get("type") != "null"]
    if len(arms) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**arms[0], **rest}


def _responses(route: Route, shapes: _Shapes) -> Json:
    good: Json = {
        "description": "Done.",
        "content": {route.form.partition(";")[0]: {"schema": _answer(route, shapes)}},
    }
    if route.is_create:
        good["headers"] = {"Location": _header("Where the upload is.", is_sure=True)}
    if route.asks is not None and "limit" in shapes.fields(route.asks):
        good["headers"] = {"Link": _header('The next page (rel="next"), while there is one.')}
    failed = {"application/json": {"schema": shapes.of(ErrorBody)}}
    answers: Json = {str(route.status): good}
    for status in _refusals(route):
        is_health = status == 503 and route.path in OPEN_TO_ALL
        answers[str(status)] = {
            "description": _words(route, status),
            "content": good["content"] if is_health else failed,
        }
        if status == 401:
            challenge = _header("Bearer, where the token is missing.")
            answers["401"]["headers"] = {"WWW-Authenticate": challenge}
        if status == 503 and not is_health:
            wait = _header("Seconds.", is_sure=True, kind="integer")
            answers["503"]["headers"] = {"Retry-After": wait}
    return answers


def _answer(route: Route, shapes: _Shapes) -> Json:
    if _is_stream(route):
        data = {"contentMediaType": "application/json", "contentSchema": shapes.of(route.gives)}
        fields: Json = {"id": {}, "event": {}, "data": data}
        return {
            "type": "object",
            "description": "One event; `id` is the number of a move, `event` its noun or `gap`.",
            "properties": {name: {"type": "string", **rest} for name, rest in fields.items()},
            "required": list(fields),
        }
    if route.gives is None:
        return {"type": "object" if route.form == "application/json" else "string"}
    return shapes.of(route.gives)


def _refusals(route: Route) -> list[int]:
    statuses = {*_ALWAYS, *route.refuses}
    if route.path not in OPEN_TO_ALL:
        statuses.add(401)
    if route.path.startswith(BASE) and route.gives is not None:
        statuses.add(503)
    if route.takes is not None:
        statuses |= {413, 415}
    if route.method != "GET":
        statuses.add(507)
    return sorted(statuses)


def _words(route: Route, status: int) -> str:
    if status == 401 and route.needs_session:
        return _NO_SESSION
    if status == 409 and "paths" in _names(route.takes):
        return _NOT_READABLE if route.is_create else f"{_WORDS[409]} Or: {_NOT_READABLE}"
    return _WORDS[status]


def _names(kind: type[Any] | None) -> set[str]:
    return set(getattr(kind, "__dataclass_fields__", ()))


def _header(what: str, *, is_sure: bool = False, kind: str = "string") -> Json:
    return {"description": what, "required": is_sure, "schema": {"type": kind}}


def _is_stream(route: Route) -> bool:
    return route.form == "text/event-stream"


def _name_of(route: Route) -> str:
    words = _PIECE.sub("one", route.path.removeprefix(BASE)).strip("/").replace("/", "_")
    return f"{route.method.lower()}_{words}"
