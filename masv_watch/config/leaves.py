"""Make types of the checks of single values, as the schema's sections use them.

Owns how a check of ours becomes a validator, and the kinds of values that many keys share. Never
knows a key. Used by `sections` and `schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from masv_watch.config import hosts, values
from masv_watch.config.origins import BROKEN
from masv_watch.config.problems import Wrong
from masv_watch.model import Secret

T = TypeVar("T")


def leaf(check: Callable[[object], T]) -> PlainValidator:
    """Let one of our checks judge a value; what could not be fetched passes, it is noted."""

    def run(value: object) -> object:
        if value is BROKEN or value is None:
            return value  # `nothings` reports a value that is not there
        try:
            return check(value)
        except Wrong as wrong:
            raise _told(wrong) from wrong

    return PlainValidator(run)


def first(check: Callable[[object], object]) -> BeforeValidator:
    """Let one of our checks bring a value into the form that its keys are then read from."""

    def run(value: object) -> object:
        if value is BROKEN or value is None:
            return value
        try:
            return check(value)
        except Wrong as wrong:
            raise _told(wrong) from wrong

    return BeforeValidator(run)


def _told(wrong: Wrong) -> PydanticCustomError:
    facts = {"what": wrong.message, "passage": wrong.passage, "below": wrong.below}
    return PydanticCustomError("wrong", "wrong", facts)


Text = Annotated[str, leaf(values.text)]
Prose = Annotated[str, leaf(values.message)]
Template = Annotated[str, leaf(values.template)]
Flag = Annotated[bool, leaf(values.flag)]
Name = Annotated[str, leaf(values.name)]
Label = Annotated[str, leaf(hosts.label)]
Path = Annotated[str, leaf(values.path)]
Address = Annotated[str, leaf(values.address)]
SecretText = Annotated[Secret, leaf(values.secret)]
#: of every section: a key that is not known is no key
FORBID: dict[str, Any] = {"extra": "forbid"}
