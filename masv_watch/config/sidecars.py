"""Say what a sidecar may be called and may say, and read one that anybody may have written.

Owns the form of the key `sidecar`, and the words for a sidecar that cannot be used. Never opens
one: its bytes are handed in. Called by the schema and by `relations` for the key, and by the room
that looks at drops for what lies with one.

Law 1. A sidecar is a stranger's: it has no tag, so that it names no file, secret or variable, and
       it may set what the rule lists and nothing else.
Law 2. Recipients only within `limits.domains`: else whoever can write into a folder could have its
       drops mailed to himself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from masv_watch.config import nodes, values
from masv_watch.config.problems import (
    TOP,
    Place,
    Source,
    Wrong,
    listed,
    nearest,
    place_of,
    quoted,
    shown_key,
)
from masv_watch.config.reading import Path, Reading
from masv_watch.model import SETTABLE, Limits, Override, Sidecar

#: values, and ends of lists and mappings, of the largest sidecar that is read
MOST_VALUES = 1000
#: characters of a message, recipients, and problems that are told
_LONGEST = 10_000
_MOST_RECIPIENTS = 100
_MOST_TOLD = 3
_EXAMPLE = 'as "message: for the edit"'

name = values.beside("{name}.masv.yml", "{name}/masv.yml")


def name_alone(value: object) -> object:
    """Let the name alone stand for the whole key."""
    return {"name": value} if isinstance(value, str) else value


def settable(value: object) -> str:
    """Accept the name of one thing that a sidecar may set."""
    if value == "metadata":
        raise Wrong(f"`metadata` goes nowhere: MASV takes none with a package - {listed(SETTABLE)}")
    return values.one_of(*SETTABLE)(value)


def check(reading: Reading, at: Path) -> None:
    """Note the faults and warnings of one hot folder's sidecars."""
    here = (*at, "sidecar")
    if not reading.has(*here):
        return
    said = reading.get(*here)
    named = said.get("name") if isinstance(said, dict) else said
    place = (*here, "name") if isinstance(said, dict) else here
    marker = reading.get(*at, "settle", "done_marker") or reading.get(
        "defaults", "settle", "done_marker"
    )
    if isinstance(named, str) and named == marker:
        reading.fault(place, "is the done marker, too - give each a name of its own")
    if reading.get(*at, "early") is True:
        reading.warn((*at, "early"), "has no effect beside `sidecar`, read when a drop is whole")
    is_batch = reading.get(*at, "drop") == "batch"
    if is_batch:
        message = "of a batch, the sidecar of the drop that begins the package counts"
        reading.warn(here, message, at_key=True)
    for where, key in reading.texts(*here, "may_set"):
        if key == "recipients":
            _recipients(reading, at, where, is_batch=is_batch)


def _recipients(reading: Reading, at: Path, where: Path, *, is_batch: bool) -> None:
    if reading.has(*at, "to", "portal"):
        reading.fault(where, "`recipients` cannot be set: a portal has its own - leave them out")
    elif is_batch:
        message = "`recipients` cannot be set: a batch is one package, which cannot go to several"
        reading.fault(where, f"{message} - use another `drop`")
    elif not (
        reading.has(*at, "limits", "domains") or reading.has("defaults", "limits", "domains")
    ):
        message = (
            "`recipients` needs limits.domains: else whoever can write into the folder could have"
            " its drops mailed to himself - add `limits: {domains: [example.com]}`"
        )
        reading.fault(where, message)


@dataclass(slots=True)
class _Form:
    """A sidecar as it is read."""

    source: Source
    tree: nodes.Mapping
    wants: Sidecar
    limits: Limits
    problems: list[str] = field(default_factory=list)

    def fault(self, place: Place, path: str, message: str) -> None:
        self.problems.append(self.source.problem(place, path, message).line())


