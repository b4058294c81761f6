"""What a field of a call says of itself beside its type: its bounds, its test, its description.

Owns these marks and how the reader of shapes understands them. Never reads a value by itself.
Written on the shapes in `api.fields`, `api.commands` and `api.limits`.

Law 1. A shape can be written down without the library that reads it: a daemon that nobody calls
       has no need of that one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: a schema of the library, and who gives that of the type that a mark stands on
Schema = Any
Inner = Callable[[Any], Schema]


class Unfit(ValueError):
    """A value that a field does not take; the text follows the field's name in an answer."""


class Bounds:
    """How long a text or a list may be, how large a number, and whether its type is strict."""

    def __init__(self, **bounds: int | bool) -> None:
        """Keep them by the reader's names: `ge`, `le`, `min_length`, `max_length`, `strict`..."""
        self._bounds = bounds

    def __get_pydantic_core_schema__(self, kind: Any, inner: Inner) -> Schema:
        """Put them on the type."""
        return {**inner(kind), **self._bounds}


@dataclass(frozen=True, slots=True)
class Checked:
    """A value of the right type is judged, or replaced, by a function; `Unfit` refuses it."""

    check: Callable[[Any], Any]
    #: whether the function comes first, to bring the value into the form that the type has
    is_first: bool = False

    def __get_pydantic_core_schema__(self, kind: Any, inner: Inner) -> Schema:
        """Put the function around the type."""
        # whoever asks for a schema has the library already
        from pydantic_core import PydanticCustomError, core_schema  # noqa: PLC0415 - see above

        def run(value: Any) -> Any:
            try:
                return self.check(value)
            except Unfit as unfit:
                raise PydanticCustomError("said", "{what}", {"what": str(unfit)}) from unfit

        around = (
            core_schema.no_info_before_validator_function
            if self.is_first
            else core_schema.no_info_after_validator_function
        )
        return around(run, schema=inner(kind))


class Described:
    """What the documentation says of a field in the place of what its type would say."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Keep the JSON Schema."""
        self._schema = schema

    def __get_pydantic_json_schema__(self, _schema: Schema, _inner: Inner) -> dict[str, Any]:
        """Give it."""
        return dict(self._schema)