def read(
    content: bytes, file: str, wants: Sidecar, limits: Limits
) -> tuple[Override, tuple[str, ...]]:
    """Give what a sidecar sets, and why it cannot be used; () when it can.

    `file` is how it is called in each reason: `file:line:col: key: what is wrong - what may be`.
    """
    source = Source(file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        message = f"the byte 0x{content[error.start]:02X} is not UTF-8 - save the file as UTF-8"
        return Override(), (
            source.problem(place_of(before, len(before)), "syntax", message).line(),
        )
    source.lines = Source(file, text).lines
    tree, problems = nodes.read(source, text, tags=(), most=MOST_VALUES)
    told = [problem.line() for problem in sorted(set(problems))]
    if not told and not isinstance(tree, nodes.Mapping):
        found = "empty" if tree is None else "no mapping"
        place = TOP if tree is None else tree.start
        what = f"the file is {found} - it holds lines with {_allowed(wants)}, {_EXAMPLE}"
        told = [source.problem(place, "top level", what).line()]
    if told or not isinstance(tree, nodes.Mapping):
        return Override(), _first(told)
    form = _Form(source, tree, wants, limits)
    override = _override(form)
    return override, _first(form.problems)


def _first(problems: list[str]) -> tuple[str, ...]:
    more = len(problems) - _MOST_TOLD
    told = problems[:_MOST_TOLD]
    return (*told, f"and {more} more") if more > 0 else tuple(told)


def _allowed(wants: Sidecar) -> str:
    keys = [key for key in SETTABLE if key in wants.may_set]
    return listed(keys) if keys else "nothing, as the rule has it"


def _override(form: _Form) -> Override:
    given: dict[str, Any] = {}
    for key, (place, value) in form.tree.entries.items():
        if key not in form.wants.may_set:
            form.fault(place, "top level", _refusal(key, form.wants))
            continue
        plain = _plain(value)
        if plain is None:
            form.fault(place, key, "is empty - write a value or remove the key")
            continue
        given[key] = _checked(form, key, value, plain)
    return Override(**given) if not form.problems else Override()


def _refusal(key: str, wants: Sidecar) -> str:
    if key in SETTABLE:
        why = f"{shown_key(key)} may not be set here: the rule's sidecar.may_set does not list it"
    elif key == "metadata":
        why = "`metadata` goes nowhere: MASV takes none with a package"
    else:
        meant = nearest(key, wants.may_set)
        why = f"unknown key {shown_key(key)}" + (f" (did you mean `{meant}`?)" if meant else "")
    return f"{why} - {_allowed(wants)}"


def _checked(form: _Form, key: str, tree: nodes.Tree, plain: object) -> object:
    checks: dict[str, Callable[[object], object]] = {
        "message": _message,
        "priority": values.whole(-100, 100),
        "recipients": partial(_addresses, form.limits),
    }
    try:
        return checks[key](plain)
    except Wrong as wrong:
        place = nodes.locate(tree, wrong.below)
        if wrong.passage and isinstance(tree, nodes.Scalar):
            place = form.source.find(wrong.passage, tree.start, tree.end)
        form.fault(place, key + "".join(f"[{step}]" for step in wrong.below), wrong.message)
        return None


def _message(value: object) -> str:
    given = values.message(value)
    if len(given) > _LONGEST:
        raise Wrong(f"holds {len(given)} characters - {_LONGEST} at most")
    return given


def _addresses(limits: Limits, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Wrong(f"must be a list, not {values.kind(value)} - write [ADDRESS, ...]")
    if not 1 <= len(value) <= _MOST_RECIPIENTS:
        raise Wrong(f"names {len(value)} - 1 to {_MOST_RECIPIENTS} addresses")
    kept: dict[str, str] = {}
    for number, one in enumerate(value):
        try:
            given = _within(values.address(one), limits)
        except Wrong as wrong:
            raise Wrong(wrong.message, below=(number,)) from wrong
        kept.setdefault(given.casefold(), given)
    return tuple(kept.values())


def _within(recipient: str, limits: Limits) -> str:
    """Refuse whoever is of no domain that the rule allows; `ask` holds him instead."""
    domains = limits.domains or ()
    if limits.asks_new_domains or recipient.rpartition("@")[2].casefold() in domains:
        return recipient
    allowed = listed(domains[:20]) or "nobody"
    raise Wrong(f"{quoted(recipient)} is not of limits.domains - {allowed}")


def _plain(tree: nodes.Tree) -> object:
    """Give a value without its places; what is nested deeper than anything allowed is a mapping."""
    if isinstance(tree, nodes.Scalar):
        return tree.value
    if isinstance(tree, nodes.Sequence):
        return [
            one.value if isinstance(one, nodes.Scalar) else _plain_kind(one)
            for one in tree.elements
        ]
    return {}


def _plain_kind(tree: nodes.Sequence | nodes.Mapping) -> list[object] | dict[str, object]:
    return [] if isinstance(tree, nodes.Sequence) else {}
